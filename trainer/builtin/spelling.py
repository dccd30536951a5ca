"""The character n-grams of each piece: pieces that are spelled alike share vectors while they are trained.

The idea is that of fastText (arXiv:1607.04606), inside a vocabulary of sub-words: the vector of a piece is
its own plus the mean of those of its n-grams, so that a rare form learns from its relatives. When training
is over the sums are the table, and the n-grams are gone.
"""

from __future__ import annotations

import zlib

import numpy as np
from tokenizers import Tokenizer

from trainer.builtin.static import PieceTable
from trainer.builtin.tokenizer import BYTE_TOKENS, SPECIAL_TOKENS

LENGTHS = (3, 4, 5)


def spelling_of(tokenizer: Tokenizer, buckets: int) -> PieceTable:
    """The buckets (1 to ``buckets`` - 1) of the n-grams of every piece, each once, ascending.

    A piece that is no longer than an n-gram, a byte or a special token has none of that length.
    """
    plain = {*BYTE_TOKENS, *SPECIAL_TOKENS}
    results: list[int] = []
    offsets = [0]
    for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1]):
        if piece not in plain:
            results.extend(sorted({zlib.crc32(gram.encode()) % (buckets - 1) + 1 for gram in _ngrams(piece)}))
        offsets.append(len(results))
    return PieceTable(np.array(results, dtype=np.int32), np.array(offsets, dtype=np.int64))


def _ngrams(piece: str) -> list[str]:
    return [
        piece[start : start + length]
        for length in LENGTHS
        if length < len(piece)
        for start in range(len(piece) - length + 1)
    ]
