"""BM25 over sub-word pieces: the lexical baseline that works in every language.

Pieces come from a model's own tokenizer, so scripts without spaces and rich inflection need no analyser;
or they are words, with pairs of characters where a script writes no spaces. The formula is Lucene's, with
the parameters of the MIRACL baseline (Pyserini: k1 0.9, b 0.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import regex
from numpy.typing import NDArray

Pieces = Callable[[Sequence[str]], Sequence[Sequence[int]]]

K1, B = 0.9, 0.4
NO_HIT = -1

_UNSPACED = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}"
    r"\p{Script=Myanmar}"
)
_WORD = regex.compile(
    rf"(?V1)(?P<unspaced>[[{_UNSPACED}]\p{{M}}]+)|(?P<word>[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+)"
)


class Bm25:
    """An index over passages; searched with the same pieces."""

    def __init__(self, passages: Sequence[str], pieces: Pieces, *, k1: float = K1, b: float = B) -> None:
        self._pieces = pieces
        documents, result, counts, lengths = _count(pieces(passages))
        self._passages = len(passages)
        order = np.argsort(result, kind="stable")
        self._documents = documents[order]
        known, self._starts = np.unique(result[order], return_index=True)
        self._row = {int(piece): row for row, piece in enumerate(known)}
        self._starts = np.append(self._starts, len(result))
        having = np.diff(self._starts)
        idf = np.log1p((len(passages) - having + 0.5) / (having + 0.5))
        average = lengths.mean() if len(lengths) and lengths.any() else 1.0
        norms = k1 * (1 - b + b * lengths / average)
        frequency = counts[order] / (counts[order] + norms[self._documents])
        self._weights = (np.repeat(idf, having) * frequency).astype(np.float32)

    def top_k(self, queries: Sequence[str], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and passage numbers, [Q, k], best first, equal scores by ascending number.

        Passages that share no piece with the query are no hits: their places hold 0 and ``NO_HIT``.
        """
        scores_QK = np.zeros((len(queries), k), dtype=np.float32)
        numbers_QK = np.full((len(queries), k), NO_HIT, dtype=np.int64)
        for row, pieces in enumerate(self._pieces(queries)):
            scores = self._scores(pieces)
            hits = np.flatnonzero(scores > 0)
            if len(hits) > k:
                hits = hits[scores[hits] >= np.partition(scores[hits], -k)[-k]]
            hits = hits[np.argsort(-scores[hits], kind="stable")][:k]
            scores_QK[row, : len(hits)], numbers_QK[row, : len(hits)] = scores[hits], hits
        return scores_QK, numbers_QK

    def _scores(self, pieces: Sequence[int]) -> NDArray[np.float32]:
        scores = np.zeros(self._passages, dtype=np.float32)
        for piece, times in Counter(pieces).items():
            row = self._row.get(piece)
            if row is not None:
                postings = slice(self._starts[row], self._starts[row + 1])
                scores[self._documents[postings]] += times * self._weights[postings]
        return scores


def model_pieces(tokenizer_file: Path) -> Pieces:
    """Case-folded text to the piece numbers of a ``tokenizer.json``, whole, without special tokens."""
    from trainer.models.script_tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tokenizer_file)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def pieces(texts: Sequence[str]) -> list[list[int]]:
        folded = [text.casefold() for text in texts]
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(folded, add_special_tokens=False)]

    return pieces


def word_pieces() -> Pieces:
    """Case-folded words as numbers; pairs of characters where a script writes no spaces."""
    numbers: dict[str, int] = {}

    def pieces(texts: Sequence[str]) -> list[list[int]]:
        return [[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts]

    return pieces


def words(text: str) -> list[str]:
    """The words of ``text``, case-folded; overlapping pairs of characters in scripts without spaces."""
    results: list[str] = []
    for match in _WORD.finditer(text.casefold()):
        run = match.group()
        if match.lastgroup == "word" or len(run) == 1:
            results.append(run)
        else:
            results.extend(first + second for first, second in pairwise(run))
    return results


def _count(
    texts: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(document, piece, occurrences) of every distinct pair, ordered by document; and text lengths."""
    lengths = np.array([len(pieces) for pieces in texts], dtype=np.int64)
    counted = [Counter(pieces) for pieces in texts]
    sizes = [len(pieces) for pieces in counted]
    documents = np.repeat(np.arange(len(texts)), sizes)
    result = np.fromiter((piece for pieces in counted for piece in pieces), np.int64, sum(sizes))
    counts = np.fromiter((n for pieces in counted for n in pieces.values()), np.int64, sum(sizes))
    return documents, result, counts, lengths
