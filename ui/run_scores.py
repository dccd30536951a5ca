"""Scores of a run: the main metric of each task over the steps, and before and after. No HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.run.records import Evaluation
from ui.charts import Point
from ui.language_codes import pair_name


def score_lines(evaluations: Sequence[Evaluation]) -> dict[str, list[Point]]:
    """The main metric of each task over the steps, as percent; the mean where there are several languages."""
    lines: dict[str, list[Point]] = {}
    many = {evaluation.task for evaluation in evaluations if evaluation.language == "mean"}
    tasks = {evaluation.task for evaluation in evaluations}
    for main_metric in main_metrics(evaluations):
        if main_metric.language == "mean" or main_metric.task not in many:
            label = main_metric.metric if len(tasks) == 1 else f"{main_metric.metric}, {main_metric.task}"
            lines.setdefault(label, []).append((float(main_metric.step), 100 * main_metric.value))
    return lines


def main_metrics(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Of each task only its main metric."""
    main: dict[str, str] = {}
    for evaluation in evaluations:
        wanted = {"retrieval": "nDCG@10", "bitext": "F1", "similarity": "Spearman"}.get(evaluation.kind)
        if evaluation.task not in main or evaluation.metric == wanted:
            main[evaluation.task] = evaluation.metric
    return [evaluation for evaluation in evaluations if evaluation.metric == main[evaluation.task]]


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
    results: dict[tuple[str, str], list[Evaluation]] = {}
    for main_metric in main_metrics(evaluations):
        results.setdefault((main_metric.task, main_metric.language), []).append(main_metric)
    changes = [
        Change(task, lines[0].metric, language, lines[0].value,
               lines[-1].value if lines[-1].step > lines[0].step else None, lines[-1].low, lines[-1].high)
        for (task, language), lines in results.items()
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
