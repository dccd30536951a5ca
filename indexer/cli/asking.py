"""The terminal asks the app that runs: the part of a library that verbs use, answered by it (``running``)."""

import hmac
import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from indexer import errors
from indexer.cli.running import FILE, LOOPBACK, mark
from indexer.errors import IndexerError, StoreLockedError
from indexer.ingest.report import AddReport
from indexer.library.watching import WatchedFolder
from indexer.progress import Progress
from indexer.types import (
    Chunk,
    ChunkInfo,
    CollectionInfo,
    DocumentInfo,
    Filters,
    Hit,
    JobInfo,
    SearchMode,
    SearchResult,
)

if TYPE_CHECKING:
    from indexer.library.doctor import Finding

CONNECT_S = 5.0
JOB_MOMENTS = ("created_at", "started_at", "finished_at")


class RunningLibrary:
    """The part of ``Library`` that verbs use while the app runs, answered by it."""

    is_elsewhere = True

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

    def collections(self) -> list[CollectionInfo]:
        """See ``Library.collections``."""
        return [CollectionInfo(**_dated(item, "created_at")) for item in self._ask({"do": "collections"})]

    def documents_with(self, words: Sequence[str], collection: str, *, limit: int) -> list[DocumentInfo]:
        """See ``Library.documents_with``."""
        request = {"do": "documents", "words": list(words), "collection": collection, "limit": limit}
        return [DocumentInfo(**_dated(item, "added_at")) for item in self._ask(request)]

    def context(self, chunk_id: str, before: int = 3, after: int = 3) -> list[ChunkInfo]:
        """See ``Library.context``."""
        request = {"do": "context", "chunk_id": chunk_id, "before": before, "after": after}
        return [ChunkInfo(**item | {"chunk": Chunk(**item["chunk"])}) for item in self._ask(request)]

    def similar(
        self, chunk_ids: Sequence[str], *, collection: str, top_k: int, in_other_languages: bool
    ) -> SearchResult:
        """See ``Library.similar``."""
        request = {
            "do": "like", "chunk_ids": list(chunk_ids), "collection": collection, "top_k": top_k,
            "in_other_languages": in_other_languages,
        }  # fmt: skip
        return _to_result(self._ask(request))

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

    @property
    def watching(self) -> "RunningWatching":
        """The folders that the app watches."""
        return RunningWatching(self)

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
        return [
            JobInfo(**_dated(item, *JOB_MOMENTS))
            for item in self._library._ask({"do": "jobs", "cancel": cancel})
        ]

    def cancel(self, job_id: str) -> None:
        """See ``JobRunner.cancel``."""
        self.list(job_id)

    def get(self, job_id: str) -> JobInfo:
        """One job."""
        return next(job for job in self.list() if job.id == job_id)


class RunningWatching:
    """The part of ``Watching`` that the terminal uses while the app runs."""

    def __init__(self, library: RunningLibrary) -> None:
        self._library = library

    def folders(self) -> Sequence[WatchedFolder]:
        """See ``Watching.folders``."""
        return self._answer("list")

    def add(self, folders: Sequence[str], collection: str, *, polls: bool = False) -> Sequence[WatchedFolder]:
        """See ``Watching.add``; paths are absolute."""
        return self._answer("add", folders=list(folders), collection=collection, polls=polls)

    def remove(self, path: str) -> None:
        """See ``Watching.remove``."""
        self._answer("remove", path=path)

    def _answer(self, what: str, **values: Any) -> Sequence[WatchedFolder]:
        answers = self._library._ask({"do": "watch", "what": what, **values})
        return [WatchedFolder(**_dated(item, "looked_at")) for item in answers]


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
            asked = mark(message["token"], stores)
            if not any(hmac.compare_digest(known, asked) for known in message["stores"]):
                raise locked
            running = RunningLibrary(int(message["port"]), message["token"], model, neutral=neutral)
            running.collections()
        except (OSError, ValueError, KeyError, TypeError, NotAnsweredError):
            raise locked from None
        return running


def _dated(values: Mapping[str, Any], *moments: str) -> dict[str, Any]:
    return {**values, **{name: values[name] and datetime.fromisoformat(values[name]) for name in moments}}


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
