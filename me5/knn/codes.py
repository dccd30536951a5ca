r"""Unit rows as int8 codes whose integer product is an upper bound of the score, in steps of a fixed unit.

With a, b the means of both sides and R a rotation, x' = (x - a) R and y' = (y - b) R:

    x.y = x'.y' + x'.bR + aR.y' + a.b

x' = s p + e and y' = t q + d, where p and q are the nearest int8 vectors. By Cauchy and Schwarz

    |x'.y' - s t p.q| = |e.y' + s p.d| <= |e| max|y'| + |d| max|s p|

so the score is at most ``s t p.q`` plus a number that belongs to x alone plus one that belongs to y alone.
Both numbers, rounded up to steps of s t, are appended to the codes as digits (to base 127, against weights
127 and 1 on the other side). One int8 product then yields the bound itself, exact in int32. Taking the means
off makes the steps small for E5 vectors, whose cosines crowd into 0.7-1.0; the rotation spreads the
few coordinates in which trained models are large, so that one step size fits all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.errors import ShapeError

ROWS_AT_ONCE = 1_024
TOP_CODE = 127
_MAX_DIGITS = 32
_SAMPLE_ROWS = 2_048
_CLIPPED_SHARE = 1e-4  # of coordinates; fewer makes the steps coarser for all, more makes outliers loose
_ROUNDING = 2.0**-24

Vectors = NDArray[np.float32]
Map = Callable[[Callable[[slice], Any], Iterable[slice]], Iterable[Any]]
NewCodes = Callable[[str, tuple[int, int]], NDArray[np.int8]]


@dataclass(frozen=True)
class Extent:
    """Mean [D] and greatest norm of the rows of one side."""

    mean: Vectors
    norm: float


@dataclass(frozen=True)
class CodedPair:
    """Codes [N, W] and [M, W]: ``rows @ columns.T`` times ``unit`` plus ``base`` is at least the score."""

    rows: NDArray[np.int8]
    columns: NDArray[np.int8]
    unit: float
    base: float


@dataclass(frozen=True)
class _Rounded:
    """Codes without digits, and what is needed to bound the score: all per row."""

    error: Vectors
    coded_norm: Vectors
    norm: Vectors
    shift: Vectors


def extent(x_ND: Vectors, name: str, run: Map = map) -> Extent:
    """Mean and greatest norm.

    Raises:
        ShapeError: a value is not finite.
    """

    def measure(rows: slice) -> tuple[NDArray[np.float64], float]:
        block = np.asarray(x_ND[rows], dtype=np.float32)
        squares = np.einsum("nd,nd->n", block, block)
        return block.sum(axis=0, dtype=np.float64), float(squares.max())

    total, square = np.zeros(x_ND.shape[1]), 0.0
    for part, greatest in run(measure, blocks(len(x_ND), ROWS_AT_ONCE)):
        total += part
        square = max(square, greatest) if np.isfinite(greatest) else np.inf
    if not np.isfinite(square):
        raise ShapeError(
            f"The vectors of {name} hold values that are not finite. Expected unit vectors. "
            "Encode these texts again."
        )
    return Extent((total / max(len(x_ND), 1)).astype(np.float32), square**0.5)


def blocks(count: int, size: int) -> list[slice]:
    """Slices of at most ``size`` that cover ``count``."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def code_width(dimensions: int) -> int:
    """Bytes of one row's codes with as many digits as they may have."""
    return -(-(dimensions + 2 * (_MAX_DIGITS + 1)) // 16) * 16


def encode_sides(
    x_ND: Vectors, y_MD: Vectors, extents: tuple[Extent, Extent], new_codes: NewCodes, run: Map = map
) -> CodedPair:
    """Codes of both sides.

    Args:
        x_ND: rows; may be a memory map.
        y_MD: columns; may be a memory map.
        extents: of both, from ``extent``.
        new_codes: makes the array of a side from its name and shape, in memory or on disk.
        run: like ``map``; a pool's does blocks of rows at the same time.
    """
    dimensions = x_ND.shape[1]
    rotation_DD = _rotation(dimensions)
    steps = [_step(side, own.mean, rotation_DD) for side, own in zip((x_ND, y_MD), extents, strict=True)]
    width = code_width(dimensions)
    while True:
        made = []
        for name, side, own, other, step in (
            ("rows", x_ND, extents[0], extents[1], steps[0]),
            ("columns", y_MD, extents[1], extents[0], steps[1]),
        ):
            codes = new_codes(name, (len(side), width))
            made.append(
                (
                    codes,
                    _round(
                        side,
                        mean_D=own.mean,
                        other_mean_D=other.mean,
                        rotation_DD=rotation_DD,
                        step=step,
                        codes_NW=codes,
                        run=run,
                    ),
                )
            )
        coded = _with_digits(made, extents, steps[0] * steps[1], dimensions)
        if coded is not None:
            return coded
        steps = [step * 2 for step in steps]  # far outliers: coarser steps need fewer digits


def _rotation(dimensions: int) -> Vectors:
    """Random signs, then a cosine transform: orthogonal, and spreads any one coordinate over all."""
    signs_D1 = np.random.default_rng(0).choice([-1.0, 1.0], (dimensions, 1))
    places_D = np.arange(dimensions)
    cosines_DD = np.cos(np.pi * (places_D[:, None] + 0.5) * places_D / dimensions) * (2 / dimensions) ** 0.5
    cosines_DD[:, 0] /= 2**0.5
    return (signs_D1 * cosines_DD).astype(np.float32)


def _step(x_ND: Vectors, mean_D: Vectors, rotation_DD: Vectors) -> float:
    """What one int8 step is worth: the greatest code is reached by all but a small share of coordinates."""
    stride = max(1, len(x_ND) // _SAMPLE_ROWS)
    sample = _product(np.asarray(x_ND[::stride], dtype=np.float32) - mean_D, rotation_DD)
    return max(float(np.quantile(np.abs(sample), 1 - _CLIPPED_SHARE)) / TOP_CODE, 1e-7)


def _round(
    x_ND: Vectors,
    *,
    mean_D: Vectors,
    other_mean_D: Vectors,
    rotation_DD: Vectors,
    step: float,
    codes_NW: NDArray[np.int8],
    run: Map,
) -> _Rounded:
    dimensions = x_ND.shape[1]
    result = _Rounded(*(np.empty(len(x_ND), dtype=np.float32) for _ in range(4)))

    def round_block(rows: slice) -> None:
        centred: Vectors = np.asarray(x_ND[rows], dtype=np.float32) - mean_D
        result.shift[rows] = _product(centred, other_mean_D[:, None])[:, 0]
        turned = _product(centred, rotation_DD)
        coded: Vectors = turned * np.float32(1 / step)
        np.clip(np.rint(coded, out=coded), -TOP_CODE, TOP_CODE, out=coded)
        codes_NW[rows, :dimensions] = coded
        result.norm[rows] = _norms(turned)
        result.coded_norm[rows] = step * _norms(coded)
        coded *= np.float32(step)
        turned -= coded
        result.error[rows] = _norms(turned)

    for _ in run(round_block, blocks(len(x_ND), ROWS_AT_ONCE)):
        pass
    return result


def _product(x_ND: Vectors, y_DE: Vectors) -> Vectors:
    """By torch, which keeps to one core in a worker thread, as numpy does not."""
    import torch

    product: Vectors = torch.mm(torch.from_numpy(x_ND), torch.from_numpy(y_DE)).numpy()
    return product


def _norms(x_ND: Vectors) -> Vectors:
    norms: Vectors = np.sqrt(np.einsum("nd,nd->n", x_ND, x_ND))
    return norms


def rounding_slack(dimensions: int, norms: float) -> float:
    """How far a float32 product of vectors with this product of norms may lie from the true one."""
    return dimensions * _ROUNDING * norms


def _with_digits(
    made: list[tuple[NDArray[np.int8], _Rounded]],
    extents: tuple[Extent, Extent],
    unit: float,
    dimensions: int,
) -> CodedPair | None:
    """Append the digits of each side's own part of the bound; None where they do not fit."""
    (x_codes, x), (y_codes, y) = made
    x_norm, y_norm = float(x.norm.max()), float(y.norm.max())
    # Rounding of the rotation (worst case, sqrt(D) for |R|), of the shifts and of the float32 score.
    rounding = rounding_slack(dimensions, 2 * (dimensions**0.5 + 2) * x_norm * y_norm)
    rounding += rounding_slack(dimensions, 6 * extents[0].norm * extents[1].norm)
    x_slack = x.error * y_norm + rounding / 2
    y_slack = y.error * float(x.coded_norm.max()) + rounding / 2
    digits, base = [], float(extents[0].mean.astype(np.float64) @ extents[1].mean)
    for shift, slack in ((x.shift, x_slack), (y.shift, y_slack)):
        parts = np.ceil((shift.astype(np.float64) + slack) / unit)
        middle = np.rint((parts.max() + parts.min()) / 2)
        base += float(middle) * unit
        digits.append(_digits(parts - middle))
    if any(digit is None for digit in digits):
        return None
    (x_digits, x_weights), (y_digits, y_weights) = (digit for digit in digits if digit is not None)
    width = -(-(dimensions + len(x_weights) + len(y_weights)) // 16) * 16
    for codes, own, other in ((x_codes, x_digits, y_weights), (y_codes, x_weights, y_digits)):
        tail = codes[:, dimensions:]
        tail[:] = 0
        first = own.shape[-1]
        tail[:, :first] = own
        tail[:, first : first + other.shape[-1]] = other
    return CodedPair(x_codes[:, :width], y_codes[:, :width], unit, base)


def _digits(parts_N: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.int8]] | None:
    """Whole numbers as int8 digits, and the weights that restore them; None where there are too many."""
    high = np.rint(parts_N / TOP_CODE)
    low = parts_N - high * TOP_CODE
    count = int(-(-np.abs(high).max() // TOP_CODE))
    if count > _MAX_DIGITS:
        return None
    digits = np.empty((len(parts_N), count + 1), dtype=np.int8)
    for place in range(count):
        part = np.clip(high, -TOP_CODE, TOP_CODE)
        digits[:, place] = part
        high = high - part
    digits[:, count] = low
    return digits, np.array([TOP_CODE] * count + [1], dtype=np.int8)
