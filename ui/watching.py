"""``GET /health`` and ``GET /metrics``: answered before the page, for load balancers and Prometheus.

``/health`` says to anybody whether the library works, and nothing else. ``/metrics`` is for whoever runs the
app: on a page that others reach it wants a name and password of the auth file.
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Iterable

from indexer.errors import IndexerError
from ui.origins import App, Receive, Scope, Send
from ui.services.metrics import Metrics

logger = logging.getLogger(__name__)

TEXT = b"text/plain; charset=utf-8"
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
Checker = Callable[[str, str], Awaitable[bool]]


class Watched:
    """ASGI middleware.

    Args:
        app: answers everything else.
        metrics: of the library.
        is_private: whether only the person at this machine reaches the page.
        may_enter: checks a name and password; None: there are none.
    """

    def __init__(self, app: App, metrics: Metrics, is_private: bool, may_enter: Checker | None) -> None:
        self.app, self._metrics = app, metrics
        self._is_private, self._may_enter = is_private, may_enter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
        elif scope["path"] == "/health":
            await self._health(send)
        elif scope["path"] == "/metrics":
            await self._numbers(scope["headers"], send)
        else:
            await self.app(scope, receive, send)

    async def _health(self, send: Send) -> None:
        trouble = await asyncio.to_thread(self._metrics.trouble)
        if trouble is None:
            await _answer(send, 200, b"ok\n")
            return
        logger.warning("/health: %s", trouble)
        await _answer(send, 503, b"The library does not answer; the log of the app says why.\n")

    async def _numbers(self, headers: Iterable[tuple[bytes, bytes]], send: Send) -> None:
        if not (self._is_private or await self._is_let_in(headers)):
            words = b"Numbers are for those in the auth file of this app (--auth-file).\n"
            await _answer(send, 401, words, ask=True)
            return
        try:
            await _answer(send, 200, await asyncio.to_thread(self._metrics.text), kind=PROMETHEUS)
        except IndexerError as error:
            logger.warning("/metrics: %s", error)
            await _answer(send, 503, b"The library does not answer; the log of the app says why.\n")

    async def _is_let_in(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        sent = next((value for name, value in headers if name.lower() == b"authorization"), b"")
        scheme, _, packed = sent.partition(b" ")
        if self._may_enter is None or scheme.lower() != b"basic":
            return False
        try:
            name, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return await self._may_enter(name, password)


async def _answer(send: Send, status: int, body: bytes, *, kind: bytes = TEXT, ask: bool = False) -> None:
    head = [(b"content-type", kind), (b"cache-control", b"no-store")]
    if ask:
        head.append((b"www-authenticate", b'Basic realm="me5-search"'))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
