"""The vectors of a teacher: encoded once, kept on disk, and brought to the dimension of the student."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from me5 import Encoder, Role
from trainer.data.pairs import text_key
from trainer.negatives.vector_cache import RowFile, content_name


class TeacherVectors:
    """Gives the vectors of texts, and encodes those that it has not seen.

    Args:
        encoder: the teacher.
        folder: of the files; another teacher has others in it.
        process: number of this process, which has a file of its own.
    """

    def __init__(self, encoder: Encoder, folder: Path, *, process: int) -> None:
        self._encoder = encoder
        name = content_name(encoder.contract.digest, encoder.runtime.precision)
        path = folder / f"teacher-{name}-{process}.f32"
        self._vectors = RowFile(path, rows=sys.maxsize, width=encoder.dimension, dtype=np.float32)
        self._keys = RowFile(path.with_suffix(".keys"), rows=sys.maxsize, width=1, dtype=np.int64)
        for file in (self._vectors, self._keys):  # a killed run may have written one of the two
            file.keep(min(self._vectors.done, self._keys.done))
        self._rows = {int(key): row for row, key in enumerate(self._keys.read()[:, 0])}

    @property
    def dimension(self) -> int:
        """Of the teacher."""
        return self._encoder.dimension

    def __call__(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Unit rows [N, D].

        Raises:
            TrainingError: the disk is full or cannot be written.
        """
        keys = [text_key(f"{role} {text}") for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        if new:
            first = self._vectors.done
            self._vectors.append(self._encoder.encode(list(new.values()), role))
            self._keys.append(np.array(list(new), dtype=np.int64)[:, None])
            self._rows |= {key: first + row for row, key in enumerate(new)}
        return np.asarray(self._vectors.read()[[self._rows[key] for key in keys]])


class Room:
    """Brings vectors of a teacher to the dimension of a student.

    A student with more numbers gets zeros behind, which changes no cosine. One with fewer gets the directions
    in which a sample of the teacher's vectors is longest (principal components about the origin, so that dot
    products change least).

    Args:
        teacher: dimension of the teacher.
        student: dimension of the student.
    """

    def __init__(self, teacher: int, student: int) -> None:
        self.is_smaller = student < teacher
        self._zeros = max(student - teacher, 0)
        self._student = student
        self.directions_Dd: Tensor | None = None
        self.kept = 1.0
        """Share of the squared length of the sample that is kept."""

    def fit(self, sample_ND: Tensor) -> None:
        """Choose the directions."""
        strengths_D, directions_DD = torch.linalg.eigh(sample_ND.double().T @ sample_ND.double())
        self.directions_Dd = directions_DD[:, -self._student :].flip(1).float()
        self.kept = float(strengths_D[-self._student :].sum() / strengths_D.sum())

    def __call__(self, vectors_ND: Tensor) -> Tensor:
        """Unit rows [N, d]; ``fit`` comes first where the student is smaller."""
        if not self.is_smaller:
            return torch.nn.functional.pad(vectors_ND, (0, self._zeros))
        assert self.directions_Dd is not None
        return torch.nn.functional.normalize(vectors_ND @ self.directions_Dd.to(vectors_ND.device), dim=1)
