"""Distillation: an English sentence encoder teaches a student of every language (arXiv:2004.09813).

The teacher encodes the English texts once. A step then asks the student to give a text, or its translation,
the teacher's vector of the English: what the teacher knows of relatedness reaches languages it never saw.
Before that the student's space is turned to fit the teacher's as well as a rotation can, which changes none
of its cosines and saves it from learning the directions anew.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from me5 import atomic
from trainer.data.multilingual.corpus import Corpus
from trainer.data.multilingual.sampling import PairSampler
from trainer.losses.both_ways import distillation, equal_pairs
from trainer.stages.static.recipe import DistillationConfig

log = logging.getLogger(__name__)

LANGUAGE = "en"
NOT_TAUGHT = ("string", "word", "cloze")  # too short for a sentence encoder to say much about, or too long
AXES_FROM = 8  # the principal axes come from one text in so many
BLOCK = 8_192


@dataclass(frozen=True)
class Targets:
    """The teacher's unit vectors [N, D] of the texts with these ascending numbers."""

    numbers: NDArray[np.int32]
    vectors: NDArray[np.float16]

    def known(self, numbers: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which texts have a vector."""
        return self.numbers[self._rows(numbers)] == numbers

    def of(self, numbers: NDArray[np.int32]) -> Tensor:
        """Float32 unit rows [B, D] of texts that are known."""
        rows_BD = torch.from_numpy(self.vectors[self._rows(numbers)].astype(np.float32))
        return torch.nn.functional.normalize(rows_BD, dim=1)

    def _rows(self, numbers: NDArray[np.int32]) -> NDArray[np.intp]:
        return np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)


def teach(corpus: Corpus, config: DistillationConfig, dimension: int, folder: Path) -> Targets:
    """The teacher's vectors of all paired English texts on their main axes; kept in ``folder``."""
    from safetensors.numpy import load_file, save_file

    path = folder / "teacher.safetensors"
    numbers = _paired_english(corpus)
    if path.is_file():
        kept = load_file(path)
        if np.array_equal(kept["numbers"], numbers) and kept["vectors"].shape[1] == dimension:
            return Targets(numbers, kept["vectors"])
    vectors_ND = _encode(corpus, numbers, config)
    axes_DD = np.linalg.svd(vectors_ND[::AXES_FROM].T.astype(np.float32) @ vectors_ND[::AXES_FROM])[2]
    reduced_ND = np.empty((len(numbers), dimension), dtype=np.float16)
    for start in range(0, len(numbers), BLOCK):
        block_BD = vectors_ND[start : start + BLOCK].astype(np.float32)
        reduced_ND[start : start + BLOCK] = block_BD @ axes_DD[:dimension].T
    with atomic.replacing(path) as aside:
        save_file({"numbers": numbers, "vectors": reduced_ND}, aside)
    return Targets(numbers, reduced_ND)


def _paired_english(corpus: Corpus) -> NDArray[np.int32]:
    taught = [pairs for kind, pairs in corpus.train.items() if kind not in NOT_TAUGHT]
    paired = {number for pairs in taught for number in (*pairs.left, *pairs.right)}
    return np.array(sorted(n for n in paired if corpus.languages[n] == LANGUAGE), dtype=np.int32)


def _encode(corpus: Corpus, numbers: NDArray[np.int32], config: DistillationConfig) -> NDArray[np.float32]:
    from me5 import Role, load_encoder

    teacher = load_encoder(config.teacher)
    texts = [corpus.texts[number][: config.max_characters] for number in numbers]
    log.info("%d English texts for the teacher %s", len(texts), teacher.spec.name)
    return teacher.encode(texts, Role.QUERY)


def rotation(student_ND: Tensor, teacher_ND: Tensor) -> Tensor:
    """The orthogonal [D, D] that brings ``student @ it`` nearest to the teacher (orthogonal Procrustes)."""
    left_DD, _, right_DD = torch.linalg.svd(student_ND.T @ teacher_ND)
    return left_DD @ right_DD


@dataclass(frozen=True)
class TeacherBatch:
    """Texts of one step, and the English text whose vector each should get."""

    texts: NDArray[np.int32]
    english: NDArray[np.int32]
    targets: Targets
    cosine_weight: float

    def loss(
        self, vectors_BD: Tensor, *, temperature: float, matmul_dtype: torch.dtype | None
    ) -> tuple[float, Tensor]:
        """The loss and its gradient for the student's unit vectors."""
        return distillation(
            vectors_BD,
            self.targets.of(self.english),
            temperature=temperature,
            cosine_weight=self.cosine_weight,
            ignored_K2=equal_pairs(self.english, self.english),
            matmul_dtype=matmul_dtype,
        )


class TeacherSampler:
    """Draws texts with an English counterpart that the teacher has encoded.

    Args:
        pairs: parallel text, drawn as in training on it.
        targets: of the teacher.
        config: shares.
        seed: of the draws.
    """

    def __init__(self, pairs: PairSampler, targets: Targets, config: DistillationConfig, seed: int) -> None:
        self._pairs = pairs
        self._targets = targets
        self._config = config
        self._generator = np.random.default_rng(seed)

    def draw(self, size: int) -> TeacherBatch:
        """At most ``size`` translations, some replaced by the English itself, and other English texts."""
        batch = self._pairs.draw(size)
        left_known = self._targets.known(batch.left)
        english = np.where(left_known, batch.left, batch.right)
        other = np.where(left_known, batch.right, batch.left)
        known = left_known | self._targets.known(batch.right)
        english, other = english[known], other[known]
        itself = self._generator.random(len(english)) < self._config.english_share
        extra = self._generator.choice(self._targets.numbers, self._config.alone)
        return TeacherBatch(
            texts=np.concatenate([np.where(itself, english, other), extra]),
            english=np.concatenate([english, extra]),
            targets=self._targets,
            cosine_weight=self._config.cosine_weight,
        )

    def state(self) -> dict[str, object]:
        """The position in the stream of draws."""
        return {"own": dict(self._generator.bit_generator.state), "pairs": self._pairs.state()}

    def restore(self, state: dict[str, dict[str, object]]) -> None:
        """Continue from a position that ``state`` gave."""
        self._generator.bit_generator.state = state["own"]
        self._pairs.restore(state["pairs"])
