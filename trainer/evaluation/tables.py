"""Similarity and classification tasks from TSV files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trainer.errors import DataError
from trainer.evaluation.files import is_number, iter_tab_rows, malformed, number_of
from trainer.evaluation.values import UNKNOWN_LANGUAGE, Classification, Part, Similarity, Task


def similarity_task(path: Path) -> Task:
    """TSV of text1, text2, score and perhaps language; a header is recognised by its third column."""

    def read() -> Iterator[Part]:
        rows: defaultdict[str, list[tuple[str, str, float]]] = defaultdict(list)
        for line, cells in iter_tab_rows(path):
            if len(cells) not in (3, 4):
                raise malformed(
                    path, line, f"has {len(cells)} columns, expected text1, text2, score, language"
                )
            if line == 1 and not is_number(cells[2]):
                continue
            language = cells[3].strip() if len(cells) == 4 else ""
            score = number_of(cells[2], path, line, "score")
            rows[language or UNKNOWN_LANGUAGE].append((cells[0], cells[1], score))
        if not rows:
            raise DataError(f"{path} holds no pair. Expected lines of text1, text2, score. Add some.")
        for language, pairs in sorted(rows.items()):
            left, right, scores = zip(*pairs, strict=True)
            yield Similarity(language, left, right, np.array(scores))

    return Task(path.stem, "similarity", read)


def classification_task(folder: Path) -> Task:
    """``train.tsv`` and ``test.tsv`` of text, label and perhaps language.

    A language without training rows is tested with what was learned from all others.
    """

    def read() -> Iterator[Part]:
        train, test = _read_labelled(folder / "train.tsv"), _read_labelled(folder / "test.tsv")
        for language in sorted({row[2] for row in test}):
            own = [row for row in train if row[2] == language] or train
            tested = [row for row in test if row[2] == language]
            yield Classification(
                language,
                [row[0] for row in own],
                [row[1] for row in own],
                [row[0] for row in tested],
                [row[1] for row in tested],
            )

    return Task(folder.name, "classification", read)


def _read_labelled(path: Path) -> list[tuple[str, str, str]]:
    rows = []
    for line, cells in iter_tab_rows(path):
        if len(cells) not in (2, 3):
            raise malformed(path, line, f"has {len(cells)} columns, expected text, label, language")
        if line == 1 and [cell.strip().lower() for cell in cells[:2]] == ["text", "label"]:
            continue
        rows.append((cells[0], cells[1].strip(), cells[2].strip() if len(cells) == 3 else UNKNOWN_LANGUAGE))
    if not rows:
        raise DataError(f"{path} holds no row. Expected lines of text and label. Add some.")
    return rows
