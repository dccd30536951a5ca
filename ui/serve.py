"""Serves the page: checks address and logins first, then opens the library and answers until stopped."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import IndexerError
from ui import auth
from ui.errors import LaunchError
from ui.origins import OriginGuard, Served, is_loopback, parse_allowed

if TYPE_CHECKING:
    from indexer.library.library import Library
    from ui.services.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_UPLOAD = "2gb"


@dataclass(frozen=True)
class Address:
    """Where the page listens, who may enter, and under which further names it is opened."""

    host: str = "127.0.0.1"
    port: int = 7860
    auth_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()

    @property
    def is_private(self) -> bool:
        """Whether only the person at this machine can use the page."""
        return is_loopback(self.host) and self.auth_file is None and not self.allow_hosts


def check_address(address: Address) -> dict[str, str]:
    """The users of the auth file, after making sure that the page may and can be served there.

    Raises:
        LaunchError: a public address without logins, a broken login file, a further name that is not one,
            or a port that is taken.
    """
    parse_allowed(address.allow_hosts)
    if not is_loopback(address.host) and address.auth_file is None:
        raise LaunchError(
            f"The address {address.host} can be reached from other machines, and no --auth-file was given. "
            "Expected a file of lines user:password for a public address. Run `python -m ui.auth USER` to "
            "make such a line, or leave --host out to serve this machine only."
        )
    users = auth.read_auth_file(address.auth_file) if address.auth_file else {}
    check_port(address)
    return users


def check_port(address: Address) -> None:
    """Raise LaunchError when the address cannot be bound."""
    host = address.host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, address.port))
        except (OSError, OverflowError) as error:
            other = address.port + 1 if address.port < 65_535 else 7861
            raise LaunchError(
                f"Port {address.port} on {address.host} cannot be used ({error}). Expected a free port. "
                f"Choose another one, for example --port {other}."
            ) from error


def serve(
    open_library: Callable[[], AbstractContextManager["Library"]],
    data_dir: Path,
    address: Address,
    *,
    announce: Callable[[str], None] = print,
) -> None:
    """Open the library and answer at the address until SIGINT or SIGTERM.

    Args:
        open_library: makes the library; called only after the address was found usable.
        data_dir: the data folder; uploads and exports pass through ``data_dir/tmp``.
        announce: told the address of the page once it answers.
    """
    users = check_address(address)
    _keep_to_this_machine(data_dir)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_library() as library:
        logger.info(
            "model %s is ready", library.encoder.spec.name
        )  # before the first question, not during it
        warming = threading.Thread(target=_warm, args=(library, stop), name="warm", daemon=True)
        warming.start()  # while the page is built
        try:
            _answer(library, data_dir, address, users, stop=stop, announce=announce)
        finally:
            stop.set()
            warming.join()


def _answer(
    library: "Library",
    data_dir: Path,
    address: Address,
    users: dict[str, str],
    *,
    stop: threading.Event,
    announce: Callable[[str], None],
) -> None:
    from ui.build import build
    from ui.services.library import Services

    services = Services(library, data_dir, is_private=address.is_private)
    services.clean_temporary()
    page = build(services)
    try:
        _, url, _ = page.launch(**launch_options(data_dir, address, users, services.metrics))
        announce(url.rstrip("/"))
        stop.wait()
    finally:
        page.close()


def _warm(library: "Library", stop: threading.Event) -> None:
    """Prepare the first search of every collection while the person finds the box to type in."""
    for collection in library.collections():
        if stop.is_set():
            return
        try:
            library.warm(collection.name)
        except IndexerError as error:
            logger.warning("%s cannot be searched: %s", collection.name, error)
        except Exception:  # a search will say what is wrong, to whom it concerns
            logger.exception("%s could not be prepared for search", collection.name)


def _keep_to_this_machine(data_dir: Path) -> None:
    """Environment that gradio reads when it is imported: no analytics, uploads inside the data folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(data_dir / "tmp" / "uploads")


def launch_options(
    data_dir: Path, address: Address, users: dict[str, str], metrics: "Metrics"
) -> dict[str, Any]:
    """Arguments for ``Blocks.launch``."""
    import gradio as gr
    from starlette.middleware import Middleware

    from ui.build import HEAD
    from ui.theme import STYLE, WORDS, theme
    from ui.watching import Watched

    served = Served(address.host, address.port, parse_allowed(address.allow_hosts))
    may_enter = auth.checker(users) if users else None
    watched = Middleware(Watched, metrics=metrics, is_private=address.is_private, may_enter=may_enter)
    is_bare_ipv6 = ":" in address.host and not address.host.startswith("[")
    return {
        "server_name": f"[{address.host}]" if is_bare_ipv6 else address.host,
        "server_port": address.port,
        "auth": may_enter,
        "app_kwargs": {"middleware": [Middleware(OriginGuard, served=served), watched]},
        "theme": theme(),
        "css_paths": [STYLE],
        "head": HEAD,
        "i18n": gr.I18n(en=WORDS),
        "max_file_size": MAX_UPLOAD,
        "allowed_paths": [str(data_dir / "tmp" / "exports")],
        "prevent_thread_lock": True,
        "quiet": True,
        "share": False,
        "_frontend": False,  # gradio would ask itself for the page, and give up where that takes 3 seconds
        "inbrowser": False,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "show_error": False,
    }
