"""Requests to a Qdrant server: made again where it may be back soon, and refusals in our words."""

import json
import logging
import re
import threading
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlsplit

from grpc import Call, RpcError, StatusCode
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from indexer.addresses import hide_password, hide_passwords
from indexer.errors import StoreAwayError, StoreError
from indexer.progress import waiting
from indexer.store.address import MEMORY, ServerAddress
from indexer.store.settings import ServerSettings

FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 10.0
ASKED_FOR_S = 3.0
PASSING = frozenset({429, 500, 502, 503, 504})
"""Status codes of a server that is busy, starting or has lost a node for a moment."""
PASSING_CODES = (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED)
HINTS = {
    401: "Check the API key in QDRANT_API_KEY.",
    403: "The key in QDRANT_API_KEY may only read, or not do this. To add documents, use one that may write.",
}
"""What a person can do, by status code."""
NO_REPLICA = re.compile(
    r"no (?:active|alive|living) replica|replica.{0,80}(?:not available|unavailable|dead)", re.IGNORECASE
)
METADATA = re.compile(r"[,:]?\s*(?:(?:metadata|details): )?(?:MetadataMap )?\{.*", re.DOTALL)
"""What gRPC inside the server adds to its words."""

logger = logging.getLogger(__name__)


class Requests:
    """Makes requests to one server, by any of its addresses.

    Args:
        address: of the server.
        api_key: sent with each request.
        settings: time limits, protocol and patience.
    """

    def __init__(self, address: ServerAddress, api_key: str | None, settings: ServerSettings) -> None:
        self._shown_url, self._settings = address.shown, settings
        # qdrant-client's memory mode is plain Python dictionaries and not safe between threads.
        self._guard: AbstractContextManager[object] = (
            threading.RLock() if address.is_memory else nullcontext()
        )
        self._closing = threading.Event()
        self.clients = [_connect(url, api_key, settings) for url in address.urls]
        self._turn = 0  # which of them is asked

    def close(self) -> None:
        """End waiting, and all connections."""
        self._closing.set()
        for client in self.clients:
            client.close()

    def __call__(self, request: str, *values: Any, is_asked_for: bool = False, **options: Any) -> Any:
        """Make a request, again where the server may be back soon, and say in our words what went wrong.

        Args:
            request: method of the client.
            values: for it.
            is_asked_for: somebody waits for the answer, so it is given up after ``ASKED_FOR_S``.
            options: for it.
        """
        patience = min(self._settings.patience_s, ASKED_FOR_S) if is_asked_for else self._settings.patience_s
        deadline = time.monotonic() + patience
        pause = FIRST_PAUSE_S
        while True:
            if self._closing.is_set():
                raise StoreError("The vector store is closed. Open it again to use it.")
            turn = self._turn
            try:
                with self._guard:
                    return getattr(self.clients[turn], request)(*values, **options)
            except (ApiException, RpcError, ValueError) as error:
                if not _may_pass(error) or time.monotonic() + pause > deadline:
                    raise self._refusal(error) from error
                logger.info("waiting for the Qdrant server at %s: %s", self._shown_url, _short(error))
                waiting.get()(f"waiting for the Qdrant server at {self._shown_url}")
            self._turn = (turn + 1) % len(self.clients)  # another node may answer
            self._closing.wait(pause)
            pause = min(2 * pause, LAST_PAUSE_S)

    def _refusal(self, error: Exception) -> StoreError:
        if isinstance(error, ResponseHandlingException | RpcError) and _may_pass(error):
            return StoreAwayError(
                f"The Qdrant server at {self._shown_url} does not answer ({_short(error)}). Start it, or "
                "check --qdrant-url."
            )
        if not isinstance(error, UnexpectedResponse):
            return StoreError(f"Qdrant at {self._shown_url} refused: {_short(error)}.")
        text = error.content.decode("utf-8", "replace")
        if NO_REPLICA.search(text):
            return StoreAwayError(
                f"Part of this collection is on a node of {self._shown_url} that does not answer. Start that "
                "node, or keep two copies of what is new (--qdrant-replicas 2)."
            )
        kind = StoreAwayError if _may_pass(error) else StoreError
        hint = HINTS.get(error.status_code or 0, "See the log of the server.")
        return kind(
            f"The Qdrant server at {self._shown_url} refused with status {error.status_code}: "
            f"{_reason(text)}. {hint}"
        )


def _connect(url: str, api_key: str | None, settings: ServerSettings) -> QdrantClient:
    if url == MEMORY:
        return QdrantClient(MEMORY)
    try:
        with warnings.catch_warnings():
            # In Python's form, which names a line of the client; ours follows.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            client = QdrantClient(
                url=url,
                api_key=api_key,
                timeout=settings.timeout_s,
                check_compatibility=False,
                prefer_grpc=settings.grpc,
            )
    except (ValueError, TypeError):
        raise StoreError(
            f"The Qdrant address {hide_password(url)!r} cannot be used; expected http://host:6333."
        ) from None  # its words quote the address
    if api_key and url.startswith("http://") and not _is_here(url):
        logger.warning(
            "The key of the Qdrant server goes over the network unencrypted to %s; use https where you can",
            hide_password(url),
        )
    return client


def _is_here(url: str) -> bool:
    """Whether an address is of this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def _may_pass(error: Exception) -> bool:
    """Whether the same request may well be answered a little later."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in PASSING
    if isinstance(error, RpcError):
        return isinstance(error, Call) and error.code() in PASSING_CODES
    return isinstance(error, ResponseHandlingException)


def _short(error: Exception) -> str:
    return hide_passwords(" ".join(str(error).split()))[:200] or type(error).__name__


def _reason(text: str) -> str:
    """What a server says, without the form it says it in."""
    try:
        answer = json.loads(text)
        status = answer["status"]
        reason = str(status["error"] if isinstance(status, dict) else status)
    except (ValueError, KeyError, TypeError):
        reason = text
    return METADATA.sub("", " ".join(reason.split()))[:300].rstrip(". ")
