"""Tiles of numbers that no score exceeds, and the floors that turn them into candidates.

A pair can be among the k best of its row only if its upper bound reaches the row's floor, which stands for
the k-th best score so far. ``seed_scores`` finds a first one among the pairs with the greatest bounds.
"""

from __future__ import annotations

import logging
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from me5.knn.codes import CodedPair, Extent, Map, NewCodes, Vectors, encode_sides, rounding_slack
from me5.knn.scores import scores_of_pairs

logger = logging.getLogger(__name__)

Screening = Literal["auto", "int8", "float32"]
_WORTH_CODING = 1 << 24  # pairs; below, the codes take longer than they save
_GROUPS = 32
GROUP_COLUMNS = 64
_GROUP_ROWS = 32
_RARE = 8  # groups in one with a hit; above that, comparing everything is quicker


class Screen(Protocol):
    """Upper bounds of scores in a number type of its own."""

    number_type: type[np.float32] | type[np.int32]

    def load_rows(self, rows: slice) -> NDArray[Any]:
        """What the product needs of some rows, contiguous."""

    def load_columns(self, columns: slice) -> NDArray[Any]:
        """What the product needs of some columns, contiguous."""

    def bounds(self, rows: NDArray[Any], columns: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
        """Upper bounds [R, C], written into the flat array ``out``."""

    def floors(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """The bound that every pair of at least this score reaches."""


class Float32Screen:
    """Scores by a plain float32 product; the spread is its rounding."""

    number_type: type[np.float32] | type[np.int32] = np.float32

    def __init__(self, x_ND: Vectors, y_MD: Vectors, extents: tuple[Extent, Extent]) -> None:
        self._x_ND, self._y_MD = x_ND, y_MD
        slack = rounding_slack(x_ND.shape[1], 4 * extents[0].norm * extents[1].norm)
        self._slack = np.float32(slack)

    def load_rows(self, rows: slice) -> Vectors:
        return np.require(self._x_ND[rows], np.float32, ["C", "W"])

    def load_columns(self, columns: slice) -> Vectors:
        return np.require(self._y_MD[columns], np.float32, ["C", "W"])

    def bounds(self, rows: NDArray[Any], columns: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
        import torch

        result = out[: len(rows) * len(columns)].reshape(len(rows), len(columns))
        torch.mm(torch.from_numpy(rows), torch.from_numpy(columns).t(), out=torch.from_numpy(result))
        return result

    def floors(self, scores: NDArray[np.float32]) -> Vectors:
        return scores - self._slack


class Int8Screen:
    """Bounds from int8 codes (``me5.knn.codes``), in whole steps of the product's unit."""

    number_type: type[np.float32] | type[np.int32] = np.int32

    def __init__(self, coded: CodedPair) -> None:
        self._coded = coded

    def load_rows(self, rows: slice) -> NDArray[np.int8]:
        return np.ascontiguousarray(self._coded.rows[rows])

    def load_columns(self, columns: slice) -> NDArray[np.int8]:
        return np.ascontiguousarray(self._coded.columns[columns])

    def bounds(self, rows: NDArray[Any], columns: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
        import torch

        result = out[: len(rows) * len(columns)].reshape(len(rows), len(columns))
        torch._int_mm(torch.from_numpy(rows), torch.from_numpy(columns).t(), out=torch.from_numpy(result))
        return result

    def floors(self, scores: NDArray[np.float32]) -> NDArray[np.int32]:
        steps = np.floor((scores.astype(np.float64) - self._coded.base) / self._coded.unit)
        return np.clip(steps, -(2.0**31), 2.0**31 - 1).astype(np.int32)


def choose_screen(
    x_ND: Vectors,
    y_MD: Vectors,
    extents: tuple[Extent, Extent],
    new_codes: NewCodes,
    *,
    screening: Screening = "auto",
    run: Map = map,
) -> Screen:
    """The screen for this processor and size: int8 where it is exact and pays, else float32."""
    if screening == "auto":
        pays = len(x_ND) * len(y_MD) >= _WORTH_CODING
        screening = "int8" if pays and has_fast_int8() else "float32"
    logger.info("nearest neighbours of %d x %d vectors: screened in %s", len(x_ND), len(y_MD), screening)
    if screening == "float32":
        return Float32Screen(x_ND, y_MD, extents)
    return Int8Screen(encode_sides(x_ND, y_MD, extents, new_codes, run))


def has_fast_int8() -> bool:
    """Whether this processor has int8 units and torch's product is exact (older processors saturate)."""
    import torch

    checks = ("_is_vnni_supported", "_is_avx512_vnni_supported", "_is_amx_tile_supported")
    if not any(getattr(torch.cpu, check, bool)() for check in checks):
        return False
    draw = np.random.default_rng(0)
    codes = np.where(draw.random((64, 400)) < 0.5, np.int8(-127), np.int8(127))
    codes[0], codes[1] = 127, -127
    left = torch.from_numpy(codes)
    try:
        product = torch._int_mm(left, left.t()).numpy()
    except RuntimeError:
        return False
    wide = codes.astype(np.int32)
    return np.array_equal(product, wide @ wide.T)


def seed_scores(bounds_RC: NDArray[Any], x_RD: Vectors, y_CD: Vectors, k: int) -> Vectors:
    """A score that k pairs of each row reach: of those with the greatest bounds of k groups of columns."""
    import torch

    rows, columns = bounds_RC.shape
    groups = max(_GROUPS, 2 * k)
    per_group = columns // groups
    if per_group == 0:
        return np.full(rows, -np.inf, dtype=np.float32)
    grouped = bounds_RC[:, : groups * per_group].reshape(rows, groups, per_group)
    lies_by_row = bounds_RC.flags.c_contiguous  # where it does not, numpy is the quicker one
    tops_RG = torch.from_numpy(grouped).amax(dim=2).numpy() if lies_by_row else grouped.max(axis=2)
    chosen_RK = np.sort(np.argpartition(tops_RG, groups - k, axis=1)[:, groups - k :], axis=1)
    inside_RK = grouped[np.arange(rows)[:, None], chosen_RK].argmax(axis=2)
    pairs_RK = np.arange(rows)[:, None] * columns + chosen_RK * per_group + inside_RK
    scores_RK = scores_of_pairs(x_RD, y_CD, pairs_RK.ravel()).reshape(rows, k)
    seeds_R: Vectors = scores_RK.min(axis=1)
    return seeds_R


def pairs_by_row(bounds_RC: NDArray[Any], floors_R: NDArray[Any]) -> NDArray[np.int64]:
    """``row * C + column``, ascending, where a bound reaches its row's floor.

    Hits are rare: the greatest of each group of columns is looked at first, which reads the tile once.
    """
    import torch

    rows, columns = bounds_RC.shape
    if columns % GROUP_COLUMNS == 0:
        grouped = bounds_RC.reshape(rows, -1, GROUP_COLUMNS)
        tops_RG = torch.from_numpy(grouped).amax(dim=2).numpy()
        hits = np.flatnonzero(tops_RG >= floors_R[:, None])
        if len(hits) < tops_RG.size // _RARE:
            chosen = bounds_RC.reshape(-1, GROUP_COLUMNS)[hits]
            inside = np.flatnonzero(chosen >= floors_R[hits // tops_RG.shape[1], None])
            return hits[inside // GROUP_COLUMNS] * GROUP_COLUMNS + inside % GROUP_COLUMNS
    return np.flatnonzero(bounds_RC >= floors_R[:, None])


def pairs_by_column(bounds_RC: NDArray[Any], floors_C: NDArray[Any]) -> NDArray[np.int64]:
    """``row * C + column``, ascending, where a bound reaches its column's floor."""
    rows, columns = bounds_RC.shape
    if rows % _GROUP_ROWS == 0:
        grouped = bounds_RC.reshape(-1, _GROUP_ROWS, columns)
        tops_GC = grouped.max(axis=1)
        hits = np.flatnonzero(tops_GC >= floors_C)
        if len(hits) < tops_GC.size // _RARE:
            groups, own_columns = np.divmod(hits, columns)
            inside = np.flatnonzero(grouped[groups, :, own_columns] >= floors_C[own_columns, None])
            which = inside // _GROUP_ROWS
            return np.sort(
                (groups[which] * _GROUP_ROWS + inside % _GROUP_ROWS) * columns + own_columns[which]
            )
    return np.flatnonzero(bounds_RC >= floors_C)
