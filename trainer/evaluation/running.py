"""Run tasks with one model or two, and collect values, intervals and differences in a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from trainer.errors import DataError
from trainer.evaluation.hub import hub_scores
from trainer.evaluation.layouts import local_tasks
from trainer.evaluation.models import Model
from trainer.evaluation.progress import texts_of
from trainer.evaluation.samples_file import Digest
from trainer.evaluation.scoring import measure
from trainer.evaluation.statistics import LEVEL, RESAMPLES, Comparison, Interval, Sample, compare, interval
from trainer.evaluation.subsample import limited_task
from trainer.evaluation.values import MAIN_METRIC, Measured, Part, Retrieval, Task


@dataclass(frozen=True)
class Options:
    """What decides the figures besides task and model."""

    split: str | None = None
    languages: tuple[str, ...] = ()
    resamples: int = RESAMPLES
    seed: int = 0
    level: float = LEVEL
    max_items: int = 0  # per language; 0 for all


@dataclass(frozen=True)
class Score:
    """One metric: of the model, of the other model, and the difference other minus first."""

    first: Interval
    second: Interval | None = None
    difference: Comparison | None = None


@dataclass(frozen=True)
class Row:
    """The metrics of one language; ``items`` were measured against a ``pool`` of candidates."""

    language: str
    items: int
    pool: int
    scores: dict[str, Score]
    notes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskReport:
    """A task's languages and, where there are several, the mean over them.

    Equal digests mean the same items; ``measured`` holds the first model's values per item.
    """

    task: str
    kind: str
    main_metric: str
    rows: list[Row]
    mean: Row | None
    digest: str = ""
    measured: dict[str, Measured] = field(default_factory=dict, repr=False)


def find_tasks(name: str, options: Options) -> list[Task] | None:
    """Local tasks of a path; None where the name can only be a task of the hub."""
    tasks = local_tasks(name, options.split)
    return None if tasks is None else [limited_task(task, options.max_items) for task in tasks]


def count_texts(task: Task, options: Options) -> int:
    """How many texts a model has to read for a task; reads its files."""
    return sum(texts_of(part) for part in _wanted(task.read(), options.languages))


def run_task(
    task: Task,
    model: Model,
    other: Model | None,
    options: Options,
    *,
    watch: Callable[[str, Part], None] = lambda task, part: None,
) -> TaskReport:
    """Measure every language of a local task; ``watch`` is told of every part before it is measured.

    Raises:
        DataError: the files are malformed, or none of the wanted languages is there.
    """
    first: dict[str, Measured] = {}
    second: dict[str, Measured] = {}
    digest = Digest()
    for part in _wanted(task.read(), options.languages):
        watch(task.name, part)
        digest.add(part)
        first |= {measured.language: measured for measured in measure(part, model)}
        if other is not None:
            second |= {measured.language: measured for measured in measure(part, other)}
    if not first:
        raise DataError(
            f"Task '{task.name}' has nothing in {', '.join(options.languages) or 'any language'}. "
            "Expected codes as its files spell them. Check --language."
        )
    rows = [_row([measured], [second[name]] if other else [], options) for name, measured in first.items()]
    mean = _row(list(first.values()), list(second.values()), options) if len(rows) > 1 else None
    if mean is not None:
        mean = replace(mean, language="mean", notes={})
    return TaskReport(task.name, task.kind, MAIN_METRIC[task.kind], rows, mean, digest.value, first)


def run_hub_task(name: str, model: Model, other: Model | None, options: Options) -> list[TaskReport]:
    """Measure a task of the hub with mteb; values have no intervals there."""
    first = hub_scores(name, model, options.languages)
    second = [] if other is None else hub_scores(name, other, options.languages)
    results = {(scores.task, scores.split, scores.language): scores for scores in second}
    reports: dict[str, TaskReport] = {}
    for scores in first:
        main = {"main score": scores.main_score}
        against = results.get((scores.task, scores.split, scores.language))
        right = {} if against is None else {"main score": against.main_score} | against.metrics
        row = Row(
            language=scores.language,
            items=0,
            pool=0,
            scores={
                name: Score(_bare(value), _bare(right[name]) if name in right else None)
                for name, value in (main | scores.metrics).items()
            },
        )
        title = f"{scores.task} ({scores.split})"
        reports.setdefault(title, TaskReport(title, "hub", "main score", [], None, title)).rows.append(row)
    return [replace(report, mean=_bare_mean(report.rows)) for report in reports.values()]


def _bare_mean(rows: Sequence[Row]) -> Row | None:
    """The unweighted mean of values without intervals; of one row, none."""
    if len(rows) < 2:
        return None
    shared = [name for name in rows[0].scores if all(name in row.scores for row in rows)]
    scores = {}
    for name in shared:
        first, second = ([row.scores[name].first for row in rows], [row.scores[name].second for row in rows])
        left = sum(value.value for value in first) / len(rows)
        known = [value.value for value in second if value is not None]
        scores[name] = Score(_bare(left), _bare(sum(known) / len(rows)) if len(known) == len(rows) else None)
    return Row("mean", 0, 0, scores)


def _bare(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))


def _row(first: Sequence[Measured], second: Sequence[Measured], options: Options) -> Row:
    scores = {}
    shared = [name for name in first[0].samples if all(name in measured.samples for measured in first)]
    settings = {"resamples": options.resamples, "seed": options.seed}
    for name in shared:
        left, right = _samples(first, name), _samples(second, name)
        scores[name] = Score(
            interval(left, **settings, level=options.level),
            interval(right, **settings, level=options.level) if right else None,
            compare(left, right, **settings, level=options.level) if right else None,
        )
    items = sum(measured.items for measured in first)
    return Row(first[0].language, items, max(m.pool for m in first), scores, first[0].notes)


def _samples(measured: Sequence[Measured], name: str) -> dict[str, Sample]:
    return {item.language: item.samples[name] for item in measured}


def _wanted(parts: Iterator[Part], languages: tuple[str, ...]) -> Iterator[Part]:
    """Only what is in the wanted languages; a pair such as de-en is wanted for either of them."""
    for part in parts:
        if not languages:
            yield part
        elif isinstance(part, Retrieval):
            kept = [row for row, language in enumerate(part.languages) if language in languages]
            if kept:
                yield replace(
                    part,
                    queries=[part.queries[row] for row in kept],
                    languages=[part.languages[row] for row in kept],
                    judged=[part.judged[row] for row in kept],
                    itself=[part.itself[row] for row in kept] if part.itself else (),
                )
        elif part.language in languages or set(part.language.split("-")) & set(languages):
            yield part
