"""What the language-neutral map leaves of the language in a model's vectors.

A passage still scores a little higher for questions in its own language, whatever it says. How much is seen
from ordinary sentences: the mean of those of a language, less the mean over all languages, times the
question. Means are over general text, not over a collection: what a collection says in one language differs
from what it says in others, and its own means would take that off, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.errors import ModelFormatError, ShapeError

Floats = NDArray[np.float32]


def group_means(vectors_ND: Floats, groups: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The names of the groups, sorted, and the mean vector of each [G, D]."""
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    sums_GD = np.zeros((len(names), vectors_ND.shape[1]))
    np.add.at(sums_GD, members, vectors_ND.astype(np.float64))
    return tuple(names.tolist()), sums_GD / np.bincount(members)[:, None]


@dataclass(frozen=True, eq=False)
class LanguageMeans:
    """Means [L, D] of neutral passage vectors by language, less their own mean."""

    languages: tuple[str, ...]
    means: Floats

    def __post_init__(self) -> None:
        if self.means.ndim != 2 or len(self.means) != len(self.languages):
            raise ShapeError(
                f"Means of shape {self.means.shape} do not fit {len(self.languages)} languages. Expected "
                "one row a language."
            )

    @classmethod
    def of(cls, vectors_ND: Floats, languages: Sequence[str]) -> "LanguageMeans":
        """From unit vectors of passages and the language of each; each language counts the same."""
        names, means_LD = group_means(vectors_ND, languages)
        return cls(names, (means_LD - means_LD.mean(axis=0)).astype(np.float32))

    def leanings(self, query_vector: Floats) -> dict[str, float]:
        """How much more a passage of each language scores for a question [D] because of its language."""
        return dict(zip(self.languages, (self.means @ query_vector).tolist(), strict=True))

    def save(self, path: Path) -> None:
        """Write a safetensors file of 2 L D bytes, whole or not at all."""
        from safetensors.numpy import save

        tensors: dict[str, NDArray[Any]] = {"means": self.means.astype(np.float16)}
        atomic.write(path, save(tensors, {"languages": " ".join(self.languages)}))

    @classmethod
    def load(cls, path: Path) -> "LanguageMeans":
        """Read what :meth:`save` wrote.

        Raises:
            ModelFormatError: the file is missing or damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                languages = (file.metadata() or {})["languages"].split()
                return cls(tuple(languages), file.get_tensor("means").astype(np.float32))
        except (OSError, SafetensorError, KeyError, ShapeError) as error:
            raise ModelFormatError(
                f"The means of languages in {path} cannot be read ({error}). Copy the file again, or delete "
                "it to compare scores as they are."
            ) from error
