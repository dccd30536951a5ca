"""What the frequent words of a text say about its language: relative frequencies of some thousand words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import regex
from numpy.typing import NDArray

_FILE = Path(__file__).parent.parent / "data" / "frequent_words.txt"
_UNIT = 1e-5
_FLOOR = 3 * _UNIT  # share of a word where it is not listed
_UNKNOWN_LANGUAGE = 30 * _UNIT  # share assumed for a language without a list
_MAX_WEIGHT = 4.0
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['\u200c][\p{L}\p{M}]+)*")


class WordEvidence:
    """Log-likelihood ratios of frequent words for the candidate languages of one script."""

    def __init__(self, script: str, labels: Sequence[str]) -> None:
        shares = _read(script)
        vocabulary = sorted({word for words in shares.values() for word in words})
        self._rows = {word: row for row, word in enumerate(vocabulary)}
        table = np.full((len(vocabulary), len(labels)), _UNKNOWN_LANGUAGE)
        for column, label in enumerate(labels):
            if label not in shares:
                continue
            table[:, column] = _FLOOR
            for word, share in shares[label].items():
                table[self._rows[word], column] = share
        log_table = np.log(table)
        log_table -= log_table.max(axis=1, keepdims=True)
        self._weights = np.maximum(log_table, -_MAX_WEIGHT).astype(np.float32)

    def score(self, text: str) -> NDArray[np.float32] | None:
        """Sum over the known words of ``text``, per label, at most 0; None when no word is known."""
        words = _WORD.findall(text.lower().replace("’", "'"))
        rows = [self._rows[word] for word in words if word in self._rows]
        return self._weights[rows].sum(axis=0) if rows else None


def _read(script: str) -> dict[str, dict[str, float]]:
    shares: dict[str, dict[str, float]] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if not line.startswith(script + " "):
            continue
        _, label, *entries = line.split(" ")
        pairs = (entry.rsplit(":", 1) for entry in entries)
        shares[label] = {word: int(count) * _UNIT for word, count in pairs}
    return shares
