"""What the tab Parallel text shows: the list, a run, the threshold, a page of pairs."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any, cast, get_args

import gradio as gr

from indexer.bitext.reviews import Bitext, PairCounts, PairFilter, Sort
from ui import markup_parallel as markup
from ui.services.library import Services
from ui.services.parallel import Job
from ui.services.reviews import Bitexts
from ui.tabs.parallel_form import Form

PAGE_ROWS = 50
NEW = "new"


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
    form: Form
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
            self.texts, self.run, self.form.column, self.results, self.heading, self.scores, self.filters[1],
            self.grid, self.timer, self.seen,
        ]  # fmt: skip

    def shown(self, view: str) -> str:
        """The id of what is shown."""
        return shown_view(view, self.bitexts.all(), self.bitexts.runs.all())


def draw(
    tab: ParallelTab, view: str, seen: str, page: int, *said: Any, focus: int | None = None
) -> tuple[Any, ...]:
    """Everything that depends on runs and decisions; nothing where nothing is new.

    ``said`` is what the filters say, ``seen`` the fingerprint of the last drawing.
    """
    bitexts = tab.bitexts
    jobs = bitexts.collect_finished()
    known = bitexts.all()
    view = shown_view(view, known, jobs)
    bitext = next((item for item in known if item.id == view), None)
    job = next((item for item in jobs if item.id == view), None)
    running = any(item.state == "running" for item in jobs)
    can_score = bitext is not None and bitext.kind == "imported" and (job is None or job.state != "running")
    scorer = bitexts.library.model if can_score else ""
    listed, line = markup.texts(known, jobs, view), markup.run(job, time.time())
    progress = _digest(listed, line, running)
    review = _digest(view, bitext and bitext.revision, page, said, focus, scorer)
    if seen == progress + review:
        return (gr.skip(),) * len(tab.outputs)
    shown = (listed, line, gr.Column(visible=view == NEW), gr.Column(visible=bitext is not None))
    last = (gr.Timer(active=running), progress + review)
    if seen.endswith(review):  # only a run has gone on: who edits a pair is not disturbed
        return *shown, *[gr.skip()] * 4, *last
    if bitext is None:
        return *shown, "", "", gr.skip(), "", *last
    counts = bitexts.catalog.bitexts.counts(bitext.id)
    return (
        *shown,
        markup.heading(bitext, counts),
        markup.scores(bitext, bitexts.scores(bitext.id), bitexts.summary(bitext), scorer),
        _flag_choices(counts, said[1]),
        _grid(tab, bitext, counts, said, page=page, focus=focus),
        *last,
    )


def _digest(*values: object) -> str:
    return hashlib.blake2b(repr(values).encode("utf-8", "replace"), digest_size=8).hexdigest()


def shown_view(view: str, bitexts: list[Bitext], jobs: list[Job]) -> str:
    """What to show: what is gone gives way to what goes on, to the newest, or to the form."""
    names = {bitext.id for bitext in bitexts} | {job.id for job in jobs}
    if view == NEW or view in names:
        return view
    running = next((job.id for job in jobs if job.state == "running"), "")
    return running or max(names, default=NEW)


def filter_from(bitext: Bitext, said: tuple[Any, ...]) -> tuple[PairFilter, Sort]:
    """The filter and order that the controls say; what they cannot say counts as nothing."""
    state, flag, side, sort, words = said
    line = bitext.threshold
    where = PairFilter(
        state=state if state in ("open", "accepted", "rejected", "edited") else "",
        flag=str(flag or ""),
        min_score=line if side == "above" else None,
        max_score=line if side == "below" else None,
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
    catalog = tab.bitexts.catalog
    where, sort = filter_from(bitext, said)
    fitting = catalog.bitexts.count_pairs(bitext.id, where)
    pages = max(1, -(-fitting // PAGE_ROWS))
    page = min(max(0, int(page or 0)), pages - 1)
    pairs = catalog.bitexts.pairs(bitext.id, where, sort, offset=page * PAGE_ROWS, limit=PAGE_ROWS)
    return markup.grid(bitext, counts, markup.Page(pairs, page, pages, fitting, focus))


def _flag_choices(counts: PairCounts, chosen: str) -> gr.Dropdown:
    result = sorted(counts.flags, key=lambda flag: (-counts.flags[flag], flag))
    choices = [("any", ""), *((f"{markup.flag_words(flag)} · {counts.flags[flag]}", flag) for flag in result)]
    return gr.Dropdown(choices=choices, value=chosen if chosen in counts.flags else "", visible=bool(result))
