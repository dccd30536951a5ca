"""The rows of a declared source, files (tsv, csv, jsonl, parquet) or hub data.

``datasets`` reads them as a stream, so a source may be larger than the disk.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from me5.delimited import START_CHARS, delimiter_of
from trainer.data.sources import PairSource
from trainer.data.text_files import in_utf8
from trainer.errors import DataError

FORMATS = {".tsv": "csv", ".csv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
BLOCK_ROWS = 20_000


def open_rows(source: PairSource) -> Any:
    """The rows of a source as a streaming dataset with a position that can be saved.

    Raises:
        DataError: there is no such file or hub dataset, or its format is not known.
    """
    from datasets.io.csv import CsvDatasetReader
    from datasets.io.json import JsonDatasetReader
    from datasets.io.parquet import ParquetDatasetReader

    if source.hub is not None:
        return _open_hub(source)
    files = _local_files(source)
    kind = _format_of(files[0], source)
    if kind != "parquet":
        files = [_readable(path, source) for path in files]
    options = _csv_options(files[0], source) if kind == "csv" else {}
    # load_dataset would report every opening of a file to the hub, and wait for its answer.
    reader = {"csv": CsvDatasetReader, "json": JsonDatasetReader, "parquet": ParquetDatasetReader}[kind]
    return reader([str(path) for path in files], streaming=True, **options).read()


def _readable(path: Path, source: PairSource) -> Path:
    """The file, or a copy in UTF-8, which is all that the readers know; packed files are taken for that."""
    if path.suffix in COMPRESSIONS:
        return path
    try:
        return in_utf8(path)
    except (OSError, UnicodeError) as error:
        raise DataError(
            f"Source {source.name!r}: {path.name} cannot be read ({error}). Expected a text file. "
            "Save it as UTF-8."
        ) from error


def _open_hub(source: PairSource) -> Any:
    from datasets import load_dataset

    name = str(source.hub)
    options: dict[str, Any] = {"name": source.subset, "revision": source.revision}
    if source.files:
        revision = f"@{source.revision}" if source.revision else ""
        urls = {source.split: f"hf://datasets/{source.hub}{revision}/{source.files}"}
        name, options = _format_of(Path(source.files), source), {"data_files": urls}
    try:
        return load_dataset(name, split=source.split, streaming=True, **options)
    except Exception as error:  # the hub client has an error type per kind of trouble
        part = source.files or source.subset or "default"
        raise DataError(
            f"Source {source.name!r}: hub dataset {source.hub!r} ({part}) cannot be opened "
            f"({type(error).__name__}: {error}). Expected a public dataset and a network. "
            "Check the name, or point the source at a local copy with path=FILE."
        ) from error


def read_rows(source: PairSource) -> Iterator[Mapping[str, Any]]:
    """The rows of a source once, in file order, replies with what they answer.

    Raises:
        DataError: as :func:`open_rows`; or the rows cannot be read.
    """
    rows = reading(iter(open_rows(source)), source)
    if source.replies is None:
        yield from rows
        return
    while block := list(islice(rows, BLOCK_ROWS)):
        yield from with_parents(block, source)


def with_parents(rows: Sequence[Mapping[str, Any]], source: PairSource) -> Sequence[Mapping[str, Any]]:
    """Of a block of rows those that answer another of it, with that one as their column ``parent``; all
    rows as they are where the source declares no ``replies``.

    Raises:
        DataError: a row has no such column.
    """
    replies = source.replies
    if replies is None:
        return rows
    for row in rows:
        for column in (replies.id, replies.parent):
            if column not in row:
                raise no_column(source, column, row, "replies")
    by_id = {f"{replies.prefix}{row[replies.id]}": row for row in rows}
    result = ((row, by_id.get(str(row[replies.parent]))) for row in rows)
    return [{**row, "parent": parent} for row, parent in result if parent is not None]


def no_column(source: PairSource, column: str, row: object, field: str) -> DataError:
    """The error of a ``field`` of a source that names a column which its rows have not."""
    there = ", ".join(map(str, row)) if isinstance(row, Mapping) else f"none, but {type(row).__name__}"
    return DataError(
        f"Source {source.name!r} has no column {column!r}. Its columns: {there}. "
        f"Correct {field} of the source."
    )


def reading(rows: Iterator[Mapping[str, Any]], source: PairSource) -> Iterator[Mapping[str, Any]]:
    """The rows, with the reader's own errors told in terms of the source."""
    try:
        yield from rows
    except Exception as error:
        raise DataError(
            f"Source {source.name!r} cannot be read ({type(error).__name__}: {error}). Expected rows in the "
            "format that the file's ending names. Correct the file or remove the source."
        ) from error


def _csv_options(path: Path, source: PairSource) -> dict[str, Any]:
    """How to read a tsv or csv file so that every cell stays the text that it is."""
    from datasets import Features, Value

    is_tab = ".tsv" in path.suffixes
    options: dict[str, Any] = {"sep": "\t" if is_tab else ",", "keep_default_na": False}
    if is_tab:
        options["quoting"] = csv.QUOTE_NONE  # a quotation mark in a sentence is only that
    if source.columns:
        names = list(source.columns)
        options |= {"column_names": names, "header": None}
    else:
        import fsspec

        with fsspec.open(path, "rt", encoding="utf-8-sig", compression="infer", newline="") as stream:
            start = stream.read(START_CHARS)
        if not is_tab:
            options["sep"] = delimiter_of(start)
        names = next(csv.reader(io.StringIO(start, newline=""), delimiter=options["sep"]), [])
    # Without a schema numbers would be parsed, and "007" would become 7.
    return options | {"features": Features({name: Value("string") for name in names})}


def _local_files(source: PairSource) -> list[Path]:
    assert source.path is not None
    path = Path(source.path).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _suffix(file) in FORMATS)
    elif path.is_file():
        files = [path]
    else:
        files = sorted(path.parent.glob(path.name)) if path.parent.is_dir() else []
    if not files:
        raise DataError(
            f"Source {source.name!r}: {path} does not exist or holds no data. Expected a file, a folder or a "
            f"pattern of {', '.join(FORMATS)} files. Check the path."
        )
    return files


def _format_of(path: Path, source: PairSource) -> str:
    suffix = _suffix(path)
    if suffix not in FORMATS:
        raise DataError(
            f"Source {source.name!r}: {path.name} has an unknown format. Expected {', '.join(FORMATS)}, "
            f"plain or with {', '.join(COMPRESSIONS)}. Convert the file."
        )
    return FORMATS[suffix]


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
