"""The tab Train: choose what for, bring pairs, start; watch it learn; use what came out."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from trainer.run import records
from ui.errors import UiError
from ui.guard import guarded
from ui.markup_runs import comparison, run_list
from ui.markup_train import run_page
from ui.markup_train_form import estimate_line
from ui.run_scores import before_after
from ui.run_view import RunView
from ui.services.library import DEFAULT_COLLECTION, Services
from ui.services.training import Training
from ui.services.training_pairs import Draft
from ui.services.training_plan import PURPOSES, Settings
from ui.services.training_request import DEFAULT_BASE, TrainingRequest
from ui.shell import Shell, refresh, script
from ui.tabs.train_form import (
    NO_PAIRS,
    Form,
    build_form,
    settings_from,
    show_draft,
    show_purpose,
    to_values,
)

NEW, COMPARE = "new", "compare:"
REMEMBER_RUN = """(view) => {
  const url = new URL(window.location);
  view ? url.searchParams.set('run', view) : url.searchParams.delete('run');
  window.history.replaceState(null, '', url);
}"""
REMEMBER_DRAFT = """(draft) => {
  const url = new URL(window.location);
  draft ? url.searchParams.set('pairs', draft) : url.searchParams.delete('pairs');
  window.history.replaceState(null, '', url);
}"""
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class TrainTab:
    """Components that follow the runs.

    ``view`` says what is shown: the name of a run, ``new`` for the form, ``compare:A,B``; empty means the
    newest run, or the form where there is none. ``draft`` names the imported pairs. Both are text
    boxes out of sight, because a script keeps them in the address. ``seen`` is a fingerprint of the drawing.
    """

    training: Training
    runs: gr.HTML
    page: gr.HTML
    form: Form
    view: gr.Textbox
    draft: gr.Textbox
    seen: gr.State

    @property
    def wanted(self) -> list[Any]:
        """What :func:`order_from` is made of: pairs, base, purpose, then the settings."""
        return [self.draft, self.form.base, self.form.purpose, *self.form.settings]

    @property
    def outputs(self) -> list[Any]:
        """What :func:`draw` writes, in its order."""
        return [self.runs, self.page, self.form.column, self.seen]


def build(services: Services, shell: Shell, training: Training) -> TrainTab:
    """Lay the tab out and wire it."""
    runs = gr.HTML("", js_on_load=script("train.js"), apply_default_css=False, elem_id="train-runs")
    page = gr.HTML("", js_on_load=script("train.js"), apply_default_css=False, elem_id="train-run")
    form = build_form()
    view = gr.Textbox("", visible="hidden", label="Shown", elem_id="train-view")
    draft = gr.Textbox("", visible="hidden", label="Pairs", elem_id="train-draft")
    tab = TrainTab(training, runs, page, form, view, draft, gr.State(""))
    _wire_view(shell, tab)
    _wire_actions(services, shell, tab)
    _wire_pairs(shell, tab)
    _wire_form(shell, tab)
    return tab


def wire_load(blocks: gr.Blocks, handle: gr.Tab, shell: Shell, tab: TrainTab) -> None:
    """Draw when the tab opens; a fresh page takes run and pairs from its address."""

    def arrive(collection: str, request: gr.Request) -> tuple[Any, ...]:
        wanted = dict(request.query_params)
        view, draft = wanted.get("run", ""), tab.training.drafts.find(wanted.get("pairs", ""))
        drawn: Any = [gr.skip()] * len(tab.outputs)
        if wanted.get("tab") == "train":
            drawn = draw(tab.training, view, collection, "")
        return view, draft.id if draft else "", *drawn

    def enter(view: str, collection: str) -> tuple[Any, ...]:
        return draw(tab.training, view, collection, "")

    blocks.load(guarded(arrive), shell.collection, [tab.view, tab.draft, *tab.outputs], **HIDDEN)
    handle.select(guarded(enter), [tab.view, shell.collection], tab.outputs, **HIDDEN)


def draw(training: Training, view: str, collection: str, seen: str) -> tuple[Any, ...]:
    """The list, the chosen run or comparison, and whether the form shows; nothing where nothing is new."""
    result = training.runs()
    chosen = shown_view(view, [run.name for run in result])
    views = [view_of(training, run, collection, whole=run.name == chosen) for run in result]
    if chosen.startswith(COMPARE):
        names = chosen.removeprefix(COMPARE).split(",")
        wanted = [
            view_of(training, item.run, collection, whole=True) for item in views if item.run.name in names
        ]
        body = comparison(wanted)
    else:
        body = next((run_page(item) for item in views if item.run.name == chosen), "")
    listed = run_list(views, chosen)
    fingerprint = hashlib.blake2b(f"{listed}\0{body}\0{chosen}".encode(), digest_size=8).hexdigest()
    if fingerprint == seen:
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    return listed, body, gr.Column(visible=chosen == NEW), fingerprint


def shown_view(view: str, names: list[str]) -> str:
    """What to show: runs that are gone give way to the newest one, or to the form."""
    if view == NEW or (view.startswith(COMPARE) and names):
        return view
    if view in names:
        return view
    return names[0] if names else NEW


def view_of(training: Training, run: records.Run, collection: str, *, whole: bool) -> RunView:
    """What the page shows of a run; only the scores where it is a row of the list."""
    about, evaluations = training.about(run), records.read_evaluations(run.folder)
    if not whole:
        return RunView(run, about, evaluations=evaluations)
    rows = training.metrics(run)
    info = next((item for item in training.library.collections() if item.name == collection), None)
    return RunView(
        run,
        about,
        rows,
        evaluations,
        records.log_tail(run.folder),
        training.card(run),
        records.seconds_left(run, rows),
        training.pieces(run),
        collection if info is not None else "",
        is_registered=training.is_registered(run.name),
        is_used=info is not None and info.model == run.name,
        previous_model=training.previous_model(collection),
    )


def _wire_view(shell: Shell, tab: TrainTab) -> None:
    inputs = [tab.view, shell.collection, tab.seen]

    def again(view: str, collection: str, seen: str) -> tuple[Any, ...]:
        return draw(tab.training, view, collection, seen)

    def choose(event: gr.EventData) -> str:
        return str(event.run)

    tab.runs.refresh(guarded(again), inputs, tab.outputs, **HIDDEN)
    shell.revision.change(guarded(again), inputs, tab.outputs, **HIDDEN)
    tab.runs.open(guarded(choose), None, tab.view, **HIDDEN).then(
        guarded(again), inputs, tab.outputs, **HIDDEN
    )
    tab.view.change(None, tab.view, js=REMEMBER_RUN, api_visibility="private")


def _wire_actions(services: Services, shell: Shell, tab: TrainTab) -> None:
    """Buttons of a run. Whatever they do, the page is drawn from the files afterwards."""

    def act(view: str, collection: str, event: gr.EventData) -> tuple[Any, ...]:
        perform(tab.training, str(event.action), str(event.run), collection)
        view = "" if event.action == "delete" else view
        return view, *draw(tab.training, view, collection, ""), *refresh(services, collection)

    tab.page.act(
        guarded(act),
        [tab.view, shell.collection],
        [tab.view, *tab.outputs, *shell.refresh_outputs],
        show_progress="minimal",
        show_progress_on=[tab.page],
        api_visibility="private",
    )


def perform(training: Training, action: str, run: str, collection: str) -> None:
    """One of the buttons of a run.

    Raises:
        UiError: there is no such button.
    """
    actions = {
        "stop": lambda: training.stop(run),
        "kill": lambda: training.kill(run),
        "resume": lambda: training.resume(run),
        "smaller": lambda: training.resume(run, smaller=True),
        "slower": lambda: training.resume(run, slower=True),
        "delete": lambda: training.delete(run),
        "register": lambda: training.register(run),
        "use": lambda: training.use(run, collection),
        "undo": lambda: training.undo(collection),
    }
    if action not in actions:
        raise UiError(f"A run cannot be told to '{action}'. Expected one of {', '.join(actions)}.")
    actions[action]()


def _wire_pairs(shell: Shell, tab: TrainTab) -> None:
    """Pairs arrive as a file or out of the collection; then they are shown, and settings are chosen."""
    form, training = tab.form, tab.training

    def from_file(path: str | None) -> tuple[Any, ...]:
        if not path:
            raise UiError("No file arrived. Expected a tsv, csv or jsonl file of pairs. Choose one.")
        draft = training.drafts.from_file(Path(path))
        return None, draft.id, draft_json(draft), NEW

    def from_collection(collection: str) -> tuple[Any, ...]:
        draft = training.drafts.from_collection(collection)
        return draft.id, draft_json(draft), NEW

    def with_columns(draft: str, query: str, passage: str) -> dict[str, Any]:
        return draft_json(training.drafts.with_columns(draft, query, passage))

    def show(draft: str) -> tuple[Any, ...]:
        return show_draft(training.drafts.find(draft))

    common: dict[str, Any] = {"show_progress": "minimal", "show_progress_on": [form.checked]}
    form.upload.upload(
        guarded(from_file),
        form.upload,
        [form.upload, tab.draft, form.found, tab.view],
        api_name="train_pairs",
        **common,
    )
    form.from_collection.click(
        guarded(from_collection), shell.collection, [tab.draft, form.found, tab.view],
        api_name="train_pairs_of_collection", **common,
    )  # fmt: skip
    for column in (form.query_column, form.passage_column):
        column.input(
            guarded(with_columns), [tab.draft, form.query_column, form.passage_column], form.found, **HIDDEN
        ).success(guarded(show), tab.draft, form.draft_outputs, **HIDDEN)
    tab.draft.change(None, tab.draft, js=REMEMBER_DRAFT, api_visibility="private")
    shown = tab.draft.change(guarded(show), tab.draft, form.draft_outputs, **HIDDEN)
    _prepare(tab, shown)


def _wire_form(shell: Shell, tab: TrainTab) -> None:
    """Settings follow purpose, model and pairs; the estimate follows the settings."""
    form, training = tab.form, tab.training

    def bases() -> gr.Dropdown:
        """The choices alone: a value that is typed meanwhile stays."""
        return gr.Dropdown(choices=[(base.label, base.value) for base in training.orders.bases()])

    def start(draft: str, base: str, purpose: str, name: str, *said: Any) -> tuple[str, str, str]:
        order = order_from(training, draft, base, purpose, settings_from(said), title=name)
        return training.start(order).name, "", ""

    def shown(view: str, collection: str) -> tuple[Any, ...]:
        return draw(training, view, collection, "")

    form.base.focus(guarded(bases), None, form.base, **HIDDEN)
    form.purpose.input(guarded(show_purpose), form.purpose, form.purpose_outputs, **HIDDEN)
    for control in (form.purpose, form.base):
        _prepare(tab, control.input(None, None, None, api_visibility="private"))
    changes = [
        control.input if isinstance(control, gr.Checkbox | gr.Dropdown) else control.blur
        for control in form.settings
    ]
    gr.on(changes, guarded(_estimator(tab)), tab.wanted, form.estimate, **HIDDEN)
    form.start.click(
        guarded(start), [*tab.wanted[:3], form.name, *form.settings], [tab.view, form.name, tab.draft],
        show_progress="minimal", show_progress_on=[form.estimate], api_visibility="private",
    ).success(guarded(shown), [tab.view, shell.collection], tab.outputs, **HIDDEN)  # fmt: skip


def _prepare(tab: TrainTab, event: Any) -> None:
    """After an event: settings that fit, then what they cost."""
    form, training = tab.form, tab.training

    def choose(draft: str, base: str, purpose: str) -> list[Any]:
        return to_values(training.orders.preset(purpose, base, training.drafts.find(draft)))

    event.then(guarded(choose), tab.wanted[:3], form.settings, **HIDDEN).success(
        guarded(_estimator(tab)), tab.wanted, form.estimate, show_progress="minimal", api_visibility="private"
    )


def _estimator(tab: TrainTab) -> Any:
    training = tab.training

    def estimate(draft: str, base: str, purpose: str, *said: Any) -> str:
        if training.drafts.find(draft) is None:
            return NO_PAIRS
        return estimate_line(
            training.orders.estimate(order_from(training, draft, base, purpose, settings_from(said)))
        )

    return estimate


def order_from(
    training: Training, draft: str, base: str, purpose: str, settings: Settings, *, title: str = ""
) -> TrainingRequest:
    """An order out of what the controls or a program say.

    Raises:
        UiError: the pairs are gone, or there is no such purpose.
    """
    result = training.drafts.find(draft or "")
    if result is None:
        raise UiError("There are no pairs to train on. Expected a file or a collection. Choose one first.")
    if purpose not in PURPOSES:
        raise UiError(f"A model cannot be trained for '{purpose}'. Expected one of {', '.join(PURPOSES)}.")
    return TrainingRequest(purpose, result, base or DEFAULT_BASE, settings, title or "")


def draft_json(draft: Draft) -> dict[str, Any]:
    """Pairs that were checked, for machines."""
    intake = draft.intake
    return {
        "pairs": draft.id, "name": draft.name, "usable": intake.usable, "empty": intake.empty,
        "copies": intake.copies, "same": intake.same, "columns": list(intake.available),
        "query": intake.columns.query, "passage": intake.columns.passage,
        "query_languages": intake.query_languages, "passage_languages": intake.passage_languages,
        "samples": [asdict(pair) for pair in intake.samples],
    }  # fmt: skip


def run_json(training: Training, run: records.Run) -> dict[str, Any]:
    """A run, for machines; ``state`` as of ``me5.states``; ``phase`` is starting or stopping at times."""
    rows, evaluations = training.metrics(run), records.read_evaluations(run.folder)
    return {
        "run": run.name, "state": run.state, "phase": run.phase, "step": run.step, "steps": run.steps,
        "message": run.message,
        "seconds_left": records.seconds_left(run, rows), "loss": rows[-1].get("loss") if rows else None,
        "model": str(run.model) if run.model else None, "vocabulary": training.pieces(run) or None,
        "scores": [
            {"language": row.language, "metric": row.metric, "before": row.before, "after": row.after}
            for row in before_after(evaluations)
        ],
    }  # fmt: skip


def add_endpoints(training: Training) -> None:
    """Endpoints for programs; pairs come in through ``/train_pairs`` or ``/train_pairs_of_collection``."""

    def train_estimate(
        pairs: str, purpose: str = "search", base: str = DEFAULT_BASE, settings: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a run needs: seconds, bytes of memory and disk, and why it would be refused."""
        needed = training.orders.estimate(_order(pairs, purpose, base, settings))
        return asdict(needed) | {"refusal": needed.refusal}

    def train_start(
        pairs: str,
        purpose: str = "search",
        base: str = DEFAULT_BASE,
        name: str = "",
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a run; ``settings`` override those that are preset."""
        return run_json(training, training.start(_order(pairs, purpose, base, settings, name)))

    def _order(
        pairs: str, purpose: str, base: str, settings: dict[str, Any] | None, name: str = ""
    ) -> TrainingRequest:
        order = order_from(training, pairs, base, purpose, Settings(), title=name)
        return training.orders.with_settings(order, settings or {})

    def train_runs() -> list[dict[str, Any]]:
        """All runs, the newest first."""
        return [run_json(training, run) for run in training.runs()]

    def train_run(run: str) -> dict[str, Any]:
        """One run."""
        return run_json(training, training.run(run))

    def train_act(run: str, action: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        """stop, kill, resume, smaller, slower, delete, register, use (for a collection) or undo."""
        perform(training, action, run, collection)
        return None if action == "delete" else run_json(training, training.run(run))

    for endpoint in (train_estimate, train_start, train_runs, train_run, train_act):
        gr.api(guarded(endpoint), api_name=endpoint.__name__)
