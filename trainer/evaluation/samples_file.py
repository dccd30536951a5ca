"""The values per item of a measurement as a file, so that two models can be compared later, without a model.

A comparison of two means needs the values of the same items. The file of a task holds, for every language and
metric, the rows of its :class:`~trainer.evaluation.statistics.Sample`; ``digest`` tells whether two tasks
hold the same items, whatever their name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from me5 import atomic
from trainer.errors import DataError
from trainer.evaluation.scoring import statistic_of
from trainer.evaluation.statistics import Sample
from trainer.evaluation.values import Bitext, Classification, Measured, Mining, Part, Retrieval, Similarity

Samples = dict[str, dict[str, Sample]]  # metric -> language -> sample


def write_samples(path: Path, measured: Mapping[str, Measured]) -> None:
    """Keep the samples of all languages of a task."""
    arrays: dict[str, np.ndarray] = {}
    names: list[list[str]] = []
    for language, item in measured.items():
        for metric, sample in item.samples.items():
            arrays[str(len(names))] = sample.rows
            names.append([metric, language])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, names=np.array(json.dumps(names)), **arrays)  # type: ignore[arg-type]


def read_samples(path: Path) -> Samples:
    """What :func:`write_samples` has kept.

    Raises:
        DataError: the file is missing or damaged.
    """
    results: Samples = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for number, (metric, language) in enumerate(json.loads(str(file["names"]))):
                rows = file[str(number)]
                sample = Sample(rows, statistic_of(metric, rows.shape[1]))
                results.setdefault(metric, {})[language] = sample
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"The values kept in {path.name} cannot be read ({error}). Expected a file of an evaluation. "
            "Measure again."
        ) from error
    return results


class Digest:
    """A fingerprint of the items of a task: parts go in one after the other."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, part: Part) -> None:
        """Take a part in: its texts and what is right."""
        for text in _items(part):
            self._hash.update(text.encode("utf-8", "replace") + b"\0")

    @property
    def value(self) -> str:
        """16 hexadecimal digits."""
        return self._hash.hexdigest()


def _items(part: Part) -> Iterable[str]:
    if isinstance(part, Retrieval):
        yield from (part.name, *part.languages, *part.queries, *part.passages)
        yield repr([sorted(grades.items()) for grades in part.judged])
    elif isinstance(part, Bitext):
        yield from (part.language, *part.sources, *part.targets, repr(part.gold.tolist()))
    elif isinstance(part, Mining):
        yield from (part.language, *part.sources, *part.targets, repr(sorted(part.gold)))
    elif isinstance(part, Similarity):
        yield from (part.language, *part.left, *part.right, repr(part.scores.tolist()))
    else:
        assert isinstance(part, Classification)
        yield from (part.language, *part.train_texts, *part.train_labels)
        yield from (*part.test_texts, *part.test_labels)
