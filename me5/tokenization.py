"""Text to token ids with the ``tokenizers`` library, truncated exactly as Hugging Face truncates.

One tokenizer serves encoding (truncated), counting and spans (not truncated): truncation is done here,
because two tokenizers of 250,000 pieces would double the memory.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.storable import replace_surrogates

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

_CHARS_PER_TOKEN = 64
"""Longer than nearly every piece: text beyond max_tokens times this is looked at only when needed."""


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
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the binding raises plain Exception for every cause
            raise ModelFormatError(
                f"Tokenizer {path} cannot be read ({error}). Expected a tokenizer.json of the "
                "`tokenizers` library. Save the tokenizer again with transformers `save_pretrained`."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        self.pad_id = pad_id
        self._lower_case, self._is_static = lower_case, is_static
        self._unknown = _unknown_id(self._tokenizer) if drops_unknown else None
        probe = self._tokenizer.encode("a", add_special_tokens=not is_static)
        specials = probe.special_tokens_mask
        self._suffix = specials[::-1].index(0) if 0 in specials else 0
        self._end = self._missing_end(end_token, probe.tokens)
        self._suffix += self._end is not None
        self.last_token = end_token if self._end is not None else _last_special(probe.tokens, specials)

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
        encodings = self._tokenizer.encode_batch([*map(replace_surrogates, texts)], add_special_tokens=False)
        return [np.array(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encodings]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # a soft hyphen would cut its word into other pieces than the same word has elsewhere
        whole = [
            text if text.isascii() else text.replace("\u00ad", "") for text in map(replace_surrogates, texts)
        ]
        if self._lower_case:
            whole = [text.lower() for text in whole]
        encodings = self._tokenizer.encode_batch_fast(whole, add_special_tokens=not self._is_static)
        if self._unknown is not None:
            return [[one for one in encoding.ids if one != self._unknown] for encoding in encodings]
        end = [] if self._end is None else [self._end]
        return [encoding.ids + end for encoding in encodings]

    def _missing_end(self, token: str | None, probe: Sequence[str]) -> int | None:
        """The id of an end token that the post-processor does not add.

        Raises:
            ModelFormatError: the vocabulary lacks it.
        """
        if token is None or (probe and probe[-1] == token):
            return None
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelFormatError(
                f"The tokenizer has no token {token!r}, which the model reads at the end of a text. Copy "
                "tokenizer.json from the original model again."
            )
        logger.info("the end token %s is added, which the tokenizer does not add", token)
        return int(number)

    def _truncate(self, ids: list[int]) -> list[int]:
        if len(ids) > self.max_tokens:
            return ids[: self.max_tokens - self._suffix] + ids[len(ids) - self._suffix :]
        return ids if ids or self._is_static else [self.pad_id]


def _last_special(tokens: Sequence[str], specials: Sequence[int]) -> str | None:
    return tokens[-1] if tokens and specials[-1] else None


def _unknown_id(tokenizer: "Tokenizer") -> int | None:
    """The id of the token for what is not in the vocabulary; None where there is none."""
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:  # Unigram
        return int(model["unk_id"])
    token = model.get("unk_token")
    number = None if token is None else tokenizer.token_to_id(token)
    return None if number is None else int(number)
