"""Margin scores of nearest neighbours, and which of them become candidate pairs (arXiv:1811.01136).

The margin sets a cosine against what is usual around both sentences: with the mean cosine a(x) of x to its
k nearest neighbours on the other side, and b = (a(x) + a(y)) / 2,

- ``ratio``: cos(x, y) / b
- ``distance``: cos(x, y) - b
- ``absolute``: cos(x, y)

Retrieval, as the paper names it: *forward* takes for every source its neighbour of the highest margin,
*backward* for every target, *intersect* those that both directions name, and *max* puts the forward and
backward candidates into one list, sorts it by margin and takes each pair whose source and whose target are
still free. Of equal margins the first counts: among the neighbours of one sentence the nearer one (then the
lower id); in the sorted list a forward candidate before a backward one, then the lower id.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.bitext.values import Margin, Retrieval
from me5.knn.neighbours import Neighbours

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_BLOCK = 65_536
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Scored:
    """Margins of all neighbours, [N, K] and [M, K]; -inf where there is no neighbour."""

    forward: Floats
    backward: Floats


@dataclass(frozen=True)
class Candidates:
    """Candidate pairs, best first: rows of both sides, margin, cosine."""

    source: Ids
    target: Ids
    score: Floats
    cosine: Floats

    def __len__(self) -> int:
        return len(self.source)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Candidates":
        """Those at the given places, or those that are marked."""
        return Candidates(self.source[chosen], self.target[chosen], self.score[chosen], self.cosine[chosen])


def margin_of(cosine: Floats, around: Floats, margin: Margin) -> Floats:
    """The margin of cosines, given the mean b of the neighbourhoods of both sides."""
    if margin == "absolute":
        return cosine
    if margin == "distance":
        return cosine - around
    return np.asarray(cosine / np.maximum(around, np.float32(_SMALLEST)), dtype=np.float32)


def mean_cosine(scores_NK: Floats) -> Floats:
    """a(x) of every row: the mean over the neighbours that there are; 0 for a row without any."""
    known_NK = np.isfinite(scores_NK)
    total = np.where(known_NK, scores_NK, 0).sum(axis=1, dtype=np.float32)
    return np.asarray(total / np.maximum(known_NK.sum(axis=1), 1), dtype=np.float32)


def score_neighbours(neighbours: Neighbours, margin: Margin) -> Scored:
    """The margin of every row with each of its neighbours, in both directions."""
    forward_N, backward_M = (
        mean_cosine(neighbours.forward_scores_NK),
        mean_cosine(neighbours.backward_scores_MK),
    )
    return Scored(
        _margins(neighbours.forward_scores_NK, neighbours.forward_ids_NK, forward_N, backward_M, margin),
        _margins(neighbours.backward_scores_MK, neighbours.backward_ids_MK, backward_M, forward_N, margin),
    )


def retrieve(neighbours: Neighbours, scored: Scored, retrieval: Retrieval) -> Candidates:
    """The candidate pairs of one way of retrieval, best first."""
    forward = _best(neighbours.forward_scores_NK, neighbours.forward_ids_NK, scored.forward)
    backward = _best(neighbours.backward_scores_MK, neighbours.backward_ids_MK, scored.backward)
    backward = Candidates(backward.target, backward.source, backward.score, backward.cosine)
    if retrieval == "forward":
        return _sorted(forward)
    if retrieval == "backward":
        return _sorted(backward)
    if retrieval == "intersect":
        best_of_target = np.full(len(neighbours.backward_ids_MK), -1, dtype=np.int64)
        best_of_target[backward.target] = backward.source
        return _sorted(forward.take(best_of_target[forward.target] == forward.source))
    both = Candidates(
        *(
            np.concatenate([getattr(forward, name), getattr(backward, name)])
            for name in ("source", "target", "score", "cosine")
        )
    )
    return one_to_one(_sorted(both), len(neighbours.forward_ids_NK), len(neighbours.backward_ids_MK))


def one_to_one(candidates: Candidates, sources: int, targets: int) -> Candidates:
    """Greedy: from the best down, each candidate whose source and target are both still free."""
    source_is_free, target_is_free = bytearray(b"\1" * sources), bytearray(b"\1" * targets)
    chosen = np.zeros(len(candidates), dtype=np.bool_)
    for start in range(0, len(candidates), _BLOCK):  # lists of plain numbers are walked faster than arrays
        part = slice(start, start + _BLOCK)
        rows = zip(candidates.source[part].tolist(), candidates.target[part].tolist(), strict=True)
        for place, (source, target) in enumerate(rows, start=start):
            if source_is_free[source] and target_is_free[target]:
                source_is_free[source] = target_is_free[target] = 0
                chosen[place] = True
    return candidates.take(chosen)


def decoys(
    neighbours: Neighbours, candidates: Candidates, margin: Margin, retrieval: Retrieval
) -> Candidates:
    """What chance gives: a second round of mining, in which no sentence may have its first partner.

    What a sentence without translation scores cannot be told from a look at the candidates, among which the
    translations are. With the partners of the first round taken out of all lists, the second round ends with
    pairs that hardly ever translate each other and were chosen in the same way.

    Args:
        neighbours: with one more column than the candidates were made from, to give each sentence as
            many as it had there.
        candidates: the outcome of the first round.
        margin, retrieval: as in the first round.
    """
    of_source = np.full(len(neighbours.forward_ids_NK), -1, dtype=np.int64)
    of_source[candidates.source] = candidates.target
    of_target = np.full(len(neighbours.backward_ids_MK), -1, dtype=np.int64)
    of_target[candidates.target] = candidates.source
    rest = Neighbours(
        *_without_partner(neighbours.forward_scores_NK, neighbours.forward_ids_NK, of_source),
        *_without_partner(neighbours.backward_scores_MK, neighbours.backward_ids_MK, of_target),
    )
    return retrieve(rest, score_neighbours(rest, margin), retrieval)


def owners(pairs: Candidates, candidates: Candidates, sides: tuple[int, int]) -> Ids:
    """[P, 2], for each of the pairs the places of the candidates that have its source and its target; or -1.

    Args:
        pairs, candidates: of the same sentences.
        sides: how many sentences there are on either side.
    """
    places = [np.full(side, -1, dtype=np.int64) for side in sides]
    for place, rows in zip(places, (candidates.source, candidates.target), strict=True):
        place[rows] = np.arange(len(rows))
    return np.stack([places[0][pairs.source], places[1][pairs.target]], axis=1)


def first(neighbours: Neighbours, k: int) -> Neighbours:
    """The same neighbours, but only the k nearest."""
    return Neighbours(
        neighbours.forward_scores_NK[:, :k],
        neighbours.forward_ids_NK[:, :k],
        neighbours.backward_scores_MK[:, :k],
        neighbours.backward_ids_MK[:, :k],
    )


def _without_partner(
    scores_NK: Floats, ids_NK: NDArray[np.integer], partner_N: Ids
) -> tuple[Floats, NDArray[np.integer]]:
    """One column less: the partner is left out of every row, or the nearest where it is not among them."""
    rows, columns = ids_NK.shape
    is_partner_NK = (ids_NK == partner_N[:, None]) & (ids_NK >= 0)
    out_N = np.where(is_partner_NK.any(axis=1), is_partner_NK.argmax(axis=1), 0)
    stays_NK = np.arange(columns)[None, :] != out_N[:, None]
    shape = (rows, columns - 1)
    return scores_NK[stays_NK].reshape(shape), ids_NK[stays_NK].reshape(shape)


def _margins(
    scores_NK: Floats, ids_NK: NDArray[np.integer], own_N: Floats, other_M: Floats, margin: Margin
) -> Floats:
    margins_NK = np.full(scores_NK.shape, -np.inf, dtype=np.float32)
    for start in range(0, len(scores_NK) if len(other_M) else 0, _BLOCK):
        part = slice(start, start + _BLOCK)
        ids_BK, cosine_BK = ids_NK[part], scores_NK[part]
        around_BK = (own_N[part, None] + other_M[np.maximum(ids_BK, 0)]) / np.float32(2)
        margins_NK[part] = np.where(ids_BK >= 0, margin_of(cosine_BK, around_BK, margin), -np.inf)
    return margins_NK


def _best(scores_NK: Floats, ids_NK: NDArray[np.integer], margins_NK: Floats) -> Candidates:
    """Every row that has a neighbour, with the one of the highest margin."""
    rows = np.flatnonzero((ids_NK >= 0).any(axis=1)) if ids_NK.size else np.empty(0, dtype=np.int64)
    column = margins_NK[rows].argmax(axis=1) if len(rows) else np.empty(0, dtype=np.int64)
    return Candidates(
        rows.astype(np.int64),
        ids_NK[rows, column].astype(np.int64),
        margins_NK[rows, column],
        scores_NK[rows, column],
    )


def _sorted(candidates: Candidates) -> Candidates:
    return candidates.take(np.argsort(-candidates.score, kind="stable"))
