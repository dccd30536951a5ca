"""The tab Parallel text: two piles of sentences in, a run, a line through the scores, pairs under review."""

from pathlib import Path
from typing import Any

import gradio as gr

from indexer.bitext.formats import FORMATS
from indexer.text.language.names import language_name
from ui.bitext_exports import SCOPES, export, write_training_pairs
from ui.errors import UiError
from ui.guard import guarded
from ui.services.library import Services
from ui.services.parallel import Job, Request
from ui.services.reviews import Bitexts
from ui.services.training import Training
from ui.shell import TO_DOWNLOAD, Shell, script
from ui.tabs.parallel_endpoints import add_endpoints, to_state
from ui.tabs.parallel_form import LANGUAGES, build_form, request_from, show_rows
from ui.tabs.parallel_page import ParallelTab, draw, filter_from
from ui.tabs.train import NEW as NEW_RUN
from ui.tabs.train import TrainTab
from ui.tabs.train_form import show_purpose

POLL_SECONDS = 1.0
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
IN_TURN: dict[str, Any] = HIDDEN | {"trigger_mode": "multiple", "concurrency_limit": 1}
"""For keys that are pressed quickly: none is dropped, and answers come in the order of the keys."""
REMEMBER = """(view) => {
  const url = new URL(window.location);
  view ? url.searchParams.set('bitext', view) : url.searchParams.delete('bitext');
  window.history.replaceState(null, '', url);
}"""
TO_TRAIN = "() => setTimeout(() => window.me5OpenTab('train'), 50)"
LONG = "This pair is longer than the page shows. Expected a whole text to edit. Export it and edit it there."


def build(services: Services, shell: Shell, handle: gr.Tab) -> ParallelTab:
    """Lay the tab out and wire it; ``handle`` is the tab that it is in."""
    bitexts = Bitexts(services.library, services.access)
    html: dict[str, Any] = {"apply_default_css": False, "js_on_load": script("parallel.js")}
    texts = gr.HTML("", elem_id="parallel-texts", **html)
    form = build_form(bitexts)
    run = gr.HTML("", elem_id="parallel-run", **html)
    with gr.Column(visible=False, elem_id="parallel-results") as results:
        heading = gr.HTML("", apply_default_css=False, elem_id="parallel-heading")
        scores = gr.HTML("", elem_id="parallel-scores", **html)
        filters = _filters()
        grid = gr.HTML("", elem_id="parallel-grid", **html)
        scope, kind, save, train = _handing_on()
    tab = ParallelTab(
        services, bitexts, gr.Textbox("", visible="hidden", label="Shown", elem_id="parallel-view"),
        gr.State(""), gr.State(0), gr.Timer(POLL_SECONDS, active=False), texts, run, form, results, heading,
        scores, grid, filters, scope, train,
    )  # fmt: skip
    _wire_view(shell, tab, handle)
    _wire_start(shell, tab)
    _wire_runs(tab)
    _wire_review(tab)
    _wire_export(services, shell, tab, kind, save)
    add_endpoints(bitexts)
    return tab


# -- layout --------------------------------------------------------------------------------------------------


def _filters() -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Textbox]:
    with gr.Row(elem_id="parallel-filters"):
        state = gr.Dropdown(
            [("All", ""), ("To review", "open"), ("Accepted", "accepted"), ("Rejected", "rejected"),
             ("Edited", "edited")],
            value="", label="Show", min_width=110, elem_id="parallel-state",
        )  # fmt: skip
        flag = gr.Dropdown([("any", "")], value="", label="Flag", min_width=120, elem_id="parallel-flag")
        side = gr.Dropdown(
            [("All scores", ""), ("Above the threshold", "above"), ("Below the threshold", "below")],
            value="", label="Scores", min_width=120, elem_id="parallel-side",
        )  # fmt: skip
        sort = gr.Dropdown(
            [("Best first", "best"), ("Worst first", "worst"), ("In order", "text"), ("At random", "random")],
            value="best", label="Sort", min_width=120, elem_id="parallel-sort",
        )  # fmt: skip
        words = gr.Textbox(label="Contains", min_width=140, max_lines=1, elem_id="parallel-words")
    return state, flag, side, sort, words


def _handing_on() -> tuple[gr.Dropdown, gr.Dropdown, gr.Button, gr.Button]:
    with gr.Row(elem_id="parallel-hand-on"):
        scope = gr.Dropdown(
            [("Accepted", "accepted"), ("Above the threshold, without rejected", "above"), ("All", "all")],
            value="accepted", label="Pairs", min_width=200, elem_id="parallel-scope",
        )  # fmt: skip
        kind = gr.Dropdown(
            [(form.title, name) for name, form in FORMATS.items()], value="tmx", label="Format",
            min_width=155, elem_id="parallel-format",
        )  # fmt: skip
        save = gr.Button("Export", variant="primary", scale=0, min_width=110, elem_id="parallel-export")
        train = gr.Button("Train on these pairs", scale=0, min_width=180, elem_id="parallel-train")
    return scope, kind, save, train


# -- events --------------------------------------------------------------------------------------------------


def _wire_view(shell: Shell, tab: ParallelTab, handle: gr.Tab) -> None:
    """Draw on load, on return, while something runs, and when something else is to be seen."""

    def again(*said: Any) -> tuple[Any, ...]:
        return draw(tab, *said)

    def arrive(request: gr.Request, page: int, *said: Any) -> tuple[Any, ...]:
        view = str(dict(request.query_params).get("bitext", ""))
        return view, *draw(tab, view, "", page, *said)

    def choose(event: gr.EventData, *said: Any) -> tuple[Any, ...]:
        return str(event.id), 0, *draw(tab, str(event.id), "", 0, *said)

    def first_page(view: str, seen: str, _: int, *said: Any) -> tuple[Any, ...]:
        return 0, *draw(tab, view, seen, 0, *said)

    def codes(collection: str) -> list[gr.Dropdown]:
        info = tab.services.collection(collection)
        counts = {code: count for code, count in (info.languages if info else {}).items() if code != "und"}
        ordered = sorted(counts, key=lambda code: (-counts[code], code))
        choices = [(f"{language_name(code)} · {counts[code]}", code) for code in ordered]
        picked = [*ordered[:2], None, None]
        return [gr.Dropdown(choices=choices, value=picked[place]) for place in (0, 1)]

    gr.on(None, guarded(arrive), [tab.page, *tab.filters], [tab.view, *tab.outputs], **HIDDEN)  # on load
    handle.select(guarded(again), tab.inputs, tab.outputs, **HIDDEN)
    tab.timer.tick(guarded(again), tab.inputs, tab.outputs, **HIDDEN)
    tab.texts.refresh(guarded(again), tab.inputs, tab.outputs, **HIDDEN)
    tab.texts.open(guarded(choose), list(tab.filters), [tab.view, tab.page, *tab.outputs], **HIDDEN)
    tab.view.change(None, tab.view, js=REMEMBER, api_visibility="private")
    for control in tab.filters[:4]:
        control.input(guarded(first_page), tab.inputs, [tab.page, *tab.outputs], **HIDDEN)
    tab.filters[4].change(
        guarded(first_page), tab.inputs, [tab.page, *tab.outputs], trigger_mode="always_last", **HIDDEN
    )
    for event in (shell.revision.change, shell.collection.change):
        event(guarded(codes), shell.collection, tab.form.codes, **HIDDEN)


def _wire_start(shell: Shell, tab: ParallelTab) -> None:
    form, runs = tab.form, tab.bitexts.runs
    started = gr.JSON(visible=False, elem_id="parallel-started")
    outputs = [started, tab.view, *tab.outputs]

    def models(chosen: str) -> gr.Dropdown:
        return gr.Dropdown(choices=tab.bitexts.models(), value=chosen)

    def begun(job: Job, said: tuple[Any, ...]) -> tuple[Any, ...]:
        return {"bitext": job.id, "state": job.state}, job.id, *draw(tab, job.id, "", 0, *said)

    def understood(said: tuple[Any, ...], *, aligned: bool = False) -> tuple[Request, tuple[Any, ...]]:
        """What is asked for, and what the filters say, out of the values of ``asked``."""
        first, last = len(form.settings), len(said) - len(form.reading)
        return request_from(said[:first], said[last:], aligned=aligned), said[first:last]

    def begin(*said: Any) -> tuple[Any, ...]:
        origin, source, target, first, second, collection, aligned, *rest = said
        wanted, shown = understood(tuple(rest), aligned=bool(aligned))
        if origin == LANGUAGES:
            job = runs.start_collection(collection, first or "", second or "", wanted)
        else:
            paths = [Path(path) if path else None for path in (source, target)]
            job = runs.start_files(paths[0], paths[1], wanted)
        return begun(job, shown)

    def begin_sample(*said: Any) -> tuple[Any, ...]:
        wanted, shown = understood(said)
        return begun(runs.start_sample(wanted), shown)

    def bring(path: str | None, *said: Any) -> tuple[Any, ...]:
        if not path:
            raise UiError("No file arrived. Expected a file of pairs. Choose one.")
        pairs = tab.bitexts.open_pairs(Path(path))
        return None, {"bitext": pairs.id, "state": "done"}, pairs.id, *draw(tab, pairs.id, "", 0, *said)

    form.settings[0].focus(guarded(models), form.settings[0], form.settings[0], **HIDDEN)
    form.origin.change(guarded(show_rows), form.origin, form.rows, **HIDDEN)
    sources = [form.origin, form.source, form.target, *form.codes, shell.collection, form.aligned]
    asked = [*form.settings, *tab.filters, *form.reading]
    form.start.click(
        guarded(begin), [*sources, *asked], outputs, show_progress="hidden", api_name="parallel_start"
    )
    form.sample.click(
        guarded(begin_sample), asked, outputs, show_progress="hidden", api_name="parallel_sample",
        api_visibility="undocumented",
    )  # fmt: skip
    form.pairs.upload(
        guarded(bring), [form.pairs, *tab.filters], [form.pairs, *outputs], show_progress="minimal",
        show_progress_on=[form.pairs], api_name="parallel_open",
    )  # fmt: skip


def _wire_runs(tab: ParallelTab) -> None:
    """Cancelling, going on and deleting."""

    def acting(act: Any) -> Any:
        def handler(event: gr.EventData, *said: Any) -> tuple[Any, ...]:
            act(str(event.id))
            return draw(tab, *said)

        return guarded(handler)

    tab.run.cancel(acting(tab.bitexts.runs.cancel), tab.inputs, tab.outputs, **HIDDEN)
    tab.run.again(acting(tab.bitexts.runs.go_on), tab.inputs, tab.outputs, **HIDDEN)
    tab.texts.remove(acting(tab.bitexts.remove), tab.inputs, tab.outputs, **HIDDEN)


def _wire_review(tab: ParallelTab) -> None:
    """Decisions; each is durable before the page is drawn again."""
    bitexts = tab.bitexts

    def decide(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.catalog.bitexts.decide(tab.shown(view), [int(event.number)], to_state(event.state))
        return draw(tab, view, *said)

    def edit(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.catalog.bitexts.edit_pair(
            tab.shown(view), int(event.number), str(event.left), str(event.right)
        )
        return draw(tab, view, *said)

    def decide_all(event: gr.EventData, view: str, seen: str, page: int, *said: Any) -> tuple[Any, ...]:
        bitext = bitexts.get(tab.shown(view))
        bitexts.catalog.bitexts.decide_all(bitext.id, filter_from(bitext, said)[0], to_state(event.state))
        return draw(tab, view, seen, page, *said)

    def undo(view: str, seen: str, page: int, *said: Any) -> tuple[Any, ...]:
        numbers = bitexts.catalog.bitexts.undo(tab.shown(view))
        if not numbers:
            raise UiError("Nothing is left to undo. Expected a decision or an edit before. Go on reviewing.")
        return draw(tab, view, "", page, *said, focus=numbers[0] if len(numbers) == 1 else None)

    def move_line(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.move_line(tab.shown(view), float(event.value))
        return draw(tab, view, *said)

    def score(view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.score(tab.shown(view))
        return draw(tab, view, *said)

    def turn(event: gr.EventData, view: str, seen: str, _: int, *said: Any) -> tuple[Any, ...]:
        return int(event.page), *draw(tab, view, seen, int(event.page), *said)

    def refuse_long() -> None:
        raise UiError(LONG)

    common: dict[str, Any] = IN_TURN | {"concurrency_id": "review"}
    tab.grid.decide(guarded(decide), tab.inputs, tab.outputs, **common)
    tab.grid.edit(guarded(edit), tab.inputs, tab.outputs, **common)
    tab.grid.all(guarded(decide_all), tab.inputs, tab.outputs, **common)
    tab.grid.undo(guarded(undo), tab.inputs, tab.outputs, **common)
    tab.grid.turn(guarded(turn), tab.inputs, [tab.page, *tab.outputs], **common)
    tab.grid.long(guarded(refuse_long), None, None, **HIDDEN)
    tab.scores.line(guarded(move_line), tab.inputs, tab.outputs, **common)
    tab.scores.score(guarded(score), tab.inputs, tab.outputs, **common)


def _wire_export(
    services: Services, shell: Shell, tab: ParallelTab, kind: gr.Dropdown, save: gr.Button
) -> None:
    def write(view: str, scope: str, form: str) -> str:
        bitext = tab.bitexts.get(tab.shown(view))
        return str(export(tab.bitexts.catalog, bitext, form, scope, services._fresh("parallel-text")))

    save.click(
        guarded(write), [tab.view, tab.scope, kind], shell.download, show_progress="hidden",
        api_name="parallel_export",
    ).success(None, js=TO_DOWNLOAD, api_visibility="private")  # fmt: skip


def wire_training(tab: ParallelTab, training: Training, train_tab: TrainTab) -> None:
    """Hand pairs to the tab Train: they become its draft, to match translations, and it opens."""

    def hand_over(view: str, scope: str) -> tuple[Any, ...]:
        bitext = tab.bitexts.get(tab.shown(view))
        name = f"{bitext.name} {SCOPES[scope].split()[0]}"
        path = write_training_pairs(tab.bitexts.catalog, bitext, scope, tab.services._fresh("pairs"))
        try:
            draft = training.drafts.from_file(path)
        finally:
            path.unlink(missing_ok=True)
        return draft.id, NEW_RUN, "translation", name, *show_purpose("translation")

    form = train_tab.form
    tab.train.click(
        guarded(hand_over), [tab.view, tab.scope],
        [train_tab.draft, train_tab.view, form.purpose, form.name, *form.purpose_outputs],
        show_progress="minimal", show_progress_on=[tab.train], api_name="parallel_train",
        api_visibility="undocumented",
    ).success(None, js=TO_TRAIN, api_visibility="private")  # fmt: skip
