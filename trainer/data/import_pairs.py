"""Pairs that people bring: read, checked, cleaned of copies, and split into what trains and what measures.

Takes tsv, csv and jsonl files with or without a header. The outcome is a folder with ``train.jsonl``
(query, passage, title) and ``held-out/``, a task in a layout that :mod:`trainer.evaluation` reads. A held-out
pair shares neither side with a pair that trains.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from me5.delimited import START_CHARS, delimiter_of, stated_delimiter
from trainer.data.pairs import Pair
from trainer.data.text_files import open_text
from trainer.errors import DataError

Detect = Callable[[Sequence[str]], Sequence[str]]

SUFFIXES = (".tsv", ".csv", ".jsonl", ".txt")
QUERY_NAMES = (
    "query",
    "question",
    "source",
    "src",
    "src_text",
    "anchor",
    "text1",
    "sentence1",
    "left",
    "prompt",
)
PASSAGE_NAMES = (
    "passage", "answer", "target", "tgt", "tgt_text", "positive", "text2", "sentence2", "right", "document",
    "response", "text", "content", "body", "translation",
)  # fmt: skip
TITLE_NAMES = ("title",)
MAX_PAIRS = 1_000_000
MIN_PAIRS = 20
LANGUAGE_SAMPLE = 1_000
HELD_OUT = 200
HELD_OUT_SHARE = 0.2
MIN_HELD_OUT = 10
MIN_OF_LANGUAGE = 5
DISTRACTORS = 2_000
UNKNOWN = "und"


@dataclass(frozen=True)
class Columns:
    """Which column is which side; ``title`` may be empty."""

    query: str
    passage: str
    title: str = ""


@dataclass(frozen=True)
class Intake:
    """What was found in imported pairs.

    ``languages`` counts those of queries and passages in a sample; ``characters`` is the mean length of a
    text. ``beyond`` counts rows after ``MAX_PAIRS`` that were left out.
    """

    usable: int
    empty: int = 0
    copies: int = 0
    same: int = 0
    beyond: int = 0
    damaged: int = 0
    available: tuple[str, ...] = ()
    columns: Columns = Columns("", "")
    query_languages: dict[str, int] = field(default_factory=dict)
    passage_languages: dict[str, int] = field(default_factory=dict)
    characters: float = 0.0
    samples: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class Split:
    """Counts of the two parts; ``task`` is the path of the task, None where there was too little."""

    train: int
    held_out: int
    task: Path | None


def take_in(
    path: Path, target: Path, detect: Detect, columns: Columns | None = None, *, seed: int = 13
) -> Intake:
    """Read the pairs of a file and write the usable ones to ``target`` (jsonl of query, passage, title).

    Left out are pairs with an empty side, with two equal sides, and repetitions of a pair.

    Args:
        path: tsv, csv or jsonl.
        target: file to write.
        detect: languages of texts, as BCP-47 codes.
        columns: which column is which; found by name or position when None.
        seed: of the sample.

    Raises:
        DataError: the file is not in such a form, or holds too few pairs.
    """
    rows = _Rows(path)
    columns = columns or guess_columns(rows.names, rows.has_header, path)
    wanted = [name for name in (columns.query, columns.passage, columns.title) if name]
    missing = [name for name in wanted if name not in rows.names]
    if missing:
        raise DataError(
            f"'{path.name}' has no column '{missing[0]}'. Its columns: {', '.join(rows.names)}. Choose two."
        )
    counts: Counter[str] = Counter()
    seen: set[int] = set()
    sample: list[Pair] = []
    generator = np.random.default_rng(seed)
    characters = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf8") as stream:
        for row in rows:
            pair = Pair(
                *(
                    row.get(name, "").strip() if name else ""
                    for name in (columns.query, columns.passage, columns.title)
                )
            )
            verdict = _verdict(pair, seen, counts["usable"])
            counts[verdict] += 1
            if verdict != "usable":
                continue
            stream.write(_line(pair))
            characters += len(pair.query) + len(pair.passage)
            _keep_in_sample(sample, pair, counts["usable"], generator)
    if counts["usable"] < MIN_PAIRS:
        raise DataError(
            f"'{path.name}' holds {counts['usable']} usable pairs ({counts['empty']} with an empty side, "
            f"{counts['copies']} repeated, {counts['same']} with two equal sides). Expected at least "
            f"{MIN_PAIRS}, better some thousands. Check the columns '{columns.query}' and "
            f"'{columns.passage}', or bring more."
        )
    return Intake(
        **counts,
        damaged=rows.damaged,
        available=rows.names,
        columns=columns,
        query_languages=_counted(detect([pair.query for pair in sample])),
        passage_languages=_counted(detect([pair.passage for pair in sample])),
        characters=characters / (2 * counts["usable"]),
        samples=tuple(sample[:3]),
    )


def guess_columns(names: Sequence[str], has_header: bool, path: Path) -> Columns:
    """Which columns hold the two sides: by their names, else the only two there are.

    Raises:
        DataError: they cannot be told.
    """
    lowered = {name.casefold(): name for name in reversed(names)}
    query = next((lowered[name] for name in QUERY_NAMES if name in lowered), "")
    passage = next((lowered[name] for name in PASSAGE_NAMES if name in lowered), "")
    title = next((lowered[name] for name in TITLE_NAMES if name in lowered), "")
    if query and passage:
        return Columns(query, passage, title)
    if title and passage:
        return Columns(title, passage)
    if len(names) == 2 or (not has_header and len(names) >= 2):
        return Columns(names[0], names[1])
    raise DataError(
        f"'{path.name}' has the columns {', '.join(names) or '(none)'}; which two hold the pairs cannot be "
        "told. Expected columns named query and passage, or source and target. Rename them, or choose two."
    )


def hold_out(
    pairs_file: Path, folder: Path, detect: Detect, kind: Literal["retrieval", "bitext"], *, seed: int = 13
) -> Split:
    """Divide pairs: up to ``HELD_OUT`` of them become a task below ``folder``, the rest ``train.jsonl``.

    Languages are held out evenly, so that each one's score rests on as many pairs as can be.

    Args:
        pairs_file: as :func:`take_in` writes it.
        folder: of the run.
        detect: languages of texts.
        kind: ``retrieval``: every query ranks the held-out passages among others; ``bitext``: every text
            finds its translation among the held-out ones.
        seed: of the choice.
    """
    total = sum(1 for _ in iter_pairs(pairs_file))
    size = min(HELD_OUT, int(total * HELD_OUT_SHARE))
    chosen = (
        _choose(pairs_file, total, size, detect=detect, kind=kind, seed=seed) if size >= MIN_HELD_OUT else {}
    )
    held = [(pair, language) for pair, language in chosen.values()]
    query_keys = {pair.keys[0] for pair, _ in held}
    passage_keys = {pair.keys[1] for pair, _ in held}
    train = 0
    others: list[Pair] = []
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.jsonl").open("w", encoding="utf8") as stream:
        for pair in iter_pairs(pairs_file):
            first, second = pair.keys
            if first in query_keys or second in passage_keys:
                continue
            stream.write(_line(pair))
            train += 1
            if len(others) < DISTRACTORS:
                others.append(pair)
    if not held:
        return Split(train, 0, None)
    task = folder / "held-out"
    if kind == "bitext":
        return Split(train, len(held), _write_bitext(task, held))
    _write_retrieval(task, held, others)
    return Split(train, len(held), task)


def iter_pairs(path: Path) -> Iterator[Pair]:
    """The pairs of a file that :func:`take_in` wrote."""
    with path.open(encoding="utf8") as stream:
        for line in stream:
            row = json.loads(line)
            yield Pair(row["query"], row["passage"], row["title"])


def _choose(
    pairs_file: Path, total: int, size: int, *, detect: Detect, kind: str, seed: int
) -> dict[int, tuple[Pair, str]]:
    """Pairs to hold out, by passage, as many of each language as can be."""
    generator = np.random.default_rng(seed)
    candidates = set(generator.permutation(total)[: max(5 * size, LANGUAGE_SAMPLE)].tolist())
    pairs = [pair for number, pair in enumerate(iter_pairs(pairs_file)) if number in candidates]
    labels = list(detect([pair.query for pair in pairs]))
    if kind == "bitext":
        targets = detect([pair.passage for pair in pairs])
        labels = [f"{item}-{other}" for item, other in zip(labels, targets, strict=True)]
    groups: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair, label in zip(pairs, labels, strict=True):
        groups[label].append(pair)
    for label in [label for label, group in groups.items() if len(group) < MIN_OF_LANGUAGE]:
        groups[UNKNOWN] += groups.pop(label) if label != UNKNOWN else []
    chosen: dict[int, tuple[Pair, str]] = {}
    queries: set[int] = set()
    while len(chosen) < size and any(groups.values()):
        for label, group in groups.items():  # one of each language in turn
            if group and len(chosen) < size:
                pair = group.pop()
                first, second = pair.keys
                if first not in queries and second not in chosen:
                    queries.add(first)
                    chosen[second] = (pair, label)
    return chosen


def _write_retrieval(task: Path, held: Sequence[tuple[Pair, str]], others: Sequence[Pair]) -> None:
    """The BEIR layout: held-out queries, and their passages among passages that are trained on."""
    (task / "qrels").mkdir(parents=True, exist_ok=True)
    known = {pair.keys[1] for pair, _ in held}
    pool = [pair for pair, _ in held]
    for pair in others:
        if pair.keys[1] not in known:
            known.add(pair.keys[1])
            pool.append(pair)
    queries = [{"_id": f"q{n}", "text": pair.query, "language": code} for n, (pair, code) in enumerate(held)]
    corpus = [{"_id": f"p{n}", "title": pair.title, "text": pair.passage} for n, pair in enumerate(pool)]
    for name, rows in (("queries", queries), ("corpus", corpus)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (task / f"{name}.jsonl").write_text(text, encoding="utf8")
    qrels = "".join(f"q{number}\tp{number}\t1\n" for number in range(len(held)))
    (task / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}", encoding="utf8")


def _write_bitext(task: Path, held: Sequence[tuple[Pair, str]]) -> Path:
    """Two line-aligned files per pair of languages (``de-en.source``), or a tsv where there is one pair."""
    task.mkdir(parents=True, exist_ok=True)
    groups: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair, label in held:
        groups[label].append(Pair(" ".join(pair.query.split()), " ".join(pair.passage.split())))
    if len(groups) == 1:
        [(label, pairs)] = groups.items()
        rows = "".join(f"{pair.query}\t{pair.passage}\n" for pair in pairs)
        (task / f"{label}.tsv").write_text(rows, encoding="utf8")
        return task / f"{label}.tsv"
    for label, pairs in groups.items():
        (task / f"{label}.source").write_text("".join(f"{pair.query}\n" for pair in pairs), encoding="utf8")
        (task / f"{label}.target").write_text("".join(f"{pair.passage}\n" for pair in pairs), encoding="utf8")
    return task


class _Rows:
    """The rows of a file as mappings from column to text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(
                f"'{path.name}' cannot be read as pairs. Expected a .tsv, .csv or .jsonl file. "
                "Save it as one."
            )
        self._is_json = path.suffix.lower() == ".jsonl"
        self.has_header = True
        self.names: tuple[str, ...] = ()
        first = next(self._raw(), None)
        if first is None:
            raise DataError(f"'{path.name}' is empty. Expected one pair per line. Choose another file.")
        if self._is_json:
            self.names = tuple(first)
        else:
            names = [cell.strip() for cell in first]
            known = {*QUERY_NAMES, *PASSAGE_NAMES, *TITLE_NAMES}
            self.has_header = bool(known & {name.casefold() for name in names}) or all(
                len(name) <= 20 and " " not in name and name.isascii() and name.isidentifier()
                for name in names
            )
            self.names = tuple(names if self.has_header else (f"column {n + 1}" for n in range(len(names))))

    def __iter__(self) -> Iterator[dict[str, str]]:
        for number, cells in enumerate(self._raw()):
            if isinstance(cells, dict):
                yield {name: _as_text(value) for name, value in cells.items()}
            elif number or not self.has_header:
                yield dict(zip(self.names, cells, strict=False))

    def _raw(self) -> Iterator[dict[str, object] | list[str]]:
        self.damaged = 0
        try:
            with open_text(self._path) as stream:
                if self._is_json:
                    yield from self._json_rows(stream)
                    return
                start = stream.read(START_CHARS)
                stream.seek(0)
                if stated_delimiter(start) is not None:
                    stream.readline()
                delimiter = delimiter_of(start, is_header=_names_sides)
                if delimiter == "\t" or self._path.suffix.lower() == ".tsv":  # quotation marks are only that
                    yield from (line.rstrip("\r\n").split("\t") for line in stream if line.strip())
                else:
                    yield from (row for row in csv.reader(stream, delimiter=delimiter) if row)
        except (OSError, UnicodeError, csv.Error) as error:
            raise DataError(
                f"'{self._path.name}' cannot be read ({error}). Expected text, one pair per line. "
                "Save it so and try again."
            ) from error

    def _json_rows(self, lines: Iterator[str]) -> Iterator[dict[str, object]]:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = json.loads(line.removeprefix("\ufeff"))
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                yield row
            else:
                self.damaged += 1


def _names_sides(cells: Sequence[str]) -> bool:
    names = {cell.strip().casefold() for cell in cells}
    return not names.isdisjoint(QUERY_NAMES) and not names.isdisjoint(PASSAGE_NAMES)


def _as_text(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)


def _verdict(pair: Pair, seen: set[int], usable: int) -> str:
    """``usable``, or why it is not."""
    if not pair.query or not pair.passage:
        return "empty"
    if pair.query == pair.passage:
        return "same"
    key = hash(pair.keys)
    if key in seen:
        return "copies"
    if usable >= MAX_PAIRS:
        return "beyond"
    seen.add(key)
    return "usable"


def _keep_in_sample(sample: list[Pair], pair: Pair, number: int, generator: np.random.Generator) -> None:
    """Reservoir sampling: every pair of a file of unknown length has the same chance."""
    if len(sample) < LANGUAGE_SAMPLE:
        sample.append(pair)
    elif (place := int(generator.integers(number))) < LANGUAGE_SAMPLE:
        sample[place] = pair


def _counted(codes: Sequence[str]) -> dict[str, int]:
    return dict(Counter(codes).most_common())


def _line(pair: Pair) -> str:
    row = {"query": pair.query, "passage": pair.passage, "title": pair.title}
    return json.dumps(row, ensure_ascii=False) + "\n"
