"""Is the data folder in order? Each check gives findings that say what is so and what to do."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CollectionError, IndexerError, StoreDamagedError
from indexer.library import leftovers
from indexer.library.blobs import BlobStore, delete, needed_copies
from indexer.library.collection import OpenCollection
from indexer.library.model_switch import is_under_way, remembered
from indexer.library.repair import compare, remove_leftovers, restore
from indexer.store.protocol import VectorStore

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
        repaired: this call has repaired it.
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


def diagnose(
    data_dir: Path,
    catalog: Catalog,
    store: VectorStore,
    files: BlobStore,
    *,
    open_collection: Callable[[CollectionRecord], OpenCollection],
    reserve_bytes: int,
    repair: bool,
) -> list[Finding]:
    """All findings, in the order of the checks.

    Args:
        data_dir, catalog, store, files: what is checked.
        open_collection: opens the model of a collection, or raises CollectionError.
        reserve_bytes: free disk below which nothing is added.
        repair: repair what can be repaired without loss.
    """
    findings = [*_disk(data_dir, reserve_bytes), *_lock(data_dir, store), *_database(catalog)]
    for collection in catalog.collections.records():
        findings.extend(_counts(catalog, collection, repair))
        try:
            try:
                findings.extend(_collection(catalog, store, collection, open_collection, repair))
            except StoreDamagedError as error:
                if repair:
                    findings.append(_embed_anew(open_collection(collection)))
                else:
                    findings.append(Finding("error", "vectors", f"{collection.name}: {error}"))
        except IndexerError as error:
            findings.append(Finding("error", "vectors", f"{collection.name}: {error}"))
        findings.extend(_documents(catalog, collection))
    findings.extend(_copies(catalog, files, repair))
    findings.extend(_leftovers(data_dir, repair))
    return findings


def _disk(data_dir: Path, reserve_bytes: int) -> Iterator[Finding]:
    free = shutil.disk_usage(data_dir).free
    message = f"{free / 1e9:.1f} GB are free on the disk of {data_dir}"
    if free < reserve_bytes:
        reserve = f"{reserve_bytes / 1e9:.1f} GB"
        yield Finding(
            "error", "disk", f"{message}; nothing is added below {reserve}", "Free some disk space."
        )
    elif free < 2 * reserve_bytes:
        yield Finding("warn", "disk", f"{message}; disk space is running low", "Free some disk space soon.")
    else:
        yield Finding("ok", "disk", message)


def _lock(data_dir: Path, store: VectorStore) -> Iterator[Finding]:
    yield Finding("ok", "lock", f"process {os.getpid()} owns {data_dir}; vectors: {store.describe()}")


def _database(catalog: Catalog) -> Iterator[Finding]:
    problems = catalog.database.integrity_problems()
    where = catalog.database.describe()
    if not problems:
        yield Finding("ok", "catalog", f"the catalog {where} is sound")
    for problem in problems[:_SHOWN]:
        yield Finding(
            "error",
            "catalog",
            f"the catalog {where} is damaged: {problem}",
            "Close the program, keep a copy of the file, and put back a backup or add the documents again.",
        )


def _counts(catalog: Catalog, collection: CollectionRecord, repair: bool) -> Iterator[Finding]:
    """Whether the counters kept with the collection agree with a full count: openings rely on them."""
    problems = catalog.counts.problems(collection.id)
    if not problems:
        return
    if repair:
        catalog.counts.recount(collection.id)
    yield Finding(
        "warn",
        "counts",
        f"{collection.name}: counts that are wrong: {len(problems)} ({_some(problems)})",
        "Run doctor with --repair to count again.",
        repaired=repair,
    )


def _collection(
    catalog: Catalog,
    store: VectorStore,
    collection: CollectionRecord,
    open_collection: Callable[[CollectionRecord], OpenCollection],
    repair: bool,
) -> Iterator[Finding]:
    opened = None
    try:
        opened = open_collection(collection)
    except CollectionError as error:
        advice = f"Start with --model {collection.model} where that is now, to search it."
        yield Finding("warn", "model", str(error), advice)
    yield from _other_models(catalog, collection)
    if repair:
        remove_leftovers(catalog, store, collection)
    difference = compare(catalog, store, collection)
    if not difference:
        indexed, _ = catalog.chunks.states(collection.id)
        yield Finding("ok", "vectors", f"{collection.name}: all {indexed} passages have their vectors")
        return
    if repair and opened is not None:
        restore(opened)
    yield Finding(
        "error" if difference.missing else "warn",
        "vectors",
        f"{collection.name}: {difference.missing} passages have no vectors, "
        f"{difference.orphans} vectors have no passage",
        "Run doctor with --repair.",
        repaired=repair and opened is not None,
    )


def _other_models(catalog: Catalog, collection: CollectionRecord) -> Iterator[Finding]:
    known = remembered(catalog, collection)
    if known.coming is not None and not is_under_way(catalog, collection):
        advice = f"Resume: use {known.coming.model} --collection {collection.name}; or drop it: --discard."
        message = f"{collection.name}: the switch to {known.coming.model} was interrupted"
        yield Finding("warn", "model", message, advice)
    if known.previous is not None:
        message = f"{collection.name}: the vectors of {known.previous.model} are kept so that you can undo"
        yield Finding("ok", "model", message)


def _embed_anew(collection: OpenCollection) -> Finding:
    """Drop damaged vectors and make them again: its model is open, so that can be done."""
    collection.store.drop(collection.record.store_name)
    count = restore(collection)
    message = f"{collection.record.name}: the vector files were damaged; {count} passages were embedded again"
    return Finding("error", "vectors", message, repaired=True)


def _documents(catalog: Catalog, collection: CollectionRecord) -> Iterator[Finding]:
    unfinished = catalog.documents.unfinished(collection.id)
    if unfinished:
        names = _some([record.path for record in unfinished])
        advice = "Add them again, or start the app, which resumes them."
        yield Finding("warn", "documents", f"{collection.name}: not finished: {names}", advice)
    failed = [item for item in catalog.documents.iter_records(collection.id) if item.state == "failed"]
    for record in sorted(failed, key=lambda item: item.path)[:_SHOWN]:
        yield Finding("warn", "documents", f"{collection.name}: {record.path}: {record.error}")
    if len(failed) > _SHOWN:
        yield Finding(
            "warn",
            "documents",
            f"{collection.name}: and {len(failed) - _SHOWN} more could not be read",
            "The list of documents on the page has the reasons.",
        )


def _copies(catalog: Catalog, files: BlobStore, repair: bool) -> Iterator[Finding]:
    orphans = files.orphans(needed_copies(catalog))
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
        f"copies in {files.root} that belong to no document: {len(orphans)} ({size / 1e6:.1f} MB)",
        "Run doctor with --repair to delete them.",
        repaired=repair,
    )


def _leftovers(data_dir: Path, repair: bool) -> Iterator[Finding]:
    """What takes space beside the documents, in the data folder and outside."""
    damaged = leftovers.damaged_vectors(data_dir)
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
    logs = leftovers.logs(data_dir)
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
