"""Vectors without their language: the linear map that takes it out (``me5.neutral`` estimates one).

Every vector of a multilingual E5 model carries the language of its text, so passages in the language of the
question come first whatever they say. The means of the languages differ along a few directions. The map takes
these out and moves the common centre towards the origin::

    w' = w - share * centre          centre   [D]     mean of the language means
    v  = w' - (w' U^T) U             U        [k, D]  leading right singular vectors of (means - centre)

for unit vectors w of queries and passages alike; v is brought back to length 1. No language is detected and
nothing else is learned. The map is affine, so an exported model carries it as one dense layer.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.errors import ModelFormatError, ShapeError
from me5.language_means import LanguageMeans
from me5.pooling import l2_normalize

FILE_NAME = "neutral.safetensors"
"""How a model folder names its map."""

LANGUAGES_ENDING = "-languages.safetensors"

_VERSION = 1

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NeutralMap:
    """See the module. Maps are equal when their ``digest`` is.

    Attributes:
        directions: orthonormal rows [k, D], float32.
        centre: mean of the language means [D], float32.
        share: how much of the centre is taken off, 0..1.
        languages: what the map leaves of each language; not part of what it does.
    """

    directions: Floats
    centre: Floats
    share: float
    languages: LanguageMeans | None = None

    def __post_init__(self) -> None:
        shapes = self.directions.ndim, self.centre.ndim
        if shapes != (2, 1) or self.directions.shape[1] != len(self.centre):
            raise ShapeError(
                f"Directions of shape {self.directions.shape} do not fit a centre of shape "
                f"{self.centre.shape}. Expected [k, D] and [D]."
            )

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of everything that decides the result."""
        digest = hashlib.sha256(f"{_VERSION} {self.directions.shape} {float(self.share)!r}".encode())
        for array in (self.directions, self.centre):
            digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, NeutralMap) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __call__(self, unit_ND: Floats) -> Floats:
        """Unit vectors [N, D] in, unit vectors [N, D] out; rows of zeros stay zero."""
        if unit_ND.shape[-1] != len(self.centre):
            raise ShapeError(
                f"Vectors of {unit_ND.shape[-1]} numbers do not fit a map of {len(self.centre)}. "
                "Use the map that was estimated with this model."
            )
        moved_ND = unit_ND - np.float32(self.share) * self.centre
        moved_ND -= (moved_ND @ self.directions.T) @ self.directions
        moved_ND[~unit_ND.any(axis=1)] = 0
        return l2_normalize(moved_ND)

    def as_dense(self) -> tuple[Floats, Floats]:
        """Weight [D, D] and bias [D] of the layer ``x W^T + b`` that equals the map before normalising."""
        directions_KD = self.directions.astype(np.float64)
        weight_DD = np.eye(len(self.centre)) - directions_KD.T @ directions_KD
        bias_D = -self.share * (weight_DD @ self.centre.astype(np.float64))
        return weight_DD.astype(np.float32), bias_D.astype(np.float32)

    def save(self, path: Path) -> None:
        """Write a safetensors file of some 4 k D bytes, whole or not at all, and the languages beside it."""
        from safetensors.numpy import save

        tensors: dict[str, NDArray[Any]] = {
            "directions": np.ascontiguousarray(self.directions, np.float32),
            "centre": np.ascontiguousarray(self.centre, np.float32),
            "share": np.array([self.share], np.float64),
        }
        with atomic.replacing(path) as aside:
            aside.write_bytes(save(tensors, {"format": "me5-neutral", "version": str(_VERSION)}))
            if self.languages is not None:
                self.languages.save(languages_beside(path))

    @classmethod
    def load(cls, path: Path) -> "NeutralMap":
        """Read what :meth:`save` wrote.

        Raises:
            ModelFormatError: the file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            beside = languages_beside(path)
            languages = LanguageMeans.load(beside) if beside.is_file() else None
            return cls(tensors["directions"], tensors["centre"], float(tensors["share"][0]), languages)
        except (OSError, SafetensorError, KeyError, IndexError, ShapeError) as error:
            raise ModelFormatError(
                f"The language-neutral map {path} cannot be read ({error}). Copy it again, or delete it to "
                "have it estimated again."
            ) from error


def languages_beside(path: Path) -> Path:
    """Where the means of languages of a map are kept."""
    return path.with_name(f"{path.stem}{LANGUAGES_ENDING}")
