"""Checks before writing and asking."""

import uuid
from dataclasses import replace

import numpy as np
import pytest

from indexer.errors import StoreError
from indexer.store.validation import check_dimension, check_id, check_points, check_query, check_sparse
from indexer.types import Point, SparseVector


def sparse(indices: list[int], values: list[float] | None = None) -> SparseVector:
    return SparseVector(
        np.array(indices, np.uint32),
        np.array(values if values is not None else [1.0] * len(indices), np.float32),
    )


def point(**changes: object) -> Point:
    good = Point(
        str(uuid.uuid5(uuid.NAMESPACE_URL, "x")),
        np.array([0.6, 0.8], np.float32),
        sparse([1, 5]),
        {"language": "de", "folders": ["/a"], "added_at": 1.5, "page": 3},
    )
    return replace(good, **changes)


def test_good_points_are_stacked() -> None:
    dense_ND = check_points([point()], 2)
    assert dense_ND.dtype == np.float32
    np.testing.assert_array_equal(dense_ND, [[np.float32(0.6), np.float32(0.8)]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dense": np.array([0.6, 0.8, 0.0], np.float32)}, r"shape \(3,\); expected \(2,\)"),
        ({"dense": np.array([[0.6, 0.8]], np.float32)}, r"shape \(1, 2\)"),
        ({"dense": np.array([0.6, 0.801], np.float32)}, None),
        ({"dense": np.array([0.6, 0.81], np.float32)}, "length 1.00"),
        ({"dense": np.array([np.nan, 1.0], np.float32)}, "length nan"),
        ({"dense": np.array([np.inf, 1.0], np.float32)}, "length inf"),
        ({"id": "7"}, "not a uuid"),
        ({"id": 7}, "not a uuid"),
        ({"id": str(uuid.uuid5(uuid.NAMESPACE_URL, "x")).upper()}, "spelled"),
        ({"sparse": sparse([5, 1])}, "unique and ascending"),
        ({"sparse": sparse([5, 5])}, "unique and ascending"),
        ({"sparse": sparse([1, 5], [1.0])}, "one length"),
        ({"sparse": sparse([1, 5], [1.0, float("nan")])}, "not finite"),
        ({"sparse": SparseVector(np.array([1]), np.ones(1, np.float32))}, "expected uint32"),
        ({"payload": {"folders": ["/a", 3]}}, "payload folders"),
        ({"payload": {"when": None}}, "payload when"),
        ({"payload": {"added_at": float("inf")}}, "payload added_at"),
    ],
)
def test_each_fault_is_named(changes: dict[str, object], words: str | None) -> None:
    if words is None:
        check_points([point(**changes)], 2)
    else:
        with pytest.raises(StoreError, match=words):
            check_points([point(**changes)], 2)


def test_the_same_id_twice_is_refused() -> None:
    with pytest.raises(StoreError, match="Duplicate point id"):
        check_points([point(), point()], 2)


def test_queries_need_a_vector_that_fits() -> None:
    unit = np.array([0.6, 0.8], np.float32)
    check_query(unit, None, 2, 10, 100)
    check_query(None, sparse([]), 2, 10, 100)
    for dense, features, limit, prefetch in (
        (None, None, 10, 100),
        (unit[:1], None, 10, 100),
        (unit * np.nan, None, 10, 100),
        (unit, sparse([2, 1]), 10, 100),
        (unit, None, 0, 100),
        (unit, None, 10, 0),
    ):
        with pytest.raises(StoreError):
            check_query(dense, features, 2, limit, prefetch)


def test_an_empty_sparse_vector_is_fine() -> None:
    check_sparse(sparse([]), "The query")


@pytest.mark.parametrize("dimension", [0, -1, 65_536])
def test_impossible_dimensions_are_refused(dimension: int) -> None:
    with pytest.raises(StoreError, match="expected 1 to 65535"):
        check_dimension(dimension)


def test_usual_uuids_pass() -> None:
    check_id(str(uuid.uuid5(uuid.NAMESPACE_URL, "y")))
