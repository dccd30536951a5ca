"""What each kind of job does to a library. Parameters are JSON; a job that ran half can run again."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import IndexerError, StoreAwayError, StoreError
from indexer.ingest.left_alone import LeftAlone
from indexer.ingest.report import AddReport, summary
from indexer.library.home import EMBEDDED, is_home, recorded_home
from indexer.library.jobs import Handler, JobContext
from indexer.library.model_switch import SwitchReport
from indexer.library.model_switch import summary as switch_summary
from indexer.library.vectors import Vectors
from indexer.progress import CancelToken, Progress

logger = logging.getLogger(__name__)


class Work(Protocol):
    """What jobs ask for; ``Library`` does it."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def vectors(self) -> Vectors: ...

    def add(
        self,
        paths: Sequence[Path],
        collection: str = ...,
        *,
        progress: Progress | None = None,
        prune: bool = False,
        cancel: CancelToken | None = None,
        left_alone: LeftAlone | None = None,
    ) -> AddReport: ...

    def add_kept(
        self,
        copies: Sequence[tuple[str, str]],
        collection: str = ...,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        left_alone: LeftAlone | None = None,
        is_quick: bool = False,
    ) -> AddReport: ...

    def reindex(
        self,
        document_ids: Sequence[str],
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        force: bool = True,
        is_quick: bool = False,
    ) -> AddReport: ...

    def remove(self, document_ids: Sequence[str]) -> int: ...

    def drop_collection(self, name: str) -> None: ...

    def restore(
        self,
        collection: CollectionRecord,
        *,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> int: ...

    def use_model(
        self,
        collection: str,
        model: str | None,
        *,
        neutral: bool | None = None,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
    ) -> SwitchReport: ...

    def warm(self, collection: str = ...) -> None: ...


def job_kinds(library: Work) -> Mapping[str, Handler]:
    """The work behind each kind of job."""
    changing = {"add": _add, "sample": _add, "remove": _remove, "reindex": _reindex, "repair": _repair}
    changing |= {"switch": _switch}
    dropping: dict[str, Handler] = {"drop": partial(_drop, library), "move": partial(_move, library)}
    return {kind: _then_warm(library, partial(work, library)) for kind, work in changing.items()} | dropping


def _then_warm(library: Work, work: Handler) -> Handler:
    """``work``, and then what would make the first search after it slow."""

    def run(context: JobContext) -> str:
        message = work(context)
        try:
            if context.collection:
                library.warm(context.collection)
        except IndexerError as error:
            logger.warning("%s cannot be searched: %s", context.collection, error)
        except Exception:  # the work is done; the next search will say what is wrong
            logger.exception("%s could not be warmed", context.collection)
        return message

    return run


def _add(library: Work, context: JobContext) -> str:
    if "copies" in context.params:
        copies = [(str(name), str(source)) for name, source in context.params["copies"]]
        report = library.add_kept(
            copies,
            context.collection,
            progress=context.progress,
            cancel=context.cancel,
            left_alone=_changed_since(library, context),
            is_quick=context.is_quick,
        )
    else:
        report = library.add(
            [Path(path) for path in context.params["paths"]],
            context.collection,
            progress=context.progress,
            prune=bool(context.params.get("prune")),
            cancel=context.cancel,
            left_alone=_changed_since(library, context),
        )
    return summary(report)


def _changed_since(library: Work, context: JobContext) -> LeftAlone:
    """What quick jobs have removed or replaced since this one was asked for: it started late, or anew."""
    names: list[str] = []
    sources: list[str] = []
    for job in library.catalog.jobs.later(context.created_at, context.collection):
        if job.info.kind == "remove":
            names += (path for path, _ in job.params.get("places", ()))
            sources += (source for _, source in job.params.get("places", ()))
        elif job.info.kind == "add":
            names += (name for name, _ in job.params.get("copies", ()))
    return LeftAlone(names, sources)


def _reindex(library: Work, context: JobContext) -> str:
    report = library.reindex(
        context.params["documents"],
        progress=context.progress,
        cancel=context.cancel,
        force=bool(context.params.get("force", True)),
        is_quick=context.is_quick,
    )
    return summary(report)


def _remove(library: Work, context: JobContext) -> str:
    return f"{library.remove(context.params['documents'])} removed"


def _drop(library: Work, context: JobContext) -> str:
    if library.catalog.collections.find(context.collection) is not None:
        library.drop_collection(context.collection)
    return "deleted"


def _move(library: Work, context: JobContext) -> str:
    address = context.params["to"]
    if is_home(recorded_home(library.catalog) or EMBEDDED, None if address == EMBEDDED else address):
        return "they are there"  # it was interrupted when all was done
    try:
        moved = library.vectors.move(
            None if address == EMBEDDED else address, progress=context.progress, cancel=context.cancel
        )
    except StoreAwayError as error:  # the new home; the library itself need not wait for it
        raise StoreError(f"{error} The vectors stay where they are; move them again then.") from error
    return f"{moved.points} points moved"


def _repair(library: Work, context: JobContext) -> str:
    collection = library.catalog.collections.get(context.params["repair"])
    count = library.restore(collection, progress=context.progress, cancel=context.cancel)
    return f"{count} passages restored"


def _switch(library: Work, context: JobContext) -> str:
    collection = library.catalog.collections.find(context.params["switch"])
    if collection is None:
        return "deleted meanwhile"
    model = None if context.params.get("undo") else str(context.params["model"])
    report = library.use_model(
        collection.id,
        model,
        neutral=context.params.get("neutral"),
        progress=context.progress,
        cancel=context.cancel,
    )
    return switch_summary(report)
