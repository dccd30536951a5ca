"""What the opening of a data folder mends: vectors that a crash left different, work that it left undone."""

import logging
from collections.abc import Callable
from pathlib import Path

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CollectionError, StoreError
from indexer.library.collection import OpenCollection
from indexer.library.jobs import JobRunner
from indexer.library.model_switch import drop_unknown, rename_models
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
    *,
    host: str | None = None,
) -> None:
    """Make the points of every collection equal to its chunks again.

    Args:
        catalog, store: of the data folder.
        jobs: takes what would keep the opening waiting; not started.
        open_collection: opens the model of a collection, or raises CollectionError.
        host: id of this machine where the catalog is shared by several.
    """
    if host is not None and catalog.jobs.has_others(host):
        logger.info("Another machine is at work; vectors are compared at a later start, or by doctor")
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


def resume(catalog: Catalog, jobs: JobRunner, *, host: str | None = None) -> None:
    """Resume, in the background, jobs and documents that were interrupted; ``host`` as above."""
    resumed = jobs.resume()
    unfinished = catalog.documents.unfinished()
    if host is not None:  # what another machine has begun is left to it
        if catalog.jobs.has_others(host):
            return
        unfinished = [record for record in unfinished if Path(record.source).exists()]
    if unfinished and all(job.kind == "switch" for job in resumed):  # a resumed ingest finishes them itself
        params = {"documents": [record.id for record in unfinished], "force": False}
        count = f"{len(unfinished)} interrupted document{'s' if len(unfinished) > 1 else ''}"
        jobs.submit("reindex", params, "", f"Finish {count}")
