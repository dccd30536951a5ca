"""Checks before anything is written or asked.

The engine accepts NaN silently and applies the good half of a bad batch, so whole batches are checked
here first.
"""

import math
from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from indexer.errors import StoreError
from indexer.types import Point, SparseVector

UNIT_TOLERANCE = 1e-3
_HINT = "Encode the passage again with the model of this collection."


def check_dimension(dimension: int) -> None:
    """Refuse dimensions that no model has."""
    if not 1 <= dimension <= 65_535:
        raise StoreError(f"Dimension {dimension} is not possible; expected 1 to 65535. Check the model.")


def check_points(points: Sequence[Point], dimension: int) -> NDArray[np.float32]:
    """Check every point and stack the dense vectors.

    Returns:
        [N, D] float32, C-contiguous.

    Raises:
        StoreError: the first bad point, named by its id.
    """
    dense_ND = np.empty((len(points), dimension), dtype=np.float32)
    seen: set[str] = set()
    for row, point in enumerate(points):
        check_id(point.id)
        if point.id in seen:
            raise StoreError(f"Duplicate point id {point.id} in one batch. Send each point once.")
        seen.add(point.id)
        vector = np.asarray(point.dense)
        if vector.shape != (dimension,):
            raise StoreError(
                f"Point {point.id} has a vector of shape {vector.shape}; expected ({dimension},). {_HINT}"
            )
        dense_ND[row] = vector
        check_sparse(point.sparse, f"Point {point.id}")
        _check_payload(point.id, point.payload)
    norms_N = np.sqrt(np.einsum("nd,nd->n", dense_ND, dense_ND, dtype=np.float64))
    bad_N = ~(np.abs(norms_N - 1.0) < UNIT_TOLERANCE)  # NaN and infinity compare false
    if bad_N.any():
        row = int(np.argmax(bad_N))
        raise StoreError(
            f"Point {points[row].id} has a vector of length {norms_N[row]:.6g}; "
            f"expected finite numbers and length 1 ± {UNIT_TOLERANCE}. {_HINT}"
        )
    return dense_ND


def check_id(point_id: str) -> None:
    """Refuse ids that are not uuids in their usual spelling."""
    try:
        spelled = str(UUID(point_id))
    except (ValueError, AttributeError, TypeError) as error:
        raise StoreError(f"Point id {point_id!r} is not a uuid. Use uuid5 ids.") from error
    if spelled != point_id:
        raise StoreError(f"Point id {point_id!r} is not spelled as {spelled!r}; use that spelling.")


def check_sparse(sparse: SparseVector, whose: str) -> None:
    """Indices uint32, unique, ascending; finite values of the same length."""
    indices, values = np.asarray(sparse.indices), np.asarray(sparse.values)
    if indices.ndim != 1 or indices.shape != values.shape:
        raise StoreError(
            f"{whose} has a sparse vector of shapes {indices.shape} and {values.shape}; "
            "expected two lists of one length. This is a bug in the caller."
        )
    if not indices.size:
        return
    if indices.dtype != np.uint32:
        raise StoreError(f"{whose} has sparse indices of type {indices.dtype}; expected uint32.")
    if not (indices[1:] > indices[:-1]).all():
        raise StoreError(
            f"{whose} has sparse indices that are not unique and ascending. Sort and merge them."
        )
    if not np.isfinite(values).all():
        raise StoreError(f"{whose} has sparse values that are not finite. Check the lexical weights.")


def check_query(
    dense: NDArray[np.float32] | None, sparse: SparseVector | None, dimension: int, limit: int, prefetch: int
) -> None:
    """Refuse a query that cannot be meant."""
    if dense is None and sparse is None:
        raise StoreError(
            "A query without any vector was asked; expected a dense or a sparse vector, or both."
        )
    if limit < 1 or prefetch < 1:
        raise StoreError(f"limit {limit} and prefetch {prefetch} were asked; expected at least 1.")
    if dense is not None:
        vector = np.asarray(dense)
        if vector.shape != (dimension,):
            raise StoreError(
                f"The query vector has shape {vector.shape}; expected ({dimension},). "
                "Search with the model this collection was made with."
            )
        if not np.isfinite(vector).all():
            raise StoreError("The query vector has numbers that are not finite. Encode the query again.")
    if sparse is not None:
        check_sparse(sparse, "The query")


def _check_payload(point_id: str, payload: Mapping[str, object]) -> None:
    for key, value in payload.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            continue
        if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
            continue
        raise StoreError(
            f"Point {point_id} has payload {key}={value!r}; expected text, a finite number or texts."
        )
