"""A running app answers the terminal: the data folder is its own, so it is asked.

``search``, ``similar``, ``add``, ``remove``, ``watch``, ``jobs`` and ``doctor`` do so, and assistants; what
changes more than a collection is still refused. How they ask is in ``indexer.cli.asking``.

The app listens on a port of the loopback address and leaves port and token in ``DATA/app.json``, which only
its user can read. A request is one JSON object; the answer is a line of JSON for every step, and one at the
end.
"""

import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import CollectionError, IndexerError, QueryError
from indexer.progress import CancelToken, Progress
from indexer.types import Filters
from me5 import atomic
from me5.errors import Me5Error

if TYPE_CHECKING:
    from indexer.library.library import Library

logger = logging.getLogger(__name__)

FILE = "app.json"
LOOPBACK = "127.0.0.1"
MAX_REQUEST = 1 << 20
STEP_EVERY_S = 0.2


@contextmanager
def listening(library: "Library", stores: tuple[str | None, str | None]) -> Iterator[None]:
    """Answer the terminal while the block runs.

    Args:
        library: asked for everything.
        stores: addresses of the vector store and the database; a terminal that names others is not answered.
    """
    token = secrets.token_urlsafe(32)
    server = _Server(library, token)
    note = library.data_dir / FILE
    message = {
        "pid": os.getpid(),
        "port": server.server_address[1],
        "token": token,
        "stores": [mark(token, stores), mark(token, (None, stores[1]))],  # a library knows its vectors
    }
    atomic.write(note, json.dumps(message), mode=0o600, durable=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="terminal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
        for work in list(server.at_work):
            work.cancel(keep_partial=True)
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # what is added is ended in order before the library closes

    def __init__(self, library: "Library", token: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.library, self.token = library, token
        self.at_work: set[CancelToken] = set()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 60.0

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def do_POST(self) -> None:
        """Do what one request asks for."""
        given = self.headers.get("Authorization", "")
        length = self.headers.get("Content-Length", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            self.send_error(403)
            return
        if not length.isdigit() or int(length) > MAX_REQUEST:
            self.send_error(413)
            return
        request = json.loads(self.rfile.read(int(length)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        work = CancelToken()
        self.server.at_work.add(work)
        try:
            self._say({"result": _answer(self.server.library, request, self._steps(work), work)})
        except (IndexerError, Me5Error) as error:
            self._say({"error": str(error), "kind": type(error).__name__})
        except OSError as error:
            logger.warning("A request of the terminal ended early: %s", error)
        except Exception:
            logger.exception("A request of the terminal failed")
            self._say({"error": "Something unexpected happened; the log of the app has the details."})
        finally:
            self.server.at_work.discard(work)

    def _say(self, line: Mapping[str, Any]) -> None:
        with suppress(ConnectionError):  # nobody waits any more
            self.wfile.write(json.dumps(line).encode() + b"\n")

    def _steps(self, work: CancelToken) -> Progress:
        """Tell the terminal now and then how far it is; once it has gone, stop and keep what is done."""
        last = float("-inf")

        def step(*values: Any) -> None:
            nonlocal last
            if time.monotonic() - last < STEP_EVERY_S:
                return
            last = time.monotonic()
            try:
                self.wfile.write(json.dumps({"step": values}).encode() + b"\n")
            except ConnectionError:
                work.cancel(keep_partial=True)

        return step


def _answer(library: "Library", request: Mapping[str, Any], step: Progress, work: CancelToken) -> Any:
    collection = str(request.get("collection", ""))
    request = {"do": "", **request}
    if request.get("model"):
        _require_model(library, collection, str(request["model"]))
    if request["do"] == "search":
        where = Filters(languages=tuple(request["languages"]))
        match = library.search(
            request["query"], collection=collection, mode=request["mode"], top_k=request["top_k"], where=where
        )
        return asdict(match)
    if request["do"] == "similar":
        match = library.similar_to(
            request["document"],
            collection=collection,
            folder=Path(request["folder"]),
            at=request["at"],
            top_k=request["top_k"],
            in_other_languages=bool(request["in_other_languages"]),
        )
        return asdict(match)
    if request["do"] == "add":
        _require_neutral(library, collection, is_wanted=bool(request["neutral"]))
        paths = [Path(path) for path in request["paths"]]
        report = library.add(
            paths,
            collection,
            progress=step,
            cancel=work,
            prune=bool(request["prune"]),
            is_sure=bool(request["is_sure"]),
            check=bool(request["check"]),
        )
        library.warm(collection)
        return asdict(report)
    if request["do"] == "remove":
        return library.remove_named(request["names"], collection, folder=Path(request["folder"]))
    if request["do"] == "doctor":
        return [asdict(finding) for finding in library.doctor()]
    if request["do"] == "watch":
        return _watch(library, request)
    if request["do"] == "jobs":
        if request["cancel"]:
            library.jobs.cancel(str(request["cancel"]))
        return [_to_json(job) for job in library.jobs.list()]
    if request["do"] == "collections":
        return [_to_json(item) for item in library.collections()]
    if request["do"] == "like":
        return asdict(
            library.similar(
                request["chunk_ids"],
                collection=collection,
                top_k=request["top_k"],
                in_other_languages=bool(request["in_other_languages"]),
            )
        )
    if request["do"] == "context":
        return [
            asdict(info) for info in library.context(request["chunk_id"], request["before"], request["after"])
        ]
    if request["do"] == "documents":
        found = library.documents_with(request["words"], collection, limit=request["limit"])
        return [_to_json(item) for item in found]
    raise QueryError(
        f"The app that is running does not know the request {request['do']!r}; it is another version. "
        "Stop it, and start it again."
    )


def _watch(library: "Library", request: Mapping[str, Any]) -> list[dict[str, Any]]:
    if request["what"] == "add":
        library.watching.add(request["folders"], request["collection"], polls=bool(request["polls"]))
    elif request["what"] == "remove":
        library.watching.remove(request["path"])
    return [_to_json(folder) for folder in library.watching.folders()]


def _require_model(library: "Library", collection: str, model: str) -> None:
    record = library.catalog.collections.find(collection)
    used = library.model if record is None else record.model
    if used != model:
        raise CollectionError(
            f"The app that is running has the model {used!r} for {collection!r}, asked for was {model!r}. "
            "Leave out --model, or stop the app first."
        )


def _require_neutral(library: "Library", collection: str, *, is_wanted: bool) -> None:
    if library.catalog.collections.find(collection) is None and library.neutral != is_wanted:
        raise CollectionError(
            f"The app that is running makes collections with --neutral {'on' if library.neutral else 'off'}. "
            "Leave that option out, or stop the app first."
        )


def mark(token: str, stores: tuple[str | None, str | None]) -> str:
    """Tells whether two sets of addresses are the same without naming them."""
    return hmac.new(token.encode(), json.dumps(stores).encode(), hashlib.sha256).hexdigest()


def _to_json(item: Any) -> dict[str, Any]:
    """A value of ``indexer.types`` with its moments as text; ``asking`` has the inverse."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(item).items()
    }
