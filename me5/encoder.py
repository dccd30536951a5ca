"""Encoder: texts and their role in, unit vectors out. Knows no files, stores or screens."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from me5.batching import plan_batches
from me5.contract import ModelContract
from me5.engines.engine import Engine
from me5.errors import InstructionError, ModelFormatError, ShapeError
from me5.heads import Head
from me5.neutral_map import NeutralMap
from me5.pooling import l2_normalize
from me5.prefixes import Role, join_title, prefix_of
from me5.ranks import ALONE, Ranks
from me5.runtime import RuntimeChoice
from me5.spec import ModelSpec
from me5.tokenization import Tokenization

WINDOW_TEXTS = 4_096
"""Texts whose token ids are held at a time; wide enough to sort well, small enough for any input."""


class Encoder:
    """A model, ready to encode; see :func:`me5.load_encoder`.

    Safe to use from several threads: nothing here changes after construction, and engines keep what a
    call needs inside the call, so that a query does not wait for a long run of passages.
    """

    def __init__(
        self,
        spec: ModelSpec,
        tokenization: Tokenization,
        engine: Engine,
        runtime: RuntimeChoice,
        *,
        heads: Sequence[Head] = (),
        neutral: NeutralMap | None = None,
    ) -> None:
        self.spec = spec
        self.neutral = neutral
        self.contract: ModelContract = replace(spec.contract, neutral=neutral.digest if neutral else None)
        self.dimension = spec.dimension
        self.max_tokens = tokenization.max_tokens
        self.runtime = runtime
        self.engine_name = runtime.engine
        self._tokenization = tokenization
        self._engine = engine
        self._heads = tuple(heads)
        self._ranks = ALONE

    def encode(
        self,
        texts: Sequence[str],
        role: Role = Role.QUERY,
        *,
        titles: Sequence[str] | None = None,
        instruction: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Encode texts; the order of rows is that of the texts.

        Args:
            texts: any number of texts, also empty ones; what exceeds ``max_tokens`` is not read.
            role: decides the prefix.
            titles: one per text, joined as ``title text``; ``""`` for none.
            instruction: one sentence that describes the task, for models that take it, on queries only.
            on_progress: called after every batch with the number of texts done so far.

        Returns:
            [N, D] float32, C-contiguous, rows of length 1 (unless ``spec.normalize`` is off).

        Raises:
            ShapeError: texts is one string, or titles and texts differ in number.
            InstructionError: the model or the role takes no instruction.
        """
        role = Role(role)
        prefix = self._prefix(role, instruction)
        _require_texts(texts, titles)
        if self._ranks.size > 1:
            own = self._ranks.share(len(texts))
            parts = self._ranks.gather(
                self._encode(
                    texts[own], None if titles is None else titles[own], role, prefix, on_progress=on_progress
                )
            )
            return np.concatenate(parts)
        return self._encode(texts, titles, role, prefix, on_progress=on_progress)

    def _encode(
        self,
        texts: Sequence[str],
        titles: Sequence[str] | None,
        role: Role,
        prefix: str,
        *,
        on_progress: Callable[[int], None] | None,
    ) -> NDArray[np.float32]:
        vectors_ND = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for start in range(0, len(texts), WINDOW_TEXTS):
            stop = min(start + WINDOW_TEXTS, len(texts))
            window_titles = None if titles is None else titles[start:stop]
            inputs = self._inputs(prefix, role, texts[start:stop], window_titles)
            for batch, pooled_BH in self._pooled(inputs, role):
                vectors_ND[[start + row for row in batch]] = self._finish(pooled_BH)
                done += len(batch)
                if on_progress is not None:
                    on_progress(done)
        return vectors_ND

    def with_ranks(self, ranks: Ranks) -> "Encoder":
        """The same open model in every process of ``ranks``, which share the texts of each call.

        All of them must make the same calls in the same order; all get all vectors. Texts meet others in a
        batch than in one process, so vectors agree to the precision of the arithmetic, 1e-6 in fp32.
        """
        twin = copy.copy(self)
        twin._ranks = ranks
        return twin

    def with_neutral(self, neutral: NeutralMap | None) -> "Encoder":
        """The same open model with another language-neutral map, or none."""
        twin = copy.copy(self)
        twin.neutral = neutral
        twin.contract = replace(self.contract, neutral=neutral.digest if neutral else None)
        return twin

    def with_unit_length(self) -> "Encoder":
        """The same open model with vectors of length 1, which changes nothing of their cosine.

        Raises:
            ModelFormatError: the model compares vectors by their inner product, where the length counts.
        """
        if self.spec.normalize:
            return self
        if self.spec.similarity != "cosine":
            raise ModelFormatError(
                f"{self.spec.name!r} compares vectors by their inner product: their length has a meaning, "
                "and vectors of length 1 would rank otherwise. A collection holds such vectors only. Use "
                "another model; `evaluate` measures this one as it is."
            )
        twin = copy.copy(self)
        twin.spec = replace(self.spec, normalize=True)
        twin.contract = replace(self.contract, normalize=True)
        return twin

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Character offsets [T, 2] of the tokens of each text, without prefix and special tokens."""
        _require_texts(texts, None)
        return self._tokenization.spans(texts)

    def overhead_tokens(self, role: Role, title: str = "") -> int:
        """Tokens that prefix, title and special tokens take of ``max_tokens``."""
        prefix = self._prefix(role, None)
        if title and role is Role.PASSAGE and self.spec.title_template is not None:
            return self._tokenization.count([self._inputs(prefix, role, [""], [title])[0]])[0]
        text = f"{title} " if title else ""
        return self._tokenization.count([prefix + text])[0]

    def count_tokens(
        self, texts: Sequence[str], role: Role = Role.PASSAGE, titles: Sequence[str] | None = None
    ) -> list[int]:
        """Tokens of each whole input, with prefix, title and special tokens, before truncation."""
        _require_texts(texts, titles)
        return self._tokenization.count(self._inputs(self._prefix(role, None), role, texts, titles))

    def _pooled(self, inputs: Sequence[str], role: Role) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Rows of the inputs and their pooled vectors, batch by batch; an API is told the role."""
        ids = self._tokenization.encode(inputs)
        plan = plan_batches([len(row) for row in ids], self._engine.policy)
        results = self._engine.run([[ids[row] for row in batch] for batch in plan])
        return zip(plan, results, strict=True)

    def _prefix(self, role: Role, instruction: str | None) -> str:
        role = Role(role)
        if instruction is not None and self.spec.instruct_template is None:
            raise InstructionError(
                f"Model {self.spec.name!r} takes no instruction, got {instruction!r}. "
                "Leave it out, or use a model such as 'large-instruct'."
            )
        if instruction is not None and role is Role.PASSAGE:
            raise InstructionError(
                f"Passages are encoded without instruction, got {instruction!r}. Give it to the queries only."
            )
        return prefix_of(self.spec, role, instruction or self.spec.default_instruction)

    def _inputs(
        self, prefix: str, role: Role, texts: Sequence[str], titles: Sequence[str] | None
    ) -> list[str]:
        """What the model reads of each text."""
        if titles is None:
            return [prefix + text for text in texts]
        template = self.spec.title_template if role is Role.PASSAGE else None
        if template is None:
            return [prefix + join_title(title, text) for title, text in zip(titles, texts, strict=True)]
        befores = [
            template.replace("{title}", title.strip()) if title.strip() else prefix for title in titles
        ]
        return [before + text for before, text in zip(befores, texts, strict=True)]

    def _finish(self, pooled_BH: NDArray[np.float32]) -> NDArray[np.float32]:
        for head in self._heads:
            pooled_BH = head(pooled_BH)
        pooled_BH = pooled_BH[:, : self.dimension]
        if self.spec.normalize or self.neutral is not None:  # the map is one of unit vectors
            pooled_BH = l2_normalize(pooled_BH)
        return pooled_BH if self.neutral is None else self.neutral(pooled_BH)


def _require_texts(texts: Sequence[str], titles: Sequence[str] | None) -> None:
    if isinstance(texts, str):
        raise ShapeError(f"Got one string, {texts[:40]!r}. Expected a sequence of texts. Put it in a list.")
    if titles is not None and len(titles) != len(texts):
        raise ShapeError(
            f"Got {len(titles)} titles for {len(texts)} texts. Expected one each. Use '' where there is none."
        )
