"""Work shared by several processes gives what one gives. Threads stand in for processes here."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.bitext.mining import mine
from indexer.bitext.values import MiningSettings, Sentence
from me5 import Role, load_encoder
from me5.knn.neighbours import both_ways
from me5.knn.shared import both_ways_shared
from me5.ranks import ALONE, Ranks
from tests.support.fake_encoder import FakeEncoder


@dataclass
class Table:
    """What the ranks of one run tell each other."""

    size: int
    values: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.barrier = threading.Barrier(self.size)

    def gather(self, rank: int, value: Any) -> list[Any]:
        self.values[rank] = value
        self.barrier.wait(20)
        result = [self.values[number] for number in range(self.size)]
        self.barrier.wait(20)
        return result


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    table: Any = None

    def gather(self, value: Any) -> list[Any]:
        return list(self.table.gather(self.rank, value))


def together(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    table = Table(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(work, [ThreadRanks(rank, size, table) for rank in range(size)]))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_shares_follow_each_other_and_are_alike(size: int, count: int) -> None:
    shares = [Ranks(rank, size).share(count) for rank in range(size)]
    assert [item for share in shares for item in range(count)[share]] == list(range(count))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1
    assert ALONE.share(count) == slice(0, count) and ALONE.gather("x") == ["x"]


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("targets", [2, 50, 601])
def test_neighbours_are_those_of_one_process_to_the_bit(size: int, targets: int) -> None:
    generator = np.random.default_rng(targets)
    x_ND, y_MD = (generator.integers(-3, 4, (count, 8)).astype(np.float32) for count in (300, targets))
    x_ND[:, 0] += 9  # whole numbers: many scores are the same, and ids decide
    y_MD[:, 0] += 9
    expected = both_ways(x_ND, y_MD, 5)
    for result in together(size, lambda ranks: both_ways_shared(x_ND, y_MD, 5, ranks)):
        for name in ("forward_scores_NK", "forward_ids_NK", "backward_scores_MK", "backward_ids_MK"):
            np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=name)


def test_an_encoder_shared_out_gives_all_vectors_to_all(tiny_model_dir: Path) -> None:
    encoder = load_encoder(str(tiny_model_dir), engine="torch", device="cpu", precision="fp32")
    texts = [f"text number {number} " * (1 + number % 7) for number in range(11)]
    titles = [f"title {number}" for number in range(11)]
    expected = encoder.encode(texts, Role.PASSAGE, titles=titles)
    results = together(3, lambda ranks: encoder.with_ranks(ranks).encode(texts, Role.PASSAGE, titles=titles))
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-6)
    few = together(3, lambda ranks: encoder.with_ranks(ranks).encode(texts[:1]))
    np.testing.assert_allclose(few[0], encoder.encode(texts[:1]), atol=1e-6)
    assert together(2, lambda ranks: encoder.with_ranks(ranks).encode([]))[1].shape == (0, encoder.dimension)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("keeps", [True, False])
def test_mining_together_finds_the_pairs_of_one_process(tmp_path: Path, size: int, keeps: bool) -> None:
    words = np.random.default_rng(1).integers(0, 400, (60, 9))
    sides = [
        [Sentence(f"{last} " + " ".join(f"word{number}" for number in row), language) for row in words]
        for language, last in (("en", "ship"), ("de", "boat"))
    ]
    settings = MiningSettings(check_language=False, drop=())
    encoders = [FakeEncoder() for _ in range(size)]
    alone: Any = FakeEncoder()
    expected = mine(*sides, alone, settings)

    def work(ranks: Ranks) -> Any:
        encoder: Any = encoders[ranks.rank]
        folder = tmp_path / str(ranks.rank) if keeps else None
        return mine(*sides, encoder, settings, folder=folder, ranks=ranks)

    for _ in range(2 if keeps else 1):
        for result in together(size, work):
            assert [(pair.source, pair.target, pair.score) for pair in result.pairs] == [
                (pair.source, pair.target, pair.score) for pair in expected.pairs
            ]
    assert len(expected.pairs) > 30
    if keeps:
        assert (tmp_path / "0" / "neighbours").exists()
