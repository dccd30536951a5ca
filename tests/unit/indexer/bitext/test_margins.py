"""Margins and retrieval, against a naive reference that was written from the paper's description.

The description (arXiv:1811.01136, section 3, and the public account of its mining script): every sentence
has its k nearest neighbours on the other side; the margin sets the cosine against the average of both
sentences' mean neighbour cosines; *forward* and *backward* take for each sentence the neighbour of the best
margin, the first of equal ones; *intersect* keeps what both directions agree on; *max* walks through all
forward and then backward candidates by falling score, and takes a pair if neither of its sentences was
taken before.
"""

from typing import Any

import numpy as np
import pytest

from indexer.bitext.margins import Candidates, decoys, first, one_to_one, owners, retrieve, score_neighbours
from me5.knn.neighbours import Neighbours
from me5.knn.similarity import top_k


def neighbours(x_ND: Any, y_MD: Any, k: int) -> Neighbours:
    def padded(scores: Any, ids: Any) -> tuple[Any, Any]:
        missing = ((0, 0), (0, k - scores.shape[1]))
        return (
            np.pad(scores, missing, constant_values=-np.inf),
            np.pad(ids.astype(np.int32), missing, constant_values=-1),
        )

    return Neighbours(*padded(*top_k(x_ND, y_MD, k)), *padded(*top_k(y_MD, x_ND, k)))


def naive(x_ND: Any, y_MD: Any, k: int, margin: str) -> dict[str, list[tuple[int, int, float]]]:
    """Every way of retrieval by the definition: float64, loops, nothing clever."""
    cosine = np.asarray(x_ND, np.float64) @ np.asarray(y_MD, np.float64).T
    near_x = [sorted(range(len(y_MD)), key=lambda j: (-cosine[i, j], j))[:k] for i in range(len(x_ND))]
    near_y = [sorted(range(len(x_ND)), key=lambda i: (-cosine[i, j], i))[:k] for j in range(len(y_MD))]
    mean_x = [sum(cosine[i, j] for j in near) / len(near) for i, near in enumerate(near_x)]
    mean_y = [sum(cosine[i, j] for i in near) / len(near) for j, near in enumerate(near_y)]

    def score(i: int, j: int) -> float:
        around = (mean_x[i] + mean_y[j]) / 2
        return {
            "ratio": cosine[i, j] / around,
            "distance": cosine[i, j] - around,
            "absolute": cosine[i, j],
        }[margin]

    forward, backward = [], []
    for i, near in enumerate(near_x):
        best = near[0]
        for j in near[1:]:
            if score(i, j) > score(i, best):
                best = j
        forward.append((i, best, score(i, best)))
    for j, near in enumerate(near_y):
        best = near[0]
        for i in near[1:]:
            if score(i, j) > score(best, j):
                best = i
        backward.append((best, j, score(best, j)))
    agreed = [pair for pair in forward if any(pair[:2] == other[:2] for other in backward)]
    taken_x: set[int] = set()
    taken_y: set[int] = set()
    unified = []
    for i, j, value in sorted([*forward, *backward], key=lambda pair: -pair[2]):  # sorted() is stable
        if i not in taken_x and j not in taken_y:
            taken_x.add(i)
            taken_y.add(j)
            unified.append((i, j, value))
    by_score = {"forward": forward, "backward": backward, "intersect": agreed}
    return {name: sorted(found, key=lambda pair: -pair[2]) for name, found in by_score.items()} | {
        "max": unified
    }


def unit_rows(rng: np.random.Generator, count: int, dimension: int = 16) -> Any:
    rows = rng.normal(size=(count, dimension)) + 0.7
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("margin", ["ratio", "distance", "absolute"])
@pytest.mark.parametrize(("rows", "columns", "k"), [(60, 45, 4), (7, 90, 4), (30, 30, 2), (3, 2, 4)])
def test_pairs_are_those_of_the_definition(margin: Any, rows: int, columns: int, k: int) -> None:
    rng = np.random.default_rng(rows * k)
    x, y = unit_rows(rng, rows), unit_rows(rng, columns)
    found = neighbours(x, y, k)
    expected = naive(x, y, k, margin)
    for retrieval in ("max", "forward", "backward", "intersect"):
        got = retrieve(found, score_neighbours(found, margin), retrieval)  # type: ignore[arg-type]
        pairs = list(zip(got.source.tolist(), got.target.tolist(), strict=True))
        assert pairs == [(i, j) for i, j, _ in expected[retrieval]]
        np.testing.assert_allclose(got.score, [value for *_, value in expected[retrieval]], atol=1e-6)


def test_ties_fall_as_in_the_description() -> None:
    """Vectors with few different values: most scores are tied, and every tie has one outcome."""
    rng = np.random.default_rng(5)
    corners = np.float32([[1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], [0, 1, 0, 0], [0.5, -0.5, 0.5, 0.5]])
    x, y = corners[rng.integers(0, 4, 40)], corners[rng.integers(0, 4, 25)]
    found = neighbours(x, y, 4)
    expected = naive(x, y, 4, "distance")  # sums of halves: equal in float32 and float64
    for retrieval in ("max", "forward", "backward", "intersect"):
        got = retrieve(found, score_neighbours(found, "distance"), retrieval)  # type: ignore[arg-type]
        pairs = list(zip(got.source.tolist(), got.target.tolist(), strict=True))
        assert pairs == [(i, j) for i, j, _ in expected[retrieval]]
    assert len(expected["max"]) == len({i for i, *_ in expected["max"]})
    assert len(set(np.round([value for *_, value in expected["forward"]], 6))) < 15  # there were ties


def test_one_to_one_takes_the_best_first() -> None:
    candidates = Candidates(
        np.array([0, 0, 1, 2]),
        np.array([5, 6, 5, 6]),
        np.float32([3, 2.5, 2, 1]),
        np.float32([1, 1, 1, 1]),
    )
    kept = one_to_one(candidates, 3, 7)
    assert list(zip(kept.source, kept.target, strict=True)) == [(0, 5), (2, 6)]


def test_an_empty_side_has_no_candidates() -> None:
    empty = Neighbours(
        np.full((3, 4), -np.inf, np.float32),
        np.full((3, 4), -1, np.int32),
        np.empty((0, 4), np.float32),
        np.empty((0, 4), np.int32),
    )
    for retrieval in ("max", "forward", "backward", "intersect"):
        assert not len(retrieve(empty, score_neighbours(empty, "ratio"), retrieval))  # type: ignore[arg-type]


def test_decoys_are_no_translations_and_score_like_what_has_none() -> None:
    """Half of the sentences have a translation; decoys must look like the best that the others find."""
    rng = np.random.default_rng(1)
    x, y = unit_rows(rng, 400, 32), unit_rows(rng, 400, 32)
    y[:200] = x[:200] + 0.05 * unit_rows(rng, 200, 32)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    found = neighbours(x, y, 5)
    nearest = first(found, 4)
    candidates = retrieve(nearest, score_neighbours(nearest, "ratio"), "max")
    is_match = candidates.source == candidates.target
    assert is_match.sum() > 190
    found_again = decoys(found, candidates, "ratio", "max")
    chance = found_again.score
    unmatched = candidates.score[~is_match]
    # a little higher: what has no translation meets neighbours that are taken up by theirs
    assert abs(np.median(chance) - np.median(unmatched)) < 0.6 * unmatched.std()
    assert np.median(candidates.score[is_match]) > np.quantile(chance, 0.99)
    for place, (of_source, of_target) in enumerate(owners(found_again, candidates, (400, 400)).tolist()):
        source, target = found_again.source[place], found_again.target[place]
        assert candidates.source[of_source] == source if of_source >= 0 else source not in candidates.source
        assert candidates.target[of_target] == target if of_target >= 0 else target not in candidates.target
