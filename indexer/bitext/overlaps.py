"""Neighbouring sentences joined into blocks, and their vectors, each encoded once.

Aligning m sentences with n compares a block of m joined sentences with one of n. The vectors of all blocks
of a long text would be several times those of its sentences; only those in a moving window are kept.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.errors import IndexerError

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, float32 [N, D]."""

_BATCH = 4_096  # texts per call of the encoder: between two calls the work can be cancelled
_MAX_CHARACTERS = 8_000  # of a block; no model reads further, and one line can be a megabyte
_NO_SPACE_AFTER = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]$")


def join_sentences(texts: Sequence[str]) -> str:
    """Sentences as one text: with spaces between, except after Chinese and Japanese characters."""
    joined = ""
    for text in map(str.strip, texts):
        separator = " " if joined and text and not _NO_SPACE_AFTER.search(joined) else ""
        joined += separator + text
    return joined


def encode_all(
    texts: Sequence[str], encode: Encode, *, between: Callable[[int], None]
) -> NDArray[np.float32]:
    """Vectors of all texts.

    Args:
        texts: at least one.
        between: called after each batch with how many texts it had; may raise to stop.

    Returns:
        float32 [N, D], unit rows.

    Raises:
        IndexerError: the encoder did not return one finite row for each text.
    """
    batches = []
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        vectors_ND = np.asarray(encode(batch), dtype=np.float32)
        if vectors_ND.ndim != 2 or len(vectors_ND) != len(batch) or not np.isfinite(vectors_ND).all():
            raise IndexerError(
                f"The encoder returned an array of shape {vectors_ND.shape} for {len(batch)} texts. "
                "Expected one row of finite numbers for each text. Check the model."
            )
        batches.append(vectors_ND)
        between(len(batch))
    return np.concatenate(batches)


class Overlaps:
    """Vectors of the blocks of 1 to ``max_block`` sentences that end within a window.

    Args:
        sentences: of one text, at least one.
        singles_ND: their vectors.
        encode: what made them.
        max_block: sentences in the largest block.
        between: called after each batch with the number of texts; may raise to stop.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        singles_ND: NDArray[np.float32],
        encode: Encode,
        max_block: int,
        *,
        between: Callable[[int], None],
    ) -> None:
        self._sentences, self._singles_ND = sentences, singles_ND
        self._encode, self._between = encode, between
        self._first = 0  # end of the first block that is kept
        self._blocks_AED = np.empty((max_block, 0, singles_ND.shape[1]), dtype=np.float32)

    def window(self, first: int, last: int) -> NDArray[np.float32]:
        """Vectors of the blocks that end before sentence ``first``, …, ``last``.

        Args:
            first: 0 or more, never less than in an earlier call: what ends before is forgotten.
            last: at most the number of sentences.

        Returns:
            float32 [A, E, D]: row ``[a - 1, e]`` is the block of a sentences that ends before sentence
            ``first + e``; zero where the text has fewer sentences before it.
        """
        kept_AED = self._blocks_AED[:, max(0, first - self._first) :]
        begin = max(first, self._first + self._blocks_AED.shape[1])
        fresh_AED = self._encode_blocks(begin, last) if begin <= last else kept_AED[:, :0]
        self._blocks_AED = np.concatenate([kept_AED, fresh_AED], axis=1)
        self._first = first
        return self._blocks_AED[:, : last - first + 1]

    def _encode_blocks(self, begin: int, last: int) -> NDArray[np.float32]:
        sizes, width = len(self._blocks_AED), self._singles_ND.shape[1]
        blocks_AED = np.zeros((sizes, last - begin + 1, width), dtype=np.float32)
        ends = np.arange(max(begin, 1), last + 1)
        blocks_AED[0, ends - begin] = self._singles_ND[ends - 1]
        spans = [(size, end) for size in range(2, sizes + 1) for end in range(max(begin, size), last + 1)]
        if spans:
            texts = [join_sentences(self._cut(end - size, end)) for size, end in spans]
            vectors_SD = encode_all(texts, self._encode, between=self._between)
            places = np.array(spans)
            blocks_AED[places[:, 0] - 1, places[:, 1] - begin] = vectors_SD
        return blocks_AED

    def _cut(self, start: int, end: int) -> list[str]:
        """The sentences, each cut to its share when the block would be too long for any model."""
        share = _MAX_CHARACTERS // (end - start)
        return [text[:share] for text in self._sentences[start:end]]
