"""A model that needs no weights: words are tokens, vectors are hashed bags of words."""

import re
import zlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.contract import ModelContract
from me5.prefixes import Role

WORD = re.compile(r"\w+|[^\w\s]")


class FakeEncoder:
    """Fits wherever ``me5.Encoder`` does. ``texts_seen`` counts what was encoded as passage.

    Args:
        name: of the model; another name is another contract.
        before_encode: called with the texts of each call, to interrupt or to look.
        dimension, max_tokens: of the model.
    """

    engine_name = "fake"

    def __init__(
        self,
        name: str = "fake",
        before_encode: Callable[[Sequence[str]], None] | None = None,
        *,
        dimension: int = 32,
        max_tokens: int = 128,
    ) -> None:
        self.dimension, self.max_tokens = dimension, max_tokens
        self.contract = ModelContract(
            model_id=name,
            revision="1",
            query_prefix="query: ",
            passage_prefix="passage: ",
            instruct_template=None,
            pooling="mean",
            normalize=True,
            max_tokens=self.max_tokens,
            dimension=self.dimension,
        )
        self.spec = SimpleNamespace(
            name=name,
            query_prefix="query: ",
            passage_prefix="passage: ",
            bitext_prefix=None,
            instruct_template=None,
            default_instruction=None,
            normalize=True,
            layers=0,
        )
        self.neutral = None
        self.before_encode = before_encode
        self.texts_seen = 0

    def encode(
        self,
        texts: Sequence[str],
        role: Role = Role.QUERY,
        *,
        titles: Sequence[str] | None = None,
        instruction: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        if self.before_encode is not None:
            self.before_encode(texts)
        if role == Role.PASSAGE:
            self.texts_seen += len(texts)
        vectors_ND = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            title = titles[row] if titles is not None else ""
            for word in WORD.findall(f"{title} {text}".lower()):
                vectors_ND[row, zlib.crc32(word.encode()) % self.dimension] += 1
        if on_progress is not None:
            on_progress(len(texts))
        return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        return [
            np.array([match.span() for match in WORD.finditer(text)], dtype=np.int32).reshape(-1, 2)
            for text in texts
        ]

    def overhead_tokens(self, role: Role, title: str = "") -> int:
        return 4 + len(WORD.findall(title))

    def count_tokens(
        self, texts: Sequence[str], role: Role = Role.PASSAGE, titles: Sequence[str] | None = None
    ) -> list[int]:
        shown: Sequence[Any] = titles or [""] * len(texts)
        return [
            len(spans) + self.overhead_tokens(role, title)
            for spans, title in zip(self.token_spans(texts), shown, strict=True)
        ]
