"""How sure a measured number is: bootstrap intervals, and paired tests between two models.

A :class:`Sample` is one metric of one task and language in a form that can be resampled: a row per item
(query, sentence, pair) and a statistic of the rows. Intervals are percentiles of the statistic over rows
drawn with replacement. A mean over languages resamples inside each language. Two models are compared on
the same items: the interval of the difference by the same draws for both, the p-value by Fisher's
randomisation where the statistic is a mean over items, by the bootstrap where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], float]

RESAMPLES = 1_000
LEVEL = 0.95
_DRAWN_AT_A_TIME = 4_000_000


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows [N, C] and what is computed from them; without a statistic, the mean of the only column."""

    rows: Values  # [N, C]
    statistic: Statistic | None = None
    _drawn: dict[tuple[int, int, str], Values] = field(default_factory=dict, repr=False)

    @classmethod
    def of_values(cls, values_N: NDArray[np.floating] | NDArray[np.bool_]) -> Sample:
        """A metric that is the mean of a value per item."""
        return cls(np.asarray(values_N, dtype=np.float64)[:, None])

    @property
    def value(self) -> float:
        """The metric itself; 0 without items."""
        return self._of(self.rows) if len(self.rows) else 0.0

    def replicates(self, resamples: int, seed: int, stream: str = "") -> Values:
        """The metric over ``resamples`` draws with replacement; kept, for it is needed several times.

        The draws depend on the number of rows, the seed and the stream (a language): they are the same for
        two models, and independent between languages.
        """
        key = (resamples, seed, stream)
        if key not in self._drawn:
            self._drawn[key] = self._replicates(resamples, [seed, crc32(stream.encode())])
        return self._drawn[key]

    def _replicates(self, resamples: int, seed: list[int]) -> Values:
        count = len(self.rows)
        if not count:
            return np.zeros(resamples)
        if self.statistic is None:
            values = self.rows[:, 0]
            return np.concatenate([values[drawn].mean(axis=1) for drawn in _draws(count, resamples, seed)])
        return np.array(
            [self._of(self.rows[row]) for drawn in _draws(count, resamples, seed) for row in drawn]
        )

    def _of(self, rows_NC: Values) -> float:
        return float(rows_NC[:, 0].mean()) if self.statistic is None else self.statistic(rows_NC)


@dataclass(frozen=True)
class Interval:
    """A measured value and its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """The second model minus the first, its interval, and how likely chance gives so large a difference."""

    difference: float
    low: float
    high: float
    p_value: float
    test: Literal["randomisation", "bootstrap"]


def interval(
    samples: Mapping[str, Sample], *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """Value and interval of one sample, or of the unweighted mean of several; keys are languages.

    Languages are drawn independently. Where they are translations of the same items (multilingual STS-B),
    the interval of the mean is too narrow.
    """
    value = float(np.mean([sample.value for sample in samples.values()]))
    return Interval(value, *_percentiles(_mean_replicates(samples, resamples, seed), level))


def compare(
    first: Mapping[str, Sample],
    second: Mapping[str, Sample],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Comparison:
    """Two models on the same items: one sample each, or one per language for the mean over them.

    Raises:
        ValueError: languages or numbers of items differ.
    """
    if {key: len(a.rows) for key, a in first.items()} != {key: len(b.rows) for key, b in second.items()}:
        raise ValueError("a paired comparison needs the same languages and items for both models")
    difference = float(np.mean([second[key].value - first[key].value for key in first]))
    drawn = _mean_replicates(second, resamples, seed) - _mean_replicates(first, resamples, seed)
    low, high = _percentiles(drawn, level)
    if all(sample.statistic is None for sample in (*first.values(), *second.values())):
        gains = [(second[key].rows - first[key].rows)[:, 0] for key in first]
        return Comparison(difference, low, high, _randomisation(gains, resamples, seed), "randomisation")
    against = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Comparison(difference, low, high, min(1.0, 2 * (against + 1) / (resamples + 1)), "bootstrap")


def _randomisation(gains: list[Values], rounds: int, seed: int) -> float:
    """Two-sided Fisher randomisation: how often random signs give a difference at least as large."""
    observed = sum(float(gain.mean()) for gain in gains if len(gain))
    shuffled = np.zeros(rounds)
    for number, own in enumerate(gains):
        shares = own[own != 0] / max(1, len(own))  # items without a difference change nothing
        rng = np.random.default_rng([seed, number, 1])
        blocks = [
            rng.choice([-1.0, 1.0], size=(size, len(shares))) @ shares
            for size in _blocks(len(shares), rounds)
        ]
        shuffled += np.concatenate(blocks)
    as_large = int((np.abs(shuffled) >= abs(observed) - 1e-12).sum())
    return (as_large + 1) / (rounds + 1)


def _mean_replicates(samples: Mapping[str, Sample], resamples: int, seed: int) -> Values:
    return np.mean([sample.replicates(resamples, seed, key) for key, sample in samples.items()], axis=0)


def _percentiles(replicates: Values, level: float) -> tuple[float, float]:
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draws(count: int, resamples: int, seed: list[int]) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for size in _blocks(count, resamples):
        yield rng.integers(count, size=(size, count))


def _blocks(count: int, rounds: int) -> Iterator[int]:
    """Rounds in portions whose [rounds, count] arrays stay small."""
    size = max(1, _DRAWN_AT_A_TIME // max(1, count))
    for start in range(0, rounds, size):
        yield min(size, rounds - start)
