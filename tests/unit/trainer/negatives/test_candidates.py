"""The exact search: ties, many answers, some passages only, another device, and what fits in the memory."""

from typing import Any

import numpy as np
import pytest

from trainer.negatives import candidates, scoring
from trainer.negatives.candidates import Blocks, nearest


def unit_rows(count: int, seed: int, dimension: int = 16) -> Any:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


QUERIES, PASSAGES = unit_rows(9, 1), unit_rows(70, 2)
PASSAGES[40:50] = PASSAGES[0]  # ten that nothing but their number tells apart
EXCLUDED = [np.arange(query * 7, dtype=np.int64) for query in range(9)]  # from none to 56


def plain(count: int, numbers: Any = None) -> list[list[int]]:
    scores_QP = np.round(QUERIES.astype(np.float64) @ PASSAGES.astype(np.float64).T, 9)
    taking_part = range(70) if numbers is None else numbers.tolist()
    return [
        sorted(set(taking_part) - set(banned.tolist()), key=lambda n, row=row: (-row[n], n))[:count]
        for row, banned in zip(scores_QP, EXCLUDED, strict=True)
    ]


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("numbers", [None, np.arange(0, 70, 3)])
@pytest.mark.parametrize("count", [5, 40])
def test_the_nearest_are_those_of_a_sort(
    monkeypatch: pytest.MonkeyPatch, block: int, numbers: Any, count: int
) -> None:
    found, scores = nearest(QUERIES, PASSAGES, EXCLUDED, count=count, passage_block=block, numbers=numbers)
    assert [row[row >= 0].tolist() for row in found] == plain(count, numbers)
    assert ((found < 0) == np.isneginf(scores)).all()
    on_device = scoring.best_passages

    def with_torch(*arrays: Any, count: int, device: str) -> Any:
        return on_device(*arrays, count=count, device=device + ":0")  # torch's other name of the processor

    monkeypatch.setattr(candidates, "best_passages", with_torch)
    again = nearest(QUERIES, PASSAGES, EXCLUDED, count=count, passage_block=block, numbers=numbers)
    np.testing.assert_array_equal(again[0], found)
    np.testing.assert_array_equal(again[1], scores)


def test_counting_is_the_same_with_numpy_and_torch() -> None:
    limits = np.full(9, 0.2, dtype=np.float32)
    counts = scoring.count_above(QUERIES, PASSAGES, limits, device="cpu")
    assert counts.tolist() == [int((row > 0.2).sum()) for row in QUERIES @ PASSAGES.T]
    np.testing.assert_array_equal(scoring.count_above(QUERIES, PASSAGES, limits, device="cpu:0"), counts)


@pytest.mark.parametrize("memory_mb", [16, 64, 1024, 65536])
def test_blocks_keep_to_the_memory(memory_mb: int) -> None:
    blocks = Blocks.within(memory_mb)
    assert 1 <= blocks.queries <= candidates.QUERY_BLOCK and 1 <= blocks.passages <= candidates.PASSAGE_BLOCK
    assert blocks.scores * candidates.SCORE_BYTES <= memory_mb * 2**20 / 2
    if memory_mb < 1024:
        assert blocks.scores * candidates.SCORE_BYTES > memory_mb * 2**20 / 2.1  # and make use of it
