"""Counts, sums and known values of the published scores; and what is said of a measured one."""

from collections import Counter

import pytest

from me5.registry import MODELS
from trainer.evaluation.published import (
    BUCC,
    ME5,
    MEAN,
    MIRACL,
    MTEB_EN,
    PAPER,
    RESULTS,
    TATOEBA,
    benchmark_of,
    compare_with_published,
    mteb_english,
    published,
)


def values(model, benchmark, metric, source=None):
    """By language, means left out."""
    return {
        row.language: row.value
        for row in published()
        if (row.model, row.benchmark, row.metric) == (model, benchmark, metric)
        and row.language != MEAN
        and source in (None, row.source)
    }


def mean(model, benchmark, metric, source, over):
    wanted = (model, benchmark, metric, source, over, MEAN)
    (found,) = [
        row.value
        for row in published()
        if (row.model, row.benchmark, row.metric, row.source, row.over, row.language) == wanted
    ]
    return found


def test_every_language_and_data_set_is_there_once():
    assert [len(values(model, TATOEBA, "F1")) for model in ME5] == [112] * 4
    assert [len(values(model, MIRACL, "nDCG@10", PAPER)) for model in ME5] == [16] * 4
    assert [len(values(model, MIRACL, "Recall@100")) for model in ME5] == [18, 18, 16, 16]
    assert [len(values(model, BUCC, "F1")) for model in ME5] == [4] * 4
    kinds = Counter(kind for kind, _ in mteb_english())
    assert sum(kinds.values()) == 56 and kinds["Retrieval"] == 15 and kinds["STS"] == 11
    keys = [(r.model, r.benchmark, r.metric, r.source, r.language, r.over) for r in published()]
    assert not [key for key, count in Counter(keys).items() if count > 1]
    assert all(0 < row.value <= 100 for row in published())


@pytest.mark.parametrize("model", ME5)
def test_published_means_are_the_means_of_the_published_rows(model):
    tatoeba = values(model, TATOEBA, "F1")
    assert sum(tatoeba.values()) / 112 == pytest.approx(
        mean(model, TATOEBA, "F1", RESULTS, 112), abs=0.01
    )  # large 75.73
    for metric in ("nDCG@10", "Recall@100"):
        rows = values(model, MIRACL, metric, PAPER)
        # the rows have one digit; Recall@100 of large is 94.36 by them and 94.3 in the report
        assert sum(rows.values()) / 16 == pytest.approx(mean(model, MIRACL, metric, PAPER, 16), abs=0.06)
    pairs = values(model, BUCC, "F1")
    assert sum(pairs.values()) / 4 == pytest.approx(mean(model, BUCC, "F1", RESULTS, 4), abs=0.06)
    names = {name for _, name in mteb_english()}
    english = [
        row.value
        for row in published()
        if row.model == model and row.benchmark in names and row.source == PAPER
    ]
    assert len(english) == 56
    assert sum(english) / 56 == pytest.approx(mean(model, MTEB_EN, "mean", PAPER, 56), abs=0.06)


def test_means_of_other_languages_would_not_agree():
    rows = values("large", TATOEBA, "F1")
    del rows["cor"]
    assert sum(rows.values()) / 111 != pytest.approx(75.73, abs=0.1)


@pytest.mark.parametrize("model", [name for name, spec in MODELS.items() if spec.published])
def test_the_registry_says_the_same(model):
    ours = {(row.benchmark, row.metric, row.value) for row in published() if row.model == model}
    for score in MODELS[model].published:
        assert (score.benchmark, score.metric, score.value) in ours


@pytest.mark.parametrize(
    ("task", "benchmark"),
    [
        ("tatoeba-v1", TATOEBA),
        ("Tatoeba (test)", TATOEBA),
        ("bucc2018 (MTEB)", BUCC),
        ("bucc2018 (mining)", None),
        ("BUCC.v2 (test)", "BUCC.v2"),
        ("MIRACLRetrieval (dev)", MIRACL),
        ("MIRACLRetrievalHardNegatives (dev)", None),
        ("STS17 (test)", "STS17"),
        ("own", None),
    ],
)
def test_tasks_are_told_by_their_name(task, benchmark):
    assert benchmark_of(task) == benchmark


def test_a_measured_mean_is_held_against_the_same_languages():
    rows = values("small", TATOEBA, "F1")
    whole = compare_with_published("small", "tatoeba-v1", rows, "F1")
    assert (whole.published.value, whole.published.source) == (68.94, RESULTS)
    assert "agrees" in whole.reason
    few = compare_with_published("small", "tatoeba-v1", {"deu": 97.0, "fra": 91.0}, "F1")
    assert few.published.value == pytest.approx((97.4 + 91.2) / 2, abs=0.01) and few.published.over == 2
    off = compare_with_published("small", "tatoeba-v1", {"deu": 90.0}, "F1")
    assert off.reason.startswith("-7.4 points; check")


def test_known_causes_are_named():
    rows = dict.fromkeys((*values("base", MIRACL, "nDCG@10", PAPER),), 65.7)
    verdict = compare_with_published("large-instruct", "MIRACLRetrieval (dev)", rows, "main score")
    assert "instruction before passages" in verdict.reason


def test_where_nothing_is_published_the_verdict_says_what_is_missing():
    assert compare_with_published("small", "own", {"de": 1.0}, "nDCG@10").reason.endswith("for this task")
    assert "no published score" in compare_with_published("builtin", "tatoeba-v1", {"deu": 1.0}, "F1").reason
    partly = compare_with_published("mdpr", "miracl", {"de": 1.0}, "nDCG@10")
    assert partly.published is None and "1 of 16 languages" in partly.reason
    accuracy = compare_with_published("small", "tatoeba-v1", {"deu": 1.0}, "accuracy")
    assert accuracy.published is None
