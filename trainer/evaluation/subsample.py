"""A smaller task for a quick look: evenly spaced items of each language, and what is needed to judge them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from trainer.evaluation.values import Bitext, Classification, Mining, Part, Retrieval, Similarity, Task

PASSAGES_PER_ITEM = 20  # that stay in a pool, besides the judged ones

Item = TypeVar("Item")


def limited_task(task: Task, max_items: int) -> Task:
    """The task with at most ``max_items`` queries or sentences per language; 0 leaves it as it is.

    Its values can be compared with each other and not with those of the whole task: pools are smaller too.
    """
    if not max_items:
        return task
    return replace(task, read=lambda: (limited(part, max_items) for part in task.read()))


def limited(part: Part, max_items: int) -> Part:
    """See :func:`limited_task`."""
    if isinstance(part, Retrieval):
        return _retrieval(part, max_items)
    if isinstance(part, Bitext):
        return _bitext(part, max_items)
    if isinstance(part, Mining):
        return _mining(part, max_items)
    if isinstance(part, Similarity):
        rows = spaced(len(part.scores), max_items)
        return replace(part, left=_at(part.left, rows), right=_at(part.right, rows), scores=part.scores[rows])
    return _classification(part, max_items)


def spaced(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the numbers below ``count``, evenly spaced, ascending."""
    return sorted({int(number) for number in np.linspace(0, count - 1, min(count, limit))})


def _retrieval(part: Retrieval, max_items: int) -> Retrieval:
    by_language: defaultdict[str, list[int]] = defaultdict(list)
    for row, language in enumerate(part.languages):
        by_language[language].append(row)
    rows = sorted(row for own in by_language.values() for row in _at(own, spaced(len(own), max_items)))
    itself = _at(part.itself, rows) if part.itself else []
    needed = {number for row in rows for number in part.judged[row]} | {
        number for number in itself if number >= 0
    }
    others = [number for number in range(len(part.passages)) if number not in needed]
    kept = sorted(needed | set(_at(others, spaced(len(others), PASSAGES_PER_ITEM * max_items))))
    now = {number: position for position, number in enumerate(kept)}
    return replace(
        part,
        queries=_at(part.queries, rows),
        languages=_at(part.languages, rows),
        judged=[{now[number]: grade for number, grade in part.judged[row].items()} for row in rows],
        passages=_at(part.passages, kept),
        titles=None if part.titles is None else _at(part.titles, kept),
        itself=[now.get(number, -1) for number in itself],
    )


def _bitext(part: Bitext, max_items: int) -> Bitext:
    rows = spaced(len(part.sources), max_items)
    kept = sorted({int(part.gold[row]) for row in rows})
    now = {number: position for position, number in enumerate(kept)}
    return replace(
        part,
        sources=_at(part.sources, rows),
        targets=_at(part.targets, kept),
        gold=np.array([now[int(part.gold[row])] for row in rows], dtype=np.int64),
    )


def _mining(part: Mining, max_items: int) -> Mining:
    sources = spaced(len(part.sources), max_items)
    chosen = set(sources)
    translations = {target for source, target in part.gold if source in chosen}
    targets = sorted(translations | set(spaced(len(part.targets), max_items)))
    source_now = {number: position for position, number in enumerate(sources)}
    target_now = {number: position for position, number in enumerate(targets)}
    return Mining(
        part.language,
        sources=_at(part.sources, sources),
        targets=_at(part.targets, targets),
        gold=frozenset(
            (source_now[source], target_now[target])
            for source, target in part.gold
            if source in source_now and target in target_now
        ),
        tuning=None if part.tuning is None else _mining(part.tuning, max_items),
    )


def _classification(part: Classification, max_items: int) -> Classification:
    train, test = spaced(len(part.train_texts), max_items), spaced(len(part.test_texts), max_items)
    return replace(
        part,
        train_texts=_at(part.train_texts, train),
        train_labels=_at(part.train_labels, train),
        test_texts=_at(part.test_texts, test),
        test_labels=_at(part.test_labels, test),
    )


def _at(items: Sequence[Item], rows: Sequence[int]) -> list[Item]:
    return [items[row] for row in rows]
