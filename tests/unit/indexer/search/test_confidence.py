"""Bands from chance, when a calibration may be used, and when it is made anew."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.search.confidence import VERSION, Bands, Calibration, TermStatistics, bands_from_chance, tells
from indexer.search.terms import query_terms


def test_a_band_begins_at_its_threshold() -> None:
    bands = Bands(weak=0.3, likely=0.4, strong=0.5)
    assert [bands.name(cosine) for cosine in (0.29, 0.3, 0.4, 0.49, 0.5)] == [
        "none",
        "weak",
        "likely",
        "likely",
        "strong",
    ]


def test_most_unrelated_queries_stay_below_likely() -> None:
    cosines = np.random.default_rng(1).normal(0.3, 0.04, 500)
    bands = bands_from_chance(cosines)
    assert bands.weak < bands.likely < bands.strong
    assert np.mean(cosines < bands.likely) >= 0.7
    assert np.mean(cosines < bands.strong) >= 0.93


def test_a_few_answered_background_queries_do_not_move_the_bands_much() -> None:
    cosines = np.random.default_rng(1).normal(0.3, 0.04, 100)
    answered = cosines.copy()
    answered[:4] = 0.95
    assert bands_from_chance(answered).likely == pytest.approx(bands_from_chance(cosines).likely, abs=0.02)


def test_equal_cosines_still_give_rising_bands() -> None:
    bands = bands_from_chance(np.full(48, 0.8))
    assert bands.weak <= bands.likely < bands.strong


def test_rare_words_weigh_more_than_words_that_are_everywhere() -> None:
    statistics = TermStatistics(100, {"the": 100, "dog": 1})
    idf = statistics.idf(query_terms("the dog barks"))
    assert idf["the"] < 0.05 < idf["dog"] < idf["barks"] <= 1.0


@pytest.mark.parametrize(
    ("contract", "chunks", "is_of", "is_current"),
    [
        ("a", 100, True, True),
        ("a", 125, True, True),
        ("a", 126, True, False),
        ("a", 79, True, False),
        ("b", 100, False, True),
    ],
)
def test_a_calibration_is_of_a_model_and_for_a_size(
    contract: str, chunks: int, is_of: bool, is_current: bool
) -> None:
    calibration = Calibration(version=VERSION, contract="a", chunks=100, bands=Bands(1, 2, 3), can_tell=True)
    assert calibration.is_of(contract) is is_of
    assert calibration.is_current(chunks) is is_current
    assert not replace(calibration, version=1).is_of("a")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], False),
        ([0.9], True),
        ([0.1], False),
        ([0.9, 0.1], False),
        ([0.9, 0.9, 0.9, 0.1], True),
        ([0.9, 0.9, 0.1, 0.1], False),
        ([0.9] * 26 + [0.1] * 6, True),
        ([0.9] * 25 + [0.1] * 7, False),
    ],
)
def test_a_verdict_needs_nearly_all_own_sentences(own: list[float], expected: bool) -> None:
    assert tells(np.array(own), Bands(0.2, 0.3, 0.4)) is expected
