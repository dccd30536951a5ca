"""Pairs that exist already, scored as mining would score them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.bitext.checking import check_pairs
from indexer.bitext.margins import Candidates, decoys, first, margin_of, mean_cosine, owners
from indexer.bitext.progress import Steps, compare, encode_sides, require_sides
from indexer.bitext.threshold import estimate_threshold, outlier_cap
from indexer.bitext.values import MiningResult, MiningSettings, Pair
from indexer.progress import Progress

if TYPE_CHECKING:
    from me5.encoder import Encoder


def rescore(
    pairs: Sequence[Pair],
    encoder: "Encoder",
    settings: MiningSettings | None = None,
    *,
    apply_estimate: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """Pairs that exist already, in their order, with margin, cosine and flags as mining would give them.

    The neighbourhoods of the margin are those among the pairs' own sentences. All pairs stay, unless
    ``settings.threshold`` says how good they must be or ``apply_estimate`` has that estimated; state and meta
    stay as they are.

    Raises:
        MiningError: there is no pair.
        DiskFullError, Cancelled: as :func:`indexer.bitext.mining.mine`.
    """
    settings = settings or MiningSettings()
    require_sides(len(pairs), len(pairs))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    places: tuple[dict[str, int], dict[str, int]] = ({}, {})
    rows = np.array(
        [
            [
                side.setdefault(text, len(side))
                for side, text in zip(places, (pair.source, pair.target), strict=True)
            ]
            for pair in pairs
        ],
        dtype=np.int64,
    )
    texts = [list(side) for side in places]
    steps = Steps(len(texts[0]), len(texts[1]), encoder.dimension, progress, cancelled)
    vectors = encode_sides(texts, encoder, folder, steps)
    result = compare(*vectors, settings=settings, folder=folder, steps=steps)
    nearest = first(result, settings.k)
    cosine = np.einsum("nd,nd->n", vectors[0][rows[:, 0]], vectors[1][rows[:, 1]]).astype(np.float32)
    source_N, target_M = mean_cosine(nearest.forward_scores_NK), mean_cosine(nearest.backward_scores_MK)
    around = (source_N[rows[:, 0]] + target_M[rows[:, 1]]) / np.float32(2)
    score = margin_of(cosine, around, settings.margin)
    order = np.argsort(-score, kind="stable")
    candidates = Candidates(rows[order, 0], rows[order, 1], score[order], cosine[order])
    chance = decoys(result, candidates, settings.margin, "max")
    estimate = estimate_threshold(
        candidates.score,
        chance.score,
        settings.margin,
        owners_P2=owners(chance, candidates, (len(texts[0]), len(texts[1]))),
    )
    threshold = float("-inf") if settings.threshold is None else settings.threshold
    cap = (
        outlier_cap(score[score >= estimate.threshold]) if settings.max_score is None else settings.max_score
    )
    scored = [
        replace(pair, score=float(score[row]), cosine=float(cosine[row]))
        for row, pair in enumerate(pairs)
        if score[row] >= threshold
    ]
    checked, dropped = check_pairs(scored, replace(settings, drop=()), max_score=cap)
    steps.finish(f"{len(checked)} pairs")
    languages = tuple(
        Counter(getattr(pair, side) for pair in pairs).most_common(1)[0][0]
        for side in ("source_language", "target_language")
    )
    precision = estimate.precision_at(threshold) if estimate.method == "mixture" else float("nan")
    return MiningResult(
        tuple(checked),
        np.sort(score)[::-1],
        threshold,
        precision,
        dropped,
        (len(texts[0]), len(texts[1])),
        estimate,
        (languages[0], languages[1]),
        cap,
    )
