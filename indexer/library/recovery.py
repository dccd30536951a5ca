"""What the opening of a data folder mends: vectors that a crash left different, work that it left undone."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.errors import CollectionError, StoreError
from indexer.library.collection import OpenCollection
from indexer.library.jobs import JobRunner
from indexer.library.model_switch import drop_unknown, rename_models
from indexer.library.presence import Presence
from indexer.library.repair import compare, differences, remove_leftovers, remove_orphans, restore
from indexer.store.protocol import VectorStore
from me5.contract import ModelContract
from me5.errors import ContractError

logger = logging.getLogger(__name__)

REPAIR_AT_OPENING = 2_000
"""So many missing points are restored while opening; more are left to a job."""


def rename_former_models(catalog: Catalog) -> None:
    """Collections made while ``fast`` was the built-in model, and called so, get the name that it has now."""
    from me5.registry import MODELS

    fast = MODELS["fast"]

    def name_today(record: CollectionRecord) -> str:
        try:
            is_fast = ModelContract.from_json(record.contract).model_id == fast.model_id
        except ContractError:
            is_fast = False
        return fast.name if is_fast and record.model == "builtin" else record.model

    for collection in catalog.collections.records():
        if rename_models(catalog, collection, name_today):
            logger.info("%s: the model is called %s now", collection.name, fast.name)


def reconcile(
    catalog: Catalog,
    store: VectorStore,
    jobs: JobRunner,
    open_collection: Callable[[CollectionRecord], OpenCollection],
    presence: Presence,
) -> None:
    """Make the points of every collection equal to its chunks again.

    Args:
        catalog, store: of the data folder.
        jobs: takes what would keep the opening waiting; not started.
        open_collection: opens the model of a collection, or raises CollectionError.
        presence: of this process; where others are at work nothing is compared.
    """
    if presence.is_shared and presence.alive() - {presence.owner}:
        logger.info("Another process is at work; vectors are compared at a later start, or by doctor")
        return
    for collection in catalog.collections.records():
        try:
            drop_unknown(catalog, store, collection)
            remove_leftovers(catalog, store, collection)
            missing = _remove_orphans(catalog, store, collection)
            if 0 < missing <= REPAIR_AT_OPENING:
                restore(open_collection(collection))
            elif missing and not any("repair" in params for params in catalog.jobs.active_params()):
                label = f"Restore {missing} passages"
                jobs.submit("repair", {"repair": collection.id}, collection.name, label, start=False)
        except StoreError as error:
            logger.error("%s cannot be compared with its vectors: %s", collection.name, error)
        except CollectionError as error:
            logger.warning("%s is not repaired: %s", collection.name, error)


def _remove_orphans(catalog: Catalog, store: VectorStore, collection: CollectionRecord) -> int:
    """Remove points that the catalog does not know. How many chunks have no point."""
    difference = compare(catalog, store, collection)
    if difference:
        logger.warning(
            "%s: %d points are missing and %d are unknown to the catalog",
            collection.name,
            difference.missing,
            difference.orphans,
        )
    if difference.orphans:
        result = differences(catalog, store, collection)
        remove_orphans(store, collection, (item for kind, item in result if kind == "orphan"))
    return difference.missing


def resume(catalog: Catalog, jobs: JobRunner, presence: Presence) -> None:
    """Resume, in the background, jobs and documents that were interrupted."""
    resumed = jobs.resume()
    unfinished = _free(catalog, presence)
    if unfinished and all(job.kind == "switch" for job in resumed):  # a resumed ingest finishes them itself
        _finish_documents(jobs, unfinished)


class TakeOver:
    """Goes on with what other processes have left; called now and then while the library is open.

    Documents are finished here where their files can be reached. Jobs on files of another machine wait for
    that.
    """

    def __init__(self, catalog: Catalog, jobs: JobRunner, presence: Presence, host: str) -> None:
        self._catalog, self._jobs, self._presence, self._host = catalog, jobs, presence, host
        self._asked: set[str] = set()

    def __call__(self) -> None:
        """Look once.

        Raises:
            CatalogError: the catalog cannot be asked.
        """
        for job in self._catalog.jobs.interrupt_gone(self._presence.is_gone, self._host):
            logger.warning("job %s was left by a machine that does not answer", job.label)
        self._jobs.resume()
        gone = self._presence.gone(self._catalog.claims.owners())
        left = self._catalog.claims.of(gone) if gone else set()
        known = self._catalog.documents.records(sorted(left - self._asked))
        unfinished = [item for item in known if item.pending_hash is not None and _is_there(item)]
        if unfinished:
            self._asked.update(item.id for item in unfinished)
            _finish_documents(self._jobs, unfinished)


def _free(catalog: Catalog, presence: Presence) -> list[DocumentRecord]:
    """Documents that were begun, that nobody reads, and whose files are here."""
    unfinished = catalog.documents.unfinished()
    if not presence.is_shared:
        return unfinished
    held = presence.read_by_others([record.id for record in unfinished])
    return [record for record in unfinished if record.id not in held and _is_there(record)]


def _is_there(record: DocumentRecord) -> bool:
    return Path(record.source).exists()


def _finish_documents(jobs: JobRunner, unfinished: Sequence[DocumentRecord]) -> None:
    params = {"documents": [record.id for record in unfinished], "force": False}
    count = f"{len(unfinished)} interrupted document{'s' if len(unfinished) > 1 else ''}"
    jobs.submit("reindex", params, "", f"Finish {count}")
