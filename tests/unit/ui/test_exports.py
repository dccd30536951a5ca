"""Files that leave the page."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.types import Filters, SearchResult
from ui import exports


@pytest.fixture
def result(fake_library: Any) -> SearchResult:
    return fake_library.search("everything", collection="library", mode="hybrid", top_k=10, where=Filters())


def test_rows_keep_every_question(result: SearchResult) -> None:
    rows = exports.result_rows([result, replace(result, query="?", hits=())])
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, None]
    assert rows[0]["evidence"] == "Jedes Schiff meldet sich beim Hafenmeister."
    assert rows[4]["query"] == "?" and rows[4]["confidence"] == "none"


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
def test_each_format_reads_back(result: SearchResult, tmp_path: Path, kind: Any) -> None:
    rows = exports.result_rows([result])
    path = exports.write_rows(tmp_path / "deep" / "results-2026-11-21", rows, exports.RESULT_COLUMNS, kind)
    assert path.name == f"results-2026-11-21.{kind}"
    if kind == "json":
        read = [row["text"] for row in json.loads(path.read_text(encoding="utf-8"))]
    elif kind == "csv":
        read = [row["text"] for row in csv.DictReader(path.open(encoding="utf-8-sig", newline=""))]
    else:
        from openpyxl import load_workbook

        sheet = load_workbook(path).active
        read = [row[-1] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert read == [row["text"] for row in rows]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_texts_do_not_become_formulas(result: SearchResult, tmp_path: Path, kind: Any) -> None:
    hit = replace(result.hits[0], title='=HYPERLINK("http://x")', text="+1\x01", evidence=None)
    rows = exports.result_rows([replace(result, hits=(hit,))])
    path = exports.write_rows(tmp_path / "r", rows, exports.RESULT_COLUMNS, kind)
    if kind == "csv":
        row = next(csv.DictReader(path.open(encoding="utf-8-sig", newline="")))
        assert row["title"].startswith("'=") and row["text"].startswith("'+")
    else:
        from openpyxl import load_workbook

        sheet = load_workbook(path).active
        title = sheet.cell(row=2, column=exports.RESULT_COLUMNS.index("title") + 1)
        assert title.data_type == "s" and title.value.startswith("=")


def test_without_a_verdict_all_hits_are_rows_by_score(result: SearchResult) -> None:
    unsure = replace(result, hits=result.hits[1:], weak_hits=result.hits[:1], can_tell=False)
    rows = exports.result_rows([unsure])
    assert [row["title"] for row in rows] == [hit.title for hit in result.hits]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]


def test_document_rows_name_state_and_error(fake_library: Any) -> None:
    failed = replace(fake_library.documents("library")[0], state="failed", error="encrypted")
    (row,) = exports.document_rows([failed])
    assert tuple(row) == exports.DOCUMENT_COLUMNS
    assert (row["state"], row["error"], row["languages"]) == ("failed", "encrypted", "German")
