"""The tab Evaluate: choose models and tasks, watch, read scores beside published ones, compare two models."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ui import exports, markup_evaluate
from ui import markup_scores as scores
from ui.evaluation_exports import COLUMNS, rows_to_export
from ui.exports import ExportFormat
from ui.guard import guarded
from ui.services.evaluation import SAMPLE_TASK, Entry, EvaluationError, Evaluations, Request, compare_entries
from ui.services.library import Services
from ui.shell import TO_DOWNLOAD, Shell, script
from ui.tabs.evaluate_form import Form, build_folds, build_form

FORMATS: tuple[ExportFormat, ...] = ("csv", "json")
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class EvaluateTab:
    """Parts of the tab that events write."""

    form: Form
    status: gr.HTML
    table: gr.HTML
    results: gr.Column
    task: gr.Dropdown
    first: gr.Dropdown
    second: gr.Dropdown
    detail: gr.HTML
    history: gr.HTML
    timer: gr.Timer
    revision: gr.State
    hidden: gr.State


def build(services: Services, shell: Shell) -> EvaluateTab:
    """Lay the tab out and wire it."""
    evaluations = Evaluations(services.access)
    form = build_form(evaluations)
    status = gr.HTML("", js_on_load=script("evaluate.js"), apply_default_css=False, elem_id="evaluate-status")
    table = gr.HTML("", js_on_load=script("evaluate.js"), apply_default_css=False, elem_id="evaluate-table")
    with gr.Column(visible=False, elem_id="evaluate-results") as results:
        with gr.Row(elem_id="evaluate-pick"):
            task = gr.Dropdown([], label="Task", elem_id="evaluate-task", min_width=200)
            first = gr.Dropdown([], label="Model", elem_id="evaluate-first", min_width=160)
            second = gr.Dropdown([], label="Compare with", elem_id="evaluate-second", min_width=160)
        detail = gr.HTML("", apply_default_css=False, elem_id="evaluate-detail")
        with gr.Row(elem_id="evaluate-exports"):
            gr.HTML("Export all values", apply_default_css=False, elem_id="evaluate-export-label")
            export_buttons = [
                gr.Button(kind.upper(), size="sm", scale=0, min_width=70, elem_id=f"evaluate-{kind}")
                for kind in FORMATS
            ]
    history, log = build_folds()
    tab = EvaluateTab(
        form, status, table, results, task, first, second, detail, history,
        gr.Timer(POLL_SECONDS, active=False), gr.State(""), gr.State(""),
    )  # fmt: skip
    _wire_start(evaluations, tab)
    _wire_revision(evaluations, tab)
    _wire_detail(evaluations, tab)
    _wire_history(evaluations, tab, log)
    for button, kind in zip(export_buttons, FORMATS, strict=True):
        _wire_export(services, evaluations, shell, button, kind)
    return tab


# -- what is shown -------------------------------------------------------------------------------------------


def _labels(evaluations: Evaluations, entries: Sequence[Entry] = ()) -> dict[str, str]:
    words = {word for item in evaluations.all() for word in item.request.models}
    words |= {entry.model for entry in entries}
    return {word: evaluations.label(word) for word in words}


def _look(evaluations: Evaluations, hidden: str) -> tuple[str, gr.Timer, str]:
    """The status line, a timer that runs while an evaluation does, and a fingerprint of what there is."""
    result = evaluations.all()
    running = next((item for item in result if item.state == "running"), None)
    latest = running or (result[0] if result and result[0].id != hidden else None)
    line = markup_evaluate.progress(latest, _labels(evaluations), time.time())
    seen = repr([(item.id, item.state, item.current) for item in result])
    return line, gr.Timer(active=running is not None), seen


def _draw(evaluations: Evaluations, key: str, model: str, beside: str) -> tuple[Any, ...]:
    """Everything that depends on results: table, choices of the detail, the detail, history."""
    entries = evaluations.entries()
    labels = _labels(evaluations, entries)
    entry, other = _picked(entries, key, model, beside)
    chosen = (entry.key, entry.model) if entry else ("", "")
    return (
        markup_evaluate.table(entries, labels, chosen),
        gr.Column(visible=entry is not None),
        *_picks(entries, entry, other, labels),
        _detail(entry, other, labels, at_once=True),
        markup_evaluate.history(evaluations.all(), labels),
        gr.Dropdown(choices=evaluations.model_choices()),
        gr.Dropdown(choices=evaluations.task_choices()),
    )


def _picked(entries: Sequence[Entry], key: str, model: str, beside: str) -> tuple[Entry | None, Entry | None]:
    """The entry to show and the one beside it; the newest where what is named is not there."""
    if not entries:
        return None, None
    own = [entry for entry in entries if entry.key == key] or [
        entry for entry in entries if entry.key == entries[0].key
    ]
    entry = next((item for item in own if item.model == model), None)
    if entry is None:  # nothing was chosen yet: the newest two
        return own[0], next(iter(own[1:]), None)
    other = next((item for item in own if item.model == beside and item is not entry), None)
    return entry, other


def _picks(
    entries: Sequence[Entry], entry: Entry | None, other: Entry | None, labels: dict[str, str]
) -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown]:
    if entry is None:
        return gr.Dropdown(choices=[]), gr.Dropdown(choices=[]), gr.Dropdown(choices=[])
    tasks = {item.key: markup_evaluate.task_title(item) for item in reversed(entries)}
    models = [(labels[item.model], item.model) for item in entries if item.key == entry.key]
    rest = [("nothing", ""), *((label, word) for label, word in models if word != entry.model)]
    return (
        gr.Dropdown(choices=[(title, key) for key, title in reversed(tasks.items())], value=entry.key),
        gr.Dropdown(choices=models, value=entry.model),
        gr.Dropdown(choices=rest, value=other.model if other else ""),
    )


def _detail(
    entry: Entry | None, other: Entry | None, labels: dict[str, str], *, at_once: bool = False
) -> str:
    """``at_once`` leaves the paired test out, which takes seconds for many languages."""
    if entry is None:
        return ""
    if other is None:
        return scores.detail(entry, None, None, labels)
    if at_once:
        return scores.detail(entry, other, "Comparing the two, question by question …", labels)
    try:
        compared: Any = compare_entries(entry, other)
    except EvaluationError as error:
        compared = str(error)
    return scores.detail(entry, other, compared, labels)


# -- events --------------------------------------------------------------------------------------------------

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def _wire_start(evaluations: Evaluations, tab: EvaluateTab) -> None:
    form = tab.form
    started = gr.JSON(visible=False, elem_id="evaluate-started")
    outputs = [started, tab.status, tab.timer, tab.revision]

    def ask(models: Sequence[str], tasks: Sequence[str], *said: Any) -> tuple[Any, ...]:
        languages, most, instruction = said
        request = Request(
            models=tuple(models or ()),
            tasks=tuple(tasks or ()),
            languages=tuple((languages or "").replace(",", " ").split()),
            max_items=int(most or 0),
            instruction=(instruction or "").strip(),
        )
        result = evaluations.start(request)
        return {"evaluation": result.id, "state": result.state}, *_look(evaluations, "")

    def ask_sample(models: Sequence[str], *said: Any) -> tuple[Any, ...]:
        return ask(models or ["builtin"], [str(SAMPLE_TASK)], "", said[1], said[2])

    form.start.click(
        guarded(ask), [form.models, form.tasks, *form.options], outputs, show_progress="hidden",
        api_name="evaluate",
    )  # fmt: skip
    form.sample.click(
        guarded(ask_sample), [form.models, *form.options], outputs, show_progress="hidden",
        api_name="evaluate_sample", api_visibility="undocumented",
    )  # fmt: skip

    def keep(files: list[str] | None, tasks: list[str] | None) -> gr.Dropdown:
        words = evaluations.keep_uploads([Path(file) for file in files or []])
        chosen = list(dict.fromkeys([*(tasks or []), *words]))
        known = evaluations.task_choices()
        extra = [(Path(word).name, word) for word in words if word not in {value for _, value in known}]
        return gr.Dropdown(choices=[*known, *extra], value=chosen)

    form.upload.upload(
        guarded(keep), [form.upload, form.tasks], form.tasks, show_progress="hidden",
        api_name="evaluate_upload", api_visibility="undocumented",
    )  # fmt: skip


def _wire_revision(evaluations: Evaluations, tab: EvaluateTab) -> None:
    """Look while something runs, on load and on return; draw when something has changed."""

    def refresh(hidden: str) -> tuple[Any, ...]:
        return _look(evaluations, hidden)

    def cancel(hidden: str, event: gr.EventData) -> tuple[Any, ...]:
        evaluations.cancel(str(event.id))
        return _look(evaluations, hidden)

    def hide(event: gr.EventData) -> tuple[Any, ...]:
        return str(event.id), *_look(evaluations, str(event.id))

    def draw(key: str, model: str, beside: str) -> tuple[Any, ...]:
        return _draw(evaluations, key or "", model or "", beside or "")

    looked = [tab.status, tab.timer, tab.revision]
    tab.timer.tick(guarded(refresh), tab.hidden, looked, **HIDDEN)
    gr.on(None, guarded(lambda: _look(evaluations, "")), None, looked, **HIDDEN)  # on load
    tab.status.cancel(guarded(cancel), tab.hidden, looked, **HIDDEN)
    tab.status.hide(guarded(hide), None, [tab.hidden, *looked], **HIDDEN)
    picks = [tab.task, tab.first, tab.second]
    tab.revision.change(guarded(draw), picks, _drawn(tab), **HIDDEN).then(
        guarded(_compare(evaluations)), picks, tab.detail, **HIDDEN
    )


def _compare(evaluations: Evaluations) -> Callable[[str, str, str], Any]:
    """The detail again, now with the paired test."""

    def compare(key: str, model: str, beside: str) -> Any:
        if not beside:
            return gr.skip()
        entries = evaluations.entries()
        picked = _picked(entries, key or "", model or "", beside)
        return _detail(*picked, _labels(evaluations, entries))

    return compare


def _drawn(tab: EvaluateTab) -> list[Any]:
    return [
        tab.table, tab.results, tab.task, tab.first, tab.second, tab.detail, tab.history,
        tab.form.models, tab.form.tasks,
    ]  # fmt: skip


def _wire_detail(evaluations: Evaluations, tab: EvaluateTab) -> None:
    outputs = [tab.table, tab.task, tab.first, tab.second, tab.detail]

    def show(key: str, model: str, beside: str) -> tuple[Any, ...]:
        table, _, *rest = _draw(evaluations, key or "", model or "", beside or "")
        return table, *rest[:4]

    def choose(beside: str, event: gr.EventData) -> tuple[Any, ...]:
        return show(str(event.task), str(event.model), beside)

    picks = [tab.task, tab.first, tab.second]
    compare = guarded(_compare(evaluations))
    tab.table.choose(guarded(choose), tab.second, outputs, **HIDDEN).then(
        compare, picks, tab.detail, **HIDDEN
    )
    for picked in picks:
        picked.input(guarded(show), picks, outputs, **HIDDEN).then(compare, picks, tab.detail, **HIDDEN)


def _wire_history(evaluations: Evaluations, tab: EvaluateTab, log: gr.Textbox) -> None:
    def remove(hidden: str, event: gr.EventData) -> tuple[Any, ...]:
        evaluations.remove(str(event.id))
        return _look(evaluations, hidden)

    def show_log(event: gr.EventData) -> gr.Textbox:
        words = evaluations.log(str(event.id)) or "There is no message."
        return gr.Textbox(value=words, visible=True)

    tab.history.remove(guarded(remove), tab.hidden, [tab.status, tab.timer, tab.revision], **HIDDEN)
    tab.history.log(guarded(show_log), None, log, **HIDDEN)


def _wire_export(
    services: Services, evaluations: Evaluations, shell: Shell, button: gr.Button, kind: ExportFormat
) -> None:
    def export() -> str:
        entries = evaluations.entries()
        rows = rows_to_export(entries, _labels(evaluations, entries))
        return str(exports.write_rows(services._fresh("evaluations"), rows, COLUMNS, kind))

    button.click(
        guarded(export), None, shell.download, show_progress="hidden", api_name=f"export_evaluations_{kind}"
    ).success(None, js=TO_DOWNLOAD, api_visibility="private")
