"""Measured values with their bootstrap intervals, in the form of the report's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.statistics import LEVEL, Sample, interval

Values = NDArray[np.float64]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Figure = dict[str, float]

GROUP_RESAMPLES = 1_000


@dataclass(frozen=True)
class Model:
    """What is measured: texts to unit vectors, by role.

    ``leanings`` gives for query vectors [N, D] and L languages what a search takes off the cosines of
    passages in each [N, L], or is None where it compares cosines as they are.
    """

    query: Encode
    passage: Encode
    leanings: Callable[[NDArray[np.float32], Sequence[str]], Values] | None = None


def figure(samples: Mapping[str, Sample], digits: int = 4) -> Figure:
    """Mean over the samples with its 95 % interval; items are drawn inside each sample."""
    result = interval(samples)
    return {
        "value": round(result.value, digits),
        "low": round(result.low, digits),
        "high": round(result.high, digits),
    }


def grouped_figure(
    values_NC: Values, groups_N: NDArray[np.integer], *, min_rows: int = 1, digits: int = 4
) -> Figure:
    """Mean of the column means with its 95 % interval, drawing whole groups of rows.

    Args:
        values_NC: a value per item and column; NaN where an item has none in that column.
        groups_N: items of one group say the same in several languages, and are drawn together.
        min_rows: a column with fewer values is left out.
    """
    has_NC = ~np.isnan(values_NC)
    columns = has_NC.sum(axis=0) >= min_rows
    values_NC, has_NC = values_NC[:, columns], has_NC[:, columns]
    _, codes = np.unique(groups_N, return_inverse=True)
    if not len(codes) or not columns.any():
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    groups = int(codes.max()) + 1
    sums_GC, counts_GC = np.zeros((groups, values_NC.shape[1])), np.zeros((groups, values_NC.shape[1]))
    np.add.at(sums_GC, codes, np.where(has_NC, values_NC, 0.0))
    np.add.at(counts_GC, codes, has_NC)
    drawn_RG = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), GROUP_RESAMPLES)
    means_R = np.nanmean(_share(drawn_RG @ sums_GC, drawn_RG @ counts_GC), axis=1)
    low, high = np.quantile(means_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(_share(sums_GC.sum(axis=0), counts_GC.sum(axis=0)).mean())
    return {
        "value": round(value, digits),
        "low": round(float(low), digits),
        "high": round(float(high), digits),
    }


def _share(part: Values, whole: Values) -> Values:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
