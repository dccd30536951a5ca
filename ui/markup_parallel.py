"""Parallel text as HTML: the list, runs, the histogram with its line, pairs. All text escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.reviews import ENOUGH_REVIEWED, SUSPICIOUS, Bitext, PairCounts, ReviewPair
from indexer.text.language.names import language_name
from ui import charts
from ui import formatting as fmt
from ui.services.parallel import Job
from ui.services.reviews import ThresholdSummary

MIN_BARS, MAX_BARS = 16, 60
MAX_SHOWN = 1_200
"""Characters of a side in the grid; a longer one is cut there, never in an export."""
FLAG_WORDS: Mapping[str, str] = {
    "numbers": "numbers differ",
    "length": "lengths differ",
    "urls": "addresses differ",
    "url": "addresses differ",
    "emails": "e-mail addresses differ",
    "email": "e-mail addresses differ",
    "copy": "copied, not translated",
    "duplicate": "appears again",
    "near-duplicate": "nearly appears again",
    "language": "unexpected language",
    SUSPICIOUS: "suspiciously alike",
}
STATE_WORDS = {"open": "to review", "accepted": "accepted", "rejected": "rejected"}
ENDED_WORDS = {
    "failed": "Failed",
    "cancelled": "Cancelled. Finished work is saved",
    "interrupted": "Interrupted (for example by a restart). Finished work is saved",
}
KEYS = (("j", "next"), ("k", "back"), ("a", "accept"), ("r", "reject"), ("e", "edit"), ("u", "undo"))


@dataclass(frozen=True)
class Page:
    """A page of pairs: which of how many, and how many fit the filter."""

    pairs: Sequence[ReviewPair]
    number: int
    pages: int
    fitting: int
    focus: int | None = None  # the number of the pair to stand on


def languages(source: str, target: str) -> str:
    """``German → Arabic``; nothing where neither is known. Not escaped."""
    if source == target == "und":
        return ""
    return f"{language_name(source)} → {language_name(target)}"


def flag_words(flag: str) -> str:
    """A flag as a person would say it. Not escaped."""
    return FLAG_WORDS.get(flag, flag.replace("-", " ").replace("_", " "))


# -- the list ------------------------------------------------------------------------------------------------


def texts(bitexts: Sequence[Bitext], jobs: Sequence[Job], chosen: str) -> str:
    """What there is to review, and the runs that gave nothing yet; the newest first."""
    known = {bitext.id for bitext in bitexts}
    rows = [(item.id, item.name, _bitext_words(item), "done") for item in bitexts]
    rows += [(job.id, job.request.name, _job_words(job), job.state) for job in jobs if job.id not in known]
    if not rows:
        return ""
    items = "".join(_text_row(*row, is_chosen=row[0] == chosen) for row in sorted(rows, reverse=True))
    return (
        '<div class="runs"><div class="runs-head"><h2>Parallel texts</h2>'
        '<button type="button" class="link" data-open="new">New</button></div>'
        f"<ul>{items}</ul></div>"
    )


def _text_row(identity: str, name: str, words: str, state: str, *, is_chosen: bool) -> str:
    current = ' aria-current="true"' if is_chosen else ""
    question = f"Delete “{name}” with its pairs and all decisions?"
    return (
        f'<li class="{fmt.text(state)}"{current}><button type="button" class="run-open" '
        f'data-open="{fmt.text(identity)}"><span class="run-title">{fmt.isolated(name)}</span>'
        f"<small>{words}</small></button>"
        f'<button type="button" class="link" data-remove="{fmt.text(identity)}" '
        f'data-confirm="{fmt.text(question)}" aria-label="Delete {fmt.text(name)}">Delete</button></li>'
    )


def _bitext_words(bitext: Bitext) -> str:
    kinds = {"mined": "found", "aligned": "aligned", "imported": "imported"}
    moment = datetime.fromtimestamp(bitext.created_at, UTC)
    parts = [languages(bitext.source_language, bitext.target_language), kinds[bitext.kind], fmt.when(moment)]
    return " · ".join(fmt.text(part) for part in parts if part)


def _job_words(job: Job) -> str:
    words = {"running": "searching", "done": "ready", "failed": "failed", "cancelled": "cancelled"}
    return words.get(job.state, "interrupted")


# -- the run -------------------------------------------------------------------------------------------------


def run(job: Job | None, now: float) -> str:
    """The line of a run that goes on or ended without pairs."""
    if job is None or job.state == "done":
        return ""
    if job.state == "running":
        reached = "" if job.share is None else f' value="{job.share:.3f}"'
        left = job.seconds_left(now)
        parts = [job.phase or "starting"]
        parts += [f"{100 * job.share:.0f} %"] if job.share is not None else []
        parts += [f"{fmt.duration(left)} left"] if left is not None else []
        doing = "Scoring" if job.request.scored else "Finding translations in"
        return (
            f'<div class="jobs" role="status"><div class="job running"><span class="what">{doing} '
            f'{fmt.isolated(job.request.name)}</span><progress max="1"{reached}></progress>'
            f"<span>{fmt.text(' · '.join(parts))}</span>"
            f'<button type="button" class="link" data-cancel="{fmt.text(job.id)}">Cancel</button></div></div>'
        )
    message = f'<p class="said" dir="auto">{fmt.text(job.message)}</p>' if job.message else ""
    words = "Start again" if job.state == "failed" else "Resume"
    return (
        f'<div class="trouble {fmt.text(job.state)}" role="status"><p>'
        f"<b>{fmt.isolated(job.request.name)}</b>: {ENDED_WORDS[job.state]}.</p>{message}"
        f'<button type="button" class="primary" data-again="{fmt.text(job.id)}">{words}</button></div>'
    )


# -- scores --------------------------------------------------------------------------------------------------


def heading(bitext: Bitext, counts: PairCounts) -> str:
    """Name, languages, sizes of the sides and what was left out."""
    details = bitext.details
    parts = [languages(bitext.source_language, bitext.target_language)]
    sides = details.get("sentences")
    if sides:
        left, right = map(fmt.number, sides)
        total = details.get("drawn_from")
        drawn = f"{left} of {fmt.number(total)} sentences, drawn at random, and {right}" if total else ""
        parts.append(drawn or f"{left} and {right} sentences")
    parts.append(fmt.counted(counts.total, "pair"))
    if details.get("model"):
        parts.append(f"model {details['model']}")
    dropped = [
        f"{flag_words(str(reason))} ({fmt.number(int(count))})"
        for reason, count in (details.get("dropped") or {}).items()
        if count
    ]
    left_out = f'<p class="soft">Left out: {fmt.text("; ".join(dropped))}.</p>' if dropped else ""
    words = " · ".join(fmt.text(part) for part in parts if part)
    notices = "".join(
        f'<p class="notice" dir="auto">{fmt.text(item)}</p>' for item in details.get("notices") or ()
    )
    return f'<div class="bt-head"><p class="soft">{words}</p>{left_out}{notices}</div>'


def scores(
    bitext: Bitext, values: NDArray[np.float32], summary: ThresholdSummary | None, scorer: str = ""
) -> str:
    """The histogram of scores with a line that can be moved, and what the line means.

    ``scorer`` names the model that the page offers to score the pairs with; empty for no offer.
    """
    if summary is None:
        words = "These pairs have no scores, so there is no threshold."
        return f'<p class="soft">{words}</p>{_offer("Score these pairs", scorer)}'
    counts, edges = _histogram(values)
    low, high = float(edges[0]), float(edges[-1])
    at = _place(summary.threshold, low, high)
    bars = _bars(counts)
    cap = bitext.details.get("cap")
    shade = ""
    if cap is not None and low < float(cap) < high:
        left = _place(float(cap), low, high)
        shade = f'<i class="cap" style="left:{left:.2f}%"></i><span class="cap-word">suspicious</span>'
    ends = f'<span class="x first">{low:.2f}</span><span class="x last">{high:.2f}</span>'
    svg = '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" class="{}">{}</svg>'
    spoken = (
        f"Histogram of {len(values)} scores from {low:.2f} to {high:.2f}; threshold {summary.threshold:.3f}"
    )
    return (
        '<div class="bt-scores"><figure class="chart"><figcaption><b>Scores</b>'
        f"<span data-line>threshold {summary.threshold:.3f}</span></figcaption>"
        f'<div class="plot hist" role="img" aria-label="{fmt.text(spoken)}" style="--at:{at:.2f}%">'
        f'{svg.format("below", bars)}{svg.format("over", bars)}{shade}<i class="line"></i>{ends}</div>'
        f'<input type="range" min="{low:.6f}" max="{high:.6f}" step="{(high - low) / 400:.8f}" '
        f'value="{summary.threshold:.6f}" aria-label="Threshold"></figure>'
        f"{_meaning(bitext, values, summary)}</div>{_offer('Score again', scorer)}"
    )


def _offer(words: str, scorer: str) -> str:
    """A button to score imported pairs."""
    if not scorer:
        return ""
    return (
        f'<div class="run-actions"><button type="button" data-score>{words}</button><span class="soft">'
        f"{fmt.isolated(scorer)} tells how alike both sides are; your decisions stay</span></div>"
    )


def _histogram(values: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from indexer.bitext.threshold import histogram

    counts, edges = histogram(values, min(MAX_BARS, max(MIN_BARS, len(values) // 4)))
    return counts, np.asarray(edges, np.float64)


def _place(value: float, low: float, high: float) -> float:
    return min(100.0, max(0.0, 100 * (value - low) / (high - low)))


def _bars(counts: NDArray[np.int64]) -> str:
    """Bars of equal width as one path. Heights are square roots, so that a small group stays visible."""
    top = math.sqrt(max(1, int(counts.max())))
    width = 100 / len(counts)
    parts = []
    for number, count in enumerate(counts):
        if count:
            height = max(1.0, 96 * math.sqrt(int(count)) / top)
            left = number * width
            parts.append(f"M{left + width * 0.1:.2f} 100v{-height:.2f}h{width * 0.8:.2f}v{height:.2f}z")
    return f'<path d="{"".join(parts)}"/>'


def _meaning(bitext: Bitext, values: NDArray[np.float32], summary: ThresholdSummary) -> str:
    facts = [
        ("Pairs above the threshold", f"{fmt.number(summary.above)}", f"of {fmt.number(summary.scored)}"),
    ]
    if summary.estimated is not None:
        facts.append(("Estimated precision", f"about {_percent(summary.estimated)}", "from the scores"))
    if summary.reviewed is not None:
        result = summary.reviewed
        span = (
            f"{_percent(result.low)} to {_percent(result.high)}, from {fmt.number(result.reviewed)} reviewed"
        )
        facts.append(("Reviewed precision", _percent(result.value), span))
    else:
        facts.append(("Reviewed precision", "–", f"after {ENOUGH_REVIEWED} decisions above the threshold"))
    cap = bitext.details.get("cap")
    if cap is not None:
        odd = int((values > np.float32(cap)).sum())
        facts.append(("Suspicious", fmt.number(odd), f"above {charts.short(float(cap))}"))
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>" for name, value, note in facts
    )
    return f'<dl class="estimate">{rows}</dl>'


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


# -- pairs ---------------------------------------------------------------------------------------------------


def grid(bitext: Bitext, counts: PairCounts, page: Page) -> str:
    """Pairs to accept, reject and edit, with the keys that do it and the pages."""
    keys = " ".join(f"<span><kbd>{key}</kbd> {words}</span>" for key, words in KEYS)
    tally = " · ".join(
        f"{fmt.number(counts.of(state))} {words}"  # type: ignore[arg-type]
        for state, words in STATE_WORDS.items()
    )
    head = f'<div class="bt-bar"><span class="tally">{tally}</span><span class="keys">{keys}</span></div>'
    if not page.pairs:
        words = "No pair fits this filter." if counts.total else "No pairs were found."
        return f'<div class="bt-grid">{head}<div class="nothing"><p>{words}</p></div></div>'
    rows = "".join(_pair_row(pair, bitext) for pair in page.pairs)
    focus = "" if page.focus is None else f' data-focus="{page.focus}"'
    return f'<div class="bt-grid"{focus}>{head}<ol class="bt-pairs">{rows}</ol>{_pager(page)}</div>'


def _pair_row(one: ReviewPair, bitext: Bitext) -> str:
    pair = one.pair
    flags = "".join(f"<span>{fmt.text(flag_words(flag))}</span>" for flag in pair.flags)
    if one.before is not None:
        was = fmt.text(f"before: {one.before[0]} — {one.before[1]}")
        flags += f'<span class="edited" title="{was}">edited</span>'
    score = "" if math.isnan(pair.score) else f'<b title="score">{pair.score:.3f}</b>'
    state = STATE_WORDS[pair.state]
    source_language = bitext.source_language if pair.source_language == "und" else pair.source_language
    target_language = bitext.target_language if pair.target_language == "und" else pair.target_language
    sides = _side("source", pair.source, source_language, pair.source_origin)
    sides += _side("target", pair.target, target_language, pair.target_origin)
    return (
        f'<li class="{pair.state}" data-number="{one.number}" tabindex="0" '
        f'aria-label="Pair {one.number + 1}, {state}">{sides}'
        f'<div class="about">{score}<span class="state">{state}</span>{flags}</div>'
        '<div class="acts"><button type="button" data-act="accepted">Accept</button>'
        '<button type="button" data-act="rejected">Reject</button>'
        '<button type="button" data-act="edit">Edit</button></div></li>'
    )


def _side(name: str, content: str, language: str, origin: str) -> str:
    is_long = len(content) > MAX_SHOWN
    shown = content[:MAX_SHOWN] + " …" if is_long else content
    title = f' title="{fmt.text(fmt.short_path(origin))}"' if origin else ""
    long = " data-long" if is_long else ""
    return f'<p class="{name}" dir="auto"{fmt.lang_attribute(language)}{title}{long}>{fmt.text(shown)}</p>'


def _pager(page: Page) -> str:
    place = f"page {fmt.number(page.number + 1)} of {fmt.number(page.pages)}"
    words = f"{fmt.counted(page.fitting, 'pair')} · {place}"
    back = "" if page.number > 0 else " disabled"
    on = "" if page.number + 1 < page.pages else " disabled"
    bulk = "".join(
        f'<button type="button" class="link" data-all="{state}" data-confirm="{verb} all '
        f'{fmt.counted(page.fitting, "pair")} of this filter? One undo takes it back.">{verb} all</button>'
        for state, verb in (("accepted", "Accept"), ("rejected", "Reject"))
    )
    return (
        f'<div class="bt-pager"><button type="button" data-page="{page.number - 1}"{back}>← Previous</button>'
        f'<span>{words}</span><button type="button" data-page="{page.number + 1}"{on}>Next →</button>'
        f'<span class="bulk">{bulk}<button type="button" class="link" data-undo>Undo</button></span></div>'
    )
