"""The tab Parallel text: two piles of sentences in, a run, a line through the scores, pairs under review."""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast, get_args

import gradio as gr

from indexer.bitext.formats import FORMATS
from indexer.bitext.reviews import Bitext, PairCounts, PairFilter, Sort
from indexer.bitext.values import UNKNOWN_LANGUAGE, State
from ui import markup_parallel as markup
from ui.errors import UiError
from ui.frame import TO_DOWNLOAD, Frame, script
from ui.guard import guarded
from ui.languages import language_name
from ui.mining import SAMPLE, SCOPES, Bitexts, Job, Request
from ui.services import Services
from ui.tabs.train import NEW as NEW_RUN
from ui.tabs.train import TrainTab
from ui.tabs.train_form import show_purpose
from ui.training import Training

POLL_SECONDS = 1.0
SETTINGS = 8
CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
PAGE_ROWS = 50
NEW = "new"
FILES, LANGUAGES, PAIRS = "two files", "two languages of this collection", "pairs to review"
PAIR_SUFFIXES = [".tmx", ".xlf", ".xliff", ".tsv", ".csv", ".jsonl", ".xlsx", ".zip"]
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
IN_TURN: dict[str, Any] = HIDDEN | {"trigger_mode": "multiple", "concurrency_limit": 1}
"""For keys that are pressed quickly: none is dropped, and answers come in the order of the keys."""
REMEMBER = """(view) => {
  const url = new URL(window.location);
  view ? url.searchParams.set('bitext', view) : url.searchParams.delete('bitext');
  window.history.replaceState(null, '', url);
}"""
TO_TRAIN = "() => setTimeout(() => window.me5OpenTab('train'), 50)"
INTRO = (
    "<p>Finds the sentences of two languages that translate each other, lets you review them, and saves them "
    "as a translation memory.</p>"
)
LONG = "This pair is longer than the page shows. Expected a whole text to edit. Export it and edit it there."


@dataclass(frozen=True)
class ParallelTab:
    """Parts that events read and write.

    ``view`` is the id of what is shown, or ``new``; a script keeps it in the address.
    """

    services: Services
    bitexts: Bitexts
    view: gr.Textbox
    seen: gr.State
    page: gr.State
    timer: gr.Timer
    texts: gr.HTML
    run: gr.HTML
    form: gr.Column
    results: gr.Column
    heading: gr.HTML
    scores: gr.HTML
    grid: gr.HTML
    filters: tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Textbox]
    scope: gr.Dropdown
    train: gr.Button

    @property
    def inputs(self) -> list[Any]:
        """What :func:`draw` is made of."""
        return [self.view, self.seen, self.page, *self.filters]

    @property
    def outputs(self) -> list[Any]:
        """What :func:`draw` writes, in its order."""
        return [
            self.texts, self.run, self.form, self.results, self.heading, self.scores, self.filters[1],
            self.grid, self.timer, self.seen,
        ]  # fmt: skip


def build(services: Services, frame: Frame, handle: gr.Tab) -> ParallelTab:
    """Lay the tab out and wire it; ``handle`` is the tab that it is in."""
    bitexts = Bitexts(services.library, services.data_dir)
    html: dict[str, Any] = {"apply_default_css": False, "js_on_load": script("parallel.js")}
    texts = gr.HTML("", elem_id="parallel-texts", **html)
    form, controls = _form(bitexts)
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
    _wire_view(frame, tab, handle, controls)
    _wire_start(frame, tab, controls)
    _wire_runs(tab)
    _wire_review(tab)
    _wire_export(services, frame, tab, kind, save)
    _add_endpoints(tab)
    return tab


# -- layout --------------------------------------------------------------------------------------------------


def _form(bitexts: Bitexts) -> tuple[gr.Column, dict[str, Any]]:
    """Step 1 and the button of step 2."""
    with gr.Column(visible=False, elem_id="parallel-new") as column:
        gr.HTML(INTRO, apply_default_css=False, elem_id="parallel-intro")
        origin = gr.Radio(
            [(f"{word[0].upper()}{word[1:]}", word) for word in (FILES, LANGUAGES, PAIRS)],
            value=FILES, label="From", show_label=False, elem_id="parallel-origin",
        )  # fmt: skip
        with gr.Row(elem_id="parallel-files") as files:
            source, target = (
                gr.File(label=words, height=132, min_width=220, elem_id=f"parallel-{side}")
                for side, words in (("source", "First language"), ("target", "Second language"))
            )
        with gr.Row(visible=False, elem_id="parallel-languages") as languages:
            source_code, target_code = (
                gr.Dropdown([], label=words, min_width=200, elem_id=f"parallel-{side}-language")
                for side, words in (("source", "First language"), ("target", "Second language"))
            )
        with gr.Row(visible=False, elem_id="parallel-pairs-row") as pairs_row:
            pairs = gr.File(
                label="TMX, XLIFF, TSV, CSV, JSONL, XLSX, or a zip of two Moses files",
                file_types=PAIR_SUFFIXES, height=132, elem_id="parallel-pairs",
            )  # fmt: skip
        with gr.Column(elem_id="parallel-run-options") as options:
            aligned = gr.Checkbox(
                False,
                label="These are translations of one text, in the same order",
                elem_id="parallel-aligned",
            )
            settings = _settings(bitexts)
            with gr.Row(elem_id="parallel-buttons"):
                start = gr.Button(
                    "Find translations", variant="primary", scale=0, min_width=180, elem_id="parallel-start"
                )
                sample = gr.Button(
                    "Try the sample", scale=0, min_width=140, visible=all(path.is_file() for path in SAMPLE),
                    elem_id="parallel-sample",
                )  # fmt: skip
    return column, {
        "origin": origin, "rows": [files, languages, pairs_row, options], "source": source, "target": target,
        "codes": [source_code, target_code], "pairs": pairs, "aligned": aligned, "settings": settings,
        "start": start, "sample": sample,
    }  # fmt: skip


def _settings(bitexts: Bitexts) -> list[Any]:
    with gr.Accordion("Options", open=False, elem_id="parallel-options"):
        with gr.Row():
            model = gr.Dropdown(
                [bitexts.library.model], value=bitexts.library.model, label="Model", allow_custom_value=True,
                info="a name of the list, a folder, or a name on the hub", min_width=200,
                elem_id="parallel-model",
            )  # fmt: skip
            threshold = gr.Textbox(
                label="Line", placeholder="estimated from the scores", min_width=200,
                info="pairs above count as translations; can be moved later", elem_id="parallel-threshold",
            )  # fmt: skip
        with gr.Row():
            margin = gr.Dropdown(
                [("ratio to the neighbours", "ratio"), ("difference to the neighbours", "distance"),
                 ("cosine alone", "absolute")],
                value="ratio", label="Score", min_width=200, elem_id="parallel-margin",
                info="ratio compares a pair with the next best ones",
            )  # fmt: skip
            retrieval = gr.Dropdown(
                [("best of both directions", "max"), ("from first to second", "forward"),
                 ("from second to first", "backward"), ("where both agree", "intersect")],
                value="max", label="Candidates", min_width=200, elem_id="parallel-retrieval",
                info="where both agree: fewer pairs, more of them right",
            )  # fmt: skip
        with gr.Row():
            check = gr.Checkbox(
                True, label="Leave out sentences in another language", elem_id="parallel-check-language"
            )
            single = gr.Checkbox(True, label="Each sentence in one pair only", elem_id="parallel-one-to-one")
        with gr.Row():
            codes = [
                gr.Textbox(
                    label=f"{place} language", placeholder="detected; or a code such as de",
                    max_lines=1, min_width=200, elem_id=f"parallel-code-{number}",
                )
                for number, place in enumerate(("First", "Second"))
            ]  # fmt: skip
    return [model, threshold, margin, retrieval, check, single, *codes]


def _filters() -> tuple[gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Dropdown, gr.Textbox]:
    with gr.Row(elem_id="parallel-filters"):
        state = gr.Dropdown(
            [("All", ""), ("To review", "open"), ("Accepted", "accepted"), ("Rejected", "rejected"),
             ("Edited", "edited")],
            value="", label="Show", min_width=110, elem_id="parallel-state",
        )  # fmt: skip
        flag = gr.Dropdown([("any", "")], value="", label="Flag", min_width=120, elem_id="parallel-flag")
        side = gr.Dropdown(
            [("All scores", ""), ("Above the line", "above"), ("Below the line", "below")],
            value="", label="Scores", min_width=120, elem_id="parallel-side",
        )  # fmt: skip
        sort = gr.Dropdown(
            [("Best first", "best"), ("Worst first", "worst"), ("In order", "text"), ("At random", "random")],
            value="best", label="Sort", min_width=120, elem_id="parallel-sort",
        )  # fmt: skip
        words = gr.Textbox(label="With the words", min_width=140, max_lines=1, elem_id="parallel-words")
    return state, flag, side, sort, words


def _handing_on() -> tuple[gr.Dropdown, gr.Dropdown, gr.Button, gr.Button]:
    with gr.Row(elem_id="parallel-hand-on"):
        scope = gr.Dropdown(
            [("Accepted", "accepted"), ("Above the line, without rejected", "above"), ("All", "all")],
            value="accepted", label="Pairs", min_width=200, elem_id="parallel-scope",
        )  # fmt: skip
        kind = gr.Dropdown(
            [(form.title, name) for name, form in FORMATS.items()], value="tmx", label="Format",
            min_width=155, elem_id="parallel-format",
        )  # fmt: skip
        save = gr.Button("Export", variant="primary", scale=0, min_width=110, elem_id="parallel-export")
        train = gr.Button("Train on these pairs", scale=0, min_width=180, elem_id="parallel-train")
    return scope, kind, save, train


# -- what is shown -------------------------------------------------------------------------------------------


def draw(
    tab: ParallelTab, view: str, seen: str, page: int, *said: Any, focus: int | None = None
) -> tuple[Any, ...]:
    """Everything that depends on runs and decisions; nothing where nothing is new.

    ``said`` is what the filters say, ``seen`` the fingerprint of the last drawing.
    """
    bitexts = tab.bitexts
    bitexts.settle()
    known, jobs = bitexts.bitexts(), bitexts.jobs()
    view = shown_view(view, known, jobs)
    bitext = next((one for one in known if one.id == view), None)
    job = next((one for one in jobs if one.id == view), None)
    running = any(one.state == "running" for one in jobs)
    line = markup.run(job if bitext is None else None, time.time())
    listed = markup.texts(known, jobs, view)
    fresh = repr((listed, line, view, bitext and bitext.revision, page, said, focus, running))
    fingerprint = hashlib.blake2b(fresh.encode("utf-8", "replace"), digest_size=8).hexdigest()
    if fingerprint == seen:
        return (gr.skip(),) * len(tab.outputs)
    shown = (listed, line, gr.Column(visible=view == NEW), gr.Column(visible=bitext is not None))
    timer = gr.Timer(active=running)
    if bitext is None:
        return *shown, "", "", gr.skip(), "", timer, fingerprint
    counts = bitexts.library.catalog.bitext_counts(bitext.id)
    return (
        *shown,
        markup.heading(bitext, counts),
        markup.scores(bitext, bitexts.scores(bitext.id), bitexts.standing(bitext)),
        _flag_choices(counts, said[1]),
        _grid(tab, bitext, counts, said, page=page, focus=focus),
        timer,
        fingerprint,
    )


def shown_view(view: str, bitexts: list[Bitext], jobs: list[Job]) -> str:
    """What to show: what is gone gives way to what goes on, to the newest, or to the form."""
    names = {one.id for one in bitexts} | {one.id for one in jobs}
    if view == NEW or view in names:
        return view
    running = next((one.id for one in jobs if one.state == "running"), "")
    return running or max(names, default=NEW)


def filter_from(bitext: Bitext, said: tuple[Any, ...]) -> tuple[PairFilter, Sort]:
    """The filter and order that the controls say; what they cannot say counts as nothing."""
    state, flag, side, sort, words = said
    line = bitext.threshold
    where = PairFilter(
        state=state if state in ("open", "accepted", "rejected", "edited") else "",
        flag=str(flag or ""),
        least=line if side == "above" else None,
        most=line if side == "below" else None,
        words=str(words or "")[:200],
    )
    return where, cast(Sort, sort if sort in get_args(Sort) else "best")


def _grid(
    tab: ParallelTab,
    bitext: Bitext,
    counts: PairCounts,
    said: tuple[Any, ...],
    *,
    page: int,
    focus: int | None,
) -> str:
    catalog = tab.bitexts.library.catalog
    where, sort = filter_from(bitext, said)
    fitting = catalog.count_bitext_pairs(bitext.id, where)
    pages = max(1, -(-fitting // PAGE_ROWS))
    page = min(max(0, int(page or 0)), pages - 1)
    pairs = catalog.bitext_pairs(bitext.id, where, sort, offset=page * PAGE_ROWS, limit=PAGE_ROWS)
    return markup.grid(bitext, counts, markup.Page(pairs, page, pages, fitting, focus))


def _flag_choices(counts: PairCounts, chosen: str) -> gr.Dropdown:
    found = sorted(counts.flags, key=lambda flag: (-counts.flags[flag], flag))
    choices = [("any", ""), *((f"{markup.flag_words(flag)} · {counts.flags[flag]}", flag) for flag in found)]
    return gr.Dropdown(choices=choices, value=chosen if chosen in counts.flags else "", visible=bool(found))


# -- events --------------------------------------------------------------------------------------------------


def _wire_view(frame: Frame, tab: ParallelTab, handle: gr.Tab, controls: dict[str, Any]) -> None:
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
    tab.texts.look(guarded(again), tab.inputs, tab.outputs, **HIDDEN)
    tab.texts.open(guarded(choose), list(tab.filters), [tab.view, tab.page, *tab.outputs], **HIDDEN)
    tab.view.change(None, tab.view, js=REMEMBER, api_visibility="private")
    for control in tab.filters[:4]:
        control.input(guarded(first_page), tab.inputs, [tab.page, *tab.outputs], **HIDDEN)
    tab.filters[4].change(
        guarded(first_page), tab.inputs, [tab.page, *tab.outputs], trigger_mode="always_last", **HIDDEN
    )
    for event in (frame.news.change, frame.collection.change):
        event(guarded(codes), frame.collection, controls["codes"], **HIDDEN)


def _wire_start(frame: Frame, tab: ParallelTab, controls: dict[str, Any]) -> None:
    model = controls["settings"][0]
    model.focus(
        guarded(lambda chosen: gr.Dropdown(choices=tab.bitexts.models(), value=chosen)),
        model,
        model,
        **HIDDEN,
    )
    started = gr.JSON(visible=False, elem_id="parallel-started")
    outputs = [started, tab.view, *tab.outputs]

    def show_rows(origin: str) -> list[Any]:
        shown = (origin == FILES, origin == LANGUAGES, origin == PAIRS, origin != PAIRS)
        return [
            *(gr.Row(visible=one) for one in shown[:3]),
            gr.Column(visible=shown[3]),
            gr.Checkbox(visible=shown[0]),
        ]

    def begin(*said: Any) -> tuple[Any, ...]:
        origin, source, target, first, second, collection, aligned, *rest = said
        said = tuple(rest)
        wanted = request_from(said[:SETTINGS], aligned=bool(aligned))
        if origin == LANGUAGES:
            job = tab.bitexts.start_collection(collection, first or "", second or "", wanted)
        else:
            paths = [Path(path) if path else None for path in (source, target)]
            job = tab.bitexts.start_files(paths[0], paths[1], wanted)
        return {"bitext": job.id, "state": job.state}, job.id, *draw(tab, job.id, "", 0, *said[SETTINGS:])

    def begin_sample(*said: Any) -> tuple[Any, ...]:
        job = tab.bitexts.start_sample(request_from(said[:SETTINGS]))
        return {"bitext": job.id, "state": job.state}, job.id, *draw(tab, job.id, "", 0, *said[SETTINGS:])

    def bring(path: str | None, *said: Any) -> tuple[Any, ...]:
        if not path:
            raise UiError("No file arrived. Expected a file of pairs. Choose one.")
        found = tab.bitexts.open_pairs(Path(path))
        return None, {"bitext": found.id, "state": "done"}, found.id, *draw(tab, found.id, "", 0, *said)

    sources = [
        controls["origin"],
        controls["source"],
        controls["target"],
        *controls["codes"],
        frame.collection,
    ]
    controls["origin"].change(
        guarded(show_rows), controls["origin"], [*controls["rows"], controls["aligned"]], **HIDDEN
    )
    controls["start"].click(
        guarded(begin), [*sources, controls["aligned"], *controls["settings"], *tab.filters], outputs,
        show_progress="hidden", api_name="parallel_start",
    )  # fmt: skip
    controls["sample"].click(
        guarded(begin_sample), [*controls["settings"], *tab.filters], outputs, show_progress="hidden",
        api_name="parallel_sample", api_visibility="undocumented",
    )  # fmt: skip
    controls["pairs"].upload(
        guarded(bring), [controls["pairs"], *tab.filters], [controls["pairs"], *outputs],
        show_progress="minimal", show_progress_on=[controls["pairs"]], api_name="parallel_open",
    )  # fmt: skip


def request_from(said: tuple[Any, ...], *, aligned: bool = False) -> Request:
    """What the options say.

    Raises:
        UiError: the line is no number.
    """
    model, threshold, margin, retrieval, check, single, *codes = said
    line = str(threshold or "").strip().replace(",", ".")
    try:
        value = float(line) if line else None
    except ValueError:
        value = float("nan")
    if value is not None and not abs(value) < 100:
        raise UiError(f"The line is '{threshold}'. Expected a number such as 1.06, or nothing. Correct it.")
    return Request(
        name="", source="", target="", model=str(model or "builtin"), aligned=aligned, margin=margin,
        retrieval=retrieval, threshold=value, check_language=bool(check), one_to_one=bool(single),
        languages=(to_code(codes[0]), to_code(codes[1])),
    )  # fmt: skip


def to_code(said: object) -> str:
    """A language as a person says it: a code, or nothing for one to be detected.

    Raises:
        UiError: it is no code.
    """
    word = str(said or "").strip() or UNKNOWN_LANGUAGE
    if not CODE.fullmatch(word):
        raise UiError(
            f"The language is '{word}'. Expected a code such as de or zh-Hant, or nothing. Correct it."
        )
    return word


def _wire_runs(tab: ParallelTab) -> None:
    """Cancelling, going on and deleting."""

    def acting(act: Any) -> Any:
        def handler(event: gr.EventData, *said: Any) -> tuple[Any, ...]:
            act(str(event.id))
            return draw(tab, *said)

        return guarded(handler)

    tab.run.cancel(acting(tab.bitexts.cancel), tab.inputs, tab.outputs, **HIDDEN)
    tab.run.again(acting(tab.bitexts.go_on), tab.inputs, tab.outputs, **HIDDEN)
    tab.texts.remove(acting(tab.bitexts.remove), tab.inputs, tab.outputs, **HIDDEN)


def _wire_review(tab: ParallelTab) -> None:
    """Decisions; each is durable before the page is drawn again."""
    bitexts = tab.bitexts

    def id_of(view: str) -> str:
        return shown_view(view, bitexts.bitexts(), bitexts.jobs())

    def decide(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.library.catalog.decide_pairs(id_of(view), [int(event.number)], to_state(event.state))
        return draw(tab, view, *said)

    def edit(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.library.catalog.edit_pair(id_of(view), int(event.number), str(event.left), str(event.right))
        return draw(tab, view, *said)

    def decide_all(event: gr.EventData, view: str, seen: str, page: int, *said: Any) -> tuple[Any, ...]:
        bitext = bitexts.bitext(id_of(view))
        bitexts.library.catalog.decide_all(bitext.id, filter_from(bitext, said)[0], to_state(event.state))
        return draw(tab, view, seen, page, *said)

    def undo(view: str, seen: str, page: int, *said: Any) -> tuple[Any, ...]:
        numbers = bitexts.library.catalog.undo_change(id_of(view))
        if not numbers:
            raise UiError("Nothing is left to undo. Expected a decision or an edit before. Go on reviewing.")
        return draw(tab, view, "", page, *said, focus=numbers[0] if len(numbers) == 1 else None)

    def move_line(event: gr.EventData, view: str, *said: Any) -> tuple[Any, ...]:
        bitexts.move_line(id_of(view), float(event.value))
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


def to_state(word: object) -> State:
    """A state out of what a program or the page says.

    Raises:
        UiError: there is no such state.
    """
    if word not in get_args(State):
        raise UiError(f"A pair cannot be '{word}'. Expected {', '.join(get_args(State))}. Choose one.")
    return cast(State, word)


def _wire_export(
    services: Services, frame: Frame, tab: ParallelTab, kind: gr.Dropdown, save: gr.Button
) -> None:
    def export(view: str, scope: str, form: str) -> str:
        bitexts = tab.bitexts
        view = shown_view(view, bitexts.bitexts(), bitexts.jobs())
        return str(bitexts.export(view, form, scope, services._fresh("parallel-text")))

    save.click(
        guarded(export), [tab.view, tab.scope, kind], frame.download, show_progress="hidden",
        api_name="parallel_export",
    ).success(None, js=TO_DOWNLOAD, api_visibility="private")  # fmt: skip


def wire_training(tab: ParallelTab, training: Training, train_tab: TrainTab) -> None:
    """Hand pairs to the tab Train: they become its draft, to match translations, and it opens."""

    def hand_over(view: str, scope: str) -> tuple[Any, ...]:
        bitexts = tab.bitexts
        view = shown_view(view, bitexts.bitexts(), bitexts.jobs())
        name = f"{bitexts.bitext(view).name} {SCOPES[scope].split()[0]}"
        path = bitexts.write_training_pairs(view, scope, tab.services._fresh("pairs"))
        try:
            draft = training.draft_from_file(path)
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


def _add_endpoints(tab: ParallelTab) -> None:
    """Endpoints for programs; files come in through ``/parallel_start`` and ``/parallel_open``."""
    bitexts = tab.bitexts

    def parallel_texts() -> list[dict[str, Any]]:
        """All parallel texts and runs, the newest first."""
        bitexts.settle()
        known = {one.id: one for one in bitexts.bitexts()}
        jobs = {one.id: one for one in bitexts.jobs()}
        return [
            _to_json(bitexts, known.get(one), jobs.get(one)) for one in sorted({*known, *jobs}, reverse=True)
        ]

    def parallel_pairs(
        bitext: str, state: str = "", flag: str = "", sort: str = "best", page: int = 0
    ) -> list[dict[str, Any]]:
        """A page of pairs with their decisions."""
        found = bitexts.bitext(bitext)
        where, order = filter_from(found, (state, flag, "", sort, ""))
        rows = bitexts.library.catalog.bitext_pairs(
            found.id, where, order, offset=PAGE_ROWS * max(0, int(page)), limit=PAGE_ROWS
        )
        return [{"number": row.number, **_plain(asdict(row.pair))} for row in rows]

    def parallel_decide(bitext: str, numbers: list[int], state: str) -> int:
        """Accept, reject or reopen pairs by number; how many changed."""
        return bitexts.library.catalog.decide_pairs(
            bitexts.bitext(bitext).id, [int(number) for number in numbers], to_state(state)
        )

    for endpoint in (parallel_texts, parallel_pairs, parallel_decide):
        gr.api(guarded(endpoint), api_name=endpoint.__name__)


def _to_json(bitexts: Bitexts, bitext: Bitext | None, job: Job | None) -> dict[str, Any]:
    if bitext is None:
        assert job is not None
        return {
            "bitext": job.id, "name": job.request.name, "state": job.state, "share": job.share,
            "message": job.message,
        }  # fmt: skip
    counts, standing = bitexts.library.catalog.bitext_counts(bitext.id), bitexts.standing(bitext)
    return {
        "bitext": bitext.id, "name": bitext.name, "state": "done", "kind": bitext.kind,
        "languages": [bitext.source_language, bitext.target_language], "pairs": counts.total,
        "states": dict(counts.states), "flags": dict(counts.flags), "line": bitext.threshold,
        "above": standing.above if standing else None,
        "estimated_precision": standing.estimated if standing else None,
        "reviewed_precision": asdict(standing.reviewed) if standing and standing.reviewed else None,
    }  # fmt: skip


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN, which JSON has not, as None."""
    return {name: None if value != value else value for name, value in values.items()}  # noqa: PLR0124 - NaN
