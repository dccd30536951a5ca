"""What a step asks of the student, by the kind of its pairs.

Taught kinds: the text, in whatever language, gets the vector that the teacher gives its English
(arXiv:2004.09813), told from those of the other texts of the batch. The others: query and passage find each
other among the queries and passages of the batch, which are in many languages (arXiv:1807.03748).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from trainer.builtin.corpus import ENGLISH, Corpus
from trainer.builtin.losses import distillation, equal_pairs
from trainer.builtin.sampling import Batch, PairSampler, Translations
from trainer.builtin.static import PieceTable
from trainer.stages.fair.recipe import ASKED_IN_TRANSLATION, TAUGHT, FairConfig
from trainer.stages.fair.stack import Workers
from trainer.stages.fair.student import Part, Student

QUERY, PASSAGE = "query: ", "passage: "


@dataclass(frozen=True)
class Drawn:
    """The texts of a step; ``english``, the parts of the taught ones for the teacher, is None for others."""

    parts: list[Part]
    english: Part | None
    which: NDArray[np.int64]  # row of ``english`` for each text
    batch: Batch


class Objective:
    """Draws steps and judges their vectors.

    Args:
        corpus: texts and pairs.
        pieces: of every text.
        tokenizer: for what stands before and after.
        config: the recipe.
    """

    def __init__(self, corpus: Corpus, pieces: PieceTable, tokenizer: Tokenizer, config: FairConfig) -> None:
        self._pieces, self._config = pieces, config
        self._is_english = np.array([language == ENGLISH for language in corpus.languages])
        self.samplers = _samplers(corpus, config)
        self._around = {p: _around(tokenizer, p) for p in {QUERY, PASSAGE, *config.prefixes}}

    def draw(self, kind: str, generator: np.random.Generator) -> Drawn:
        """The texts of a step."""
        size = self._config.batch_sizes.get(kind, self._config.batch_size)
        batch = self.samplers[kind].draw(size)
        if kind in TAUGHT:
            return self._taught(batch, generator)
        limit = self._config.max_passage_pieces
        parts = [self._part(batch.left, QUERY, limit), self._part(batch.right, PASSAGE, limit)]
        return Drawn(parts, None, np.zeros(0, np.int64), batch)

    def _taught(self, batch: Batch, generator: np.random.Generator) -> Drawn:
        left_is = self._is_english[batch.left]
        known = left_is | self._is_english[batch.right]
        english = np.where(left_is, batch.left, batch.right)[known]
        other = np.where(left_is, batch.right, batch.left)[known]
        itself = generator.random(len(english)) < self._config.english_share
        shares = self._config.prefixes
        weights = np.array(list(shares.values()))
        prefix = list(shares)[generator.choice(len(weights), p=weights / weights.sum())]
        asked, which = np.unique(english, return_inverse=True)
        limit = self._config.max_sentence_pieces
        return Drawn(
            [self._part(np.where(itself, english, other), prefix, limit)],
            self._part(asked, prefix, limit),
            which,
            Batch(english, english),
        )

    def _part(self, texts: NDArray[np.int32], prefix: str, limit: int) -> Part:
        return Part.of(self._pieces, texts, limit, *self._around[prefix])

    def loss(
        self, vectors_BD: Tensor, drawn: Drawn, teacher: Student, workers: Workers
    ) -> tuple[float, Tensor]:
        """The loss of the student's vectors, and its gradient for them."""
        temperature = self._config.temperature
        if drawn.english is None:
            return drawn.batch.loss(vectors_BD, temperature=temperature, matmul_dtype=torch.bfloat16)
        with torch.no_grad():
            means = teacher.forward(workers, [drawn.english], learn=False).means
            targets_BD = teacher.vectors(means)[torch.from_numpy(drawn.which)]
        same = drawn.batch.left
        return distillation(
            vectors_BD,
            targets_BD,
            temperature=temperature,
            cosine_weight=self._config.cosine_weight,
            ignored_K2=equal_pairs(same, same),
            matmul_dtype=torch.bfloat16,
        )


def _samplers(corpus: Corpus, config: FairConfig) -> Mapping[str, PairSampler]:
    tables = {kind: pairs.arrays() for kind, pairs in corpus.train.items()}
    translations = Translations(tables["parallel"]) if "parallel" in tables else None
    return {
        kind: PairSampler(
            tables[kind],
            exponent=config.language_exponent,
            seed=config.seed * 100 + number,
            translations=translations if kind in ASKED_IN_TRANSLATION else None,
            pivot_share=config.section_pivot_share,
        )
        for number, kind in enumerate(sorted(tables))
        if config.mixture.get(kind, 0) > 0
    }


def _around(tokenizer: Tokenizer, prefix: str) -> tuple[list[int], list[int]]:
    """The pieces before and after a text: begin and prefix, as it is cut before a word, and end."""
    alone = tokenizer.encode("x", add_special_tokens=False).ids
    prefixed = tokenizer.encode(f"{prefix}x", add_special_tokens=False).ids
    whole = tokenizer.encode(f"{prefix}x").ids
    begins = next(at for at in range(len(whole)) if whole[at : at + len(prefixed)] == prefixed)
    ends = begins + len(prefixed)
    return whole[: ends - len(alone)], whole[ends:]
