"""What people are offered: the fast model first for a long ingest, a better model for a collection.

Both are ordinary jobs: what is indexed stays, and searches go on meanwhile. A better model is offered once.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from indexer.catalog import CollectionRecord
from indexer.errors import CollectionError, JobError
from indexer.progress import LONG_S, SETTLED_S
from indexer.types import JobInfo
from me5.contract import ModelContract
from me5.errors import Me5Error

if TYPE_CHECKING:
    from indexer.library.library import Library
    from me5.encoder import Encoder

FAST = "fast"
BETTER = "builtin"
LONG_WITHOUT_UNITS_S = 300.0
"""Instead of LONG_S on a processor that has neither bf16 nor int8 units."""

_SETTING = "model offer"
_ANSWERED = "answered"
_ACTIVE = ("queued", "running")
_MEASURED_PASSAGES = 16


@dataclass(frozen=True)
class ModelOffer:
    """Another model, or the same one with language-neutral vectors, for a collection.

    Attributes:
        collection: its name.
        current: the model that it has.
        model: the one that is offered; the same as ``current`` for language-neutral vectors.
        passages: how many would be embedded.
        seconds: how long that takes on this machine; None where it was not measured.
    """

    collection: str
    current: str
    model: str
    passages: int
    seconds: float | None = None

    @property
    def is_neutral(self) -> bool:
        """Whether the model stays and only the language is taken out of its vectors."""
        return self.model == self.current


# -- a long ingest -------------------------------------------------------------------------------------------


def may_go_fast(library: "Library", job: JobInfo, now: datetime | None = None) -> bool:
    """Whether a job takes so long that :func:`fast_first` is worth offering."""
    left = job.seconds_left
    if job.kind != "add" or job.state not in _ACTIVE or left is None or left <= LONG_WITHOUT_UNITS_S:
        return False
    settled = (job.started_at or job.created_at) + timedelta(seconds=SETTLED_S)
    record = library.catalog.find_collection(job.collection)
    if record is None or record.model == FAST or (now or datetime.now(UTC)) < settled:
        return False
    if _is_switching(library, record):
        return False
    return left > LONG_S or _computes_slowly(library, record)


def fast_first(library: "Library", job_id: str) -> list[JobInfo]:
    """Index with the fast model what a job has not done yet, then embed all with the former model.

    The job is cancelled; the documents that it finished stay. Three ordinary jobs take its place.

    Raises:
        JobError: no such job, or one that has ended, is no ingest, or works with the fast model already; or
            the collection is being given another model.
    """
    library.jobs.get(job_id)
    found = library.catalog.find_job(job_id)
    assert found is not None
    job = found.info
    if job.kind != "add" or job.state not in _ACTIVE:
        raise JobError(
            f"Job {job.label!r} ({job.kind}, {job.state}) cannot go on with the model {FAST!r}. Expected an "
            "ingest that runs or waits. Look at the list of jobs."
        )
    if library.catalog.find_collection(job.collection) is None:
        library.create_collection(job.collection)
    record = library.catalog.collection(job.collection)
    if record.model == FAST:
        raise JobError(f"Collection {record.name!r} uses the model {FAST!r} already. Let the job go on.")
    if _is_switching(library, record):
        raise JobError(
            f"A model switch for {record.name!r} is already waiting or running. Wait for it, or cancel it."
        )
    is_neutral = ModelContract.from_json(record.contract).neutral is not None
    to_fast = {"switch": record.id, "model": FAST, "neutral": None}
    back = {"switch": record.id, "model": record.model, "neutral": is_neutral}
    submit = library.jobs.submit
    jobs = [
        submit("switch", to_fast, record.name, f"Use {FAST} for {record.name}", start=False),
        submit("add", found.params, record.name, job.label, start=False),
        submit("switch", back, record.name, f"Use {record.model} for {record.name}", start=False),
    ]
    library.jobs.cancel(job_id)  # after them: uploads that no job waits for are deleted
    library.jobs.start()
    return jobs


def _computes_slowly(library: "Library", record: CollectionRecord) -> bool:
    """Whether the collection's model runs in fp32 on a processor; opens it, which its ingest has done."""
    try:
        runtime = library.encoders.of(record).runtime
    except CollectionError:
        return False
    return (runtime.device, runtime.precision) == ("cpu", "fp32")


# -- a better model ------------------------------------------------------------------------------------------


def offer(library: "Library", collection: str, *, measure: bool = True) -> ModelOffer | None:
    """What would do a collection good: None for most, for empty ones, and once it was answered.

    Args:
        library: where the collection is.
        collection: name; there may be none of it.
        measure: whether the offered model may be opened to see how fast it is here. A few seconds, once.
    """
    record = library.catalog.find_collection(collection)
    if record is None or library.catalog.get_setting(_SETTING, scope=record.id) == _ANSWERED:
        return None
    passages = library.catalog.count_chunks(record.id)
    is_busy = any(job.collection == record.name for job in library.catalog.jobs(active_only=True))
    model = _better_model(library, record) if passages and not is_busy else None
    if model is None:
        return None
    per_passage = library.passage_seconds.get(model)
    if per_passage is None and measure:
        try:
            per_passage = _measure(library, library.encoders.load(model), record)
        except Me5Error:
            return None
        library.passage_seconds[model] = per_passage
    seconds = None if per_passage is None else per_passage * passages
    return ModelOffer(record.name, record.model, model, passages, seconds)


def decline(library: "Library", collection: str) -> None:
    """Never offer this collection another model again.

    Raises:
        CollectionError: there is no such collection.
    """
    record = library.catalog.collection(collection)
    library.catalog.set_setting(_SETTING, _ANSWERED, scope=record.id)


def accept(library: "Library", collection: str) -> JobInfo:
    """Start the switch that is offered.

    Raises:
        CollectionError: nothing is offered for this collection.
    """
    found = offer(library, collection, measure=False)
    if found is None:
        raise CollectionError(
            f"Collection {collection!r} needs no other model, or is being changed. Look at it again."
        )
    job = library.switch_model(collection, found.model, neutral=True)
    decline(library, collection)  # whoever goes back later is not asked again
    return job


def _better_model(library: "Library", record: CollectionRecord) -> str | None:
    from me5.registry import resolve_spec

    try:
        if record.model == FAST:
            return resolve_spec(BETTER).name
        contract = ModelContract.from_json(record.contract)
        if contract.neutral is not None or not contract.normalize or not library.neutral:
            return None
        spec = library.encoders.of(record).spec
    except (Me5Error, CollectionError):
        return None
    return record.model if spec.layers > 0 else None


def _measure(library: "Library", encoder: "Encoder", record: CollectionRecord) -> float:
    """Seconds for a passage of this collection."""
    from me5.prefixes import Role

    sample = library.catalog.sample_chunks(record.id, _MEASURED_PASSAGES)
    texts = [info.chunk.text for info in library.catalog.chunks_by_id(sample)]
    encoder.encode(texts[:2], Role.PASSAGE)  # the first call of some runtimes compiles
    started = time.perf_counter()
    encoder.encode(texts, Role.PASSAGE)
    return (time.perf_counter() - started) / len(texts)


def _is_switching(library: "Library", record: CollectionRecord) -> bool:
    return any(params.get("switch") == record.id for params in library.catalog.active_job_params())
