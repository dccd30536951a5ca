"""Text of diagrams (SmartArt) and charts, which Office documents keep in parts of their own."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from indexer.errors import ReadError
from indexer.readers.container import Container, attribute, local_name, parse_xml
from indexer.readers.pieces import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

SPECIAL = {"br": "\n", "tab": "\t"}
LABELS = ("title", "tx", "cat")  # of a chart: its title and those of its axes, its series, its categories


def paragraphs(element: "_Element") -> list[str]:
    """The lines of the DrawingML paragraphs inside an element; fields that number slides are left out."""
    return [text for item in element.iter("{*}p") if (text := paragraph_text(item))]


def paragraph_text(paragraph: "_Element") -> str:
    """The text of one DrawingML paragraph."""
    parts = []
    for run in paragraph.iter("{*}t", "{*}br", "{*}tab"):
        parent = run.getparent()
        name = local_name(run)
        if name != "t":
            parts.append(SPECIAL[name] if name == "br" else "")
        elif parent is None or local_name(parent) != "fld" or not _is_counter(parent):
            parts.append(run.text or "")
    return "".join(parts).strip()


def _is_counter(field: "_Element") -> bool:
    return (attribute(field, "type") or "").lower().startswith(("slidenum", "datetime"))


def diagram_lines(source: Source, archive: Container, member: str) -> list[str]:
    """The texts of a diagram's points, in the order in which they were entered.

    Raises:
        ReadError: the part is damaged.
    """
    root = parse_xml(source, archive, member)
    lines: list[str] = []
    for point in root.iter("{*}pt"):
        text = point.find("{*}t")
        if text is not None and attribute(point, "type") not in ("pres", "parTrans", "sibTrans"):
            lines += paragraphs(text)
    return lines


def chart_lines(source: Source, archive: Container, member: str) -> list[str]:
    """Title, names of series and axes, and categories of a chart, each once; numbers are left out.

    Raises:
        ReadError: the part is damaged.
    """
    lines: list[str] = []
    for element in parse_xml(source, archive, member).iter(*(f"{{*}}{name}" for name in LABELS)):
        rich = [line for text in element.iter("{*}rich") for line in paragraphs(text)]
        kept = [
            (value.text or "").strip()
            for cache in element.iter("{*}strCache", "{*}lvl", "{*}strLit")
            for value in cache.iter("{*}v")
        ]
        lines += rich or kept
    return list(dict.fromkeys(line for line in lines if line))


def read_parts(
    source: Source, archive: Container, parts: Iterable[tuple[str, str | None]]
) -> tuple[list[str], list[str]]:
    """The lines of diagrams and charts, given as (kind, part), and warnings about those that are not read."""
    lines: list[str] = []
    warnings: list[str] = []
    for kind, part in parts:
        if part is None or not archive.has(part):
            warnings.append(f"a {kind} is missing and was not read")
            continue
        try:
            lines += (diagram_lines if kind == "diagram" else chart_lines)(source, archive, part)
        except ReadError as error:
            warnings.append(f"a {kind} was not read: {error}")
    return lines, warnings
