"""The library as HTML: header counts, job lines, bar of languages, table of documents. All text escaped."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from indexer.catalog.listing import Order, Word
from indexer.library.offers import ModelOffer
from indexer.text.language.names import language_name
from indexer.types import CollectionInfo, DocumentInfo, DocumentPage, JobInfo
from ui import formatting as fmt

if TYPE_CHECKING:
    from indexer.library.watching import WatchedFolder

SortKey = Literal["title", "languages", "passages", "size", "added", "state"]

PAGE_ROWS = 200
BAR_LANGUAGES = 8
STATE_WORDS = {"indexed": "ready", "pending": "waiting", "failed": "could not be read"}
STATE_ORDER = {"failed": 0, "pending": 1, "indexed": 2}
WARNED = "warnings"
"""What the filter finds documents by whose reader had to leave something out or to guess."""
SHOWN_WARNINGS = 3
COLUMNS: tuple[tuple[SortKey, str], ...] = (
    ("title", "Title"),
    ("languages", "Languages"),
    ("passages", "Passages"),
    ("size", "Size"),
    ("added", "Added"),
    ("state", "State"),
)

READING = ("add", "sample", "reindex")
"""Kinds of jobs that begin with a look at files."""
WAITING = "waiting for "
"""How a message begins that is no name of a file."""


def header(info: CollectionInfo | None, model: str) -> str:
    """Counts of the chosen collection and the model in use."""
    counts = "empty"
    if info and info.documents:
        counts = " · ".join(
            (
                fmt.counted(info.documents, "document"),
                fmt.counted(info.chunks, "passage"),
                fmt.counted(len([code for code in info.languages if code != "und"]), "language"),
            )
        )
    return (
        f'<div class="counts"><span>{counts}</span>'
        f'<span class="model" title="Turns text into vectors">model: {fmt.text(model)}</span></div>'
    )


def jobs(
    running: Sequence[JobInfo],
    finished: JobInfo | None,
    *,
    faster: Collection[str] = (),
    undo: str | None = None,
    lost: int = 0,
    is_indexing: bool = False,
) -> str:
    """One line per job that runs or waits, then the outcome of the latest one.

    Args:
        running: jobs that run or wait.
        finished: the latest one that has ended.
        faster: ids of running jobs that can go on with the fast model.
        undo: the model that the finished job can be undone to.
        lost: documents that the finished job kept although their files are gone.
        is_indexing: the vector store still builds its index.
    """
    lines = [_running(job, may_go_fast=job.id in faster) for job in running]
    if finished and not running:
        lines.append(_finished(finished, undo, lost))
    if is_indexing:
        lines.append('<div class="job"><span class="what">Searchable, index still being built</span></div>')
    return f'<div class="jobs" role="status">{"".join(lines)}</div>' if lines else ""


def _running(job: JobInfo, *, may_go_fast: bool) -> str:
    words = f"{'Indexing ' if job.kind == 'add' else ''}{fmt.isolated(job.label)}"
    if job.state == "queued":
        words, progress = f"Waiting: {words}", ""
    elif job.total:
        share = min(1.0, job.done / job.total)
        progress = f'<progress max="1" value="{share:.4f}"></progress><span>{how_far(job)}</span>'
    else:
        progress = f"<progress></progress><span>{_beginning(job)}</span>"
    left = f"<span>{fmt.duration(job.seconds_left)} left</span>" if job.seconds_left is not None else ""
    fast = (
        f'<button type="button" class="link" data-fast="{fmt.text(job.id)}" title="The model of the '
        'collection follows in the background">Use the fast model first</button>'
        if may_go_fast
        else ""
    )
    return (
        f'<div class="job running"><span class="what">{words}</span>{progress}{left}<span class="acts">{fast}'
        f'<button type="button" class="link" data-cancel="{fmt.text(job.id)}">Cancel</button></span></div>'
    )


def _beginning(job: JobInfo) -> str:
    """What a job does that cannot tell yet how far it is. Escaped."""
    if job.message.startswith(WAITING):
        return fmt.text(job.message)
    return "looking at the files" if job.kind in READING else "starting"


def how_far(job: JobInfo) -> str:
    """``3.1 MB of 12 MB``, ``4 of 9 files``, and the file that is being read. Escaped."""
    if job.unit == "bytes":
        words = f"{fmt.size(job.done)} of {fmt.size(job.total)}"
    else:
        words = f"{fmt.number(job.done)} of {fmt.number(job.total)} {fmt.text(job.unit)}"
    name = job.message if job.message.startswith(WAITING) else PurePath(job.message).name
    return f"{words} · {fmt.isolated(name)}" if name else words


def _finished(job: JobInfo, undo: str | None, lost: int) -> str:
    verdict = {"done": "Done", "failed": "Stopped"}.get(job.state, job.state.capitalize())
    message = fmt.text(job.message) if job.message else how_far(job)
    back = (
        f'<button type="button" class="link" data-undo="{fmt.text(job.collection)}" '
        f'title="Return to {fmt.text(undo)}">Undo</button>'
        if undo
        else ""
    )
    if lost:
        message += f". Is a drive unplugged? If not, {'it' if lost == 1 else 'they'} can be removed."
        back = (
            f'<button type="button" class="link" data-lost="{fmt.text(job.id)}">'
            f"Remove {fmt.counted(lost, 'document')}</button>"
        )
    hide = "Keep" if lost else "Hide"
    return (
        f'<div class="job {fmt.text(job.state)}"><span class="what">{verdict}: '
        f'{fmt.isolated(job.label)}</span><span dir="auto">{message}</span><span class="acts">{back}'
        f'<button type="button" class="link" data-dismiss="{fmt.text(job.id)}">{hide}</button></span></div>'
    )


def offer(result: ModelOffer | None) -> str:
    """One line: what another model would do for the collection, how long it takes, yes or no."""
    if result is None:
        return ""
    model = fmt.isolated(result.model)
    if result.is_newer:
        words = f"An earlier version of {model} made these vectors: only words are searched."
        yes = "Embed again"
    elif result.is_neutral:
        words = "Language-neutral vectors would find more answers in other languages."
        yes = "Make them"
    else:
        words = f"The model {model} would find more, above all in other languages."
        yes = f"Use {model}"
    passages = fmt.counted(result.passages, "passage")
    time = "" if result.seconds is None else f", {fmt.duration(result.seconds)}"
    return (
        f'<div class="offer" role="note"><span>{words} <small>{passages}{time}; search goes on '
        'meanwhile.</small></span><span class="acts">'
        f'<button type="button" class="link" data-answer="yes">{yes}</button>'
        '<button type="button" class="link" data-answer="no">Not now</button></span></div>'
    )


def watched(folders: "Sequence[WatchedFolder]") -> str:
    """The folders that collections follow, and how it goes with each."""
    if not folders:
        return (
            "<p>None yet. What is created, changed, renamed or deleted in a watched folder is followed "
            "within seconds.</p>"
        )
    return f'<ul class="watched">{"".join(map(_watched, folders))}</ul>'


def _watched(folder: "WatchedFolder") -> str:
    state = "paused" if folder.is_paused else folder.trouble
    if not state:
        state = f"looked through {fmt.when(folder.looked_at)}" if folder.looked_at else "being looked through"
    action, word = ("resume", "Go on") if folder.is_paused else ("pause", "Pause")
    kind = ' class="bad"' if folder.trouble and not folder.is_paused else ""
    return (
        f'<li data-path="{fmt.text(folder.path)}"><span class="what">{fmt.isolated(folder.path)}</span> '
        f"<span>{fmt.isolated(folder.collection)}</span> <small{kind}>{fmt.text(state)}</small>"
        f'<span class="acts"><button type="button" class="link" data-action="{action}">{word}</button>'
        '<button type="button" class="link" data-action="remove" title="Its documents stay">Forget</button>'
        "</span></li>"
    )


def deletion_question(collection: str, documents: int) -> str:
    """What is lost when a collection is deleted, and what is not."""
    return (
        f"<p>Delete <b>{fmt.isolated(collection)}</b> with {fmt.counted(documents, 'document')}? "
        "Uploaded copies go with it; files that were indexed where they lie stay.</p>"
    )


def language_bar(counts: Mapping[str, int]) -> str:
    """Shares of languages among the passages as one bar with a legend; the small ones are taken together."""
    total = sum(counts.values())
    if not total:
        return ""
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    shown = [(language_name(code), counts[code]) for code in ordered[:BAR_LANGUAGES]]
    rest = sum(counts[code] for code in ordered[BAR_LANGUAGES:])
    if rest:
        shown.append((f"{len(ordered) - BAR_LANGUAGES} more", rest))
    parts = "".join(
        f'<span class="part c{index}" style="flex-grow:{count}" title="{fmt.text(name)}: {count}"></span>'
        for index, (name, count) in enumerate(shown)
    )
    legend = "".join(
        f'<li><i class="c{index}"></i>{fmt.text(name)} <span>{share(count, total)}</span></li>'
        for index, (name, count) in enumerate(shown)
    )
    return (
        f'<div class="languages"><div class="bar" role="img" aria-label="Languages of the passages">'
        f"{parts}</div>"
        f"<ul>{legend}</ul></div>"
    )


def share(count: int, total: int) -> str:
    """A percentage without a false zero: ``<1 %``."""
    percent = 100 * count / total
    return "<1 %".replace("<", "&lt;") if percent < 1 else f"{percent:.0f} %"


def select_documents(
    documents: Sequence[DocumentInfo], words: str = "", sort: SortKey = "added", *, descending: bool = True
) -> list[DocumentInfo]:
    """The documents whose title, path, type, state or language contains every word, in the chosen order."""
    wanted = words.casefold().split()

    def is_wanted(document: DocumentInfo) -> bool:
        names = " ".join(language_name(code) for code in document.languages)
        state = f"{STATE_WORDS[document.state]} {WARNED if document.warnings else ''}"
        parts = (document.title, document.path, document.file_type, state, names)
        hay = " ".join(parts).casefold()
        return all(word in hay for word in wanted)

    keys = {
        "title": lambda d: (d.title or d.path).casefold(),
        "languages": lambda d: fmt.languages(d.languages),
        "passages": lambda d: d.chunks,
        "size": lambda d: d.size_bytes,
        "added": lambda d: d.added_at,
        "state": lambda d: STATE_ORDER[d.state],
    }
    chosen = sorted(filter(is_wanted, documents), key=lambda d: (d.title or d.path).casefold())
    return sorted(chosen, key=keys[sort], reverse=descending)


def filter_words(words: str, languages: Iterable[str]) -> list[Word]:
    """What each word of the filter finds, as :func:`select_documents` has it.

    Args:
        words: as they were typed.
        languages: codes of all languages in the collection.
    """
    names = {code: language_name(code).casefold() for code in languages}
    return [
        Word(
            word,
            tuple(state for state, shown in STATE_WORDS.items() if word in shown.casefold()),
            tuple(code for code, name in names.items() if word in name),
            word in WARNED,
        )
        for word in words.casefold().split()
    ]


def order_of(sort: SortKey, *, descending: bool) -> Order:
    """The order of :func:`select_documents` for the catalog."""
    ranks: dict[str, Callable[[Any], Any]] = {
        "languages": lambda codes: fmt.languages(_counts_down(codes)),
        "state": lambda state: STATE_ORDER[state],
    }
    return Order(sort, descending, ranks[sort]) if sort in ranks else Order(sort, descending)


def _counts_down(codes: str) -> dict[str, int]:
    """Codes, most frequent first, as counts that say no more than that."""
    known = codes.split(",") if codes else []
    return {code: len(known) - place for place, code in enumerate(known)}


def page_table(page: DocumentPage, total: int, sort: SortKey = "added", *, descending: bool = True) -> str:
    """The same as :func:`table` of a list that the catalog has sorted and filtered."""
    return _table(page.documents, page.matching, page.warned, total, sort, descending=descending)


def table(
    documents: Sequence[DocumentInfo], total: int, sort: SortKey = "added", *, descending: bool = True
) -> str:
    """Documents in rows with a box to choose each; of a long list the first rows, and how to see others."""
    warned = sum(bool(document.warnings) for document in documents)
    return _table(documents[:PAGE_ROWS], len(documents), warned, total, sort, descending=descending)


def _table(
    documents: Sequence[DocumentInfo],
    matching: int,
    warned: int,
    total: int,
    sort: SortKey,
    *,
    descending: bool,
) -> str:
    if not total:
        return '<div class="nothing"><p>No documents yet. Drop some files above.</p></div>'
    if not documents:
        return '<div class="nothing"><p>No document matches this filter.</p></div>'
    heads = "".join(_column_head(key, label, sort, descending=descending) for key, label in COLUMNS)
    rows = "".join(map(_row, documents))
    hidden = matching - len(documents)
    more = f'<p class="more">{fmt.number(hidden)} more: filter to see them.</p>' if hidden > 0 else ""
    if warned:
        words = f"{fmt.counted(warned, 'document')} with {WARNED}: parts could not be read."
        more += f'<p class="more">{words} Filter by “{WARNED}” to see which.</p>'
    return (
        '<div class="documents"><div class="actions" hidden><b data-chosen></b>'
        '<button type="button" data-act="reindex">Index again</button>'
        '<button type="button" data-act="export">Export list</button>'
        '<button type="button" data-act="remove" class="danger">Remove</button></div>'
        '<div class="scroll"><table><thead><tr><th class="tick"><input type="checkbox" data-all '
        f'aria-label="Choose all"></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{more}</div>'
    )


def _column_head(key: SortKey, label: str, sort: SortKey, *, descending: bool) -> str:
    order = ("descending" if descending else "ascending") if key == sort else "none"
    arrow = {"descending": " ↓", "ascending": " ↑", "none": ""}[order]
    return (
        f'<th class="{key}" aria-sort="{order}"><button type="button" data-sort="{key}">'
        f"{label}{arrow}</button></th>"
    )


def _row(document: DocumentInfo) -> str:
    title = document.title or document.path
    reason = f'<p class="reason" dir="auto">{fmt.text(document.error)}</p>' if document.error else ""
    shown = "; ".join(document.warnings[:SHOWN_WARNINGS])
    others = len(document.warnings) - SHOWN_WARNINGS
    if document.warnings:
        shown += f"; and {fmt.number(others)} more" if others > 0 else ""
        reason += f'<p class="warning" dir="auto">{fmt.text(shown)}</p>'
    pages = f" · {fmt.counted(document.pages, 'page')}" if document.pages else ""
    return (
        f'<tr class="{fmt.text(document.state)}"><td class="tick"><input type="checkbox" '
        f'data-id="{fmt.text(document.id)}" aria-label="Choose {fmt.text(title)}"></td>'
        f'<td class="title"><span title="{fmt.text(document.path)}">{fmt.isolated(title)}</span>'
        f"<small>{fmt.text(document.file_type)}{pages}</small>{reason}</td>"
        f'<td class="languages">{fmt.text(fmt.languages(document.languages))}</td>'
        f'<td class="passages">{fmt.number(document.chunks)}</td>'
        f'<td class="size">{fmt.size(document.size_bytes)}</td>'
        f'<td class="added">{fmt.when(document.added_at)}</td>'
        f'<td class="state">{STATE_WORDS[document.state]}</td></tr>'
    )
