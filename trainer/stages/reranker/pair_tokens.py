"""A query and a passage as one sequence of tokens, the input of a cross-encoder.

Pairs are put together by the tokenizer's own template (``[CLS] q [SEP] p [SEP]`` for BERT,
``<s> q </s></s> p </s>`` for XLM-R) and cut as ``transformers`` and sentence-transformers cut them: one token
after the other off the longer side, until both fit (``longest_first``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from me5 import ModelFormatError
from me5.prefixes import join_title
from me5.storable import replace_surrogates

CHARS_PER_TOKEN = 64
"""Longer than nearly every piece: text beyond max_tokens times this is looked at only when needed."""


@dataclass(frozen=True)
class PairTokens:
    """One tokenised pair: token ids, and for each the segment (0 query, 1 passage; 0 where unknown)."""

    ids: list[int]
    segments: list[int]

    def __len__(self) -> int:
        return len(self.ids)


class PairTokenization:
    """The tokenizer of a cross-encoder.

    Args:
        path: a tokenizer.json.
        max_tokens: pairs are cut there, special tokens included.
        pad_id: number of the padding token.
    """

    def __init__(self, path: Path, *, max_tokens: int, pad_id: int) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # the binding raises plain Exception for every cause
            raise ModelFormatError(
                f"Tokenizer {path} cannot be read ({error}). Expected a tokenizer.json of the "
                "`tokenizers` library. Save the tokenizer again with transformers `save_pretrained`."
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens, strategy="longest_first")
        self.max_tokens = max_tokens
        self.pad_id = pad_id

    def encode(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[PairTokens]:
        """Tokens of each pair, at most ``max_tokens``; a title stands before its passage."""
        if titles is not None:
            passages = [join_title(title, text) for title, text in zip(titles, passages, strict=True)]
        whole = [
            (replace_surrogates(query), replace_surrogates(text))
            for query, text in zip(queries, passages, strict=True)
        ]
        limit = self.max_tokens * CHARS_PER_TOKEN
        result = self._tokens([(query[:limit], text[:limit]) for query, text in whole])
        for row, (query, text) in enumerate(whole):
            if max(len(query), len(text)) > limit and len(result[row]) < self.max_tokens:
                result[row] = self._tokens([whole[row]])[0]  # the cut has taken something that fits
        return result

    @property
    def has_separator(self) -> bool:
        """Whether the tokenizer marks where the query ends."""
        sides = self._tokenizer.encode("a", "a").sequence_ids
        end_of_query = len(sides) - sides[::-1].index(0)
        return bool(sides.index(1) > end_of_query)

    def add_separator(self, *, has_segments: bool) -> None:
        """Give a tokenizer that only knows single texts the pair template of BERT or of XLM-R.

        Raises:
            ModelFormatError: nothing ends a single text, so there is nothing to separate with.
        """
        from tokenizers.processors import TemplateProcessing

        single = self._tokenizer.encode("a")
        sides = single.sequence_ids
        first, last = sides.index(0), len(sides) - sides[::-1].index(0)
        begin, end = single.tokens[:first], single.tokens[last:]
        if not end:
            raise ModelFormatError(
                "The tokenizer ends a text with no special token, so a query and a passage cannot be told "
                "apart. Expected a tokenizer that writes [SEP] or </s>. Take another model."
            )
        between = end if has_segments else end + end
        segment = "1" if has_segments else "0"
        pair = [*begin, "$A", *between, f"$B:{segment}", *(f"{token}:{segment}" for token in end)]
        self._tokenizer.post_processor = TemplateProcessing(
            single=[*begin, "$A", *end],
            pair=pair,
            special_tokens=[(token, self._tokenizer.token_to_id(token)) for token in {*begin, *end}],
        )

    def save(self, path: Path) -> None:
        """Write the tokenizer.json, without this object's limit."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.save(str(path))

    def token(self, number: int) -> str | None:
        """The token with that number."""
        token: str | None = self._tokenizer.id_to_token(number)
        return token

    def _tokens(self, pairs: Sequence[tuple[str, str]]) -> list[PairTokens]:
        encodings = self._tokenizer.encode_batch_fast(list(pairs))
        return [PairTokens(encoding.ids, encoding.type_ids) for encoding in encodings]
