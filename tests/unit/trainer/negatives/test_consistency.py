"""The consistency filter equals a plain definition in double precision, whatever the blocks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from me5 import Role, load_encoder
from tests.support.mining_data import mining_values, pair_rows, write_rows
from trainer.config import build_config, read_recipe
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError, TrainingError
from trainer.negatives import consistency, passage_pool
from trainer.negatives.candidates import Blocks
from trainer.negatives.consistency import FilterConfig, run_filter
from trainer.negatives.passage_pool import build_pool
from trainer.negatives.vector_cache import open_encoder

ROWS = pair_rows(count=80, seed=3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "pairs.jsonl", ROWS)


def keep(data: Path, model: Path, out: Path, *, resume: bool = False, **more: Any) -> list[dict[str, str]]:
    made = run_filter(build_config(FilterConfig, mining_values(data, model, out, **more)), resume=resume)
    return [json.loads(line) for line in (made / "mine.jsonl").read_text(encoding="utf8").splitlines()]


def naive(model: Path, top_k: int) -> list[str]:
    """The questions that are kept when the pool is every passage."""
    encoder = load_encoder(str(model), device="cpu")
    pool: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        pool.setdefault(row["passage"].casefold(), row)

    def vectors(rows: list[dict[str, Any]]) -> Any:
        texts, titles = [row["passage"] for row in rows], [row["title"] for row in rows]
        return encoder.encode(texts, Role.PASSAGE, titles=titles).astype(np.float64)

    pool_PD, own_QD = vectors(list(pool.values())), vectors(ROWS)
    queries_QD = encoder.encode([row["question"] for row in ROWS], Role.QUERY).astype(np.float64)
    kept = []
    for row, query, own in zip(ROWS, queries_QD, own_QD, strict=True):
        others = [
            score
            for text, score in zip(pool, pool_PD @ query, strict=True)
            if text != row["passage"].casefold()
        ]
        if 1 + sum(score > query @ own + 1e-6 for score in others) <= top_k:
            kept.append(row["question"])
    return kept


@pytest.mark.parametrize("blocks", [(1, 1), (3, 7), (4096, 16384)])
@pytest.mark.parametrize("top_k", [1, 2, 9])
def test_the_filter_is_the_plain_definition_for_every_block_size(
    data: Path,
    static_model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    blocks: tuple[int, int],
    top_k: int,
) -> None:
    monkeypatch.setattr(Blocks, "within", lambda memory_mb: Blocks(*blocks))
    kept = keep(data, static_model_dir, tmp_path / "kept", top_k=top_k)
    expected = naive(static_model_dir, top_k)
    assert [row["query"] for row in kept] == expected
    assert 0 < len(expected) < len(ROWS)


def test_doubles_of_the_passage_in_the_pool_do_not_count(static_model_dir: Path, tmp_path: Path) -> None:
    """Without this rule the title would decide: the double with the query for a title scores higher."""
    query = "rivers carry silt"
    other = {"question": "library opens", "passage": "Bibliothek öffnet neun Uhr", "title": ""}
    rows = [
        {"question": query, "passage": "cities grow nine", "title": query},
        {"question": query, "passage": "Cities  grow NINE", "title": ""},
        other,
    ]
    data = write_rows(tmp_path / "doubles.jsonl", rows)
    kept = keep(data, static_model_dir, tmp_path / "kept", top_k=1)
    assert [row["passage"] for row in kept][:2] == ["cities grow nine", "Cities  grow NINE"]


def test_the_kept_rows_are_a_source_and_the_report_counts_them(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    kept = keep(data, static_model_dir, tmp_path / "kept", languages={"mine": "lang"})
    given = [(row["question"], row["passage"], row["title"], row["lang"]) for row in ROWS]
    assert [tuple(row) for row in kept] == [("query", "passage", "title", "language")] * len(kept)
    assert all(tuple(row.values()) in given for row in kept)
    report = json.loads((tmp_path / "kept" / "report.json").read_text(encoding="utf8"))
    assert report["sources"]["mine"] == {
        "pairs": len(ROWS),
        "kept": len(kept),
        "share": round(len(kept) / len(ROWS), 4),
        "pool": 60,
    }


def test_the_pool_is_a_sample_of_the_distinct_passages_that_follows_the_seed(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    encoder = open_encoder(str(static_model_dir), device="cpu")
    source = PairSource("mine", path=str(data), query="question", passage="passage", title="title")

    def keys(size: int, seed: int, from_rows: int = 0) -> set[int]:
        pool = build_pool(source, encoder, size=size, from_rows=from_rows, seed=seed, folder=tmp_path)
        assert pool.vectors.shape == (len(pool), 32) and len(set(pool.keys)) == len(pool)
        return set(pool.keys.tolist())

    everything = keys(1000, 1)
    assert len(everything) == 60
    assert keys(7, 1) == keys(7, 1) != keys(7, 2)
    assert len(keys(7, 1)) == 7 and keys(7, 1) < keys(20, 1) < everything
    assert set().union(*(keys(7, seed) for seed in range(40))) == everything  # none is out of reach
    assert len(keys(1000, 1, from_rows=5)) == 5


def test_a_stopped_run_goes_on_and_gives_the_same_file(
    data: Path, static_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "BLOCK_ROWS", 16)
    whole = keep(data, static_model_dir, tmp_path / "whole")
    judged: list[int] = []
    real = passage_pool.ConsistencyFilter.keep

    def counted(consistency: Any, pairs: list[Any]) -> Any:
        if len(judged) == 3:
            judged.append(0)
            raise TrainingError("the power went")
        judged.append(len(pairs))
        return real(consistency, pairs)

    monkeypatch.setattr(passage_pool.ConsistencyFilter, "keep", counted)
    with pytest.raises(TrainingError, match="the power went"):
        keep(data, static_model_dir, tmp_path / "kept")
    partial = tmp_path / "kept" / "mine.partial"
    partial.write_bytes(partial.read_bytes() + b'{"query": "half a li')
    assert keep(data, static_model_dir, tmp_path / "kept", resume=True) == whole
    assert sum(judged) == len(ROWS)  # none twice
    assert keep(data, static_model_dir, tmp_path / "kept", resume=True) == whole
    assert sum(judged) == len(ROWS)  # finished: nothing to do
    keep(data, static_model_dir, tmp_path / "kept", resume=True, top_k=5)
    assert sum(judged) == 2 * len(ROWS)  # another question, another answer


def test_trouble_is_named(data: Path, static_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pool_size is 2"):
        keep(data, static_model_dir, tmp_path / "kept", pool_size=2)
    with pytest.raises(ConfigError, match="no-such-model"):
        keep(data, Path("no-such-model"), tmp_path / "kept")
    with pytest.raises(DataError, match="has no column 'language'"):
        keep(data, static_model_dir, tmp_path / "kept", languages={"mine": "language"})
    few = write_rows(tmp_path / "few.jsonl", ROWS[:2])
    with pytest.raises(DataError, match="2 distinct passages to rank against; top_k 2 needs more"):
        keep(few, static_model_dir, tmp_path / "kept")


def test_the_recipe_in_the_package_is_valid() -> None:
    path = Path(trainer.__file__).parent / "recipes" / "filter.yaml"
    config = build_config(FilterConfig, read_recipe(path))
    assert (config.top_k, config.pool_size) == (2, 1_000_000)
