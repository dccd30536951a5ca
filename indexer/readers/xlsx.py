"""Workbooks: a piece per row, each cell as it is shown with the name of its column; then what is beside them.

Said: hidden sheets, which are left out, and formulas without a stored value.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.readers.container import local_name, parse_xml, relations
from indexer.readers.drawings import paragraphs, read_parts
from indexer.readers.flow import aside
from indexer.readers.pieces import Facts, Piece, Reading, Source
from indexer.readers.tables import MAX_NAME_CHARS, labelled
from indexer.readers.workbook import Cell, Sheet, Workbook, open_workbook, unescaped

if TYPE_CHECKING:
    from lxml.etree import _Element

SENTENCE_END = re.compile(r"[.!?。！？]$")
THREAD = "tc="  # what the author of a comment begins with whose text stands in the part of its thread


def read(source: Source) -> Reading:
    with open_workbook(source) as book:
        yield Facts(title=book.title, pages=len(book.sheets))
        uncalculated = 0
        for page, sheet in enumerate(book.sheets, start=1):
            if not sheet.is_visible:
                continue
            names: list[str] | None = None
            waiting: Piece | None = None  # the names, which are told only where nothing follows
            for number, row in book.rows(sheet):
                uncalculated += sum(cell.is_uncalculated for cell in row)
                cells = [book.shown(cell) for cell in row]
                if not any(cells):
                    continue
                piece = Piece(
                    labelled(cells, names or None), page=page, section=f"{sheet.title} row {number}"
                )
                if names is None and sum(map(bool, cells)) > 1:  # lines above may say what the table is
                    names = _names(row, cells)
                    waiting = piece if names else None
                    if names:
                        continue
                waiting = None
                yield piece
            if waiting is not None:
                yield waiting
            yield from _beside(book, sheet, page)
        hidden = sum(not sheet.is_visible for sheet in book.sheets)
        if hidden:
            yield Facts(warning=f"{hidden} hidden sheets were left out")
        if uncalculated:
            yield Facts(
                warning=f"{uncalculated} formulas have no stored value: open the workbook in a spreadsheet "
                "program and save it"
            )


def _names(row: Sequence[Cell], cells: Sequence[str]) -> list[str]:
    """The first row of several cells where it names the columns: short texts, all different; else nothing."""
    filled = [cell for cell in cells if cell]
    are_texts = all(isinstance(cell.value, str) for cell in row if cell.value is not None)
    are_names = all(len(cell) <= MAX_NAME_CHARS and not SENTENCE_END.search(cell) for cell in filled)
    is_header = len(filled) > 1 and len(set(filled)) == len(filled) and are_texts and are_names
    return [" ".join(cell.split()) for cell in cells] if is_header else []


def _beside(book: Workbook, sheet: Sheet, page: int) -> Reading:
    """Text boxes, charts and diagrams of a sheet, then its comments."""
    lines: list[str] = []
    comments: list[str] = []
    for kind, part in sheet.related:
        if not book.archive.has(part):
            continue
        if kind == "drawing":
            more, warnings = _drawing(book, part)
            lines += more
            for warning in warnings:
                yield Facts(warning=warning)
        elif kind == "comments":
            comments += _comments(parse_xml(book.source, book.archive, part))
        elif kind == "threadedComment":
            texts = parse_xml(book.source, book.archive, part).iter("{*}text")
            comments += [unescaped(text.text or "") for text in texts]
        elif kind in ("oleObject", "package"):
            yield Facts(warning=f"an embedded object in sheet {sheet.title} was not read")
    yield from aside(lines, f"{sheet.title} drawings", page)
    yield from aside(comments, f"{sheet.title} comments", page)


def _drawing(book: Workbook, part: str) -> tuple[list[str], list[str]]:
    """The lines of a drawing's text boxes, charts and diagrams, and warnings about those not read."""
    related = relations(book.source, book.archive, part)
    lines: list[str] = []
    parts: list[tuple[str, str | None]] = []
    for element in parse_xml(book.source, book.archive, part).iter("{*}txBody", "{*}chart", "{*}relIds"):
        if local_name(element) == "txBody":
            lines += paragraphs(element)
            continue
        wanted = "id" if local_name(element) == "chart" else "dm"
        relation = next((str(v) for k, v in element.attrib.items() if str(k).endswith(f"}}{wanted}")), "")
        kind = "chart" if wanted == "id" else "diagram"
        parts.append((kind, related[relation][1] if relation in related else None))
    more, warnings = read_parts(book.source, book.archive, parts)
    return lines + more, warnings


def _comments(root: "_Element") -> list[str]:
    authors = ["".join(str(t) for t in author.itertext()) for author in root.iter("{*}author")]
    results = []
    for comment in root.iter("{*}comment"):
        number = comment.get("authorId") or ""
        author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
        if author.startswith(THREAD):
            continue
        parts = [
            item.text or ""
            for item in comment.iter("{*}t")
            if next(item.iterancestors("{*}rPh"), None) is None
        ]
        text = unescaped("".join(parts))
        # programs begin a comment with its author's name
        results.append(text.removeprefix(f"{author}:") if author else text)
    return results
