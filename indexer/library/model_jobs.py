"""Model switches as jobs: submitted once per collection, done in the background by ``model_switch``."""

from typing import Any

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import JobError
from indexer.library import model_switch
from indexer.library.encoders import ModelFolder
from indexer.library.jobs import JobRunner
from indexer.types import JobInfo


def submit_switch(
    catalog: Catalog,
    jobs: JobRunner,
    models: ModelFolder,
    collection: CollectionRecord,
    model: str,
    *,
    neutral: bool | None = None,
) -> JobInfo:
    """Have a collection embedded with another model.

    Args:
        catalog, jobs, models: of the library.
        collection: as it is now.
        model: registered name, registry name, folder or hub id.
        neutral: vectors without their language, or as published; None: as for new collections.

    Raises:
        UnknownModelError: there is no such model.
        JobError: a switch of this collection waits or runs already.
    """
    from me5.registry import resolve_spec

    located = models.locate(model)
    if "/" not in model or located != model:  # a hub id may have to be fetched first: the job's work
        resolve_spec(located)
    params = {"model": model, "neutral": neutral}
    return _submit(catalog, jobs, collection, params, f"Use {model} for {collection.name}")


def submit_undo(catalog: Catalog, jobs: JobRunner, collection: CollectionRecord) -> JobInfo:
    """Return a collection to the model before.

    Raises:
        CollectionError: it keeps no vectors of another model.
        JobError: a switch of this collection waits or runs already.
    """
    previous = model_switch.before(catalog, collection)
    return _submit(
        catalog, jobs, collection, {"undo": True}, f"Return to {previous.model} for {collection.name}"
    )


def _submit(
    catalog: Catalog, jobs: JobRunner, collection: CollectionRecord, params: dict[str, Any], label: str
) -> JobInfo:
    if model_switch.is_under_way(catalog, collection):
        raise JobError(
            f"A model switch for {collection.name!r} is already running. Wait for that job, or cancel it."
        )
    return jobs.submit("switch", {"switch": collection.id} | params, collection.name, label)
