"""Evaluations as HTML: progress, the table of models and tasks, what was done so far. All text escaped."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from trainer.evaluation.published import TOLERANCE, Verdict, compare_with_published
from ui import formatting as fmt
from ui.services.evaluation import Entry, Evaluation

Labels = Mapping[str, str]
"""Model as it was asked for -> what it is called."""

PUBLISHED_ROWS = ("small", "base", "large", "large-instruct")
STATE_WORDS = {
    "running": "running", "done": "done", "failed": "failed", "cancelled": "cancelled",
    "interrupted": "interrupted",
}  # fmt: skip


# -- progress ------------------------------------------------------------------------------------------------


def progress(evaluation: Evaluation | None, labels: Labels, now: float) -> str:
    """The line of the evaluation that runs, or of the last one where it has something to say."""
    if evaluation is None:
        return ""
    models = evaluation.request.models
    if evaluation.state == "running":
        model = label(models[min(evaluation.current, len(models) - 1)], labels)
        share = evaluation.share
        reached = "" if share is None else f' value="{share:.3f}"'
        parts = [f"model {evaluation.current + 1} of {len(models)}"] if len(models) > 1 else []
        if evaluation.total_texts:
            parts.append(f"{fmt.number(evaluation.done_texts)} of {fmt.number(evaluation.total_texts)} texts")
        elif not evaluation.done_texts:
            parts.append("loading the model")
        left = evaluation.seconds_left(now)
        if left is not None:
            parts.append(f"{fmt.duration(left)} left")
        where = f" on {fmt.isolated(evaluation.task)}" if evaluation.task else ""
        return (
            f'<div class="jobs" role="status"><div class="job running"><span class="what">Measuring '
            f'{fmt.isolated(model)}{where}</span><progress max="1"{reached}></progress>'
            f"<span>{' · '.join(parts)}</span>"
            f'<button type="button" class="link" data-cancel="{fmt.text(evaluation.id)}">Cancel</button>'
            "</div></div>"
        )
    return _ended(evaluation, labels)


def _ended(evaluation: Evaluation, labels: Labels) -> str:
    words = {
        "done": "Measured, but not everything",
        "failed": "Nothing could be measured",
        "cancelled": "Cancelled. Finished work is saved",
        "interrupted": "Interrupted (for example by a restart). Finished work is saved",
    }[evaluation.state]
    if evaluation.state == "done" and not evaluation.errors:
        return ""
    reasons = "".join(
        f"<li><b>{fmt.isolated(short(label(what, labels)))}</b> "
        f'<span dir="auto">{fmt.text(reason)}</span></li>'
        for what, reason in evaluation.errors
    )
    listed = f'<ul class="ev-errors">{reasons}</ul>' if reasons else ""
    look = "failed" if evaluation.state == "failed" else "ended"
    return (
        f'<div class="jobs" role="status"><div class="job {look}"><span class="what">{words}.</span>'
        f'<button type="button" class="link" data-hide="{fmt.text(evaluation.id)}">Hide</button>{listed}'
        "</div></div>"
    )


# -- the table of models and tasks ---------------------------------------------------------------------------


def table(entries: Sequence[Entry], labels: Labels, chosen: tuple[str, str] = ("", "")) -> str:
    """Models in rows, tasks in columns: measured value, interval, and what was published for the same."""
    if not entries:
        return (
            '<div class="nothing"><h2>Nothing measured yet</h2><p>The sample task asks 156 questions in six '
            "languages about the sample library and takes seconds with the built-in model.</p></div>"
        )
    tasks = _columns(entries)
    cells = {(entry.model, entry.key): entry for entry in entries}
    best = {key: max(value_of(e) for e in entries if e.key == key) for key in tasks}
    models = list(dict.fromkeys(entry.model for entry in reversed(entries)))
    models.sort(key=lambda model: model != "builtin")
    heads = "".join(_column_head(tasks[key]) for key in tasks)
    rows = "".join(
        f'<tr><th scope="row">{fmt.isolated(label(model, labels))}</th>'
        + "".join(
            _cell(entry, is_best=value_of(entry) == best[key], is_chosen=(key, model) == chosen)
            if (entry := cells.get((model, key)))
            else '<td class="none">–</td>'
            for key in tasks
        )
        + "</tr>"
        for model in models
    )
    return (
        '<div class="evaluations"><div class="scroll"><table><thead><tr><th>Model</th>'
        f"{heads}</tr></thead><tbody>{rows}{_reference_rows(tasks)}</tbody></table></div>"
        '<p class="more">Percent, higher is better; in brackets the 95 % interval. '
        "Choose a value to see its languages.</p></div>"
    )


def task_title(entry: Entry) -> str:
    """``sample-questions``, as the files are called."""
    return str(entry.report["task"])


def _columns(entries: Sequence[Entry]) -> dict[str, Entry]:
    """The tasks, the newest first; an entry of each stands for it."""
    tasks: dict[str, Entry] = {}
    for entry in entries:
        tasks.setdefault(entry.key, entry)
    return tasks


def _column_head(entry: Entry) -> str:
    items = sum(row["items"] for row in entry.report["results"])
    counted = f" · {fmt.number(items)} {items_word(entry)}" if items else ""
    return (
        f'<th scope="col">{fmt.isolated(task_title(entry))}<small>{fmt.text(entry.report["main_metric"])}'
        f"{counted}</small></th>"
    )


def items_word(entry: Entry, *, one: bool = False) -> str:
    """What the items of a task are."""
    many, single = {
        "retrieval": ("queries", "query"), "similarity": ("pairs", "pair"),
        "classification": ("texts", "text"),
    }.get(entry.report["kind"], ("sentences", "sentence"))  # fmt: skip
    return single if one else many


def _cell(entry: Entry, *, is_best: bool, is_chosen: bool) -> str:
    score = entry.score()
    verdict = verdict_of(entry)
    beside = ""
    if verdict.published is not None:
        off = abs(value_of(entry) - verdict.published.value) > TOLERANCE
        why = f'<small class="why">{fmt.text(verdict.reason)}</small>' if off else ""
        beside = f'<small class="published">published {verdict.published.value:.1f}</small>{why}'
    pressed = "true" if is_chosen else "false"
    return (
        f'<td{" class=best" if is_best else ""}><button type="button" data-task="{fmt.text(entry.key)}" '
        f'data-model="{fmt.text(entry.model)}" aria-pressed="{pressed}"><b>{percent(score["value"])}</b>'
        f"{interval(score)}</button>{beside}</td>"
    )


def _reference_rows(tasks: Mapping[str, Entry]) -> str:
    """Rows of the mE5 models with published numbers for the same languages, where a task is a benchmark."""
    rows = []
    for model in PUBLISHED_ROWS:
        verdicts = {key: verdict_of(entry, model) for key, entry in tasks.items()}
        if not any(verdict.published for verdict in verdicts.values()):
            continue
        cells = "".join(
            "<td></td>" if verdict.published is None else f"<td>{verdict.published.value:.1f}</td>"
            for verdict in verdicts.values()
        )
        rows.append(
            f'<tr class="reference"><th scope="row">mE5-{model} <small>published</small></th>{cells}</tr>'
        )
    return "".join(rows)


def verdict_of(entry: Entry, model: str = "") -> Verdict:
    """What was published for the languages of an entry, of its own model or of another."""
    metric = entry.report["main_metric"]
    values = {row["language"]: 100 * entry.score(row)["value"] for row in entry.report["results"]}
    return compare_with_published(model or entry.model, task_title(entry), values, metric)


# -- what was done so far ------------------------------------------------------------------------------------


def history(evaluations: Sequence[Evaluation], labels: Labels) -> str:
    """Every evaluation with what was asked for; those that have ended can be removed."""
    if not evaluations:
        return '<div class="nothing"><p>No evaluation yet.</p></div>'
    rows = "".join(_history_row(evaluation, labels) for evaluation in evaluations)
    return (
        '<div class="scroll"><table class="ev-history"><thead><tr><th>When</th><th>Models</th><th>Tasks</th>'
        f"<th>State</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _history_row(one: Evaluation, labels: Labels) -> str:
    models = ", ".join(fmt.isolated(label(model, labels)) for model in one.request.models)
    tasks = ", ".join(fmt.isolated(short(task)) for task in one.request.tasks)
    key = fmt.text(one.id)
    buttons = f'<button type="button" class="link" data-log="{key}">Log</button>'
    if one.state != "running":
        buttons += f' <button type="button" class="link" data-remove="{key}">Remove</button>'
    state = STATE_WORDS[one.state]
    if one.state == "done" and one.errors:
        state = "done in part"
    created = datetime.fromtimestamp(one.request.created_at, UTC)
    return (
        f'<tr><td class="added">{fmt.when(created)}</td><td>{models}</td><td>{tasks}</td>'
        f'<td class="state">{state}</td><td class="buttons">{buttons}</td></tr>'
    )


# -- words ---------------------------------------------------------------------------------------------------


def percent(value: float | None) -> str:
    """``49.1`` of 0.491."""
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.1f}"


def signed(share: float) -> str:
    """``+22.2`` of 0.222, with a true minus sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def interval(score: Mapping[str, Any]) -> str:
    if score["low"] is None:
        return ""
    return f"<small>[{percent(score['low'])}, {percent(score['high'])}]</small>"


def value_of(entry: Entry) -> float:
    return 100 * float(entry.score()["value"])


def label(model: str, labels: Labels) -> str:
    return labels.get(model, model)


def short(word: str) -> str:
    """The last part of a path; names stay."""
    return PurePath(word).name if PurePath(word).is_absolute() else word
