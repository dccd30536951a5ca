"""Text to token ids, truncated exactly as Hugging Face truncates.

One tokenizer serves encoding (truncated), counting and spans (not truncated): truncation is done here,
because two tokenizers of 250,000 pieces would double the memory.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.storable import replace_surrogates
from me5.unigram import open_unigram

logger = logging.getLogger(__name__)

_CHARS_PER_TOKEN = 64
"""Longer than nearly every piece: text beyond max_tokens times this is looked at only when needed."""


class Tokenizer(Protocol):
    """Texts to pieces. Safe to use from several threads."""

    def ids(self, texts: Sequence[str], *, special_tokens: bool = True) -> list[list[int]]:
        """Ids of each text, with the special tokens around it."""

    def spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Character offsets [T, 2] of each token in its text, without special tokens."""

    def last_tokens(self) -> list[str]:
        """The special tokens after a text."""

    def token_id(self, token: str) -> int | None:
        """The id of a token; None for one that is not in the vocabulary."""

    def unknown_id(self) -> int | None:
        """The id that stands for what is not in the vocabulary; None where there is none."""


class HubTokenizer:
    """Any tokenizer.json, read by the ``tokenizers`` library."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def ids(self, texts: Sequence[str], *, special_tokens: bool = True) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=special_tokens)
        return [encoding.ids for encoding in encodings]

    def spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [np.array(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encodings]

    def last_tokens(self) -> list[str]:
        probe = self._tokenizer.encode("a")
        specials = probe.special_tokens_mask
        count = specials[::-1].index(0) if 0 in specials else 0
        return list(probe.tokens[len(probe.tokens) - count :])

    def token_id(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)

    def unknown_id(self) -> int | None:
        model = json.loads(self._tokenizer.to_str())["model"]
        if model.get("unk_id") is not None:  # Unigram
            return int(model["unk_id"])
        token = model.get("unk_token")
        return None if token is None else self.token_id(token)


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
    """The tokenizer of one model. Safe to use from several threads.

    Args:
        path: a tokenizer.json; special tokens are added as its post-processor says.
        max_tokens: of a text, with special tokens.
        pad_id: stands for a text without any token.
        end_token: added at the end where the post-processor adds none, and kept where a text is cut.
        lower_case: whether texts are read in lower case.
        is_static: no special tokens, and a text may have no token at all.
        drops_unknown: whether tokens that are not in the vocabulary are left out.
    """

    def __init__(
        self,
        path: Path,
        max_tokens: int,
        pad_id: int,
        *,
        end_token: str | None = None,
        lower_case: bool = False,
        is_static: bool = False,
        drops_unknown: bool = False,
    ) -> None:
        self._tokenizer = open_tokenizer(path)
        self.max_tokens = max_tokens
        self.pad_id = pad_id
        self._lower_case, self._is_static = lower_case, is_static
        self._unknown = self._tokenizer.unknown_id() if drops_unknown else None
        last = [] if is_static else self._tokenizer.last_tokens()
        self._end = self._missing_end(end_token, last)
        self._suffix = len(last) + len(self._end)
        self.last_token = end_token if self._end else next(reversed(last), None)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, at most ``max_tokens`` each; never empty but in a static model."""
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
        if self._lower_case:
            whole = [text.lower() for text in whole]
        rows = self._tokenizer.ids(whole, special_tokens=not self._is_static)
        if self._unknown is not None:
            return [[item for item in row if item != self._unknown] for row in rows]
        return [row + self._end for row in rows] if self._end else rows

    def _missing_end(self, token: str | None, last: Sequence[str]) -> list[int]:
        """The id of an end token that the post-processor does not add.

        Raises:
            ModelFormatError: the vocabulary lacks it.
        """
        if token is None or (last and last[-1] == token):
            return []
        number = self._tokenizer.token_id(token)
        if number is None:
            raise ModelFormatError(
                f"The tokenizer has no token {token!r}, which the model reads at the end of a text. Copy "
                "tokenizer.json from the original model again."
            )
        logger.info("the end token %s is added, which the tokenizer does not add", token)
        return [number]

    def _truncate(self, ids: list[int]) -> list[int]:
        if len(ids) > self.max_tokens:
            return ids[: self.max_tokens - self._suffix] + ids[len(ids) - self._suffix :]
        return ids if ids or self._is_static else [self.pad_id]
