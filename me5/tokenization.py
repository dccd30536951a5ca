"""Text to token ids with the ``tokenizers`` library, truncated exactly as Hugging Face truncates.

One tokenizer serves encoding (truncated), counting and spans (not truncated): truncation is done here,
because two tokenizers of 250,000 pieces would double the memory.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.storable import replace_surrogates

_CHARS_PER_TOKEN = 64
"""Longer than nearly every piece: text beyond max_tokens times this is looked at only when needed."""


class Tokenization:
    """The tokenizer of one model. Safe to use from several threads."""

    def __init__(self, path: Path, max_tokens: int, pad_id: int) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the binding raises plain Exception for every cause
            raise ModelFormatError(
                f"Tokenizer {path} cannot be read ({error}). Expected a tokenizer.json of the "
                "`tokenizers` library. Save the tokenizer again with transformers `save_pretrained`."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        self.pad_id = pad_id
        specials = self._tokenizer.encode("a").special_tokens_mask
        self._suffix = specials[::-1].index(0) if 0 in specials else 0

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
        encodings = self._tokenizer.encode_batch([*map(replace_surrogates, texts)], add_special_tokens=False)
        return [np.array(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encodings]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # a soft hyphen would cut its word into other pieces than the same word has elsewhere
        whole = [
            text if text.isascii() else text.replace("\u00ad", "") for text in map(replace_surrogates, texts)
        ]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(whole)]

    def _truncate(self, ids: list[int]) -> list[int]:
        if len(ids) > self.max_tokens:
            return ids[: self.max_tokens - self._suffix] + ids[len(ids) - self._suffix :]
        return ids or [self.pad_id]
