"""Run tasks with one model or two, and collect values, intervals and differences in a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from trainer.errors import DataError
from trainer.statistics import LEVEL, RESAMPLES, Comparison, Interval, Sample, compare, interval
from trainer.tasks.hub import hub_scores
from trainer.tasks.layouts import local_tasks
from trainer.tasks.models import Model
from trainer.tasks.scoring import measure
from trainer.tasks.values import MAIN_METRIC, Measured, Part, Retrieval, Task


@dataclass(frozen=True)
class Options:
    """What decides the figures besides task and model."""

    split: str | None = None
    languages: tuple[str, ...] = ()
    resamples: int = RESAMPLES
    seed: int = 0
    level: float = LEVEL


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
    """A task's languages and, where there are several, the mean over them."""

    task: str
    kind: str
    main_metric: str
    rows: list[Row]
    mean: Row | None


def find_tasks(name: str, options: Options) -> list[Task] | None:
    """Local tasks of a path; None where the name can only be a task of the hub."""
    return local_tasks(name, options.split)


def run_task(task: Task, model: Model, other: Model | None, options: Options) -> TaskReport:
    """Measure every language of a local task.

    Raises:
        DataError: the files are malformed, or none of the wanted languages is there.
    """
    first: dict[str, Measured] = {}
    second: dict[str, Measured] = {}
    for part in _wanted(task.read(), options.languages):
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
    return TaskReport(task.name, task.kind, MAIN_METRIC[task.kind], rows, mean)


def run_hub_task(name: str, model: Model, other: Model | None, options: Options) -> list[TaskReport]:
    """Measure a task of the hub with mteb; values have no intervals there."""
    first = hub_scores(name, model, options.languages)
    second = [] if other is None else hub_scores(name, other, options.languages)
    found = {(scores.task, scores.split, scores.language): scores for scores in second}
    reports: dict[str, TaskReport] = {}
    for scores in first:
        main = {"main score": scores.main_score}
        against = found.get((scores.task, scores.split, scores.language))
        theirs = {} if against is None else {"main score": against.main_score} | against.metrics
        row = Row(
            language=scores.language,
            items=0,
            pool=0,
            scores={
                name: Score(_bare(value), _bare(theirs[name]) if name in theirs else None)
                for name, value in (main | scores.metrics).items()
            },
        )
        title = f"{scores.task} ({scores.split})"
        reports.setdefault(title, TaskReport(title, "hub", "main score", [], None)).rows.append(row)
    return list(reports.values())


def _bare(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))


def _row(first: Sequence[Measured], second: Sequence[Measured], options: Options) -> Row:
    scores = {}
    shared = [name for name in first[0].samples if all(name in measured.samples for measured in first)]
    settings = {"resamples": options.resamples, "seed": options.seed}
    for name in shared:
        ours, theirs = _samples(first, name), _samples(second, name)
        scores[name] = Score(
            interval(ours, **settings, level=options.level),
            interval(theirs, **settings, level=options.level) if theirs else None,
            compare(ours, theirs, **settings, level=options.level) if theirs else None,
        )
    items = sum(measured.items for measured in first)
    return Row(first[0].language, items, max(m.pool for m in first), scores, first[0].notes)


def _samples(measured: Sequence[Measured], name: str) -> dict[str, Sample]:
    return {one.language: one.samples[name] for one in measured}


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
