"""Subtitles (SubRip, WebVTT, SubStation Alpha): cues joined to about a minute; its start is the section.

Files are read as they are found: without empty lines between cues, or with such lines inside. Captions that
roll up, so that each line is shown again with the next, are read once. Each speaker is on a line of its own.
"""

import html
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from indexer.readers import encoding
from indexer.readers.cjk import goes_on
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

_CLOCK = r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[,.](\d{1,3}))?"
TIMES = re.compile(rf"\s*{_CLOCK}\s*-{{1,2}}>\s*{_CLOCK}")
ASS_TIME = re.compile(r"\s*(\d+):(\d{1,2}):(\d{1,2})(?:[.:](\d{1,3}))?\s*")
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>", re.IGNORECASE)
READING = re.compile(r"<rt\b[^<>]*>[^<]*(?:</rt>)?", re.IGNORECASE)
MARKUP = re.compile(
    r"</?(?:b|box|c|em|font|i|lang|p|ruby|s|span|strong|u|v)(?:[.\s/][^<>]*)?>|<\d[\d:.]*>", re.IGNORECASE
)
BREAK = re.compile(r"<br\s*/?>|(?<=[^:\\/])\\N", re.IGNORECASE)
STYLE = re.compile(r"\{\\[^{}]*\}")
ENTITY = re.compile(r"&(?:#\d+|#x[\da-f]+|\w+);", re.IGNORECASE)
DASH = re.compile(r"(?:[-–—‐]|>{2,3})\s*(?=\S)")  # how a line begins that another speaks
DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?:\{[^{}]*\\p0[^{}]*\}|$)")
COMMENT = re.compile(r"\{[^{}]*\}")
NOTES = ("NOTE", "STYLE", "REGION")
SECTION_S = 60
ROLL_S = 0.5  # between two showings of a line that rolls up


class Cue(NamedTuple):
    """Lines that are shown together."""

    start_s: float
    end_s: float
    lines: list[str]


def read(source: Source) -> Reading:
    """A SubRip or WebVTT file."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        start = stream.read(1000).lstrip("\ufeff\n ")
    with encoding.open_text(source, codec) as stream:
        yield from pieces(source, _vtt_cues(stream) if start.startswith("WEBVTT") else timed_cues(stream))


def read_ass(source: Source) -> Reading:
    """A SubStation Alpha file (ass, ssa)."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        yield from pieces(source, _ass_cues(stream))


def pieces(source: Source, cues: Iterable[Cue]) -> Reading:
    """The words of cues, joined to about a minute; of captions that roll up or grow, once.

    Raises:
        ReadError: there are none.
    """
    lines: list[str] = []
    began: float | None = None
    for start_s, spoken in _once(cues):
        if began is not None and start_s - began >= SECTION_S:
            yield Piece("\n".join(lines) + "\n", section=_clock(began))
            lines, began = [], None
        began = start_s if began is None else began
        lines += spoken
    if began is None:
        raise refusal(
            source.name, "has no cues", "lines such as 00:00:01,000 --> 00:00:04,000", "Rename it to .txt"
        )
    yield Piece("\n".join(lines) + "\n", section=_clock(began))


def _once(cues: Iterable[Cue]) -> Iterator[tuple[float, list[str]]]:
    """What each cue adds to the one before; a line that is shown while it grows is read when it is whole."""
    shown: list[str] = []
    pending: list[str] = []
    start_s, end_s = 0.0, -1.0
    for cue in cues:
        lines = [line for line in cue.lines if line]
        if not lines:
            continue
        fresh = lines
        if cue.start_s - end_s <= ROLL_S:
            most = min(len(lines), len(shown))
            repeated = next((n for n in range(most, 0, -1) if lines[:n] == shown[-n:]), 0)
            fresh = lines[repeated:]
            if fresh and pending and not repeated and _grew(pending[-1], fresh[0]):
                pending.pop()
        shown, end_s = lines, cue.end_s
        if not fresh:
            continue
        if pending:
            yield start_s, _by_speaker(pending)
        pending, start_s = fresh, cue.start_s
    if pending:
        yield start_s, _by_speaker(pending)


def _grew(before: str, now: str) -> bool:
    """Whether a line is another with more words at its end."""
    if not now.startswith(before) or len(now) == len(before):
        return False
    following = now[len(before)]
    return not (following.isalnum() and before[-1].isalnum()) or following >= "\u0e00"


def _by_speaker(lines: list[str]) -> list[str]:
    """The lines of a cue on one line, or on one for each speaker; in Chinese and Japanese without a space."""
    text = lines[0]
    for before, line in pairwise(lines):
        is_one_word = not line.startswith("\n") and goes_on(before, line)
        text += line if is_one_word else f" {line}"
    return [spoken for part in text.split("\n") if (spoken := part.strip())]


def timed_cues(stream: Iterable[str], times_line: re.Pattern[str] = TIMES) -> Iterator[Cue]:
    """Cues that end where the next begins; the number before its times is no text."""
    times: tuple[float, float] | None = None
    lines: list[str] = []
    is_numbered = False
    for line in stream:
        match = times_line.match(line)
        if not match:
            lines.append(line)
            continue
        if times is None:
            is_numbered = any(_is_number(before) for before in lines[-2:])
        elif is_numbered:
            _drop_number(lines)
        if times is not None:
            yield Cue(*times, spoken(lines))
        times, lines = _times(match), []
    if times is not None:
        yield Cue(*times, spoken(lines))


def _drop_number(lines: list[str]) -> None:
    while lines and not lines[-1].strip():
        lines.pop()
    if lines and _is_number(lines[-1]):
        lines.pop()


def _is_number(line: str) -> bool:
    return line.strip().lstrip("\ufeff").isdecimal()


def _vtt_cues(stream: Iterable[str]) -> Iterator[Cue]:
    """Cues that end at an empty line, but for words that follow it and are neither a note nor a name."""
    times: tuple[float, float] | None = None
    lines: list[str] = []
    block: list[str] = []  # since the last empty line, where that is not the one after the times
    after_gap = is_numbered = False
    for line in stream:
        match = TIMES.match(line)
        if match:
            is_numbered = is_numbered or (times is None and any(map(_is_number, block[-1:])))
            if not after_gap:
                lines += block[:-1] if is_numbered and any(map(_is_number, block[-1:])) else block
            elif len(block) > 1 and not block[0].startswith(NOTES):
                lines += block[:-1]  # the last one names the cue
            if times is not None:
                yield Cue(*times, spoken(lines))
            times, lines, block, after_gap = _times(match), [], [], False
        elif line.rstrip("\r\n"):
            block.append(line)
        else:
            if not (after_gap and block and block[0].startswith(NOTES)):
                lines += block
            block, after_gap = [], True
    if times is not None:
        if not (after_gap and block and block[0].startswith(NOTES)):
            lines += block
        yield Cue(*times, spoken(lines))


def _ass_cues(stream: Iterable[str]) -> Iterator[Cue]:
    """The dialogue of a script, in the order of its times."""
    names = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text"]
    cues = []
    for line in stream:
        kind, colon, rest = line.strip().partition(":")
        if colon and kind.strip().lower() == "format" and "text" in rest.lower():
            names = [name.strip().lower() for name in rest.split(",")]
        if not colon or kind.strip().lower() != "dialogue":
            continue
        cells = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
        begins, ends = ASS_TIME.fullmatch(cells.get("start", "")), ASS_TIME.fullmatch(cells.get("end", ""))
        if begins is None or "text" not in cells:
            continue
        text = COMMENT.sub("", DRAWING.sub("", cells["text"])).replace("\\h", " ")
        lines = [part.strip() for part in re.split(r"\\[Nn]", text)]
        if any(lines) and (name := cells.get("name", cells.get("actor", "")).strip()):
            lines[0] = f"\n{name}: {lines[0]}"
        start_s = _seconds(begins.groups())
        cues.append(Cue(start_s, _seconds(ends.groups()) if ends else start_s, lines))
    return iter(sorted(cues, key=lambda cue: cue.start_s))


def spoken(lines: Iterable[str], *, is_markup: bool = True) -> list[str]:
    """The lines of a cue without markup; one that starts with a line break is of another speaker.

    ``is_markup``: whether the lines may hold any; else only what parts speakers is looked for.
    """
    shown: list[str] = []
    for line in lines:
        if not is_markup:
            shown.append("\n" + line if DASH.match(line) else line)
            continue
        text = VOICE.sub(lambda voice: f"\n{voice[1].strip()}: ", READING.sub("", STYLE.sub("", line)))
        text = BREAK.sub(" ", MARKUP.sub("", text))
        text = (
            ENTITY.sub(lambda entity: html.unescape(entity[0]), text).replace("\u00a0", " ").strip(" \t\r\n")
        )
        if DASH.match(text) or (VOICE.search(line) and VOICE.match(STYLE.sub("", line).strip())):
            text = "\n" + text
        shown.append(text)
    return shown


def _times(match: re.Match[str]) -> tuple[float, float]:
    groups = match.groups()
    return _seconds(groups[:4]), _seconds(groups[4:])


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
