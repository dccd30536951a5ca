"""What people are offered: the fast model first for a long ingest, a better model for a collection.

Both are ordinary jobs: what is indexed stays, and searches go on meanwhile. A better model is offered once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexer.catalog import Catalog, CollectionRecord
from indexer.errors import CollectionError, JobError
from indexer.library.encoders import Encoders
from indexer.library.jobs import JobRunner
from indexer.library.model_switch import is_under_way
from indexer.progress import LONG_S, SETTLED_S
from indexer.types import JobInfo
from me5.contract import ModelContract
from me5.encoder import Encoder
from me5.errors import Me5Error
from me5.states import ACTIVE

FAST = "fast"
BETTER = "builtin"
LONG_WITHOUT_UNITS_S = 300.0
"""Instead of LONG_S on a processor that has neither bf16 nor int8 units."""

_SETTING = "model offer"
_ANSWERED = "answered"
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
        is_newer: the same model in its present version, without which only words are searched.
    """

    collection: str
    current: str
    model: str
    passages: int
    seconds: float | None = None
    is_newer: bool = False

    @property
    def is_neutral(self) -> bool:
        """Whether the model stays and only the language is taken out of its vectors."""
        return self.model == self.current and not self.is_newer


# -- a long ingest -------------------------------------------------------------------------------------------


def may_go_fast(catalog: Catalog, encoders: Encoders, job: JobInfo, now: datetime | None = None) -> bool:
    """Whether a job takes so long that :func:`fast_first` is worth offering."""
    left = job.seconds_left
    if job.kind != "add" or job.state not in ACTIVE or left is None or left <= LONG_WITHOUT_UNITS_S:
        return False
    settled = (job.started_at or job.created_at) + timedelta(seconds=SETTLED_S)
    record = catalog.collections.find(job.collection)
    if record is None or record.model == FAST or (now or datetime.now(UTC)) < settled:
        return False
    if is_under_way(catalog, record):
        return False
    return left > LONG_S or _computes_slowly(encoders, record)


def fast_first(
    catalog: Catalog, jobs: JobRunner, job_id: str, *, create_collection: Callable[[str], object]
) -> list[JobInfo]:
    """Index with the fast model what a job has not done yet, then embed all with the former model.

    The job is cancelled; the documents that it finished stay. Three ordinary jobs take its place.

    Raises:
        JobError: no such job, or one that has ended, is no ingest, or works with the fast model already; or
            a switch of its model is running.
    """
    jobs.get(job_id)
    result = catalog.jobs.find(job_id)
    assert result is not None
    job = result.info
    if job.kind != "add" or job.state not in ACTIVE:
        raise JobError(
            f"Job {job.label!r} ({job.kind}, {job.state}) cannot continue with the model {FAST!r}. Expected "
            "an ingest that runs or waits. Look at the list of jobs."
        )
    if catalog.collections.find(job.collection) is None:
        create_collection(job.collection)
    record = catalog.collections.get(job.collection)
    if record.model == FAST:
        raise JobError(f"Collection {record.name!r} uses the model {FAST!r} already. Let the job go on.")
    if is_under_way(catalog, record):
        raise JobError(
            f"A model switch for {record.name!r} is already waiting or running. Wait for it, or cancel it."
        )
    is_neutral = ModelContract.from_json(record.contract).neutral is not None
    to_fast = {"switch": record.id, "model": FAST, "neutral": None}
    back = {"switch": record.id, "model": record.model, "neutral": is_neutral}
    submit = jobs.submit
    submitted = [
        submit("switch", to_fast, record.name, f"Use {FAST} for {record.name}", start=False),
        submit("add", result.params, record.name, job.label, start=False),
        submit("switch", back, record.name, f"Use {record.model} for {record.name}", start=False),
    ]
    jobs.cancel(job_id)  # after them: uploads that no job waits for are deleted
    jobs.start()
    return submitted


def _computes_slowly(encoders: Encoders, record: CollectionRecord) -> bool:
    """Whether the collection's model runs in fp32 on a processor; opens it, which its ingest has done."""
    try:
        runtime = encoders.of(record).runtime
    except CollectionError:
        return False
    return (runtime.device, runtime.precision) == ("cpu", "fp32")


# -- a better model ------------------------------------------------------------------------------------------


def offer(
    catalog: Catalog,
    encoders: Encoders,
    collection: str,
    *,
    neutral: bool,
    passage_seconds: dict[str, float],
    measure: bool = True,
) -> ModelOffer | None:
    """What would do a collection good: None for most, for empty ones, and once it was answered.

    The present version of a model that ships is offered again and again.

    Args:
        catalog, encoders: of the library.
        collection: name; there may be none of it.
        neutral: whether new collections get vectors without their language.
        passage_seconds: by model, how long a passage takes on this machine; what is measured is added.
        measure: whether the offered model may be opened to see how fast it is here. A few seconds, once.
    """
    record = catalog.collections.find(collection)
    passages = catalog.facets.count_chunks(record.id) if record is not None else 0
    if record is None or not passages:
        return None
    if any(job.collection == record.name for job in catalog.jobs.infos(active_only=True)):
        return None
    is_newer = encoders.is_outdated(record)
    if is_newer:
        model: str | None = record.model
    elif catalog.settings.get(_SETTING, scope=record.id) == _ANSWERED:
        return None
    else:
        model = _better_model(encoders, record, neutral)
    if model is None:
        return None
    if model not in passage_seconds and measure:
        try:
            passage_seconds[model] = _measure(catalog, encoders.load(model), record)
        except Me5Error:
            return None
    per_passage = passage_seconds.get(model)
    seconds = None if per_passage is None else per_passage * passages
    return ModelOffer(record.name, record.model, model, passages, seconds, is_newer)


def accepted(collection: str, offered: ModelOffer | None) -> ModelOffer:
    """The offer that is accepted.

    Raises:
        CollectionError: there is none any more.
    """
    if offered is None:
        raise CollectionError(
            f"Collection {collection!r} needs no other model, or is being changed. Look at it again."
        )
    return offered


def answer(catalog: Catalog, collection: str) -> None:
    """Never offer this collection another model again.

    Raises:
        CollectionError: there is no such collection.
    """
    record = catalog.collections.get(collection)
    catalog.settings.set(_SETTING, _ANSWERED, scope=record.id)


def _better_model(encoders: Encoders, record: CollectionRecord, neutral: bool) -> str | None:
    from me5.registry import resolve_spec

    try:
        if record.model == FAST:
            return resolve_spec(BETTER).name
        contract = ModelContract.from_json(record.contract)
        if contract.neutral is not None or not contract.normalize or not neutral:
            return None
        spec = encoders.of(record).spec
    except (Me5Error, CollectionError):
        return None
    return record.model if spec.layers > 0 else None


def _measure(catalog: Catalog, encoder: Encoder, record: CollectionRecord) -> float:
    """Seconds for a passage of this collection."""
    from me5.prefixes import Role

    sample = catalog.chunks.sample(record.id, _MEASURED_PASSAGES)
    texts = [info.chunk.text for info in catalog.chunks.by_id(sample)]
    encoder.encode(texts[:2], Role.PASSAGE)  # the first call of some runtimes compiles
    started = time.perf_counter()
    encoder.encode(texts, Role.PASSAGE)
    return (time.perf_counter() - started) / len(texts)
