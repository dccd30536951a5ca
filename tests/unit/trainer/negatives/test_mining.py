"""Hard negatives equal a plain definition in double precision, whatever the blocks, and keep their promises."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from me5 import Role, load_encoder
from tests.support.mining_data import mining_values, pair_rows, write_rows
from trainer.config import build_config, read_recipe
from trainer.data.groups import QueryGroup, read_groups
from trainer.errors import ConfigError, DataError
from trainer.negatives import mining as negatives
from trainer.negatives.candidates import Blocks
from trainer.negatives.mining import NegativesConfig, run_negatives
from trainer.negatives.rescoring import BLOCK_QUERIES

ROWS = pair_rows()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "pairs.jsonl", ROWS)


def mine(data: Path, model: Path, out: Path, **more: Any) -> list[QueryGroup]:
    made = run_negatives(build_config(NegativesConfig, mining_values(data, model, out, **more)))
    return list(read_groups(made))


def folded(text: str) -> str:
    return " ".join(text.casefold().split())


def naive(
    model: Path,
    *,
    first: int,
    last: int,
    count: int,
    margin: float | None,
    cap: float | None,
    same_language: bool,
) -> dict[str, list[str]]:
    """Query -> texts of its negatives: every score at once, in double precision."""
    encoder = load_encoder(str(model), device="cpu")
    passages: dict[str, dict[str, Any]] = {}
    queries: dict[str, dict[str, Any]] = {}
    answers: dict[str, set[str]] = {}
    for row in ROWS:
        passages.setdefault(folded(row["passage"]), row)
        queries.setdefault(folded(row["question"]), row)
        answers.setdefault(folded(row["question"]), set()).add(folded(row["passage"]))
    names = list(passages)
    passage_vectors = encoder.encode(
        [row["passage"] for row in passages.values()],
        Role.PASSAGE,
        titles=[row["title"] for row in passages.values()],
    ).astype(np.float64)
    found = {}
    for key, row in queries.items():
        query = encoder.encode([row["question"]], Role.QUERY)[0].astype(np.float64)
        scores = dict(zip(names, passage_vectors @ query, strict=True))
        others = [
            name
            for name in sorted(names, key=lambda name: (-round(scores[name], 9), names.index(name)))
            if name not in answers[key]
            and name != key
            and (not same_language or passages[name]["lang"] == row["lang"])
        ][first - 1 : last]
        weakest = min(scores[name] for name in answers[key])
        if margin is not None:
            others = [name for name in others if scores[name] < weakest - abs(weakest) * margin]
        if cap is not None:
            others = [name for name in others if scores[name] <= cap]
        found[row["question"]] = [passages[name]["passage"] for name in others[:count]]
    return found


@pytest.mark.parametrize("blocks", [(1, 1), (3, 7), (16, 64), (4096, 16384)])
@pytest.mark.parametrize(
    ("first", "last", "margin", "cap", "same_language"),
    [
        (1, 40, 0.05, None, False),
        (3, 20, None, 0.9, False),
        (1, 30, 0.02, None, True),
        (10, 16, None, None, False),
    ],
)
def test_mining_is_the_plain_definition_for_every_block_size(
    data: Path,
    static_model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    blocks: tuple[int, int],
    first: int,
    last: int,
    margin: float | None,
    cap: float | None,
    same_language: bool,
) -> None:
    monkeypatch.setattr(Blocks, "within", lambda memory_mb: Blocks(*blocks))
    groups = mine(
        data,
        static_model_dir,
        tmp_path / "groups.jsonl",
        first_rank=first,
        last_rank=last,
        relative_margin=margin,
        max_score=cap,
        same_language_only=same_language,
        languages={"mine": "lang"},
        min_negatives=0,
        negatives=5,
    )
    expected = naive(
        static_model_dir,
        first=first,
        last=last,
        count=5,
        margin=margin,
        cap=cap,
        same_language=same_language,
    )
    assert {group.query: [passage.text for passage in group.negatives] for group in groups} == expected
    assert any(expected.values())


def test_no_positive_no_double_and_no_query_is_a_negative(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    groups = mine(
        data, static_model_dir, tmp_path / "g.jsonl", relative_margin=None, negatives=40, last_rank=40
    )
    answers: dict[str, set[str]] = {}
    for row in ROWS:
        answers.setdefault(row["question"], set()).add(folded(row["passage"]))
    for group in groups:
        texts = [folded(passage.text) for passage in group.negatives]
        assert len(set(texts)) == len(texts) == 40
        assert not answers[group.query] & set(texts)
        assert {folded(passage.text) for passage in group.positives} == answers[group.query]
        assert folded(group.query) not in texts
    assert max(len(group.positives) for group in groups) == 2


def test_the_margin_is_a_share_of_the_positive_score(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    """Every negative scores below 0.95 of the weakest positive; some would not without the margin."""
    encoder = load_encoder(str(static_model_dir), device="cpu")

    def ratios(groups: list[QueryGroup]) -> list[float]:
        found = []
        for group in groups:
            query = encoder.encode([group.query], Role.QUERY)[0]
            vectors = encoder.encode(
                [passage.text for passage in group.passages],
                Role.PASSAGE,
                titles=[passage.title for passage in group.passages],
            )
            scores = vectors @ query
            count = len(group.positives)
            found += list(scores[count:] / scores[:count].min())
        return found

    strict = mine(data, static_model_dir, tmp_path / "strict.jsonl", relative_margin=0.05)
    loose = mine(data, static_model_dir, tmp_path / "loose.jsonl", relative_margin=None)
    assert max(ratios(strict)) < 0.95 < max(ratios(loose))


def test_random_sampling_stays_in_the_window_and_follows_the_seed(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    window = mine(
        data, static_model_dir, tmp_path / "w.jsonl", relative_margin=None, negatives=20, last_rank=20
    )
    drawn = [
        mine(
            data,
            static_model_dir,
            tmp_path / "r.jsonl",
            relative_margin=None,
            negatives=4,
            last_rank=20,
            sampling="random",
            seed=seed,
        )
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    for one, all_of_it in zip(drawn[0], window, strict=True):
        places = [all_of_it.negatives.index(passage) for passage in one.negatives]
        assert places == sorted(places) and len(places) == 4
    assert any(
        one.negatives != all_of_it.negatives[:4] for one, all_of_it in zip(drawn[0], window, strict=True)
    )


class FakeReranker:
    """Likes texts with many letters e; counts what it scores."""

    contract = "fake"

    class runtime:  # noqa: N801
        precision = "fp32"

    def __init__(self) -> None:
        self.scored = 0

    def score(self, queries: list[str], passages: list[str], titles: list[str]) -> Any:
        self.scored += len(passages)
        return np.array([text.casefold().count("e") for text in passages], dtype=np.float32)


def test_a_cross_encoder_drops_what_it_takes_for_an_answer(
    data: Path, static_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = FakeReranker()
    monkeypatch.setattr(negatives, "load_reranker", lambda name: reranker)
    options: dict[str, Any] = {"relative_margin": None, "negatives": 5, "last_rank": 40, "min_negatives": 0}
    plain = mine(data, static_model_dir, tmp_path / "p.jsonl", **(options | {"negatives": 15}))
    options |= {"reranker": "judge", "rerank_margin": 1.0}
    judged = mine(data, static_model_dir, tmp_path / "j.jsonl", **options)
    for group, candidates in zip(judged, plain, strict=True):
        limit = min(passage.text.casefold().count("e") for passage in group.positives) - 1
        below = [one for one in candidates.negatives if one.text.casefold().count("e") < limit]
        assert list(group.negatives) == below[:5]
    scored = reranker.scored
    assert scored > 15 * len(judged) > 15 * BLOCK_QUERIES  # more than one block
    assert mine(data, static_model_dir, tmp_path / "j.jsonl", **options) == judged
    assert reranker.scored == scored  # the second time the scores were on disk


def test_a_query_with_many_answers_is_mined_beside_others(
    static_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for it does not fit into the block of the others, which is halved."""
    answered = [{**row, "question": "silt"} for row in ROWS[:40]]
    data = write_rows(tmp_path / "many.jsonl", [*answered, *ROWS])
    options: dict[str, Any] = {"relative_margin": None, "negatives": 10, "last_rank": 10}
    whole = mine(data, static_model_dir, tmp_path / "w.jsonl", **options, cache=str(tmp_path / "one"))
    monkeypatch.setattr(Blocks, "within", lambda memory_mb: Blocks(32, 8))
    parts = mine(data, static_model_dir, tmp_path / "p.jsonl", **options, cache=str(tmp_path / "two"))
    assert parts == whole
    assert len(whole[0].positives) == 40
    assert not {folded(one.text) for one in whole[0].negatives} & {folded(row["passage"]) for row in answered}


def test_pools_add_passages_but_no_queries(data: Path, static_model_dir: Path, tmp_path: Path) -> None:
    pool = write_rows(tmp_path / "pool.jsonl", [{"text": f"{row['question']} sea"} for row in ROWS[:30]])
    pools = [{"name": "more", "path": str(pool), "passage": "text"}]
    groups = mine(data, static_model_dir, tmp_path / "g.jsonl", pools=pools, relative_margin=None)
    alone = mine(data, static_model_dir, tmp_path / "a.jsonl", relative_margin=None)
    assert [group.query for group in groups] == [group.query for group in alone]
    pooled = {row["question"] + " sea" for row in ROWS[:30]}
    assert sum(passage.text in pooled for group in groups for passage in group.negatives) > 30


def test_some_queries_against_all_passages(data: Path, static_model_dir: Path, tmp_path: Path) -> None:
    every = mine(data, static_model_dir, tmp_path / "g.jsonl", relative_margin=None)
    some = mine(data, static_model_dir, tmp_path / "s.jsonl", relative_margin=None, max_queries=20)
    assert len(some) == 20
    assert all(group in every for group in some)


def test_the_report_accounts_for_every_query_and_passage(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    groups = mine(data, static_model_dir, tmp_path / "g.jsonl", min_negatives=7, relative_margin=0.03)
    report = json.loads((tmp_path / "g.report.json").read_text(encoding="utf8"))
    assert report["groups"] == len(groups) and report["negatives"] == 7 * len(groups)
    assert report["queries"] == report["groups"] + report["queries_left_out"]
    assert report["queries_left_out"] > 0 and report["within_relative_margin"] > 0
    assert report["pairs_read"] == {"mine": len(ROWS)}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"first_rank": 0}, "first_rank"),
        ({"last_rank": 3}, "room for the negatives"),
        ({"relative_margin": 1.5}, "relative_margin"),
        ({"sampling": "worst"}, "hardest or random"),
        ({"languages": {"yours": "lang"}}, "names of sources: mine"),
        ({"same_language_only": True}, "a column for mine too"),
        ({"min_negatives": 8}, "from 0 to negatives"),
        ({"model": "no-such-model"}, "no-such-model"),
    ],
)
def test_a_wrong_recipe_stops_before_the_work(
    data: Path, static_model_dir: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    values = mining_values(data, static_model_dir, tmp_path / "g.jsonl") | change
    with pytest.raises(ConfigError, match=named):
        run_negatives(build_config(NegativesConfig, values))


def test_a_wrong_source_stops_before_the_work(data: Path, static_model_dir: Path, tmp_path: Path) -> None:
    def run(**source: str) -> None:
        values = mining_values(data, static_model_dir, tmp_path / "g.jsonl", languages={"mine": "lang"})
        values["sources"][0] |= source
        run_negatives(build_config(NegativesConfig, values))

    with pytest.raises(DataError, match=r"no column 'answer'.*question, passage, title, lang"):
        run(passage="answer")
    with pytest.raises(DataError, match=r"missing\.jsonl does not exist"):
        run(path="missing.jsonl")
    with pytest.raises(DataError, match="'mine' has no row with text"):
        run(path=str(write_rows(tmp_path / "blank.jsonl", [{**ROWS[0], "passage": ""}])))
    with pytest.raises(DataError, match="5 distinct passages; ranks from 1 with 7 negatives need 8"):
        run(path=str(write_rows(tmp_path / "few.jsonl", ROWS[:5])))
    assert not (tmp_path / "g.jsonl").exists()


def test_sources_of_different_roles_are_mined_apart(
    data: Path, static_model_dir: Path, tmp_path: Path
) -> None:
    values = mining_values(data, static_model_dir, tmp_path / "g.jsonl")
    symmetric = values["sources"][0] | {"name": "symmetric", "passage_role": "query"}
    with pytest.raises(ConfigError, match="'mine' and 'symmetric' have different roles"):
        run_negatives(build_config(NegativesConfig, values | {"sources": [*values["sources"], symmetric]}))
    with pytest.raises(ConfigError, match="Two sources are called 'mine'"):
        run_negatives(build_config(NegativesConfig, values | {"pools": values["sources"]}))


def test_the_recipe_in_the_package_is_valid() -> None:
    path = Path(trainer.__file__).parent / "recipes" / "negatives.yaml"
    config = build_config(NegativesConfig, read_recipe(path))
    assert (config.negatives, config.relative_margin) == (7, 0.05)
