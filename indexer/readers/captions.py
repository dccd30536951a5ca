"""More kinds of subtitles: MicroDVD, MPL2 and SubViewer (sub), YouTube (sbv), Timed Text (ttml, dfxp, itt).

They give cues, which ``subtitles`` joins as it does those of SubRip.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from indexer.readers import encoding
from indexer.readers.container import attribute, entities_refused, local_name
from indexer.readers.pieces import MEGABYTE, Facts, Reading, Source, refusal
from indexer.readers.subtitles import Cue, pieces, spoken, timed_cues

if TYPE_CHECKING:
    from lxml.etree import _Element

FRAMES = re.compile(r"\s*\{(\d+)\}\{(\d*)\}(.*)")
TENTHS = re.compile(r"\s*\[(\d+)\]\[(\d*)\](.*)")
RATE = re.compile(r"\s*(\d{2,3}(?:[.,]\d+)?)\s*$")
FRAME_STYLE = re.compile(r"\{[A-Za-z]{1,2}:[^{}]*\}|^/")
_CLOCK = r"(?:(\d{1,4}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,3}))?"
COMMA_TIMES = re.compile(rf"\s*{_CLOCK}\s*,\s*{_CLOCK}\s*$")
USUAL_FRAMES = 25.0
MAX_XML_MB = 64
CLOCK_TIME = re.compile(r"(\d+):(\d+):(\d+)(?:[.,](\d+)|:(\d+)(?:\.\d+)?)?")
OFFSET_TIME = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
ENTITY = re.compile(r"<!ENTITY", re.IGNORECASE)
UNREAD = frozenset({"metadata", "set", "desc", "title", "copyright", "agent", "image", "audio"})
READINGS = frozenset({"text", "textContainer", "delimiter"})


def read_sub(source: Source) -> Reading:
    """Cues by frames ({1}{25}) or tenths of seconds ([1][25]) on a line each, or under their times."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        start = stream.read(4000)
    by_line = any(FRAMES.match(line) or TENTHS.match(line) for line in start.splitlines())
    with encoding.open_text(source, codec) as stream:
        yield from pieces(source, _line_cues(stream) if by_line else _comma_cues(stream))


def _line_cues(stream: Iterable[str]) -> Iterator[Cue]:
    rate, is_first = USUAL_FRAMES, True
    for line in stream:
        by_frames = FRAMES.match(line)
        result = by_frames or TENTHS.match(line)
        if result is None:
            continue
        stated = RATE.fullmatch(result[3]) if by_frames and is_first else None
        is_first = False
        if stated and float(stated[1].replace(",", ".")) > 0:  # {1}{1}23.976
            rate = float(stated[1].replace(",", "."))
            continue
        unit = 1 / rate if by_frames else 0.1
        lines = [FRAME_STYLE.sub("", FRAME_STYLE.sub("", part)) for part in result[3].split("|")]
        start_s = int(result[1]) * unit
        yield Cue(start_s, int(result[2]) * unit if result[2] else start_s, spoken(lines))


def _comma_cues(stream: Iterable[str]) -> Iterator[Cue]:
    lines = (line.replace("[br]", " ").replace("[BR]", " ") for line in stream)
    return timed_cues(lines, COMMA_TIMES)


def read_ttml(source: Source) -> Reading:
    """Paragraphs of Timed Text with their times and speakers."""
    if source.size_bytes > MAX_XML_MB * MEGABYTE:
        megabytes = source.size_bytes // MEGABYTE
        raise refusal(source.name, f"has {megabytes} MB", f"at most {MAX_XML_MB} MB", "Split the file")
    with source.open() as stream:
        data = stream.read()
    text, codec = encoding.decode(data, encoding.declared_charset(data))
    yield Facts(encoding=codec)
    if ENTITY.search(text):
        raise entities_refused(source.name)
    raw = DECLARATION.sub("", text).encode("utf-8", "replace")
    root, problem = _parsed(raw)
    if root is None:
        raise refusal(source.name, f"is damaged ({problem})", "Timed Text", "Export it again")
    if problem:
        yield Facts(warning=f"the file is damaged and was read as far as possible ({problem})")
    timed = _TimedText(root)
    yield from pieces(source, timed.cues())
    if timed.pictures:
        yield Facts(warning=f"{timed.pictures} cues are pictures and were not read")


def _parsed(raw: bytes) -> tuple["_Element | None", str]:
    """The root of a file and what is wrong with it; no root where nothing can be read."""
    from lxml import etree

    problem = ""
    for recover in (False, True):
        parser = etree.XMLParser(
            recover=recover, resolve_entities=False, no_network=True, load_dtd=False,
            remove_comments=True, remove_pis=True,
        )  # fmt: skip
        try:
            return etree.fromstring(raw, parser), problem
        except etree.XMLSyntaxError as error:
            problem = error.msg or "no XML"
    return None, problem


class _TimedText:
    def __init__(self, root: "_Element") -> None:
        self._root = root
        frames = _number(attribute(root, "frameRate"), 30.0)
        over, _, under = (attribute(root, "frameRateMultiplier") or "1 1").replace(":", " ").partition(" ")
        self._frames = frames * _number(over, 1.0) / _number(under, 1.0)
        self._ticks = _number(attribute(root, "tickRate"), frames if attribute(root, "frameRate") else 1.0)
        self._styles = {attribute(item, "id") or "": item for item in root.iter("{*}style")}
        self._agents = {
            attribute(agent, "id") or "": " ".join(
                part for name in agent.iter("{*}name") for part in name.itertext()
            )
            for agent in root.iter("{*}agent")
        }
        self.pictures = 0

    def cues(self) -> Iterator[Cue]:
        for paragraph in self._root.iter("{*}p"):
            around = sum(
                self._seconds(attribute(above, "begin")) or 0.0 for above in paragraph.iterancestors()
            )
            start_s, end_s = self._times(paragraph)
            parts: list[str] = []
            self._collect(paragraph, parts, "", attribute(paragraph, "space") == "preserve")
            lines = [" ".join(line.split(" ")) for line in "".join(parts).split("\r")]
            message = spoken(
                [f"\n{line.strip()}" if line.startswith("\n") else line.strip() for line in lines],
                is_markup=False,
            )
            if not any(line.strip() for line in message):
                continue
            yield Cue(around + start_s, around + max(start_s, end_s), message)
        self.pictures = sum(
            attribute(item, "backgroundImage") is not None or local_name(item) == "image"
            for item in self._root.iter()
            if local_name(item) in ("div", "p", "span", "image")
        )

    def _times(self, paragraph: "_Element") -> tuple[float, float]:
        """When a paragraph is shown; where it does not say, when the first of its parts is."""
        parts = [paragraph, *paragraph.iter("{*}span")]
        starts = (self._seconds(attribute(part, "begin")) for part in parts)
        start_s = next((start for start in starts if start is not None), 0.0)
        end_s = self._seconds(attribute(paragraph, "end"))
        lasts_s = self._seconds(attribute(paragraph, "dur"))
        return start_s, end_s if end_s is not None else start_s + (lasts_s or 0.0)

    def _collect(self, element: "_Element", parts: list[str], speaker: str, keeps_space: bool) -> None:
        """The text of an element; lines end in ``\\r``, and one of another speaker begins with ``\\n``."""
        agent = " ".join(
            filter(None, (self._agents.get(item, "") for item in (attribute(element, "agent") or "").split()))
        )
        if agent and agent != speaker:
            speaker = agent
            parts.append(f"\r\n{agent}: ")
        parts.append(_spaced(element.text, keeps_space))
        for child in element:
            name = local_name(child)
            if name == "br":
                parts.append("\r")
            elif name and name not in UNREAD and not self._is_away(child):
                self._collect(child, parts, speaker, keeps_space)
            parts.append(_spaced(child.tail, keeps_space))

    def _is_away(self, element: "_Element") -> bool:
        """Whether an element is hidden, or a reading above words."""
        styles = (self._styles.get(name) for name in (attribute(element, "style") or "").split())
        for item in (element, *(style for style in styles if style is not None)):
            ruby = attribute(item, "ruby")
            if (
                ruby in READINGS
                or attribute(item, "display") == "none"
                or attribute(item, "visibility") == "hidden"
            ):
                return True
        return False

    def _seconds(self, time: str | None) -> float | None:
        time = (time or "").strip()
        if match := CLOCK_TIME.fullmatch(time):
            hours, minutes, seconds, fraction, frames = match.groups()
            whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
            return whole + float(f"0.{fraction or 0}") + int(frames or 0) / self._frames
        if match := OFFSET_TIME.fullmatch(time):
            units = {
                "h": 3600.0,
                "m": 60.0,
                "s": 1.0,
                "ms": 0.001,
                "f": 1 / self._frames,
                "t": 1 / self._ticks,
            }
            return float(match[1]) * units[match[2]]
        return None


def _number(text: str | None, usual: float) -> float:
    try:
        return max(float(text or usual), 0.001)
    except ValueError:
        return usual


def _spaced(text: str | None, keeps_space: bool) -> str:
    return (text or "").replace("\n", " ") if keeps_space else re.sub(r"\s+", " ", text or "")
