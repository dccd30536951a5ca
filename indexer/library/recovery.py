"""What the opening of a data folder mends: vectors that a crash left different, work that it left undone."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.catalog import CollectionRecord
from indexer.errors import CollectionError, StoreError
from indexer.library.model_switch import drop_unknown, rename_models
from indexer.library.repair import compare, remove_leftovers, remove_orphans
from me5.contract import ModelContract
from me5.errors import ContractError

if TYPE_CHECKING:
    from indexer.library.library import Library

logger = logging.getLogger(__name__)

REPAIR_AT_OPENING = 2_000
"""So many missing points are restored while opening; more are left to a job."""


def rename_former_models(library: "Library") -> None:
    """Collections made while ``fast`` was the built-in model, and called so, get the name that it has now."""
    from me5.registry import MODELS

    fast = MODELS["fast"]

    def name_today(record: CollectionRecord) -> str:
        try:
            is_fast = ModelContract.from_json(record.contract).model_id == fast.model_id
        except ContractError:
            is_fast = False
        return fast.name if is_fast and record.model == "builtin" else record.model

    for collection in library.catalog.collection_records():
        if rename_models(library, collection, name_today):
            logger.info("%s: the model is called %s now", collection.name, fast.name)


def reconcile(library: "Library") -> None:
    """Make the points of every collection equal to its chunks again."""
    if library.is_shared and library.catalog.has_jobs_of_others(library.host):
        logger.info("Another machine is at work; vectors are compared at a later start, or by doctor")
        return
    for collection in library.catalog.collection_records():
        try:
            _reconcile(library, collection)
        except StoreError as error:
            logger.error("%s cannot be compared with its vectors: %s", collection.name, error)


def _reconcile(library: "Library", collection: CollectionRecord) -> None:
    drop_unknown(library, collection)
    remove_leftovers(library.catalog, library.store, collection)
    difference = compare(library.catalog, library.store, collection)
    if not difference:
        return
    logger.warning(
        "%s: %d points are missing and %d are unknown to the catalog",
        collection.name,
        len(difference.missing),
        len(difference.orphans),
    )
    remove_orphans(library.store, collection, difference.orphans)
    if not difference.missing:
        return
    if len(difference.missing) <= REPAIR_AT_OPENING:
        try:
            library.restore(collection)
        except CollectionError as error:
            logger.warning("%s is not mended: %s", collection.name, error)
    elif not any("repair" in params for params in library.catalog.active_job_params()):
        label = f"Restore {len(difference.missing)} passages"
        library.jobs.submit("repair", {"repair": collection.id}, collection.name, label, start=False)


def resume(library: "Library") -> None:
    """Go on, in the background, with jobs and documents that were interrupted."""
    resumed = library.jobs.resume()
    unfinished = library.catalog.unfinished_documents()
    if library.is_shared:  # what another machine has begun is left to it
        if library.catalog.has_jobs_of_others(library.host):
            return
        unfinished = [record for record in unfinished if Path(record.source).exists()]
    if unfinished and all(job.kind == "switch" for job in resumed):  # a resumed ingest finishes them itself
        params = {"documents": [record.id for record in unfinished], "force": False}
        count = f"{len(unfinished)} interrupted document{'s' if len(unfinished) > 1 else ''}"
        library.jobs.submit("reindex", params, "", f"Finish {count}")
