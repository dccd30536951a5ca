"""The language-neutral map of a model, estimated once: from a bundled sample, or found where it is kept.

What the map is and does is in ``me5.neutral_map``. It needs no trained parts: the model encodes the sample
as queries and as passages, and the means of the languages give centre and directions.
"""

import hashlib
import logging
import lzma
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from me5.cache import cache_folder
from me5.encoder import Encoder
from me5.errors import ShapeError
from me5.language_means import LanguageMeans, group_means
from me5.neutral_map import Floats, NeutralMap
from me5.pooling import l2_normalize
from me5.prefixes import Role

logger = logging.getLogger(__name__)

DIRECTIONS = 24
SHARE = 1.0
"""Chosen on development questions and Tatoeba (docs/neutral.md)."""

_FORM = 2  # of what is kept: a map with its languages
_DATA = Path(__file__).parent / "data"
_SAMPLE = "sentences.tsv.xz"


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
    number = len(set(groups))
    if len(groups) != len(vectors_ND) or not 0 <= directions < min(number, vectors_ND.shape[1]):
        raise ShapeError(
            f"{len(vectors_ND)} vectors in {number} groups cannot give {directions} directions. Expected "
            "a group for each vector, more groups than directions and more dimensions than directions."
        )
    _, means_GD = group_means(vectors_ND, groups)
    centre_D = means_GD.mean(axis=0)
    _, _, right_DD = np.linalg.svd(means_GD - centre_D, full_matrices=False)
    return NeutralMap(right_DD[:directions].astype(np.float32), centre_D.astype(np.float32), share)


def estimate(
    encoder: Encoder,
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
    result = fit(np.concatenate(both), groups, directions=min(DIRECTIONS, encoder.dimension // 8))
    return replace(result, languages=LanguageMeans.of(result(both[1]), languages))


def with_languages(
    encoder: Encoder, neutral: NeutralMap, *, sample: Sequence[tuple[str, str]] | None = None
) -> NeutralMap:
    """The map as it is, with what it leaves of each language in the vectors of this model.

    Args:
        encoder: gives vectors as published.
        neutral: a map that the model was trained with.
        sample: (language, sentence) rows instead of the bundled ones.
    """
    sample = bundled_sample() if sample is None else sample
    vectors_ND = l2_normalize(encoder.encode([sentence for _, sentence in sample], Role.PASSAGE))
    means = LanguageMeans.of(neutral(vectors_ND), [language for language, _ in sample])
    return replace(neutral, languages=means)


def map_of(encoder: Encoder, *, on_progress: Callable[[int, int], None] | None = None) -> NeutralMap:
    """The map of a model: its own, the one in the cache folder, or a new one.

    A new one is kept in the cache folder; where that cannot be written, the next call estimates it again.
    """
    if encoder.neutral is not None:
        return encoder.neutral
    settings = (
        f"{_FORM}-{DIRECTIONS}-{SHARE:g}-{hashlib.sha256((_DATA / _SAMPLE).read_bytes()).hexdigest()[:8]}"
    )
    kept = cache_folder() / "neutral" / f"{encoder.contract.digest}-{settings}.safetensors"
    if kept.is_file():
        return NeutralMap.load(kept)
    logger.info("estimating the language-neutral map of %s, once", encoder.spec.name)
    result = estimate(encoder, on_progress=on_progress)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        result.save(kept)
    except OSError as error:
        logger.info("the language-neutral map is not kept: %s", error)
    return result


def bundled_sample() -> list[tuple[str, str]]:
    """(language, sentence) rows; where they are from: ``me5/data/README.md``."""
    return read_sample(_DATA / _SAMPLE)


def read_sample(path: Path) -> list[tuple[str, str]]:
    """(language, sentence) rows of a packed file (.xz) of ``language <TAB> sentence``."""
    rows = lzma.decompress(path.read_bytes()).decode("utf-8").splitlines()
    return [(language, sentence) for language, _, sentence in (row.partition("\t") for row in rows)]
