"""From which score on a candidate counts as a translation: estimated from the scores, or from a gold set.

Margins depend on the model: LASER's 1.06 means nothing for another encoder. ``estimate_threshold`` takes the
candidates for a mixture of translations and of chance pairs. The scores of chance pairs are not modelled but
sampled (``margins.decoys``: a second round of mining without the partners of the first); those of
translations follow a normal distribution, and its mean, its width and the share of translations are fitted
by expectation maximisation. The chance of each score to belong to a translation is made to never fall with
the score. The threshold is the score of the highest expected F1.
"""

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.values import Estimate, Margin
from indexer.errors import MiningError

Floats = NDArray[np.float64]

LEAST = 50
"""With fewer candidates or fewer chance scores there is nothing to estimate from."""

_UNSEEN = 0.25
"""For every translation among the candidates, so many more that retrieval missed: recall counts them."""

_BINS = 400
_TAIL = 0.001  # of the scores is put into the outermost bin, so that one outlier does not widen all bins
_STEPS = 200
_STARTS = (0.1, 0.5)  # first guesses of the share of translations
_FAR_OUT = 3.0
_DEFAULTS: dict[Margin, float] = {"ratio": 1.0, "distance": 0.0, "absolute": 0.5}


def estimate_threshold(
    scores: NDArray[np.float32], chance_scores: NDArray[np.float32], margin: Margin = "ratio"
) -> Estimate:
    """The threshold of the highest expected F1, and how likely every candidate is a translation.

    Args:
        scores: of all candidates, in any order.
        chance_scores: of pairs that were chosen in the same way but do not translate each other.
        margin: decides what is kept where there is too little to estimate from.
    """
    scores = np.sort(scores)[::-1]
    if len(scores) < LEAST or len(chance_scores) < LEAST:
        unknown = np.full(len(scores), np.nan, dtype=np.float32)
        return Estimate(_DEFAULTS[margin], float("nan"), float("nan"), scores, unknown, "default")
    centres, counts, chance_density = _histograms(scores, chance_scores)
    chances = _fit_chances(centres, counts, chance_density)
    each = np.interp(scores, centres, chances)
    hits = np.cumsum(each)
    f1 = 2 * hits / (np.arange(1, len(each) + 1) + (1 + _UNSEEN) * hits[-1])
    best = int(f1.argmax())
    precision = float(hits[best] / (best + 1))
    return Estimate(
        float(scores[best]), precision, float(f1[best]), scores, each.astype(np.float32), "mixture"
    )


def threshold_from_gold(
    scores: NDArray[np.float32], is_match: NDArray[np.bool_], matches: int | None = None
) -> Estimate:
    """The threshold of the highest F1 on candidates of which the truth is known.

    Args:
        scores: of the candidates, in any order.
        is_match: which of them are translations.
        matches: how many translations there are, those that are no candidates too; by default just these.

    Raises:
        MiningError: no candidate is a translation.
    """
    if not is_match.any():
        raise MiningError(
            f"None of the {len(scores)} candidates is in the gold set. Expected some pairs of both. "
            "Check that the gold sentences are written as in the files."
        )
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(is_match[order])
    kept = np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (kept + (hits[-1] if matches is None else matches))
    f1[:-1][sorted_scores[:-1] == sorted_scores[1:]] = -1  # a threshold cannot part equal scores
    best = int(f1.argmax())
    chances = _never_rising(is_match[order].astype(np.float64), np.ones(len(scores)))
    threshold = float(sorted_scores[best])
    if best + 1 < len(scores):
        threshold = (threshold + float(sorted_scores[best + 1])) / 2
    precision = float(hits[best] / kept[best])
    return Estimate(threshold, precision, float(f1[best]), sorted_scores, chances.astype(np.float32), "gold")


def outlier_cap(kept_scores: NDArray[np.float32]) -> float:
    """The score above which a pair is suspicious: three times the interquartile range above the quartile.

    Real translations do not score that far from each other; lists of numbers, names or broken text do.
    Infinite for fewer than ``LEAST`` scores.
    """
    if len(kept_scores) < LEAST:
        return float("inf")
    low, high = np.quantile(kept_scores, [0.25, 0.75])
    return float(high + _FAR_OUT * (high - low))


def histogram(scores: NDArray[np.float32], bins: int = 60) -> tuple[NDArray[np.int64], Floats]:
    """Counts and the ``bins + 1`` edges between them; the outermost bins hold the outermost scores too."""
    if not len(scores):
        return np.zeros(bins, dtype=np.int64), np.linspace(0, 1, bins + 1)
    low, high = np.quantile(scores, [_TAIL, 1 - _TAIL]).astype(np.float64)
    edges = np.linspace(low, high if high > low else low + 1e-3, bins + 1)
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].astype(np.int64), edges


def _histograms(
    scores: NDArray[np.float32], chance_scores: NDArray[np.float32]
) -> tuple[Floats, Floats, Floats]:
    """Centres of bins, candidates in each, and the smoothed density of chance scores there."""
    both = (scores, chance_scores)
    low = min(float(one.min()) for one in both)
    high = max(float(np.quantile(one, 1 - _TAIL)) for one in both)
    spread = max(high - low, 1e-4)
    edges = np.linspace(low - 0.01 * spread, high + 0.01 * spread, _BINS + 1)
    width = edges[1] - edges[0]
    counts, chance_counts = (
        np.histogram(np.clip(one, edges[0], edges[-1]), edges)[0].astype(np.float64) for one in both
    )
    low, high = np.quantile(chance_scores, [0.25, 0.75])
    # Silverman's rule, with the quartiles in place of the standard deviation that the tail would widen
    bandwidth = max(0.9 * (high - low) / 1.34 * len(chance_scores) ** -0.2, width)
    reach = min(int(np.ceil(4 * bandwidth / width)), _BINS // 2 - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * width / bandwidth) ** 2)
    density = np.convolve(chance_counts, kernel / kernel.sum(), "same") / (len(chance_scores) * width)
    return (edges[1:] + edges[:-1]) / 2, counts, density


def _fit_chances(centres: Floats, counts: Floats, chance_density: Floats) -> Floats:
    """How likely a candidate of each bin is a translation, by the likeliest of the fits."""
    width = centres[1] - centres[0]
    floor = 1e-6 / (width * len(centres))
    chance_density = chance_density + floor
    total = counts.sum()
    mean_all = (counts * centres).sum() / total
    spread_all = np.sqrt((counts * (centres - mean_all) ** 2).sum() / total)
    below = np.cumsum(counts) / total
    best_likelihood, best = -np.inf, np.zeros(len(centres))
    for start in _STARTS:
        share, spread = start, max(spread_all, width)
        mean = centres[min(int(np.searchsorted(below, 1 - start / 2)), len(centres) - 1)]
        belongs = best
        for _ in range(_STEPS):
            matched = np.exp(-0.5 * ((centres - mean) / spread) ** 2) / (spread * np.sqrt(2 * np.pi)) + floor
            mixture = share * matched + (1 - share) * chance_density
            belongs = share * matched / mixture
            weights = belongs * counts
            share = weights.sum() / total
            if share < 1 / total:
                break
            mean = (weights * centres).sum() / weights.sum()
            spread = max(np.sqrt((weights * (centres - mean) ** 2).sum() / weights.sum()), width)
        likelihood = (counts * np.log(mixture)).sum()
        if likelihood > best_likelihood:
            best_likelihood, best = likelihood, belongs
    return _never_rising(best[::-1], np.maximum(counts[::-1], 1e-9))[::-1]


def _never_rising(values: Floats, weights: Floats) -> Floats:
    """The closest sequence that never rises (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] < pool[0]:
            mean, mass, size = pools.pop()
            mass_of_both = mass + pool[1]
            pool = ((mean * mass + pool[0] * pool[1]) / mass_of_both, mass_of_both, size + pool[2])
        pools.append(pool)
    return np.repeat([pool[0] for pool in pools], [pool[2] for pool in pools])
