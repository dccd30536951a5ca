"""Which requests the page answers: those sent to a name it serves, and not sent by the page of another site.

A site can point its own name at 127.0.0.1 (DNS rebinding); its scripts then share an origin with this page,
unless the ``Host`` of a request is checked. Browsers name the sender of a request in ``Origin``; programs
send none and are answered as ever.
"""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ui.errors import LaunchError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}
POLICY_VIOLATION = 1008  # of a WebSocket, RFC 6455


@dataclass(frozen=True)
class Served:
    """The names a page answers to.

    Args:
        host: the address it listens on.
        port: the port it listens on.
        extra: further names, each perhaps with a port, for example of a proxy in front of the page.
    """

    host: str
    port: int
    extra: tuple[tuple[str, int | None], ...] = ()

    def answers_to(self, host: str) -> bool:
        """Whether the ``Host`` of a request is a name of this page; its port may be that of a tunnel."""
        parsed = split_host(host)
        if parsed is None:
            return False
        name = parsed[0]
        if is_loopback(name) or name == _normalised(self.host) or name in dict(self.extra):
            return True
        return _is_wildcard(self.host) and (_is_address(name) or name in _machine_names())

    def trusts(self, origin: str, host: str) -> bool:
        """Whether a request of a page of ``origin`` to ``host`` comes from this page itself."""
        try:
            parts = urlsplit(origin)
            default = DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return False
        sender = split_host(parts.netloc)
        if default is None or sender is None or parts.path or parts.query or parts.fragment:
            return False
        name, port = sender[0], sender[1] or default
        addressed = split_host(host)
        if addressed is not None and (name, port) == (addressed[0], addressed[1] or default):
            return True
        # A proxy may put the address of the page in place of its own name.
        return any(name == known and port in _ports(only, self.port) for known, only in self.extra)


class OriginGuard:
    """ASGI middleware that answers 403 where :class:`Served` says no."""

    def __init__(self, app: App, served: Served) -> None:
        self.app = app
        self.served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with a sentence."""
        words = self._refusal(scope["headers"]) if scope["type"] in ("http", "websocket") else None
        if words is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            head = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": words.encode()})

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or not self.served.answers_to(hosts[0]):
            return (
                f"This page is not served under the name {_quoted(hosts)}. Open it under the address that "
                "the app printed, or start the app with --allow-host NAME.\n"
            )
        origins = _values(headers, b"origin")
        if not all(self.served.trusts(origin, hosts[0]) for origin in origins):
            return (
                f"Requests of pages of {_quoted(origins)} are refused. Use the page of this app, or start "
                "the app with --allow-host NAME if that is its own name.\n"
            )
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    name = _normalised(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def split_host(host: str) -> tuple[str, int | None] | None:
    """Name, in lower case and without brackets, and port of a ``Host``; None when it is not one."""
    match = HOST.fullmatch(host.strip())
    if match is None:
        return None
    return _normalised(match["name"]), int(match["port"]) if match["port"] else None


def parse_allowed(names: Iterable[str]) -> tuple[tuple[str, int | None], ...]:
    """What ``--allow-host`` names.

    Raises:
        LaunchError: one of them is not a name, perhaps with a port.
    """
    results = []
    for name in names:
        parsed = split_host(f"[{name}]" if _is_address(name) and ":" in name else name)
        if parsed is None:
            raise LaunchError(
                f"'{name}' cannot be given to --allow-host. Expected the name under which browsers open the "
                "page, such as search.example.org or search.example.org:8443, without http://."
            )
        results.append(parsed)
    return tuple(results)


def _ports(only: int | None, own: int) -> set[int]:
    return {own, *DEFAULT_PORTS.values()} if only is None else {only}


def _normalised(host: str) -> str:
    name = host.casefold().removeprefix("[").removesuffix("]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_wildcard(host: str) -> bool:
    name = _normalised(host)
    return not name or (_is_address(name) and ipaddress.ip_address(name).is_unspecified)


def _machine_names() -> set[str]:
    """How other machines of a network may call this one: only where it listens on all its addresses."""
    name = _normalised(socket.gethostname())
    return {name, name.split(".", 1)[0], f"{name.split('.', 1)[0]}.local"} - {""}


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _quoted(words: list[str]) -> str:
    return "'" + "".join(char if char.isprintable() else "?" for char in ", ".join(words))[:200] + "'"
