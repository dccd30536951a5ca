"""Retrieval tasks from files: the BEIR layout, one pool or one per language, and a CSV of judged queries."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.evaluation.files import (
    is_number,
    iter_csv_rows,
    iter_json_lines,
    iter_tab_rows,
    malformed,
    number_of,
)
from trainer.evaluation.values import UNKNOWN_LANGUAGE, Part, Retrieval, Task

logger = logging.getLogger(__name__)

PREFERRED_SPLITS = ("test", "dev")
CSV_COLUMNS = ("query", "document")
CSV_SYNONYMS = {
    "question": "query", "passage": "document", "answer": "document", "text": "document", "score": "grade",
    "lang": "language",
}  # fmt: skip

_Queries = dict[str, tuple[str, str]]  # id -> text and language
_Qrels = dict[str, dict[str, int]]  # query id -> passage id -> grade


def beir_folders(folder: Path) -> list[Path]:
    """The folder itself, or its subfolders, that hold a corpus.jsonl."""
    if (folder / "corpus.jsonl").is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/corpus.jsonl"))


def beir_task(folder: Path, split: str | None) -> Task:
    """``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``; with subfolders, one pool per language.

    Rows have ``_id``, ``text``, and passages perhaps a ``title``. The language of a query is its field
    ``language`` (also inside ``metadata``), else the name of its subfolder, else "und".
    """

    def read() -> Iterator[Part]:
        for pool in beir_folders(folder):
            if pool == folder:
                yield _read_beir(pool, split, UNKNOWN_LANGUAGE)
            else:
                yield replace(_read_beir(pool, split, pool.name), name=pool.name)

    return Task(folder.name, "retrieval", read)


def judged_task(path: Path) -> Task:
    """CSV with the columns query, document (its text), perhaps grade (1) and language; one pool."""

    def read() -> Iterator[Part]:
        documents: dict[str, int] = {}
        judged: dict[tuple[str, str], dict[int, int]] = {}
        for line, row in iter_csv_rows(path, CSV_COLUMNS, CSV_SYNONYMS):
            query, document = row["query"].strip(), row["document"].strip()
            if not query or not document:
                raise malformed(path, line, "query or document is empty")
            grade = round(number_of(row.get("grade", "").strip() or "1", path, line, "grade"))
            number = documents.setdefault(document, len(documents))
            grades = judged.setdefault((query, row.get("language", "").strip() or UNKNOWN_LANGUAGE), {})
            grades[number] = max(grade, grades.get(number, grade))
        kept = {key: grades for key, grades in judged.items() if max(grades.values()) > 0}
        _require(kept, path)
        _log_left_out(path, len(judged) - len(kept))
        yield Retrieval(
            queries=[query for query, _ in kept],
            languages=[language for _, language in kept],
            judged=list(kept.values()),
            passages=list(documents),
        )

    return Task(path.stem, "retrieval", read)


def assemble(
    queries: _Queries, qrels: _Qrels, rows: Sequence[tuple[str, str, str]], source: Path
) -> Retrieval:
    """A pool in the order that breaks ties as ``trec_eval`` does; ``rows`` are (id, title, text)."""
    rows = sorted(rows, key=lambda row: row[0].encode(), reverse=True)
    number = {row[0]: position for position, row in enumerate(rows)}
    if len(number) != len(rows):
        raise DataError(
            f"{source} holds {len(rows) - len(number)} passages with a duplicate _id. Make ids unique."
        )
    known = {key: grades for key, grades in qrels.items() if key in queries}
    kept = {key: grades for key, grades in known.items() if any(grade > 0 for grade in grades.values())}
    _require(kept, source)
    _log_left_out(source, len(known) - len(kept))
    for grades in kept.values():
        for passage in grades:  # judged, but not in the pool: relevant and never found, as in trec_eval
            number.setdefault(passage, len(number))
    texts = [text for _, _, text in rows]
    itself = [
        number[key]
        if number.get(key, len(texts)) < len(texts) and texts[number[key]] == queries[key][0]
        else -1
        for key in kept
    ]
    titles = [title for _, title, _ in rows]
    return Retrieval(
        queries=[queries[key][0] for key in kept],
        languages=[queries[key][1] for key in kept],
        judged=[{number[passage]: grade for passage, grade in grades.items()} for grades in kept.values()],
        passages=texts,
        titles=titles if any(titles) else None,
        itself=itself if any(position >= 0 for position in itself) else (),
    )


def _read_beir(folder: Path, split: str | None, language: str) -> Retrieval:
    queries: _Queries = {}
    for line, row in iter_json_lines(folder / "queries.jsonl"):
        text = _field(row, "text", folder / "queries.jsonl", line)
        result = row.get("language") or (row.get("metadata") or {}).get("language")
        queries[_field(row, "_id", folder / "queries.jsonl", line)] = (text, str(result or language))
    corpus = folder / "corpus.jsonl"
    rows = [
        (_field(row, "_id", corpus, line), str(row.get("title") or ""), _field(row, "text", corpus, line))
        for line, row in iter_json_lines(corpus)
    ]
    return assemble(queries, read_qrels(_qrels_file(folder, split)), rows, folder)


def _qrels_file(folder: Path, split: str | None) -> Path:
    files = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv"))}
    if split is not None and split in files:
        return files[split]
    if split is None:
        for name in PREFERRED_SPLITS:
            if name in files:
                return files[name]
        if len(files) == 1:
            return next(iter(files.values()))
    raise DataError(
        f"{folder} has qrels for {', '.join(files) or 'nothing'}. Expected qrels/{split or 'test'}.tsv. "
        "Name one of them with --split."
    )


def read_qrels(path: Path) -> _Qrels:
    """Query id -> passage id -> grade, from three columns with a header or from TREC's four."""
    qrels: _Qrels = {}
    for line, columns in iter_tab_rows(path):
        cells = columns if len(columns) > 1 else columns[0].split()
        if len(cells) == 4:  # TREC: query, iteration, passage, grade
            del cells[1]
        if len(cells) != 3:
            raise malformed(path, line, f"has {len(cells)} columns, expected query-id, corpus-id, score")
        if line == 1 and not is_number(cells[2]):
            continue  # the header
        grade = round(number_of(cells[2], path, line, "score"))
        qrels.setdefault(cells[0], {})[cells[1]] = grade
    return qrels


def _field(row: dict[str, Any], name: str, path: Path, line: int) -> str:
    if name not in row or row[name] is None:
        raise malformed(path, line, f"has no {name!r}")
    return str(row[name])


def _require(kept: object, source: Path) -> None:
    if not kept:
        raise DataError(
            f"{source} has no query with a relevant passage. Expected grades of 1 and more. Check the ids."
        )


def _log_left_out(source: Path, count: int) -> None:
    if count:
        logger.info("%s: %d queries without a relevant passage are left out", source, count)
