"""What a batch may hold, how sources are weighted, and going on from a position."""

import json
from collections import Counter
from pathlib import Path

import pytest

from trainer.data.mixture import PairMixture
from trainer.data.pairs import PairStream
from trainer.data.sources import PairSource
from trainer.errors import DataError


def make_source(folder: Path, name: str, volume: float, passages_per_query: int = 1) -> PairSource:
    path = folder / f"{name}.jsonl"
    rows = [
        {"query": f"{name} {n // passages_per_query}", "passage": f"{name} passage {n}"} for n in range(40)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf8")
    return PairSource(name=name, path=str(path), volume=volume)


def make_mixture(sources: list[PairSource], batch_size: int = 8, temperature: float = 1.0) -> PairMixture:
    streams = [PairStream(source, seed=1, block_rows=16) for source in sources]
    return PairMixture(streams, batch_size=batch_size, temperature=temperature, seed=2)


def test_a_batch_is_from_one_source_without_repeated_texts(tmp_path: Path) -> None:
    mixture = make_mixture(
        [make_source(tmp_path, "a", 1, passages_per_query=4), make_source(tmp_path, "b", 1)]
    )
    names = Counter()
    for _ in range(12):
        batch = mixture.next_batch()
        names[batch.source.name] += 1
        assert {pair.query.split()[0] for pair in batch.pairs} == {batch.source.name}
        assert len({pair.query for pair in batch.pairs}) == len(batch.pairs) == 8
        assert len({pair.passage for pair in batch.pairs}) == 8
    assert len(names) == 2


def test_temperature_lifts_small_sources(tmp_path: Path) -> None:
    sources = [make_source(tmp_path, "a", 81), make_source(tmp_path, "b", 1)]
    assert make_mixture(sources).shares == pytest.approx([81 / 82, 1 / 82])
    assert make_mixture(sources, temperature=2).shares == pytest.approx([0.9, 0.1])


def test_a_restored_mixture_gives_the_same_batches(tmp_path: Path) -> None:
    sources = [make_source(tmp_path, "a", 2), make_source(tmp_path, "b", 1)]
    mixture = make_mixture(sources)
    for _ in range(5):
        mixture.next_batch()
    position = json.loads(json.dumps(mixture.state()))
    expected = [mixture.next_batch() for _ in range(10)]
    resumed = make_mixture(sources)
    resumed.restore(position)
    assert [resumed.next_batch() for _ in range(10)] == expected


def test_a_source_with_too_few_different_texts_is_an_error(tmp_path: Path) -> None:
    mixture = make_mixture([make_source(tmp_path, "a", 1, passages_per_query=10)])
    with pytest.raises(DataError, match=r"only about 4 pairs that differ .* a batch needs 8"):
        mixture.next_batch()
