"""Bitext tasks from files: Tatoeba v1, BUCC, and line-aligned pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from trainer.errors import DataError
from trainer.evaluation.files import iter_tab_rows, malformed, read_lines
from trainer.evaluation.tatoeba import iter_tatoeba
from trainer.evaluation.values import Bitext, Mining, Part, Task

TRAINING, TEST = "training", "test"


def aligned(language: str, sources: Sequence[str], targets: Sequence[str]) -> Bitext:
    """The n-th target translates the n-th source."""
    return Bitext(language, sources, targets, np.arange(len(sources)))


def tatoeba_task(path: Path) -> Task:
    """Folder or archive of Tatoeba v1: every language with English; the pool is its own file."""

    def read() -> Iterator[Part]:
        for language, sentences, english in iter_tatoeba(path):
            yield aligned(language, sentences, english)

    return Task(path.name.split(".")[0], "bitext", read)


def pair_task(name: str, pairs: Mapping[str, tuple[Path, Path]]) -> Task:
    """Two files per language pair, aligned line by line."""

    def read() -> Iterator[Part]:
        for language, (left, right) in pairs.items():
            sources, targets = read_lines(left), read_lines(right)
            if len(sources) != len(targets) or not sources:
                raise DataError(
                    f"{left} has {len(sources)} lines and {right} has {len(targets)}. Expected as many, one "
                    "sentence per line, translations on the same line. Align the files."
                )
            yield aligned(language, sources, targets)

    return Task(name, "bitext", read)


def tab_pair_task(path: Path) -> Task:
    """A TSV of source and target."""

    def read() -> Iterator[Part]:
        rows = []
        for line, cells in iter_tab_rows(path):
            if len(cells) != 2:
                raise malformed(path, line, f"has {len(cells)} columns, expected source and target")
            rows.append(cells)
        yield aligned(path.stem, [source for source, _ in rows], [target for _, target in rows])

    return Task(path.stem, "bitext", read)


def find_pairs(files: Sequence[Path]) -> dict[str, tuple[Path, Path]]:
    """Files that differ only in their suffix, two by two: ``news.de`` and ``news.en`` are ``de-en``."""
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(files):
        if path.suffix and not path.name.startswith("."):
            by_stem[path.stem].append(path)
    couples = {stem: (two[0], two[1]) for stem, two in by_stem.items() if len(two) == 2}
    single = len(couples) == 1
    return {
        "-".join(path.suffix[1:] for path in two) if single else stem: two for stem, two in couples.items()
    }


def bucc_tasks(folder: Path, split: str | None) -> list[Task]:
    """``xx-yy.SPLIT.xx``, ``xx-yy.SPLIT.yy`` (id, sentence) and ``xx-yy.SPLIT.gold`` (id, id).

    Two tasks: MTEB's (the right target among all targets, for the sources that have one) and mining. With a
    gold of ``test`` and of ``training``, the threshold is chosen on training and applied to test.
    """
    files = sorted([*folder.glob("*.gold"), *folder.glob("*/*.gold")])
    golds = {tuple(path.name.split(".")[:2]): path for path in files}
    pairs = sorted({pair for pair, _ in golds})

    def chosen(pair: str) -> str:
        splits = [name for couple, name in golds if couple == pair]
        if split is None:
            return next((name for name in (TEST, TRAINING) if name in splits), splits[0])
        if split in splits:
            return split
        raise DataError(
            f"{folder} has {', '.join(splits)} for {pair}. Expected {split}. Name another --split."
        )

    def mined(pair: str, name: str) -> Mining:
        return _read_bucc(golds[pair, name], pair, name)

    def read_mining() -> Iterator[Part]:
        for pair in pairs:
            name = chosen(pair)
            part = mined(pair, name)
            if name != TRAINING and (pair, TRAINING) in golds:
                part = Mining(part.language, part.sources, part.targets, part.gold, mined(pair, TRAINING))
            yield part

    def read_bitext() -> Iterator[Part]:
        for pair in pairs:
            part = mined(pair, chosen(pair))
            gold = sorted(part.gold)
            yield Bitext(
                pair,
                [part.sources[source] for source, _ in gold],
                part.targets,
                np.array([target for _, target in gold]),
                both_ways=False,
            )

    return [
        Task(f"{folder.name} (MTEB)", "bitext", read_bitext),
        Task(f"{folder.name} (mining)", "mining", read_mining),
    ]


def _read_bucc(gold: Path, pair: str, split: str) -> Mining:
    left, _, right = pair.partition("-")
    sources, targets = (_read_ids(gold.with_name(f"{pair}.{split}.{side}")) for side in (left, right))
    numbers = [{name: row for row, name in enumerate(rows)} for rows in (sources, targets)]
    result = set()
    for line, cells in iter_tab_rows(gold):
        if len(cells) != 2 or cells[0] not in numbers[0] or cells[1] not in numbers[1]:
            raise malformed(gold, line, f"{cells} are not two sentence ids of {pair}")
        result.add((numbers[0][cells[0]], numbers[1][cells[1]]))
    if not result:
        raise DataError(f"{gold} is empty. Expected lines of two sentence ids. Check the download.")
    return Mining(pair, list(sources.values()), list(targets.values()), frozenset(result))


def _read_ids(path: Path) -> dict[str, str]:
    sentences = {}
    for line, cells in iter_tab_rows(path):
        if len(cells) < 2:
            raise malformed(path, line, "has one column, expected an id and a sentence")
        sentences[cells[0]] = cells[1]
    return sentences
