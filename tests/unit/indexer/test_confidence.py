"""Bands from chance, scales per query, and when a calibration still holds."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.confidence import Background, Bands, Calibration, bands_from_chance
from indexer.evidence import query_terms


def make_background(same: int, other: int, shift: float) -> Background:
    """Passages around the first axis; those in English lie ``shift`` nearer to it."""
    rng = np.random.default_rng(7)
    cosines = np.concatenate([rng.normal(0.75 + shift, 0.02, same), rng.normal(0.75, 0.02, other)])
    vectors = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1).astype(np.float32)
    languages = np.array(["en"] * same + ["de"] * other)
    return Background(vectors, languages, {}, Bands(1, 2, 3))


QUERY = np.array([1.0, 0.0], dtype=np.float32)


def test_a_band_begins_at_its_threshold() -> None:
    bands = Bands(weak=1.0, likely=2.0, strong=3.0)
    assert [bands.name(standing) for standing in (0.9, 1.0, 2.0, 2.9, 3.0)] == [
        "none",
        "weak",
        "likely",
        "likely",
        "strong",
    ]


def test_most_unrelated_queries_stay_below_likely() -> None:
    standings = np.random.default_rng(1).normal(3.0, 0.4, 500)
    bands = bands_from_chance(standings)
    assert bands.weak < bands.likely < bands.strong
    assert np.mean(standings < bands.likely) >= 0.85
    assert np.mean(standings < bands.strong) >= 0.97


def test_a_few_answered_background_queries_do_not_move_the_bands_much() -> None:
    standings = np.random.default_rng(1).normal(3.0, 0.4, 100)
    answered = standings.copy()
    answered[:4] = 30.0
    assert bands_from_chance(answered).likely == pytest.approx(bands_from_chance(standings).likely, abs=0.4)


def test_equal_standings_still_give_rising_bands() -> None:
    bands = bands_from_chance(np.full(48, 2.5))
    assert bands.weak <= bands.likely < bands.strong


def test_the_language_offset_is_taken_out() -> None:
    scale = make_background(same=200, other=200, shift=0.1).scale(QUERY, "en")
    assert scale.standing(0.90, "en") == pytest.approx(scale.standing(0.80, "de"), abs=0.6)
    # Without the offset the same cosine would mean the same; it must not.
    assert scale.standing(0.86, "de") > scale.standing(0.86, "en") + 2


def test_a_handful_of_passages_has_no_offset_of_its_own() -> None:
    scale = make_background(same=3, other=200, shift=0.1).scale(QUERY, "en")
    assert scale.same_mean == pytest.approx(scale.other_mean, abs=0.01)


def test_standing_does_not_depend_on_where_cosines_crowd() -> None:
    wide = make_background(100, 100, 0.0)
    crowded = replace(wide, vectors=np.stack([0.9 + wide.vectors[:, 0] * 0.05, wide.vectors[:, 1]], axis=1))
    one, other = wide.scale(QUERY, "en"), crowded.scale(QUERY, "en")
    assert one.standing(0.8, "en") == pytest.approx(other.standing(0.9 + 0.8 * 0.05, "en"), rel=1e-3)


def test_rare_words_weigh_more_than_words_that_are_everywhere() -> None:
    background = replace(make_background(50, 50, 0.0), frequencies={"the": 100, "dog": 1})
    idf = background.idf(query_terms("the dog barks"))
    assert idf["the"] < 0.05 < idf["dog"] < idf["barks"] <= 1.0


@pytest.mark.parametrize(
    ("contract", "chunks", "holds"),
    [("a", 100, True), ("a", 125, True), ("a", 126, False), ("a", 79, False), ("b", 100, False)],
)
def test_a_calibration_holds_for_its_model_and_size(contract: str, chunks: int, holds: bool) -> None:
    calibration = Calibration(version=1, contract="a", chunks=100, sample=(), bands=Bands(1, 2, 3))
    assert calibration.holds_for(contract, chunks) is holds
    assert not replace(calibration, version=0).holds_for("a", 100)
