"""Values to words and to escaped text: numbers with units, human times, places, languages.

Every string that comes from a document, a file name or a person passes through :func:`text` before it
enters a page. Nothing here imports gradio.
"""

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath

from indexer import progress
from indexer.text.language.names import language_name

THIN_SPACE = "\u202f"

duration = progress.duration  # the terminal says it in the same words

CONFIDENCE_WORDS = {
    "strong": "strong match",
    "likely": "likely match",
    "weak": "weak match",
    "none": "not relevant",
}
"""What a confidence band is called on a card."""


def text(value: object) -> str:
    """Escape for element content and for quoted attributes. NUL, which HTML forbids, is dropped."""
    return html.escape(str(value).replace("\0", ""), quote=True)


def isolated(value: object) -> str:
    """Escaped text whose direction is its own, so that a Hebrew title does not reorder the line around it."""
    return f"<bdi>{text(value)}</bdi>"


def lang_attribute(code: str) -> str:
    """`` lang="ar"`` for a known language, nothing for ``und``, so that fonts and voices fit."""
    return "" if code in ("", "und") else f' lang="{text(code)}"'


def number(value: int) -> str:
    """12408 becomes ``12 408`` with a narrow space that does not break."""
    return f"{value:,}".replace(",", THIN_SPACE)


def counted(value: int, singular: str, plural: str = "") -> str:
    """``1 passage``, ``12 408 passages``."""
    return f"{number(value)} {singular if value == 1 else plural or singular + 's'}"


def size(size_bytes: int) -> str:
    """Bytes in the unit a person would use: ``812 B``, ``3.4 MB``."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    raise AssertionError("unreachable: the loop returns at TB")


def milliseconds(value: float) -> str:
    """``18 ms`` below two seconds, ``2.4 s`` above."""
    return f"{value:.0f} ms" if value < 2000 else f"{value / 1000:.1f} s"


def when(moment: datetime, now: datetime | None = None) -> str:
    """``just now``, ``5 minutes ago``, ``today 14:05``, else the date; local time."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    now = now or datetime.now(UTC)
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return counted(int(seconds // 60), "minute") + " ago"
    local, today = moment.astimezone(), now.astimezone()
    return f"today {local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d}"


def place(page: int | None, section: str | None) -> str:
    """Where in its document a passage stands: ``p. 12``, ``§ Opening hours``, both, none. Not escaped."""
    parts = []
    if page is not None:
        parts.append(f"p. {page}")
    if section:
        parts.append(f"§ {section}" if len(section) <= 60 else f"§ {section[:59]}…")
    return " · ".join(parts)


def short_path(path: str) -> str:
    """The end of a long path: ``…/harbours/moulin.pdf``. Not escaped."""
    parts = PurePath(path).parts
    return path if len(parts) <= 3 else "…/" + "/".join(parts[-2:])


def languages(counts: Mapping[str, int], limit: int = 3) -> str:
    """Names of the most frequent languages, then how many more: ``German, Thai + 2``."""
    ordered = sorted(counts, key=lambda code: (-counts[code], code))
    names = [language_name(code) for code in ordered[:limit]]
    more = len(ordered) - len(names)
    return ", ".join(names) + (f" + {more}" if more else "")


def marked(passage: str, evidence: tuple[int, int] | None) -> str:
    """Escaped passage with the evidence in ``<mark>``; offsets outside the passage are clipped."""
    if evidence is None:
        return text(passage)
    start = max(0, min(evidence[0], len(passage)))
    end = max(start, min(evidence[1], len(passage)))
    # The blank after a sentence belongs to it; a marked blank looks like a mistake.
    while end > start and passage[end - 1].isspace():
        end -= 1
    while start < end and passage[start].isspace():
        start += 1
    if start == end:
        return text(passage)
    return f"{text(passage[:start])}<mark>{text(passage[start:end])}</mark>{text(passage[end:])}"


def excerpt(
    passage: str, evidence: tuple[int, int] | None, limit: int = 420
) -> tuple[str, tuple[int, int] | None]:
    """The part of a passage that a card shows: about ``limit`` characters around the evidence, with ellipses.

    Returns:
        The cut passage and the evidence's offsets in it.
    """
    if len(passage) <= limit:
        return passage, evidence
    middle = (evidence[0] + min(evidence[1], evidence[0] + limit)) // 2 if evidence else limit // 2
    start = max(0, min(middle - limit // 2, len(passage) - limit))
    end = start + limit
    start, end = _at_blank(passage, start, forward=True), _at_blank(passage, end, forward=False)
    if evidence:  # never cut into the first words of the evidence for the sake of a tidy edge
        start = min(start, evidence[0])
    before, after = "… " if start > 0 else "", " …" if end < len(passage) else ""
    shifted = None
    if evidence:
        shift = len(before) - start
        shifted = (evidence[0] + shift, min(evidence[1], end) + shift)
    return before + passage[start:end] + after, shifted


def _at_blank(passage: str, offset: int, *, forward: bool) -> int:
    """The nearest word border within 20 characters; scripts without blanks keep the offset."""
    if offset in (0, len(passage)):
        return offset
    reach = (
        range(offset, min(offset + 20, len(passage))) if forward else range(offset, max(offset - 20, 0), -1)
    )
    return next((i + (1 if forward else 0) for i in reach if passage[i].isspace()), offset)
