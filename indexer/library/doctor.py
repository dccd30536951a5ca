"""Is the data folder in order? Each check gives findings that say what is so and what to do."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from indexer.catalog import CollectionRecord
from indexer.errors import CollectionError, IndexerError, StoreDamagedError
from indexer.library import leftovers
from indexer.library.blobs import delete, needed_copies
from indexer.library.model_switch import remembered
from indexer.library.repair import compare, remove_leftovers

if TYPE_CHECKING:
    from indexer.library.library import Library

Level = Literal["ok", "warn", "error"]
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        level: ``ok``, ``warn`` (works, but look at it) or ``error`` (something is lost or refused).
        check: short name of the check, for machines.
        message: what is so, for people.
        advice: what to do; empty when nothing is to be done.
        repaired: it has been mended by this call.
    """

    level: Level
    check: str
    message: str
    advice: str = ""
    repaired: bool = False

    @property
    def is_problem(self) -> bool:
        """Whether something is still to be done."""
        return self.level != "ok" and not self.repaired


def diagnose(library: "Library", *, repair: bool) -> list[Finding]:
    """All findings, in the order of the checks; ``repair`` mends what can be mended without loss."""
    findings = [*_disk(library), *_lock(library), *_database(library)]
    for collection in library.catalog.collection_records():
        try:
            try:
                findings.extend(_collection(library, collection, repair))
            except StoreDamagedError as error:
                findings.append(_damaged(library, collection, error, repair))
        except IndexerError as error:
            findings.append(Finding("error", "vectors", f"{collection.name}: {error}"))
        findings.extend(_documents(library, collection))
    findings.extend(_copies(library, repair))
    findings.extend(_leftovers(library, repair))
    return findings


def _disk(library: "Library") -> Iterator[Finding]:
    free = shutil.disk_usage(library.data_dir).free
    message = f"{free / 1e9:.1f} GB are free on the disk of {library.data_dir}"
    if free < library.reserve_bytes:
        reserve = f"{library.reserve_bytes / 1e9:.1f} GB"
        yield Finding(
            "error", "disk", f"{message}; nothing is added below {reserve}", "Free some disk space."
        )
    elif free < 2 * library.reserve_bytes:
        yield Finding("warn", "disk", f"{message}, which is not much", "Free some disk space soon.")
    else:
        yield Finding("ok", "disk", message)


def _lock(library: "Library") -> Iterator[Finding]:
    yield Finding("ok", "lock", f"this process owns {library.data_dir}; vectors: {library.store.describe()}")


def _database(library: "Library") -> Iterator[Finding]:
    problems = library.catalog.integrity_problems()
    where = library.catalog.describe()
    if not problems:
        yield Finding("ok", "catalog", f"the catalog {where} is sound")
    for problem in problems[:_SHOWN]:
        yield Finding(
            "error",
            "catalog",
            f"the catalog {where} is damaged: {problem}",
            "Close the program, keep a copy of the file, and put back a backup or add the documents again.",
        )


def _collection(library: "Library", collection: CollectionRecord, repair: bool) -> Iterator[Finding]:
    try:
        library.encoders.of(collection)
        fits = True
    except CollectionError as error:
        fits = False
        advice = f"Start with --model {collection.model} where that is now, to search it."
        yield Finding("warn", "model", str(error), advice)
    yield from _other_models(library, collection)
    if repair:
        remove_leftovers(library.catalog, library.store, collection)
    difference = compare(library.catalog, library.store, collection)
    if not difference:
        indexed, _ = library.catalog.chunk_states(collection.id)
        yield Finding("ok", "vectors", f"{collection.name}: all {indexed} passages have their vectors")
        return
    if repair and fits:
        library.restore(collection)
    yield Finding(
        "error" if difference.missing else "warn",
        "vectors",
        f"{collection.name}: {len(difference.missing)} passages have no vectors, "
        f"{len(difference.orphans)} vectors have no passage",
        "Run doctor with --repair.",
        repaired=repair and fits,
    )


def _other_models(library: "Library", collection: CollectionRecord) -> Iterator[Finding]:
    known = remembered(library, collection)
    if known.coming is not None and not _is_switching(library, collection):
        advice = (
            f"Go on: use {known.coming.model} --collection {collection.name}; or give it up: use --discard."
        )
        message = f"{collection.name}: the switch to {known.coming.model} was interrupted"
        yield Finding("warn", "model", message, advice)
    if known.previous is not None:
        message = f"{collection.name}: the vectors of {known.previous.model} are kept for a way back"
        yield Finding("ok", "model", message)


def _is_switching(library: "Library", collection: CollectionRecord) -> bool:
    return any(one.get("switch") == collection.id for one in library.catalog.active_job_params())


def _damaged(
    library: "Library", collection: CollectionRecord, error: StoreDamagedError, repair: bool
) -> Finding:
    if not repair:
        return Finding("error", "vectors", f"{collection.name}: {error}")
    library.usable_collection(collection.id)  # before anything goes: another model could not make it again
    library.store.drop(collection.store_name)
    count = library.restore(collection)
    message = f"{collection.name}: the vector files were damaged; {count} passages were embedded again"
    return Finding("error", "vectors", message, repaired=True)


def _documents(library: "Library", collection: CollectionRecord) -> Iterator[Finding]:
    unfinished = library.catalog.unfinished_documents(collection.id)
    if unfinished:
        names = _some([record.path for record in unfinished])
        advice = "Add them again, or start the app, which goes on with them."
        yield Finding("warn", "documents", f"{collection.name}: not finished: {names}", advice)
    failed = [one for one in library.catalog.iter_document_records(collection.id) if one.state == "failed"]
    for record in sorted(failed, key=lambda one: one.path)[:_SHOWN]:
        yield Finding("warn", "documents", f"{collection.name}: {record.path}: {record.error}")
    if len(failed) > _SHOWN:
        yield Finding(
            "warn",
            "documents",
            f"{collection.name}: and {len(failed) - _SHOWN} more could not be read",
            "The list of documents on the page has the reasons.",
        )


def _copies(library: "Library", repair: bool) -> Iterator[Finding]:
    orphans = library.files.orphans(needed_copies(library.catalog))
    if not orphans:
        yield Finding("ok", "files", "every copy in the data folder belongs to a document")
        return
    size = sum(map(leftovers.size_of, orphans))
    if repair:
        for path in orphans:
            delete(path)
    yield Finding(
        "warn",
        "files",
        f"copies in {library.files.root} that belong to no document: {len(orphans)} ({size / 1e6:.1f} MB)",
        "Run doctor with --repair to delete them.",
        repaired=repair,
    )


def _leftovers(library: "Library", repair: bool) -> Iterator[Finding]:
    """What takes space beside the documents, in the data folder and outside."""
    damaged = leftovers.damaged_vectors(library.data_dir)
    if damaged.paths:
        count = f"{len(damaged.paths)} ({damaged.size_bytes / 1e6:.1f} MB)"
        gone = leftovers.remove(damaged.paths) if repair else []
        yield Finding(
            "warn",
            "damaged",
            f"damaged vectors set aside in {damaged.folder}: {count}; the catalog has made them again",
            "Run doctor with --repair to delete them.",
            repaired=len(gone) == len(damaged.paths),
        )
    logs = leftovers.logs(library.data_dir)
    if logs.paths:
        size = f"{logs.size_bytes / 1e6:.1f} MB"
        words = f"logs in {logs.folder}: {len(logs.paths)} ({size}); the last {leftovers.KEPT_LOGS} are kept"
        yield Finding("ok", "logs", words)
    if repair:
        for kind in leftovers.cached():
            leftovers.remove(kind.paths[leftovers.KEPT_CACHED :])
    for kind in leftovers.cached():
        if kind.paths:
            size = f"{kind.size_bytes / 1e6:.1f} MB"
            words = f"made once for this machine in {kind.folder}: {len(kind.paths)} ({size})"
            is_long = len(kind.paths) > leftovers.KEPT_CACHED
            advice = f"Run doctor with --repair to keep the last {leftovers.KEPT_CACHED}." if is_long else ""
            yield Finding("ok", "cache", words, advice)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
