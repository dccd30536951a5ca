"""Results and document lists as files: CSV and XLSX for spreadsheets, JSON for machines."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from indexer.types import DocumentInfo, SearchResult, closest_first
from ui import formatting as fmt

ExportFormat = Literal["csv", "json", "xlsx"]

RESULT_COLUMNS = (
    "query", "rank", "score", "confidence", "title", "document", "collection", "language", "page", "section",
    "start", "end", "evidence", "text",
)  # fmt: skip
DOCUMENT_COLUMNS = (
    "title", "document", "collection", "type", "languages", "passages", "pages", "size_bytes", "added",
    "state", "error",
)  # fmt: skip
MAX_CELL = 32_000
"""Excel holds 32,767 characters in a cell."""
FORMULA = re.compile(r"[=+\-@\t\r]")
"""First characters that make a spreadsheet read a text as a formula."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that XLSX cannot hold."""


def result_rows(results: Iterable[SearchResult], *, with_weak: bool = False) -> list[dict[str, Any]]:
    """One row per hit, in rank order; a query without hits keeps one row, so that no question disappears.

    Where a collection allows no verdict (``SearchResult.can_tell``), all hits are rows, and ``confidence``
    only says how many words of the query a passage has.
    """
    rows: list[dict[str, Any]] = []
    for result in results:
        hits = result.hits + (result.weak_hits if with_weak else ())
        if not result.can_tell:
            hits = closest_first(result)
        for rank, hit in enumerate(hits, start=1):
            evidence = hit.text[slice(*hit.evidence)].strip() if hit.evidence else ""
            values = (
                result.query, rank, round(hit.score, 6), hit.confidence, hit.title, hit.document,
                hit.collection, hit.language, hit.page, hit.section, hit.start, hit.end, evidence, hit.text,
            )  # fmt: skip
            rows.append(dict(zip(RESULT_COLUMNS, values, strict=True)))
        if not hits:
            rows.append(dict.fromkeys(RESULT_COLUMNS) | {"query": result.query, "confidence": "none"})
    return rows


def document_rows(documents: Iterable[DocumentInfo]) -> list[dict[str, Any]]:
    """One row per document."""
    return [
        dict(
            zip(
                DOCUMENT_COLUMNS,
                (
                    d.title, d.path, d.collection, d.file_type, fmt.languages(d.languages, limit=99),
                    d.chunks, d.pages, d.size_bytes, d.added_at.isoformat(timespec="seconds"), d.state,
                    d.error,
                ),
                strict=True,
            )
        )
        for d in documents
    ]  # fmt: skip


def write_rows(
    path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str], kind: ExportFormat
) -> Path:
    """Write rows in the format asked for and return ``path`` with its suffix. The folder is made."""
    path = path.with_name(f"{path.name}.{kind}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "json":
        path.write_text(json.dumps(list(rows), ensure_ascii=False, indent=2), encoding="utf-8")
    elif kind == "csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark makes Excel read UTF-8
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([_harmless(row[column]) for column in columns] for row in rows)
    else:
        _write_xlsx(path, rows, columns)
    return path


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _write_xlsx(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("me5-search")
    sheet.freeze_panes = "A2"
    sheet.append(list(columns))
    for row in rows:
        cells = []
        for column in columns:
            value = row[column]
            if isinstance(value, str):
                cell = WriteOnlyCell(sheet, CONTROL.sub("", value)[:MAX_CELL])
                cell.data_type = "s"  # a text that begins with "=" stays a text
                cells.append(cell)
            else:
                cells.append(value)
        sheet.append(cells)
    book.save(path)
