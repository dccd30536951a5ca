"""Pairs for contrastive training out of declared sources: tsv, csv, jsonl and parquet files, or hub data.

A source says where its rows are and which column is which side of a pair; reading is ``datasets`` streaming,
so a source may be larger than the disk. Rows are shuffled in blocks: a block is read, permuted by a generator
that depends on seed, epoch and block alone, and given out. So a position is four small values, and going on
from it gives exactly the rows that an uninterrupted run would have seen.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.config import require
from trainer.errors import DataError

FORMATS = {".tsv": "csv", ".csv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")


@dataclass(frozen=True)
class PairSource:
    """Where pairs come from and how a row becomes one, or several.

    ``path`` (a file, a folder or a pattern) or ``hub`` (owner/name) is given.

    ``query``, ``passage`` and ``title`` name columns. Dots lead into nested ones (``translation.en``). A list
    gives its first text, ``answers.2`` its third and ``answers.*`` all of them, each on a line of its own.
    ``a + b`` joins two columns by a space; an empty one is left out. ``each: sections`` makes a row of every
    item of that list column: ``query: title + sections.name``. ``only: {lang: [de, fr]}`` keeps the rows
    whose column has one of these values.

    ``pairing: first_line`` makes query and passage of the first line and the rest of the column ``passage``,
    for web pages whose title is their first line. ``swap_half`` exchanges the sides of half of the pairs,
    drawn by chance, for translations in both directions. ``query_role: passage`` with ``passage_role:
    passage``, for example, makes a source symmetric. ``volume`` is the number of pairs that the mixture
    reckons with.
    """

    name: str
    query: str = "query"
    passage: str = "passage"
    title: str = ""  # column with the title of the passage
    path: str | None = None
    hub: str | None = None
    subset: str | None = None
    revision: str | None = None
    split: str = "train"
    columns: tuple[str, ...] = ()  # names of the columns of a tsv or csv file without a header
    query_role: Literal["query", "passage"] = "query"
    passage_role: Literal["query", "passage"] = "passage"
    pairing: Literal["columns", "first_line"] = "columns"
    each: str = ""  # list column whose items are rows of their own
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)  # column -> values that are kept
    swap_half: bool = False
    volume: float = 1.0
    construction: str = ""  # what the two sides are, for people
    note: str = ""

    def __post_init__(self) -> None:
        where = f"source {self.name!r}: "
        require(
            (self.path is None) != (self.hub is None),
            f"{where}path, hub",
            (self.path, self.hub),
            "exactly one of the two",
        )
        require(self.volume > 0, f"{where}volume", self.volume, "a positive number of pairs")
        for role in (self.query_role, self.passage_role):
            require(role in ("query", "passage"), f"{where}role", role, "query or passage")
        require(
            self.pairing in ("columns", "first_line"),
            f"{where}pairing",
            self.pairing,
            "columns or first_line",
        )
        require(
            not (self.swap_half and self.title), f"{where}swap_half", True, "false where there is a title"
        )
        require(
            isinstance(self.only, Mapping) and all(isinstance(v, list | tuple) for v in self.only.values()),
            f"{where}only",
            self.only,
            "a list of values per column",
        )


@dataclass(frozen=True, slots=True)  # a batch holds tens of thousands
class Pair:
    """Two texts that belong together; ``title`` belongs to the passage."""

    query: str
    passage: str
    title: str = ""

    @property
    def keys(self) -> tuple[int, int]:
        """64-bit numbers of query and passage: equal texts have equal numbers."""
        return text_key(self.query), text_key(f"{self.title} {self.passage}".strip())


def text_key(text: str) -> int:
    """A signed 64-bit number that tells texts apart."""
    digest = hashlib.blake2b(text.encode("utf8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class PairStream:
    """The pairs of one source, without end: epoch after epoch, each in its own order.

    Args:
        source: what to read.
        seed: of the order.
        block_rows: rows that are read and permuted together.
    """

    def __init__(self, source: PairSource, *, seed: int, block_rows: int = 20_000) -> None:
        self.source = source
        self.epoch = 0
        self._seed = seed
        self._block_rows = block_rows
        self._dataset: Any = None
        self._rows: Iterator[Mapping[str, Any]] | None = None
        self._blocks_read = 0  # in this epoch
        self._block_start: dict[str, Any] | None = None  # position of the dataset before the last block
        self._pairs: list[Pair] = []
        self._taken = 0
        self._epoch_has_pairs = False

    def __iter__(self) -> Iterator[Pair]:
        return self

    def __next__(self) -> Pair:
        while self._taken == len(self._pairs):
            self._next_block()
        self._taken += 1
        return self._pairs[self._taken - 1]

    def state(self) -> dict[str, Any]:
        """The position, as values that JSON can hold."""
        return {
            "epoch": self.epoch,
            "blocks_read": self._blocks_read,
            "block_start": self._block_start,
            "taken": self._taken,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a position that ``state`` gave."""
        self.epoch = state["epoch"]
        if state["blocks_read"] == 0:
            return
        self._open(state["block_start"])
        self._read_block(state["blocks_read"] - 1)
        self._blocks_read, self._block_start = state["blocks_read"], state["block_start"]
        self._taken = state["taken"]

    def _next_block(self) -> None:
        if self._rows is None:
            self._open()
        self._block_start = self._dataset.state_dict()
        if self._read_block(self._blocks_read):
            self._blocks_read += 1
            return
        if not self._epoch_has_pairs:
            raise DataError(
                f"Source {self.source.name!r} has no row with text in both {self.source.query!r} and "
                f"{self.source.passage!r}. Expected pairs. Correct the source or remove it from the recipe."
            )
        self.epoch, self._blocks_read, self._rows, self._epoch_has_pairs = self.epoch + 1, 0, None, False

    def _open(self, position: dict[str, Any] | None = None) -> None:
        self._dataset = open_rows(self.source)
        if position is not None:
            self._dataset.load_state_dict(position)
        self._rows = reading(iter(self._dataset), self.source)

    def _read_block(self, number: int) -> bool:
        """Fill ``_pairs`` with block ``number`` of the epoch; False where the rows have ended."""
        assert self._rows is not None
        rows = list(islice(self._rows, self._block_rows))
        pairs = [pair for row in rows for pair in to_pairs(row, self.source)]
        generator = np.random.default_rng((self._seed, self.epoch, number))
        self._pairs, self._taken = [pairs[position] for position in generator.permutation(len(pairs))], 0
        if self.source.swap_half:
            for position in np.flatnonzero(generator.random(len(pairs)) < 0.5):
                pair = self._pairs[position]
                self._pairs[position] = Pair(pair.passage, pair.query)
        self._epoch_has_pairs |= bool(pairs)
        return bool(rows)


def open_rows(source: PairSource) -> Any:
    """The rows of a source as a streaming dataset with a position that can be saved.

    Raises:
        DataError: there is no such file or hub dataset, or its format is not known.
    """
    from datasets import load_dataset
    from datasets.io.csv import CsvDatasetReader
    from datasets.io.json import JsonDatasetReader
    from datasets.io.parquet import ParquetDatasetReader

    if source.hub is not None:
        try:
            return load_dataset(
                source.hub, source.subset, split=source.split, revision=source.revision, streaming=True
            )
        except Exception as error:  # the hub client has an error type per kind of trouble
            raise DataError(
                f"Source {source.name!r}: hub dataset {source.hub!r} ({source.subset or 'default'}) cannot "
                f"be opened ({type(error).__name__}: {error}). Expected a public dataset and a network. "
                "Check the name, or point the source at a local copy with path=FILE."
            ) from error
    files = _local_files(source)
    kind = _format_of(files[0], source)
    options = _csv_options(files[0], source) if kind == "csv" else {}
    # load_dataset would report every opening of a file to the hub, and wait for its answer.
    reader = {"csv": CsvDatasetReader, "json": JsonDatasetReader, "parquet": ParquetDatasetReader}[kind]
    return reader([str(path) for path in files], streaming=True, **options).read()


def to_pairs(row: Mapping[str, Any], source: PairSource) -> list[Pair]:
    """The pairs in a row that is wanted; one with an empty side is left out.

    Raises:
        DataError: the row has no such column.
    """
    for column, values in source.only.items():
        if _text(row, column, source) not in values:
            return []
    if not source.each:
        rows = [row]
    else:
        rows = [{**row, source.each: item} for item in _value(row, source.each, source) or []]
    return [pair for one in rows if (pair := _to_pair(one, source)) is not None]


def _to_pair(row: Mapping[str, Any], source: PairSource) -> Pair | None:
    passage = _text(row, source.passage, source)
    if source.pairing == "first_line":
        query, _, passage = passage.partition("\n")
    else:
        query = _text(row, source.query, source)
    query, passage = query.strip(), passage.strip()
    if not query or not passage:
        return None
    return Pair(query, passage, _text(row, source.title, source) if source.title else "")


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
            names = next(csv.reader(stream, csv.excel_tab if is_tab else csv.excel), [])
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


def reading(rows: Iterator[Mapping[str, Any]], source: PairSource) -> Iterator[Mapping[str, Any]]:
    """The rows, with the reader's own errors told in terms of the source."""
    try:
        yield from rows
    except Exception as error:
        raise DataError(
            f"Source {source.name!r} cannot be read ({type(error).__name__}: {error}). Expected rows in the "
            "format that the file's ending names. Correct the file or remove the source."
        ) from error


def _text(row: Mapping[str, Any], columns: str, source: PairSource) -> str:
    """The text of a column, or of several with " + " between their names."""
    texts = (_to_text(_value(row, column.strip(), source)) for column in columns.split(" + "))
    return " ".join(text for text in texts if text)


def _to_text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None else str(value).strip()


def _value(row: Any, column: str, source: PairSource, whole: str = "") -> Any:
    """What a name with dots leads to; None behind something that is not there in this row."""
    if not column or row is None:
        return row
    name, _, rest = column.partition(".")
    whole = whole or column
    if isinstance(row, list) and name == "*":
        texts = (_to_text(_value(item, rest, source, whole)) for item in row)
        return "\n".join(text for text in texts if text)
    if isinstance(row, list) and name.isdecimal():
        return _value(row[int(name)] if int(name) < len(row) else None, rest, source, whole)
    if not isinstance(row, Mapping) or name not in row:
        there = ", ".join(map(str, row)) if isinstance(row, Mapping) else f"none, but {type(row).__name__}"
        raise DataError(
            f"Source {source.name!r} has no column {whole!r}. Its columns: {there}. "
            "Correct 'query', 'passage' or 'title' of the source."
        )
    return _value(row[name], rest, source, whole)
