"""Mining: two piles of sentences to scored pairs that translate each other.

Filter both sides, encode them, find the nearest neighbours of every sentence on the other side, turn
cosines into margins, choose candidates, estimate a threshold, check what is above it. The long steps keep
what they have done in a folder: a run that was killed goes on there, and only there. Memory: the texts, the
neighbours of every sentence, and ``memory_mb``; the vectors stay on disk.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.bitext.checking import check_pairs, usual_ratios
from indexer.bitext.filters import Filtered, filter_side
from indexer.bitext.margins import (
    Candidates,
    decoys,
    first,
    one_to_one,
    owners,
    retrieve,
    score_neighbours,
)
from indexer.bitext.progress import FILTER_S, Steps, compare, encode_sides, require_sides
from indexer.bitext.threshold import estimate_threshold, outlier_cap, threshold_from_gold
from indexer.bitext.values import (
    UNKNOWN_LANGUAGE,
    Estimate,
    MiningResult,
    MiningSettings,
    Pair,
    Sentence,
)
from indexer.errors import MiningError
from indexer.progress import Progress
from me5.knn.neighbours import Neighbours
from me5.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from me5.encoder import Encoder


def mine(
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    encoder: "Encoder",
    settings: MiningSettings | None = None,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> MiningResult:
    """Pairs of sentences of both sides that translate each other.

    Args:
        source, target: the two sides; their languages are detected where the sentences do not say.
        encoder: the model; both sides are encoded as queries.
        settings: what decides the result.
        folder: where finished work is kept; the same call goes on from there. The caller removes it.
        progress: hears thousandths of the whole, and what is done now.
        cancelled: asked often.
        ranks: processes that make the same call and share the encoding and the comparing; each has a
            ``folder`` of its own, and all get the result.

    Raises:
        MiningError: a side is empty, or has nothing left to mine, or both are in one language.
        DiskFullError: the vectors do not fit into ``folder``.
        Cancelled: ``cancelled`` said so; finished work is kept.
    """
    settings = settings or MiningSettings()
    require_sides(len(source), len(target))
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(len(source), len(target), encoder.dimension, progress, cancelled)
    sides = _filter(source, target, settings, folder, steps)
    languages = _require_two_languages(sides)
    texts = [
        [side[place].text for place in filtered.kept]
        for side, filtered in zip((source, target), sides, strict=True)
    ]
    vectors = encode_sides(texts, encoder, folder, steps, ranks)
    match = compare(*vectors, settings=settings, folder=folder, steps=steps, ranks=ranks)
    steps.enter("choosing pairs", 0)
    candidates, estimate = choose(match, settings)
    threshold = estimate.threshold if settings.threshold is None else settings.threshold
    above = candidates.score >= threshold
    cap = outlier_cap(candidates.score[above]) if settings.max_score is None else settings.max_score
    kept = candidates if settings.keep_below else candidates.take(above)
    # Where each row of a side stands among the sentences that were given
    source_rows, target_rows = sides[0].kept[kept.source], sides[1].kept[kept.target]
    pairs = [
        _pair(source[int(source_row)], target[int(other)], float(score), float(cosine), languages)
        for source_row, other, score, cosine in zip(
            source_rows, target_rows, kept.score, kept.cosine, strict=True
        )
    ]
    usual = usual_ratios(pairs[: int(above.sum())])
    pairs, dropped = check_pairs(pairs, settings, max_score=cap, usual=usual)
    steps.finish(f"{len(pairs)} pairs")
    counts: Counter[str] = Counter(dropped)
    for side, name in zip(sides, ("source", "target"), strict=True):
        counts.update({f"{name} {reason}": count for reason, count in side.dropped.items()})
    precision = estimate.precision_at(threshold) if estimate.method == "mixture" else float("nan")
    return MiningResult(
        tuple(pairs),
        candidates.score,
        threshold,
        precision,
        dict(counts),
        (len(source), len(target)),
        estimate,
        languages,
        cap,
    )


def choose(neighbours: Neighbours, settings: MiningSettings) -> tuple[Candidates, Estimate]:
    """Candidates by the wanted retrieval, and what their scores say of them.

    The estimate is made from the candidates of *max*, the only retrieval for which a second round gives pairs
    by chance alone; the margin of a pair is the same in all of them. For *intersect*, whose pairs are right
    more often, the precision is a lower bound; for *forward* and *backward* without one-to-one an upper one.

    Args:
        neighbours: ``settings.k`` and one more.
        settings: margin, retrieval, k, one_to_one.
    """
    nearest = first(neighbours, settings.k)
    scored = score_neighbours(nearest, settings.margin)
    both = retrieve(nearest, scored, "max")
    chance = decoys(neighbours, both, settings.margin, "max")
    sides = (len(neighbours.forward_ids_NK), len(neighbours.backward_ids_MK))
    estimate = estimate_threshold(
        both.score, chance.score, settings.margin, sides=sides, owners_P2=owners(chance, both, sides)
    )
    if settings.retrieval == "max":
        return both, estimate
    candidates = retrieve(nearest, scored, settings.retrieval)
    if settings.one_to_one:
        candidates = one_to_one(candidates, *sides)
    probabilities = estimate.probabilities
    if estimate.method == "mixture" and len(candidates):
        places = np.interp(-candidates.score, -estimate.scores, np.arange(len(probabilities)))
        probabilities = estimate.probabilities[places.astype(np.int64)]
    else:
        probabilities = np.full(len(candidates), np.nan, dtype=np.float32)
    return candidates, replace(estimate, scores=candidates.score, probabilities=probabilities)


def with_gold(result: MiningResult, gold: Sequence[Pair]) -> MiningResult:
    """The result above the threshold that is best for known pairs; ``result`` was made with ``keep_below``.

    Only pairs of which a side is in the gold set count; of others nothing is known.

    Raises:
        MiningError: no known pair is among the candidates.
    """
    known = {(pair.source.strip(), pair.target.strip()) for pair in gold}
    sources, targets = {item for item, _ in known}, {other for _, other in known}
    judged = [pair for pair in result.pairs if pair.source in sources or pair.target in targets]
    estimate = threshold_from_gold(
        np.array([pair.score for pair in judged], dtype=np.float32),
        np.array([(pair.source, pair.target) in known for pair in judged], dtype=np.bool_),
        len(known),
    )
    pairs = tuple(pair for pair in result.pairs if pair.score >= estimate.threshold)
    return replace(
        result,
        pairs=pairs,
        threshold=estimate.threshold,
        estimated_precision=estimate.precision,
        estimate=estimate,
    )


def _filter(
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    settings: MiningSettings,
    folder: Path | None,
    steps: Steps,
) -> tuple[Filtered, Filtered]:
    total = len(source) + len(target)
    steps.enter("looking through the sentences", total * FILTER_S)
    left = filter_side(
        source, settings, kept_in=folder and folder / "source", each=lambda done: steps.tell(done / total)
    )
    right = filter_side(
        target,
        settings,
        kept_in=folder and folder / "target",
        each=lambda done: steps.tell((len(source) + done) / total),
    )
    for name, side in (("source", left), ("target", right)):
        if not len(side.kept):
            reasons = ", ".join(f"{count} {reason}" for reason, count in side.dropped.items())
            raise MiningError(
                f"No sentence of the {name} side is left to mine ({reasons}). Expected sentences of "
                f"{settings.min_characters} to {settings.max_characters} characters in one language. Check "
                "the file, name its language, or loosen the limits."
            )
    return left, right


def _require_two_languages(sides: tuple[Filtered, Filtered]) -> tuple[str, str]:
    left, right = (side.language for side in sides)
    if left == right != UNKNOWN_LANGUAGE:
        raise MiningError(
            f"Both sides are in the same language ({left}); expected two languages. Choose another file, or "
            "name the languages if this is not so."
        )
    return left, right


def _pair(
    source: Sentence, target: Sentence, score: float, cosine: float, languages: tuple[str, str]
) -> Pair:
    return Pair(
        source.text,
        target.text,
        score,
        source.language if source.language != UNKNOWN_LANGUAGE else languages[0],
        target.language if target.language != UNKNOWN_LANGUAGE else languages[1],
        cosine,
        source_origin=_place(source),
        target_origin=_place(target),
    )


def _place(sentence: Sentence) -> str:
    """Origin and offsets as one word: ``harbour.txt#10-42``."""
    if not sentence.origin or sentence.end <= sentence.start:
        return sentence.origin
    return f"{sentence.origin}#{sentence.start}-{sentence.end}"
