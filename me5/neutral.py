"""Vectors without their language: a linear map that is estimated once for a model.

Every vector of a multilingual E5 model carries the language of its text, so passages in the language of the
question come first whatever they say. The means of the languages differ along a few directions. The map takes
these out and moves the common centre towards the origin::

    w' = w - share * centre          centre   [D]     mean of the language means
    v  = w' - (w' U^T) U             U        [k, D]  leading right singular vectors of (means - centre)

for unit vectors w of queries and passages alike; v is brought back to length 1. No language is detected and
nothing else is learned. The map is affine, so an exported model carries it as one dense layer.
"""

import hashlib
import logging
import lzma
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from me5.cache import cache_folder
from me5.errors import ModelFormatError, ShapeError
from me5.pooling import l2_normalize
from me5.prefixes import Role

if TYPE_CHECKING:
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

FILE_NAME = "neutral.safetensors"
"""How a model folder names its map."""

DIRECTIONS = 24
SHARE = 1.0
"""Chosen on development questions and Tatoeba (docs/neutral.md)."""

_VERSION = 1
_DATA = Path(__file__).parent / "data"
_SAMPLE = "sentences.tsv.xz"

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NeutralMap:
    """See the module. Maps are equal when their ``digest`` is.

    Attributes:
        directions: orthonormal rows [k, D], float32.
        centre: mean of the language means [D], float32.
        share: how much of the centre is taken off, 0..1.
    """

    directions: Floats
    centre: Floats
    share: float

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
        """Write a safetensors file of some 4 k D bytes, whole or not at all."""
        from safetensors.numpy import save

        aside = path.with_name(f".{path.name}-{os.getpid()}.part")
        tensors: dict[str, NDArray[Any]] = {
            "directions": np.ascontiguousarray(self.directions, np.float32),
            "centre": np.ascontiguousarray(self.centre, np.float32),
            "share": np.array([self.share], np.float64),
        }
        aside.write_bytes(save(tensors, {"format": "me5-neutral", "version": str(_VERSION)}))
        aside.replace(path)

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
            return cls(tensors["directions"], tensors["centre"], float(tensors["share"][0]))
        except (OSError, SafetensorError, KeyError, IndexError, ShapeError) as error:
            raise ModelFormatError(
                f"The language-neutral map {path} cannot be read ({error}). Copy it again, or delete it to "
                "have it estimated anew."
            ) from error


def fit(
    vectors_ND: Floats, groups: Sequence[str], *, directions: int = DIRECTIONS, share: float = SHARE
) -> NeutralMap:
    """The map of vectors that belong to groups, one a language and role.

    Args:
        vectors_ND: unit vectors.
        groups: the group of each vector; each group counts the same.
        directions: k, at most the number of groups less one and at most D less one.
        share: of the centre that is taken off.

    Raises:
        ShapeError: vectors and groups differ in number, or there are too few groups.
    """
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    if len(members) != len(vectors_ND) or not 0 <= directions < min(len(names), vectors_ND.shape[1]):
        raise ShapeError(
            f"{len(vectors_ND)} vectors in {len(names)} groups cannot give {directions} directions. Expected "
            "a group for each vector, more groups than directions and more dimensions than directions."
        )
    sums_GD = np.zeros((len(names), vectors_ND.shape[1]))
    np.add.at(sums_GD, members, vectors_ND.astype(np.float64))
    means_GD = sums_GD / np.bincount(members)[:, None]
    centre_D = means_GD.mean(axis=0)
    _, _, right_DD = np.linalg.svd(means_GD - centre_D, full_matrices=False)
    return NeutralMap(right_DD[:directions].astype(np.float32), centre_D.astype(np.float32), share)


def estimate(
    encoder: "Encoder",
    *,
    sample: Sequence[tuple[str, str]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NeutralMap:
    """The map of a model, from the bundled sample: some 20,000 sentences in about 200 languages.

    Args:
        encoder: gives vectors as published.
        sample: (language, sentence) rows instead.
        on_progress: called with the number of texts done and of all texts; each sentence counts twice.
    """
    sample = bundled_sample() if sample is None else sample
    sentences = [sentence for _, sentence in sample]
    languages = [language for language, _ in sample]
    both, groups = [], []
    for turn, role in enumerate((Role.QUERY, Role.PASSAGE)):
        done_before = turn * len(sentences)

        def report(done: int, before: int = done_before) -> None:
            if on_progress is not None:
                on_progress(before + done, 2 * len(sentences))

        both.append(l2_normalize(encoder.encode(sentences, role, on_progress=report)))
        groups += [f"{role} {language}" for language in languages]
    return fit(np.concatenate(both), groups, directions=min(DIRECTIONS, encoder.dimension // 8))


def map_of(encoder: "Encoder", *, on_progress: Callable[[int, int], None] | None = None) -> NeutralMap:
    """The map of a model: its own, the one in the cache folder, or a new one.

    A new one is kept in the cache folder; where that cannot be written, the next call estimates it again.
    """
    if encoder.neutral is not None:
        return encoder.neutral
    settings = f"{DIRECTIONS}-{SHARE:g}-{hashlib.sha256((_DATA / _SAMPLE).read_bytes()).hexdigest()[:8]}"
    kept = cache_folder() / "neutral" / f"{encoder.contract.digest}-{settings}.safetensors"
    if kept.is_file():
        return NeutralMap.load(kept)
    logger.info("estimating the language-neutral map of %s, once", encoder.spec.name)
    found = estimate(encoder, on_progress=on_progress)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        found.save(kept)
    except OSError as error:
        logger.info("the language-neutral map is not kept: %s", error)
    return found


def bundled_sample() -> list[tuple[str, str]]:
    """(language, sentence) rows; where they are from: ``me5/data/README.md``."""
    return read_sample(_DATA / _SAMPLE)


def read_sample(path: Path) -> list[tuple[str, str]]:
    """(language, sentence) rows of a packed file (.xz) of ``language <TAB> sentence``."""
    rows = lzma.decompress(path.read_bytes()).decode("utf-8").splitlines()
    return [(language, sentence) for language, _, sentence in (row.partition("\t") for row in rows)]
