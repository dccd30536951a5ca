"""From which score on a candidate counts as a translation: estimated from the scores, or from a gold set.

Margins depend on the model: LASER's 1.06 means nothing for another encoder. ``estimate_threshold`` takes the
candidates for a mixture of translations and of chance pairs. The scores of chance pairs are not modelled but
sampled (``margins.decoys``: a second round of mining without the partners of the first); those of
translations follow a normal distribution whose mean and width are fitted by expectation maximisation.

Where translations score little more than chance, the scores hardly tell how many there are: shares of 0.5 and
0.8 fit them equally well. So all shares count, each as far as it fits the scores and something else, the
number of candidates: of sentences without a translation about half find a partner, all others find theirs.
The chance of each score to belong to a translation is the mean over the shares, made to never fall with the
score. The threshold is the score of the highest expected F1.

What the mixture knows of chance is improved once. A decoy of two sentences that both have a translation is
often a near-translation, and no candidate would be like it, because each of the two prefers its own; so it
counts only as far as they may have none.
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
_STEPS = 100
_SHARES = 41  # that are looked at together
_NEGLIGIBLE = 12.0  # a share whose weight is by a factor of exp(12) less than the greatest is left out
# How far the two models are trusted; chosen on benchmarks/bitext.md. Scores: translations are not quite
# normal and decoys not quite chance, so the likelihood of that many independent scores would be too sure; a
# power of it is the remedy of arXiv:1506.06101. Count: by so much more or fewer find a partner by chance.
_TRUST = 0.25
_COUNT_SPREAD = 0.08
_RARE = 1e-3  # even decoys of two certain translations are not left out altogether
_FAR_OUT = 3.0
_DEFAULTS: dict[Margin, float] = {"ratio": 1.0, "distance": 0.0, "absolute": 0.5}


def estimate_threshold(
    scores: NDArray[np.float32],
    chance_scores: NDArray[np.float32],
    margin: Margin = "ratio",
    *,
    sides: tuple[int, int] | None = None,
    owners_P2: NDArray[np.int64] | None = None,
) -> Estimate:
    """The threshold of the highest expected F1, and how likely every candidate is a translation.

    Args:
        scores: of all candidates, in any order.
        chance_scores: of pairs that were chosen in the same way but do not translate each other.
        margin: decides what is kept where there is too little to estimate from.
        sides: how many sentences there are on either side, if the candidates are what mining with *max* found
            among them; their number says something then.
        owners_P2: [P, 2], for each of the chance pairs the places in ``scores`` of the candidates that have
            its source and its target; -1 for none. Without it all chance pairs count the same.
    """
    given = scores
    scores = np.sort(scores)[::-1]
    if len(scores) < LEAST or len(chance_scores) < LEAST:
        unknown = np.full(len(scores), np.nan, dtype=np.float32)
        return Estimate(_DEFAULTS[margin], float("nan"), float("nan"), scores, unknown, "default")
    edges = _edges(scores, chance_scores)
    centres = (edges[1:] + edges[:-1]) / 2
    counts = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].astype(np.float64)
    probabilities = _probabilities(centres, counts, _chance_density(edges, chance_scores), sides)
    if owners_P2 is not None:
        of_owner_P2 = np.append(np.interp(given, centres, probabilities), 0.0)[owners_P2]
        density = _chance_density(edges, chance_scores, 1 + _RARE - of_owner_P2.prod(axis=1))
        probabilities = _probabilities(centres, counts, density, sides)
    each = np.interp(scores, centres, probabilities)
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
    probabilities = _never_rising(is_match[order].astype(np.float64), np.ones(len(scores)))
    threshold = float(sorted_scores[best])
    if best + 1 < len(scores):
        threshold = (threshold + float(sorted_scores[best + 1])) / 2
    precision = float(hits[best] / kept[best])
    return Estimate(
        threshold, precision, float(f1[best]), sorted_scores, probabilities.astype(np.float32), "gold"
    )


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


def _edges(scores: NDArray[np.float32], chance_scores: NDArray[np.float32]) -> Floats:
    """Edges of bins for both."""
    both = (scores, chance_scores)
    low = min(float(item.min()) for item in both)
    high = max(float(np.quantile(item, 1 - _TAIL)) for item in both)
    spread = max(high - low, 1e-4)
    return np.linspace(low - 0.01 * spread, high + 0.01 * spread, _BINS + 1)


def _chance_density(
    edges: Floats, chance_scores: NDArray[np.float32], weights: Floats | None = None
) -> Floats:
    """The smoothed density of weighted chance scores in each bin."""
    weights = np.ones(len(chance_scores)) if weights is None else weights
    width, total = edges[1] - edges[0], weights.sum()
    counts = np.histogram(np.clip(chance_scores, edges[0], edges[-1]), edges, weights=weights)[0]
    low, high = np.quantile(chance_scores, [0.25, 0.75], weights=weights, method="inverted_cdf")
    # Silverman's rule, with the quartiles in place of the standard deviation that the tail would widen
    bandwidth = max(0.9 * (high - low) / 1.34 * total**-0.2, width)
    reach = min(int(np.ceil(4 * bandwidth / width)), _BINS // 2 - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * width / bandwidth) ** 2)
    return np.convolve(counts, kernel / kernel.sum(), "same") / (total * width)


def _probabilities(
    centres: Floats, counts: Floats, chance_density: Floats, sides: tuple[int, int] | None
) -> Floats:
    """How likely a candidate of each bin is a translation: the mean over all shares of translations, each
    with the weight that scores and number of the candidates give it. Never falls.
    """
    total = counts.sum()
    high = float(np.log(total - 1))
    low = -high
    for _ in range(2):  # all shares from one translation to all but one, then those that are worth a look
        logits_S = np.linspace(low, high, _SHARES)
        share_S = 1 / (1 + np.exp(-logits_S))
        belongs_SB, weight_S = _fit_matched(centres, counts, chance_density, share_S)
        weight_S += np.log(share_S * (1 - share_S))  # every share is as likely beforehand, not every logit
        if sides is not None:
            weight_S += _log_chance_of_count(share_S * total, total, sides)
        weight_S -= weight_S.max()
        likely = np.flatnonzero(weight_S > -_NEGLIGIBLE)
        low, high = logits_S[max(likely[0] - 1, 0)], logits_S[min(likely[-1] + 1, _SHARES - 1)]
    weight_S = np.exp(weight_S)
    mean_B = weight_S @ belongs_SB / weight_S.sum()
    return _never_rising(mean_B[::-1], np.maximum(counts[::-1], 1e-9))[::-1]


def _fit_matched(
    centres: Floats, counts: Floats, chance_density: Floats, share_S: Floats
) -> tuple[Floats, Floats]:
    """For each share of translations their likeliest normal distribution, by expectation maximisation.

    Returns:
        [S, B], how likely a candidate of each bin is a translation; [S], the log-likelihood of all scores, as
        far as it is trusted.
    """
    width = centres[1] - centres[0]
    floor = 1e-6 / (width * len(centres))
    total = counts.sum()
    mean_all = (counts * centres).sum() / total
    spread_all = np.sqrt((counts * (centres - mean_all) ** 2).sum() / total)
    upper = np.searchsorted(np.cumsum(counts) / total, 1 - share_S / 2)
    mean_S1 = centres[np.minimum(upper, len(centres) - 1)][:, None]
    spread_S1 = np.full_like(mean_S1, max(spread_all, width))
    chance_SB = (1 - share_S[:, None]) * (chance_density + floor)
    for _ in range(_STEPS):
        density_SB = np.exp(-0.5 * ((centres - mean_S1) / spread_S1) ** 2) / (spread_S1 * np.sqrt(2 * np.pi))
        matched_SB = share_S[:, None] * (density_SB + floor)
        belongs_SB = matched_SB / (matched_SB + chance_SB)
        weights_SB = belongs_SB * counts
        mass_S1 = weights_SB.sum(axis=1, keepdims=True)
        mean_S1 = (weights_SB * centres).sum(axis=1, keepdims=True) / mass_S1
        variance_S1 = (weights_SB * (centres - mean_S1) ** 2).sum(axis=1, keepdims=True) / mass_S1
        spread_S1 = np.maximum(np.sqrt(variance_S1), width)
    return belongs_SB, _TRUST * (np.log(matched_SB + chance_SB) @ counts)


def _log_chance_of_count(matched_S: Floats, total: float, sides: tuple[int, int]) -> Floats:
    """How well it fits the number of candidates that so many of them are translations.

    Of n and m sentences without a translation, n * m / (n + m) on average find each other by chance: so many
    pairs are best for both, if scores are independent.
    """
    ours_S, theirs_S = (np.maximum(side - matched_S, 0.5) for side in sides)
    expected_S = ours_S * theirs_S / (ours_S + theirs_S)
    variance_S = (_COUNT_SPREAD * expected_S) ** 2 + expected_S / 2
    return -0.5 * ((total - matched_S - expected_S) ** 2 / variance_S + np.log(variance_S))


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
