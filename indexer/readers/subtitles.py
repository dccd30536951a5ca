"""Subtitles (SubRip, WebVTT): cues joined to about a minute, whose start time is the section."""

import re
from collections.abc import Iterator

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

TIMES = re.compile(r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[,.](\d{1,3})\s*-->")
MARKUP = re.compile(r"<[^<>\n]{1,200}>|\{\\[^{}\n]{1,200}\}")
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "\u200e", "&rlm;": "\u200f"}
SECTION_S = 60


def read(source: Source) -> Reading:
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    lines: list[str] = []
    began = None
    for start_s, text in _cues(source, codec):
        if began is not None and start_s - began >= SECTION_S:
            yield Piece("\n".join(lines) + "\n", section=_clock(began))
            lines, began = [], None
        began = start_s if began is None else began
        if not lines or lines[-1] != text:  # rolling captions repeat their last line
            lines.append(text)
    if began is None:
        raise refusal(
            source.name, "has no cues", "lines such as 00:00:01,000 --> 00:00:04,000", "Rename it to .txt"
        )
    yield Piece("\n".join(lines) + "\n", section=_clock(began))


def _cues(source: Source, codec: str) -> Iterator[tuple[int, str]]:
    with encoding.open_text(source, codec) as stream:
        start_s: int | None = None
        parts: list[str] = []
        for line in stream:
            if found := TIMES.match(line):
                hours, minutes, seconds = int(found[1] or 0), int(found[2]), int(found[3])
                start_s, parts = hours * 3600 + minutes * 60 + seconds, []
            elif line.strip():
                if start_s is not None:
                    parts.append(_plain(line))
            else:
                if start_s is not None and any(parts):
                    yield start_s, " ".join(part for part in parts if part)
                start_s, parts = None, []
        if start_s is not None and any(parts):
            yield start_s, " ".join(part for part in parts if part)


def _plain(line: str) -> str:
    text = MARKUP.sub("", line)
    for entity, char in ENTITIES.items():
        text = text.replace(entity, char)
    return text.strip()


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
