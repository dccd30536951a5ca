"""Means of languages: what they are, and that they survive a file beside the map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from me5.errors import ModelFormatError, ShapeError
from me5.folders import content_hash
from me5.language_means import LanguageMeans
from me5.neutral import fit
from me5.neutral_map import NeutralMap, languages_beside
from me5.pooling import l2_normalize


def sample(rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    vectors = l2_normalize(rng.normal(size=(90, 16)).astype(np.float32))
    return vectors, ["de"] * 20 + ["en"] * 60 + ["zh-Hant"] * 10


def test_means_are_those_of_the_languages_less_their_own() -> None:
    vectors, languages = sample(np.random.default_rng(1))
    found = LanguageMeans.of(vectors, languages)
    assert found.languages == ("de", "en", "zh-Hant")
    means = np.stack([vectors[:20].mean(0), vectors[20:80].mean(0), vectors[80:].mean(0)])
    np.testing.assert_allclose(found.means, means - means.mean(0), atol=1e-6)  # not weighted by size
    query = l2_normalize(np.ones((1, 16), np.float32))[0]
    assert found.leanings(query)["zh-Hant"] == pytest.approx(
        float((means - means.mean(0))[2] @ query), abs=1e-6
    )


def test_a_map_is_kept_with_its_languages(tmp_path: Path) -> None:
    vectors, languages = sample(np.random.default_rng(2))
    plain = fit(vectors, languages, directions=2)
    whole = replace(plain, languages=LanguageMeans.of(plain(vectors), languages))
    path = tmp_path / "neutral.safetensors"
    whole.save(path)
    read = NeutralMap.load(path)
    assert read == whole == plain  # languages are no part of what the map does
    assert read.languages is not None and whole.languages is not None
    assert read.languages.languages == whole.languages.languages
    np.testing.assert_allclose(read.languages.means, whole.languages.means, atol=1e-3)
    before = content_hash(tmp_path)
    languages_beside(path).unlink()
    assert NeutralMap.load(path).languages is None
    assert content_hash(tmp_path) == before


def test_damaged_means_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelFormatError, match="cannot be read"):
        LanguageMeans.load(tmp_path / "broken.safetensors")
    with pytest.raises(ShapeError):
        LanguageMeans(("de",), np.zeros((2, 4), np.float32))
