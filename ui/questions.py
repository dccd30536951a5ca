"""Questions that are not typed: those that come with the sample library, and those of a file."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from indexer.errors import ReadError
from me5.delimited import delimiter_of, iter_rows, stated_delimiter, width_of
from ui.services.access import EXAMPLES

SAMPLES = EXAMPLES / "library"
SAMPLE_QUESTIONS = EXAMPLES / "first_questions.jsonl"
MAX_QUERIES = 2000
_NONE = "\x1f"
"""Stands in no text."""


@dataclass(frozen=True)
class SampleQuestion:
    """A question that ``document``, a path below SAMPLES, answers in another language."""

    question: str
    language: str
    document: str
    language_of_document: str


@lru_cache(maxsize=1)
def read_sample_questions() -> tuple[SampleQuestion, ...]:
    """The questions that come with the sample library; none where the examples are not installed."""
    if not SAMPLE_QUESTIONS.is_file():
        return ()
    rows = map(json.loads, SAMPLE_QUESTIONS.read_text(encoding="utf-8").splitlines())
    names = [field.name for field in fields(SampleQuestion)]
    return tuple(SampleQuestion(**{name: row[name] for name in names}) for row in rows)


def read_queries(path: Path) -> list[str]:
    """The questions of a text file (one per line) or of a CSV file (first column, or that named ``query``).

    Raises:
        ReadError: the file is not text, holds no question, or more than ``MAX_QUERIES``.
    """
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        content = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ReadError(
            f"'{path.name}' is not text in UTF-8. Expected one question per line. "
            "Save it as UTF-8 and try again."
        ) from error
    suffix = path.suffix.lower()
    lines = _first_column(content, suffix) if suffix in (".csv", ".tsv") else content.splitlines()
    queries = [line.strip() for line in lines if line.strip()]
    if not queries:
        raise ReadError(f"'{path.name}' holds no question. Expected one question per line.")
    if len(queries) > MAX_QUERIES:
        raise ReadError(
            f"'{path.name}' holds {len(queries)} questions. Expected at most {MAX_QUERIES}. Split the file."
        )
    return queries


def _first_column(content: str, suffix: str) -> list[str]:
    def place(cells: Sequence[str]) -> int | None:
        names = [name.strip().casefold() for name in cells]
        return next((names.index(name) for name in ("query", "question") if name in names), None)

    lines = io.StringIO(content, newline=None).readlines()[stated_delimiter(content) is not None :]
    if suffix == ".tsv":
        delimiter = "\t"
    elif lines and place(lines[:1]) is not None:
        delimiter = _NONE  # a single column: commas belong to the questions
    else:
        delimiter = delimiter_of(content, is_header=lambda cells: place(cells) is not None)
    width = width_of(iter_rows(lines[:100], delimiter, 0))
    rows = [row.cells for row in iter_rows(lines, delimiter, width)]
    if not rows:
        return []
    column = place(rows[0])
    if column is None:
        return [row[0] for row in rows]
    return [row[column] for row in rows[1:] if len(row) > column]
