"""What a step asks of the student, by the kind of its pairs.

Taught kinds: the text, in whatever language, gets the vector that the teacher gives its English
(arXiv:2004.09813), told from those of the other texts of the batch and of the steps before: the teacher
stays, so its vectors do not age. The others: query and passage find each other among the queries and
passages of the batch, which are in many languages (arXiv:1807.03748); those of sections are about a few
topics each, for the negatives to be hard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.multilingual.sampling import Batch, PairSampler
from trainer.losses.autograd import to_targets, with_gradient
from trainer.losses.both_ways import equal_pairs
from trainer.stages.fair.recipe import TAUGHT, FairConfig
from trainer.stages.fair.samplers import PASSAGE, QUERY
from trainer.stages.fair.student import Part, Teacher, Texts


@dataclass(frozen=True)
class Drawn:
    """The texts of a step; ``english``, the parts of the taught ones for the teacher, is None for others.

    ``batch`` of a taught kind: the English of each text, twice.
    """

    parts: list[Part]
    english: Part | None
    which: NDArray[np.int64]  # row of ``english`` for each text
    batch: Batch


class Targets:
    """Vectors of the teacher that are kept, the latest ``size`` of them."""

    def __init__(self, size: int, dimension: int) -> None:
        self.size = size
        self.vectors_MD = torch.zeros(0, dimension)
        self.texts_M = np.zeros(0, np.int32)

    def add(self, vectors_KD: Tensor, texts_K: NDArray[np.int32]) -> None:
        kept = slice(max(len(texts_K) + len(self.texts_M) - self.size, 0), None)
        self.vectors_MD = torch.cat([self.vectors_MD, vectors_KD])[kept]
        self.texts_M = np.concatenate([self.texts_M, texts_K])[kept]


class Objective:
    """Draws steps and judges their vectors.

    Args:
        texts: their pieces.
        samplers: of the pairs, by kind.
        config: the recipe.
        teacher: the model whose vectors are the targets.
    """

    def __init__(
        self, texts: Texts, samplers: Mapping[str, PairSampler], config: FairConfig, teacher: Teacher
    ) -> None:
        self.samplers, self.targets = samplers, Targets(config.remembered, teacher.dimension)
        self._texts, self._config, self._teacher = texts, config, teacher

    def draw(self, kind: str, generator: np.random.Generator) -> Drawn:
        """The texts of a step."""
        size = self._config.batch_sizes.get(kind, self._config.batch_size)
        batch = self.samplers[kind].draw(size)
        if kind in TAUGHT:
            return self._taught(batch, generator)
        limit = self._config.max_passage_pieces
        parts = [self._texts.part(batch.left, QUERY, limit), self._texts.part(batch.right, PASSAGE, limit)]
        return Drawn(parts, None, np.zeros(0, np.int64), batch)

    def _taught(self, batch: Batch, generator: np.random.Generator) -> Drawn:
        english, other = batch.left, batch.right
        itself = generator.random(len(english)) < self._config.english_share
        shares = self._config.prefixes
        weights = np.array(list(shares.values()))
        prefix = list(shares)[generator.choice(len(weights), p=weights / weights.sum())]
        asked, which = np.unique(english, return_inverse=True)
        limit = self._config.max_sentence_pieces
        return Drawn(
            [self._texts.part(np.where(itself, english, other), prefix, limit)],
            self._texts.part(asked, prefix, limit),
            which,
            Batch(english, english),
        )

    def loss(self, vectors_BD: Tensor, drawn: Drawn) -> tuple[float, Tensor]:
        """The loss of the student's vectors, and its gradient for them."""
        temperature = self._config.temperature
        if drawn.english is None:
            return drawn.batch.loss(vectors_BD, temperature=temperature, matmul_dtype=torch.bfloat16)
        targets_KD, english = self._teacher.vectors(drawn.english), np.unique(drawn.batch.left)
        leaf_BD = vectors_BD.clone().requires_grad_()
        known_MD = torch.cat([targets_KD, self.targets.vectors_MD])
        same_K2 = equal_pairs(drawn.batch.left, np.concatenate([english, self.targets.texts_M]))
        value, (gradient_BD,) = with_gradient(
            lambda: to_targets(
                leaf_BD,
                known_MD,
                torch.from_numpy(drawn.which),
                same_K2,
                temperature=temperature,
                cosine_weight=self._config.cosine_weight,
            ),
            leaf_BD,
        )
        self.targets.add(targets_KD, english)
        return value, gradient_BD
