"""Which evaluation texts are in training text, exactly or nearly.

Exactly: equal after NFKC, case folding, and removal of all but letters, marks and digits. Nearly: the sets
of character 5-grams overlap by ``NEAR`` (Jaccard). Candidates come from MinHash in bands (Broder 1997; 4
bands of 2: a pair with overlap 0.8 is found with probability 0.98, one with 0.9 practically always) and are
then compared exactly. Texts below ``MIN_NEAR_CHARACTERS`` folded characters have too few 5-grams for that
and are compared exactly only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import islice

import numpy as np
import regex
from numpy.typing import NDArray

NEAR = 0.8
GRAM = 5
MIN_NEAR_CHARACTERS = 20
BANDS, ROWS = 4, 2
MAX_CANDIDATES = 50  # compared for one evaluation text
BLOCK_TEXTS = 50_000

_NOISE = regex.compile(r"[^\p{L}\p{M}\p{N}\n]+")
_NEWLINE = ord("\n")

Words32 = NDArray[np.uint32]


class Leak(IntEnum):
    """What was found about a text."""

    NONE = 0
    EXACT = 1
    NEAR = 2


def fold_all(texts: Sequence[str]) -> list[str]:
    """Each text folded; many at once, because one substitution over a block is far cheaper."""
    joined = "\n".join(text.replace("\n", " ").replace("\r", " ") for text in texts)
    return _NOISE.sub("", unicodedata.normalize("NFKC", joined).casefold()).split("\n")


def find_leaks(evaluated: Sequence[str], trained: Iterable[str]) -> list[Leak]:
    """One verdict per evaluated text. ``trained`` is read once, in blocks."""
    folded = fold_all(evaluated)
    result = np.zeros(len(folded), dtype=np.int8)
    by_text: dict[str, list[int]] = {}
    for number, text in enumerate(folded):
        by_text.setdefault(text, []).append(number)
    distinct = list(by_text)
    bands = _BandIndex(distinct)
    exact: set[str] = set()
    near: set[int] = set()
    for block in _blocks(trained):
        candidates = fold_all(block)
        exact.update(text for text in candidates if text in by_text)
        near.update(bands.near(candidates))
    for row in near:
        result[by_text[distinct[row]]] = Leak.NEAR
    for text in exact - {""}:
        result[by_text[text]] = Leak.EXACT
    return [Leak(int(item)) for item in result]


def overlap(left: str, right: str) -> float:
    """Jaccard overlap of the character 5-grams of two folded texts."""
    mine, second = _grams(left), _grams(right)
    return len(mine & second) / max(1, len(mine | second))


class _BandIndex:
    """The band keys of the evaluated texts, sorted, to look up those of training texts."""

    def __init__(self, folded: Sequence[str]) -> None:
        self._texts = folded
        self._compared = np.zeros(len(folded), dtype=np.int64)
        self._bands: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
        long_enough = [row for row, text in enumerate(folded) if len(text) >= MIN_NEAR_CHARACTERS]
        keys_BN = band_keys([folded[row] for row in long_enough])
        for keys in keys_BN:
            order = np.argsort(keys, kind="stable")
            self._bands.append((keys[order], np.array(long_enough, dtype=np.int64)[order]))

    def near(self, texts: Sequence[str]) -> set[int]:
        """Rows of evaluated texts that nearly equal one of the texts; each is given once."""
        texts = [text for text in texts if len(text) >= MIN_NEAR_CHARACTERS]
        if not texts or not len(self._bands[0][0]):
            return set()
        result: set[int] = set()
        for (known, rows), keys in zip(self._bands, band_keys(texts), strict=True):
            starts, ends = np.searchsorted(known, keys, "left"), np.searchsorted(known, keys, "right")
            for number in np.flatnonzero(ends > starts):
                candidates = rows[starts[number] : ends[number]]
                for row in candidates[self._compared[candidates] < MAX_CANDIDATES].tolist():
                    if self._agrees(row, texts[number]):
                        self._compared[row] = MAX_CANDIDATES  # settled
                        result.add(row)
        return result

    def _agrees(self, row: int, text: str) -> bool:
        mine = self._texts[row]
        shorter, longer = sorted((len(mine), len(text)))
        if shorter < NEAR * longer - GRAM:
            return False
        self._compared[row] += 1
        return overlap(mine, text) >= NEAR


def band_keys(folded: Sequence[str]) -> list[NDArray[np.uint64]]:
    """``BANDS`` arrays [N] of 64-bit keys; two texts share a key where two of their MinHashes agree."""
    if not folded:
        return [np.zeros(0, dtype=np.uint64) for _ in range(BANDS)]
    grams, starts = _hashed_grams(folded)
    mins = [np.minimum.reduceat(_permuted(grams, number), starts) for number in range(BANDS * ROWS)]
    return [
        (mins[first].astype(np.uint64) << np.uint64(32)) | mins[first + 1].astype(np.uint64)
        for first in range(0, BANDS * ROWS, ROWS)
    ]


def _hashed_grams(folded: Sequence[str]) -> tuple[Words32, NDArray[np.int64]]:
    """A 32-bit hash of every 5-gram of all texts, and where those of each text start.

    Every text must have ``GRAM`` characters.
    """
    lengths = np.array([len(text) for text in folded], dtype=np.int64)
    points = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashed = np.zeros(len(points) - GRAM + 1, dtype=np.uint32)
    for offset in range(GRAM):
        hashed = hashed * np.uint32(0x01000193) + points[offset : offset + len(hashed)]
    # A gram that runs into the next text is left out.
    ends = np.cumsum(lengths)
    counts = lengths - GRAM + 1
    inside = np.ones(len(hashed), dtype=bool)
    for back in range(1, GRAM):
        inside[ends[:-1] - back] = False
    starts = np.zeros(len(folded), dtype=np.int64)
    np.cumsum(counts[:-1], out=starts[1:])
    return _mixed(hashed[inside]), starts


def _mixed(values: Words32) -> Words32:
    """The finaliser of MurmurHash3, so that near code points are far apart."""
    values = values ^ (values >> np.uint32(16))
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    return values


def _permuted(values: Words32, number: int) -> Words32:
    rng = np.random.default_rng(number)
    seed, factor = (np.uint32(integer) for integer in rng.integers(1, 2**32, size=2, dtype=np.uint32))
    permuted: Words32 = (values ^ seed) * (factor | np.uint32(1))
    return permuted ^ (permuted >> np.uint32(15))


def _grams(text: str) -> set[str]:
    return {text[start : start + GRAM] for start in range(len(text) - GRAM + 1)}


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(texts)
    while block := list(islice(iterator, BLOCK_TEXTS)):
        yield block
