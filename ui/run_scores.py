"""Scores of a run: the main metric of each task over the steps, and before and after. No HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.runs.records import Evaluation
from ui.charts import Point
from ui.language_codes import pair_name


def score_lines(evaluations: Sequence[Evaluation]) -> dict[str, list[Point]]:
    """The main metric of each task over the steps, as percent; the mean where there are several languages."""
    lines: dict[str, list[Point]] = {}
    many = {one.task for one in evaluations if one.language == "mean"}
    tasks = {one.task for one in evaluations}
    for one in main_metrics(evaluations):
        if one.language == "mean" or one.task not in many:
            label = one.metric if len(tasks) == 1 else f"{one.metric}, {one.task}"
            lines.setdefault(label, []).append((float(one.step), 100 * one.value))
    return lines


def main_metrics(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Of each task only its main metric."""
    main: dict[str, str] = {}
    for one in evaluations:
        wanted = {"retrieval": "nDCG@10", "bitext": "F1", "similarity": "Spearman"}.get(one.kind)
        if one.task not in main or one.metric == wanted:
            main[one.task] = one.metric
    return [one for one in evaluations if one.metric == main[one.task]]


@dataclass(frozen=True)
class Change:
    """A score before and after training; ``after`` is None before there is one."""

    task: str
    metric: str
    language: str
    before: float
    after: float | None
    low: float
    high: float


def before_after(evaluations: Sequence[Evaluation]) -> list[Change]:
    """Scores of the first and the last measured step, per task and language, means first."""
    found: dict[tuple[str, str], list[Evaluation]] = {}
    for one in main_metrics(evaluations):
        found.setdefault((one.task, one.language), []).append(one)
    changes = [
        Change(task, lines[0].metric, language, lines[0].value,
               lines[-1].value if lines[-1].step > lines[0].step else None, lines[-1].low, lines[-1].high)
        for (task, language), lines in found.items()
    ]  # fmt: skip
    return sorted(changes, key=lambda row: (row.task, row.language != "mean", language_label(row.language)))


def language_label(code: str) -> str:
    """``German``, ``German – English`` for a pair."""
    if code in ("mean", "und"):
        return "all languages" if code == "mean" else "not sure"
    return pair_name(code)


def percent(share: float) -> str:
    """``63.8``"""
    return f"{100 * share:.1f}"
