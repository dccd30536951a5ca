"""The automatic threshold: near the best one wherever translations can be told from chance at all."""

from typing import Any

import numpy as np
import pytest

from indexer.bitext.threshold import estimate_threshold, histogram, outlier_cap, threshold_from_gold
from indexer.errors import MiningError


def mixture(share: float, distance: float, count: int = 4_000, seed: int = 0) -> tuple[Any, Any, Any]:
    """Scores, which of them are translations, and scores of chance (skewed, as maxima are)."""
    rng = np.random.default_rng(seed)
    matches = int(count * share)
    chance = rng.gumbel(1.0, 0.04, 2 * count).astype(np.float32)
    scores = np.concatenate([rng.normal(1 + distance, 0.08, matches), chance[: count - matches]])
    is_match = np.arange(count) < matches
    return scores.astype(np.float32), is_match, chance[count:]


def f1_at(scores: Any, is_match: Any, threshold: float) -> float:
    kept = scores >= threshold
    return float(2 * (kept & is_match).sum() / (kept.sum() + is_match.sum()))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("distance", [0.15, 0.3])
def test_little_is_lost_against_the_best_threshold(share: float, distance: float) -> None:
    scores, is_match, chance = mixture(share, distance)
    found = estimate_threshold(scores, chance)
    best = max(f1_at(scores, is_match, value) for value in scores)
    assert found.method == "mixture"
    assert best - f1_at(scores, is_match, found.threshold) < 0.03
    kept = scores >= found.threshold
    assert abs(found.precision - is_match[kept].mean()) < 0.06
    assert found.matched == pytest.approx(is_match.sum(), rel=0.25)


def weak(matches: int, chance: int, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Candidates of a weak model, whose translations score little more than chance; which are right; decoys,
    half of them near-translations, and their owners: of those two translations, of others two chance pairs.
    """
    rng = np.random.default_rng(seed)
    total = matches + chance
    scores = np.concatenate([rng.lognormal(0.18, 0.133, matches), rng.gumbel(0.99, 0.06, chance)])
    near = matches // 2
    decoys = np.concatenate([rng.gumbel(1.05, 0.08, near), rng.gumbel(0.99, 0.06, chance)])
    owners = np.concatenate([rng.integers(0, matches, (near, 2)), rng.integers(matches, total, (chance, 2))])
    return scores.astype(np.float32), np.arange(total) < matches, decoys.astype(np.float32), owners


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("matches", "chance", "side"), [(900, 50, 1_000), (700, 150, 1_000), (650, 675, 2_000)]
)
def test_a_weak_model_loses_little_however_many_have_a_translation(
    matches: int, chance: int, side: int, seed: int
) -> None:
    """As Arabic with no and with one distractor a pair (benchmarks/bitext.md)."""
    scores, is_match, decoys, owners = weak(matches, chance, seed)
    found = estimate_threshold(scores, decoys, sides=(side, side), owners_P2=owners)
    best = max(f1_at(scores, is_match, value) for value in scores)
    assert best - f1_at(scores, is_match, found.threshold) < 0.03


def test_the_number_of_candidates_tells_what_the_scores_do_not() -> None:
    scores, is_match, decoys, owners = weak(700, 150, seed=2)
    best = max(f1_at(scores, is_match, value) for value in scores)
    alone = estimate_threshold(scores, decoys)
    found = estimate_threshold(scores, decoys, sides=(1_000, 1_000), owners_P2=owners)
    assert abs(found.matched - 700) < abs(alone.matched - 700) - 70
    assert best - f1_at(scores, is_match, alone.threshold) > 0.05
    assert best - f1_at(scores, is_match, found.threshold) < 0.01


def test_a_much_larger_side_leaves_it_to_the_scores() -> None:
    """Everyone of a small side finds a partner, with a translation or without: their number says nothing."""
    scores, _, chance = mixture(0.5, 0.3, count=1_000)
    alone = estimate_threshold(scores, chance)
    found = estimate_threshold(scores, chance, sides=(1_000, 200_000))
    assert found.threshold == pytest.approx(alone.threshold, abs=0.01)
    assert found.matched == pytest.approx(500, rel=0.1)


def test_near_translations_among_the_decoys_are_no_chance() -> None:
    scores, _, chance = mixture(0.5, 0.3)
    near = np.float32(np.random.default_rng(5).normal(1.3, 0.08, 1_000))
    of_near = np.random.default_rng(6).integers(0, 2_000, (1_000, 2))
    of_chance = np.random.default_rng(7).integers(2_000, 4_000, (len(chance), 2))
    decoys, owners = np.append(chance, near), np.concatenate([of_chance, of_near])
    misled = estimate_threshold(scores, decoys)
    found = estimate_threshold(scores, decoys, owners_P2=owners)
    assert abs(found.matched - 2_000) < 0.5 * abs(misled.matched - 2_000)
    assert found.precision > misled.precision + 0.1


def test_a_fixed_margin_from_elsewhere_would_lose() -> None:
    scores, is_match, chance = mixture(0.2, 0.3)
    found = estimate_threshold(scores, chance)
    assert f1_at(scores, is_match, 1.06) < f1_at(scores, is_match, found.threshold) - 0.1


def test_without_any_translation_little_is_expected() -> None:
    scores, _, chance = mixture(0.0, 0.3)
    assert estimate_threshold(scores, chance).matched < 0.15 * len(scores)


def test_chances_and_precision_never_fall_with_the_score() -> None:
    scores, _, chance = mixture(0.3, 0.2)
    found = estimate_threshold(scores, chance)
    assert (np.diff(found.scores) <= 0).all() and (np.diff(found.probabilities) <= 1e-6).all()
    precisions = [found.precision_at(value) for value in (1.0, 1.1, 1.2, 1.3)]
    assert precisions == sorted(precisions)
    assert np.isnan(found.precision_at(99))


def test_few_scores_give_the_default_and_no_promise() -> None:
    found = estimate_threshold(np.float32([1.2, 0.9]), np.float32([0.9]), "ratio")
    assert found.method == "default" and found.threshold == 1.0 and np.isnan(found.precision)


def test_equal_scores_are_no_trouble() -> None:
    same = np.ones(200, dtype=np.float32)
    assert np.isfinite(estimate_threshold(same, same).threshold)


def test_gold_gives_the_best_threshold_between_two_scores() -> None:
    scores = np.float32([0.9, 1.4, 1.2, 1.0, 1.2])
    is_match = np.array([False, True, True, False, True])
    found = threshold_from_gold(scores, is_match)
    assert found.f1 == 1.0 and 1.0 < found.threshold < 1.2
    assert threshold_from_gold(scores, is_match, matches=6).f1 == pytest.approx(2 * 3 / (3 + 6))


def test_gold_without_a_known_pair_says_so() -> None:
    with pytest.raises(MiningError, match="None of the 2 candidates"):
        threshold_from_gold(np.float32([1, 2]), np.array([False, False]))


def test_the_cap_is_above_all_but_outliers() -> None:
    scores = np.random.default_rng(0).normal(1.3, 0.1, 1_000).astype(np.float32)
    assert 1.5 < outlier_cap(scores) < 1.9
    assert outlier_cap(scores[:5]) == float("inf")


def test_a_histogram_counts_every_score() -> None:
    scores, _, _ = mixture(0.3, 0.2)
    counts, edges = histogram(np.append(scores, np.float32(50)), bins=30)
    assert counts.sum() == len(scores) + 1 and len(edges) == 31 and edges[-1] < 5
    assert histogram(np.empty(0, np.float32))[0].sum() == 0
