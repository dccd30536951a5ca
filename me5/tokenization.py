"""Text to token ids, truncated exactly as Hugging Face truncates.

One tokenizer serves encoding (truncated), counting and spans (not truncated): truncation is done here,
because two tokenizers of 250,000 pieces would double the memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.storable import replace_surrogates
from me5.unigram import open_unigram

_CHARS_PER_TOKEN = 64
"""Longer than nearly every piece: text beyond max_tokens times this is looked at only when needed."""


class Tokenizer(Protocol):
    """Texts to pieces. Safe to use from several threads.

    Attributes:
        suffix: number of special tokens after a text.
    """

    suffix: int

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text with special tokens."""

    def spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Character offsets [T, 2] of each token in its text, without special tokens."""


class HubTokenizer:
    """Any tokenizer.json, read by the ``tokenizers`` library."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        specials = self._tokenizer.encode("a").special_tokens_mask
        self.suffix = specials[::-1].index(0) if 0 in specials else 0

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

    def spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [np.array(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encodings]


def open_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json, in the form that takes the least memory.

    Raises:
        ModelFormatError: it cannot be read.
    """
    try:
        return open_unigram(path) or HubTokenizer(path)
    except Exception as error:  # the binding raises plain Exception for every cause
        raise ModelFormatError(
            f"Tokenizer {path} cannot be read ({error}). Expected a tokenizer.json of the "
            "`tokenizers` library. Save the tokenizer again with transformers `save_pretrained`."
        ) from error


class Tokenization:
    """The tokenizer of one model. Safe to use from several threads."""

    def __init__(self, path: Path, max_tokens: int, pad_id: int) -> None:
        self._tokenizer = open_tokenizer(path)
        self.max_tokens = max_tokens
        self.pad_id = pad_id

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, at most ``max_tokens`` each, never empty."""
        limit = self.max_tokens * _CHARS_PER_TOKEN
        cut = [text[:limit] for text in texts]
        ids = self._ids(cut)
        for row, text in enumerate(texts):
            # The end of a cut text may tokenise differently, so it must lie well behind what is kept.
            if len(text) > limit and len(ids[row]) < 2 * self.max_tokens:
                ids[row] = self._ids([text])[0]
        return [self._truncate(row) for row in ids]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens with special tokens, before truncation."""
        return [len(ids) for ids in self._ids(texts)]

    def spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Character offsets [T, 2] of each token in its text, without special tokens."""
        return self._tokenizer.spans([*map(replace_surrogates, texts)])

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # a soft hyphen would cut its word into other pieces than the same word has elsewhere
        whole = [
            text if text.isascii() else text.replace("\u00ad", "") for text in map(replace_surrogates, texts)
        ]
        return self._tokenizer.ids(whole)

    def _truncate(self, ids: list[int]) -> list[int]:
        if len(ids) > self.max_tokens:
            suffix = self._tokenizer.suffix
            return ids[: self.max_tokens - suffix] + ids[len(ids) - suffix :]
        return ids or [self.pad_id]
