"""Reading of evaluation files: lines, JSON lines, tables; errors name file, line and expected form."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from me5.delimited import START_CHARS, delimiter_of, stated_delimiter
from trainer.errors import DataError


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file without their ends; only ``\\n`` and ``\\r\\n`` end a line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def iter_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of a JSON lines file; empty lines are passed over."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise malformed(path, number, "expected a JSON object")
                    yield number, row
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    except json.JSONDecodeError as error:
        raise malformed(path, number, f"not JSON: {error}") from error


def iter_tab_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of a TSV; quotes are ordinary characters, empty lines are passed over."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield number, line.split("\t")


def iter_csv_rows(
    path: Path, required: Sequence[str], synonyms: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by column name) of a CSV with a header, whatever stands between its cells."""

    def meant(names: Iterable[str]) -> list[str]:
        columns = [name.strip().lower() for name in names]
        for name, other in (synonyms or {}).items():
            if other not in columns and name in columns:
                columns[columns.index(name)] = other
        return columns

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.read(START_CHARS)
            file.seek(0)
            if stated_delimiter(start) is not None:
                file.readline()
            delimiter = delimiter_of(start, is_header=lambda cells: set(required) <= {*meant(cells)})
            reader = csv.DictReader(file, delimiter=delimiter)
            columns = meant(reader.fieldnames or ())
            missing = [name for name in required if name not in columns]
            if missing:
                raise DataError(
                    f"{path} has the columns {', '.join(columns) or '(none)'}. Expected a header with "
                    f"{', '.join(required)}. Add {', '.join(missing)}."
                )
            reader.fieldnames = columns
            for row in reader:
                yield reader.line_num, {name: cell or "" for name, cell in row.items() if name is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error


def number_of(text: str, path: Path, line: int, what: str) -> float:
    """``text`` as a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise malformed(path, line, f"{what} is {text!r}, expected a number")
    return value


def is_number(text: str) -> bool:
    """Whether ``float`` reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def malformed(path: Path, line: int, problem: str) -> DataError:
    """The error for one row."""
    return DataError(f"{path} line {line}: {problem}. Correct the line, or remove it.")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read ({error}). Expected UTF-8 text. Check the path and the encoding."
    )
