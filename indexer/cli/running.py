"""A running app answers the terminal: the data folder is its own, so it is asked.

``search``, ``similar``, ``add``, ``remove``, ``jobs`` and ``doctor`` do so; what changes more than a
collection is still refused.
The app listens on a port of the loopback address and leaves port and token in ``DATA/app.json``, which only
its user can read. A request is one JSON object; the answer is a line of JSON for every step, and one at the
end.
"""

import hashlib
import hmac
import http.client
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from indexer import errors
from indexer.errors import CollectionError, IndexerError, QueryError, StoreLockedError
from indexer.ingest.report import AddReport
from indexer.progress import CancelToken, Progress
from indexer.types import Filters, Hit, JobInfo, SearchMode, SearchResult
from me5 import atomic
from me5.errors import Me5Error

if TYPE_CHECKING:
    from indexer.library.doctor import Finding
    from indexer.library.library import Library

logger = logging.getLogger(__name__)

FILE = "app.json"
LOOPBACK = "127.0.0.1"
CONNECT_S = 5.0
MAX_REQUEST = 1 << 20
STEP_EVERY_S = 0.2


# -- in the app -------------------------------------------------------------------------------------------


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
        "stores": [_mark(token, stores), _mark(token, (None, stores[1]))],  # a library knows its vectors
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
    if request["do"] == "jobs":
        if request["cancel"]:
            library.jobs.cancel(str(request["cancel"]))
        return [_job_to_json(job) for job in library.jobs.list()]
    if request["do"] == "collections":
        return [{"name": item.name, "model": item.model} for item in library.collections()]
    raise QueryError(
        f"The app that is running does not know the request {request['do']!r}; it is another version. "
        "Stop it, and start it again."
    )


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


def _mark(token: str, stores: tuple[str | None, str | None]) -> str:
    """Tells whether two sets of addresses are the same without naming them."""
    return hmac.new(token.encode(), json.dumps(stores).encode(), hashlib.sha256).hexdigest()


# -- in the terminal --------------------------------------------------------------------------------------


class RunningLibrary:
    """The part of ``Library`` that verbs use while the app runs, answered by it."""

    def __init__(self, port: int, token: str, model: str | None, *, neutral: bool) -> None:
        self._port, self._token, self._model, self._neutral = port, token, model, neutral

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def require_model(self, collection: str) -> None:
        """The app looks at the model with every request."""

    def warm(self, collection: str) -> None:
        """The app does so by itself."""

    def collections(self) -> list[Any]:
        """Name and model of every collection."""
        from types import SimpleNamespace

        return [SimpleNamespace(**item) for item in self._ask({"do": "collections"})]

    def search(
        self, query: str, *, collection: str, mode: SearchMode, top_k: int, where: Filters
    ) -> SearchResult:
        """See ``Library.search``; of ``where`` the languages count."""
        result = self._ask(
            {
                "do": "search", "query": query, "collection": collection, "mode": mode, "top_k": top_k,
                "languages": list(where.languages), "model": self._model,
            }
        )  # fmt: skip
        return _to_result(result)

    def similar_to(
        self,
        document: str,
        *,
        collection: str,
        folder: Path,
        at: int | None,
        top_k: int,
        in_other_languages: bool,
    ) -> SearchResult:
        """See ``Library.similar_to``."""
        request = {
            "do": "similar", "document": document, "collection": collection, "folder": str(folder), "at": at,
            "top_k": top_k, "in_other_languages": in_other_languages,
        }  # fmt: skip
        return _to_result(self._ask(request))

    def add(
        self,
        paths: Sequence[Path],
        collection: str,
        *,
        progress: Progress | None = None,
        prune: bool = False,
        is_sure: bool = False,
        check: bool = False,
    ) -> AddReport:
        """See ``Library.add``. New documents are named by their whole path."""
        request = {
            "do": "add", "paths": [str(path.absolute()) for path in paths], "collection": collection,
            "prune": prune, "is_sure": is_sure, "check": check,
            "model": self._model, "neutral": self._neutral,
        }  # fmt: skip
        report = self._ask(request, progress)
        pairs = {name: tuple(map(tuple, report[name])) for name in ("failures", "kept")}
        return AddReport(**report | pairs)

    def remove_named(self, names: Sequence[str], collection: str, *, folder: Path) -> list[str]:
        """See ``Library.remove_named``."""
        request = {"do": "remove", "names": list(names), "collection": collection, "folder": str(folder)}
        return list(self._ask(request))

    def doctor(self, *, repair: bool = False) -> "list[Finding]":
        """See ``Library.doctor``; nothing is repaired."""
        from indexer.library.doctor import Finding

        assert not repair, "what repairs needs the folder for itself"
        return [Finding(**item) for item in self._ask({"do": "doctor"})]

    @property
    def jobs(self) -> "RunningJobs":
        """The jobs of the app."""
        return RunningJobs(self)

    def _ask(self, request: Mapping[str, Any], progress: Progress | None = None) -> Any:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=CONNECT_S)
        try:
            connection.connect()
            connection.sock.settimeout(None)  # an ingest may take hours
            headers = {"Authorization": f"Bearer {self._token}"}
            connection.request("POST", "/", json.dumps(request), headers)
            answer = connection.getresponse()
            for line in answer if answer.status == http.client.OK else ():
                message = json.loads(line)
                if "step" in message:
                    if progress is not None:
                        progress(*message["step"])
                elif "error" in message:
                    raise _to_error(message)
                else:
                    return message["result"]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotAnsweredError(str(error)) from error
        finally:
            connection.close()
        raise NotAnsweredError("The app that has the data folder ended before it had answered. Try again.")


class RunningJobs:
    """The part of ``JobRunner`` that the terminal uses while the app runs."""

    def __init__(self, library: RunningLibrary) -> None:
        self._library = library

    def follow(self, children: object) -> None:
        """The app does so by itself."""

    def list(self, cancel: str = "") -> Sequence[JobInfo]:
        """See ``JobRunner.list``; ``cancel`` is asked to stop before."""
        return [_to_job(item) for item in self._library._ask({"do": "jobs", "cancel": cancel})]

    def cancel(self, job_id: str) -> None:
        """See ``JobRunner.cancel``."""
        self.list(job_id)

    def get(self, job_id: str) -> JobInfo:
        """One job."""
        return next(job for job in self.list() if job.id == job_id)


_MOMENTS = ("created_at", "started_at", "finished_at")


def _job_to_json(job: JobInfo) -> dict[str, Any]:
    moments = {name: getattr(job, name) for name in _MOMENTS}
    return asdict(job) | {name: moment and moment.isoformat() for name, moment in moments.items()}


def _to_job(values: Mapping[str, Any]) -> JobInfo:
    moments = {name: values[name] and datetime.fromisoformat(values[name]) for name in _MOMENTS}
    return JobInfo(**dict(values) | moments)


class NotAnsweredError(IndexerError):
    """Raised when the app that left its address does not answer there."""


def open_or_ask(
    open_library: Callable[[], Any],
    data_dir: Path,
    *,
    stores: tuple[str | None, str | None],
    model: str | None,
    neutral: bool,
) -> Any:
    """The library of a data folder, or the app that has it and is asked instead.

    Raises:
        StoreLockedError: another process has the folder and does not answer, or has other stores.
    """
    try:
        return open_library()
    except StoreLockedError as locked:
        try:
            message = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
            asked = _mark(message["token"], stores)
            if not any(hmac.compare_digest(known, asked) for known in message["stores"]):
                raise locked
            running = RunningLibrary(int(message["port"]), message["token"], model, neutral=neutral)
            running.collections()
        except (OSError, ValueError, KeyError, TypeError, NotAnsweredError):
            raise locked from None
        return running


def _to_result(result: Mapping[str, Any]) -> SearchResult:
    lists = {name: tuple(map(_to_hit, result[name])) for name in ("hits", "weak_hits")}
    return SearchResult(**{**result, **lists, "notices": tuple(result["notices"])})


def _to_hit(values: Mapping[str, Any]) -> Hit:
    evidence = values["evidence"]
    return Hit(**dict(values) | {"evidence": None if evidence is None else tuple(evidence)})


def _to_error(said: Mapping[str, Any]) -> IndexerError:
    kind = getattr(errors, str(said.get("kind")), None)
    is_ours = isinstance(kind, type) and issubclass(kind, IndexerError)
    return kind(said["error"]) if is_ours and kind is not None else IndexerError(said["error"])
