"""Search results as HTML: cards, status line, preview. Pure functions of values; all text is escaped here."""

import base64
from collections.abc import Mapping, Sequence

from indexer.text.language.names import language_name
from indexer.types import ChunkInfo, Hit, SearchResult, closest_first
from ui import formatting as fmt
from ui.questions import SampleQuestion

FACET_CHIPS = 8


def cards(result: SearchResult) -> str:
    """All hits: good ones as cards, weak ones folded below, or the answer that nothing was found.

    Weak matches stand open where there is nothing better: the reader may still recognise the answer. Where
    the collection allows no verdict, all hits follow each other by score, without any.
    """
    if not result.can_tell:
        return _closest(closest_first(result))
    weak = _folded(result.weak_hits, is_alone=not result.hits)
    if result.hits:
        return f'<ol class="hits" aria-label="Results">{"".join(map(card, result.hits))}</ol>{weak}'
    hint = (
        "The closest passages are below, but none of them is likely to answer."
        if result.weak_hits
        else "Try other words, a longer question, or fewer filters."
    )
    return f'<div class="nothing" role="status"><h2>Nothing relevant found</h2><p>{hint}</p></div>{weak}'


def _closest(hits: Sequence[Hit]) -> str:
    if not hits:
        return '<div class="nothing" role="status"><p>No passages. Try fewer filters.</p></div>'
    return f'<h2 class="closest">Closest passages</h2>{_without_bands(hits)}'


def _without_bands(hits: Sequence[Hit]) -> str:
    items = "".join(card(hit, with_band=False) for hit in hits)
    return f'<ol class="hits" aria-label="Results">{items}</ol>'


def _folded(hits: Sequence[Hit], *, is_alone: bool) -> str:
    if not hits:
        return ""
    label = fmt.counted(len(hits), "weak match", "weak matches") if is_alone else f"{len(hits)} weaker"
    items = "".join(map(card, hits))
    opened = " open" if is_alone and hits[0].confidence == "weak" else ""
    return f'<details class="weak"{opened}><summary>{label}</summary><ol class="hits">{items}</ol></details>'


def card(hit: Hit, *, with_band: bool = True) -> str:
    """One hit. The title is a real button, for keyboards and screen readers; the whole card reacts."""
    band = (
        f'<span class="band {fmt.text(hit.confidence)}">{fmt.CONFIDENCE_WORDS[hit.confidence]}</span>'
        if with_band
        else ""
    )
    snippet, evidence = fmt.excerpt(hit.text, hit.evidence)
    more = ""
    if hit.more_in_document > 0:
        more = (
            f'<button type="button" class="link" data-document="{fmt.text(hit.document_id)}" '
            f'data-title="{fmt.text(hit.title)}">+ {hit.more_in_document} more in this document</button>'
        )
    return (
        f'<li class="card" data-chunk="{fmt.text(hit.chunk_id)}"{evidence_attribute(hit.evidence)}>'
        f'<div class="card-head"><button type="button" class="title" title="{fmt.text(hit.document)}">'
        f"{fmt.isolated(hit.title or hit.document)}</button>"
        f"{band}</div>"
        f'<p class="place">{place_line(hit.page, hit.section, hit.language, hit.file_type)}</p>'
        f'<p class="snippet" dir="auto"{fmt.lang_attribute(hit.language)}>{fmt.marked(snippet, evidence)}</p>'
        f"{more}</li>"
    )


def evidence_attribute(evidence: tuple[int, int] | None) -> str:
    """The evidence's offsets on the card, so that the preview marks what the card marked."""
    return f' data-evidence="{evidence[0]}-{evidence[1]}"' if evidence else ""


def evidence_from(attribute: str | None) -> tuple[int, int] | None:
    """The inverse of :func:`evidence_attribute`; anything malformed is no evidence."""
    start, _, end = (attribute or "").partition("-")
    return (int(start), int(end)) if start.isdecimal() and end.isdecimal() else None


def place_line(page: int | None, section: str | None, language: str, file_type: str) -> str:
    """``p. 12 · German · pdf``, each part isolated from the direction of the others."""
    parts = [fmt.place(page, section), language_name(language), file_type]
    return " · ".join(fmt.isolated(part) for part in parts if part)


def status(result: SearchResult, chosen_languages: Sequence[str] = (), document_title: str = "") -> str:
    """What the query was taken to be, how long it took, and where the hits are, by language."""
    hits = result.hits if result.can_tell else closest_first(result)
    outcome = fmt.counted(len(hits), "result")
    asked = "" if result.language in ("", "und") else f"asked in {language_name(result.language)} · "
    line = f"{asked}{outcome} · {fmt.milliseconds(result.took_ms)}"
    if document_title:
        line += (
            f' · only in <b dir="auto">{fmt.text(document_title)}</b> '
            '<button type="button" class="link" data-everywhere="yes">search everywhere</button>'
        )
    notices = "".join(f'<p class="notice">{fmt.text(notice)}</p>' for notice in result.notices)
    languages = chips(result.facets.get("language", {}), chosen_languages)
    return f'<div class="status"><span>{line}</span>{languages}{notices}</div>'


def onwards(result: SearchResult, *, in_other_languages: bool) -> tuple[str, str]:
    """Status line and cards of what is nearest to a passage."""
    hits = closest_first(result)
    what = "in other languages" if in_other_languages else "like this"
    back = '<button type="button" class="link" data-everywhere="yes">back to the question</button>'
    line = (
        f'{fmt.counted(len(hits), "passage")} {what}: <b dir="auto">{fmt.text(result.query)}</b> · '
        f"{fmt.milliseconds(result.took_ms)} · {back}"
    )
    words = (
        "No other document is in another language." if in_other_languages else "There is no other document."
    )
    nothing = f'<div class="nothing" role="status"><p>{words}</p></div>'
    return f'<div class="status"><span>{line}</span></div>', _without_bands(hits) if hits else nothing


def chips(counts: Mapping[str, int], chosen: Sequence[str]) -> str:
    """Languages of the hits as buttons that filter; the chosen ones are pressed."""
    codes = sorted(counts, key=lambda code: (-counts[code], code))[:FACET_CHIPS]
    codes += [code for code in chosen if code not in codes]
    if len(codes) < 2 and not chosen:
        return ""
    buttons = [
        f'<button type="button" class="chip" data-language="{fmt.text(code)}" '
        f'title="Only {fmt.text(language_name(code))}" '
        f'aria-pressed="{"true" if code in chosen else "false"}">{fmt.text(language_name(code))} '
        f"<span>{fmt.number(counts.get(code, 0))}</span></button>"
        for code in codes
    ]
    return f'<span class="chips">{"".join(buttons)}</span>'


def questions(samples: Sequence[SampleQuestion]) -> str:
    """Questions to click, each in its own language and direction; nothing where there are none."""
    if not samples:
        return ""
    return (
        '<div class="questions" role="group" aria-label="Sample questions"><p>Try a question. '
        f"Each is answered in another language.</p>{''.join(map(_question, samples))}</div>"
    )


def _question(sample: SampleQuestion) -> str:
    words = fmt.text(sample.question)
    asked, answered = language_name(sample.language), language_name(sample.language_of_document)
    return (
        f'<button type="button" class="question" data-question="{words}" dir="auto"'
        f"{fmt.lang_attribute(sample.language)} "
        f'title="{fmt.text(f"Asked in {asked}, answered in {answered}")}">{words}</button>'
    )


def preview(passages: Sequence[ChunkInfo], chosen_id: str, evidence: tuple[int, int] | None) -> str:
    """A passage among its neighbours, in reading order; the chosen one stands out and holds the evidence."""
    chosen = next((p for p in passages if p.id == chosen_id), None)
    if chosen is None:
        return preview_hint("This passage is no longer in the library. Search again.")
    head = (
        f'<header><h2>{fmt.isolated(chosen.title or chosen.document)}</h2><p class="place">'
        f"{place_line(chosen.chunk.page, chosen.chunk.section, chosen.chunk.language, chosen.file_type)}</p>"
        f'<p class="path" title="{fmt.text(chosen.document)}">'
        f"{fmt.isolated(fmt.short_path(chosen.document))}</p>"
        '<div class="onwards"><button type="button" class="link" data-similar="any">More like this</button>'
        '<button type="button" class="link" data-similar="other">In other languages</button>'
        '<button type="button" class="link back" data-back="yes">Back to the results</button></div></header>'
    )
    reading = _reading(passages, chosen, evidence)
    return f'<article class="preview">{head}<div class="reading">{reading}</div></article>'


def _reading(passages: Sequence[ChunkInfo], chosen: ChunkInfo, evidence: tuple[int, int] | None) -> str:
    pieces = []
    read_until = -1
    for passage in passages:
        chunk = passage.chunk
        overlap = max(0, min(read_until - chunk.start, len(chunk.text)))  # chunks may overlap by option
        read_until = max(read_until, chunk.end)
        is_chosen = passage.id == chosen.id
        if is_chosen:
            overlap = 0
        body = fmt.marked(chunk.text, evidence) if is_chosen else fmt.text(chunk.text[overlap:])
        name = ' class="chosen" tabindex="-1"' if is_chosen else ""
        pieces.append(f'<p{name} dir="auto"{fmt.lang_attribute(chunk.language)}>{body}</p>')
    return "".join(pieces)


def page_image(png: bytes, page: int) -> str:
    """A page as a picture inside the answer itself, so that no file has to be served."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure class="page-image"><img alt="Page {page}" src="data:image/png;base64,{data}">'
        f"<figcaption>Page {page}</figcaption></figure>"
    )


def preview_hint(words: str = "Choose a result to read it in its surroundings.") -> str:
    """The preview while nothing is chosen."""
    return f'<div class="preview-hint">{fmt.text(words)}</div>'


def many_table(results: Sequence[SearchResult], limit: int = 100) -> str:
    """The best answer to each of many questions; the export holds them all."""
    rows = []
    for result in results[:limit]:
        best = next(iter(result.hits if result.can_tell else closest_first(result)), None)
        none = "Nothing relevant found" if result.can_tell else "No passages"
        answer = f'<td colspan="3" class="none">{none}</td>'
        if best:
            band, words = best.confidence, fmt.CONFIDENCE_WORDS[best.confidence]
            match = f'<td class="band {band}">{words}</td>' if result.can_tell else "<td>closest passage</td>"
            title = fmt.isolated(best.title or best.document)
            answer = f"<td>{title}</td><td>{language_name(best.language)}</td>{match}"
        rows.append(f'<tr><td dir="auto">{fmt.text(result.query)}</td>{answer}</tr>')
    answered = sum(bool(result.hits or (not result.can_tell and result.weak_hits)) for result in results)
    more = f" The first {limit} are shown." if len(results) > limit else ""
    return (
        f'<p role="status">{answered} of {fmt.counted(len(results), "question")} found something.{more}</p>'
        '<div class="scroll"><table><thead><tr><th>Question</th><th>Best document</th><th>Language</th>'
        f"<th>Match</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
