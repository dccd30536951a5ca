"""The language-neutral map: against its definition in float64, and what applies it."""

import logging
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5 import neutral as module
from me5.encoder import Encoder
from me5.errors import ModelFormatError, ShapeError
from me5.language_means import LanguageMeans
from me5.loading import load_encoder
from me5.neutral import bundled_sample, estimate, fit, map_of
from me5.neutral_map import FILE_NAME, NeutralMap, languages_beside
from me5.pooling import l2_normalize
from me5.prefixes import Role
from me5.registry import spec_from_folder
from tests.unit.me5.conftest import random_map

SAMPLE = Path(module.__file__).parent / "data" / "sentences.tsv.xz"
ROWS = [
    (language, f"{language} {word}")
    for language in ("de", "el", "ja", "th", "ar", "he")
    for word in ("river", "library", "silt", "sea")
]
TEXTS = ["river", "Die Bibliothek öffnet um neun.", "東京", ""]


def unit(rows: int, dimension: int, seed: int = 1) -> np.ndarray:
    return l2_normalize(np.random.default_rng(seed).normal(size=(rows, dimension)))


def by_definition(unit_ND: np.ndarray, known: NeutralMap) -> np.ndarray:
    """One vector and one direction at a time, in float64."""
    out = []
    for vector in unit_ND.astype(np.float64):
        moved = vector - known.share * known.centre.astype(np.float64)
        for direction in known.directions.astype(np.float64):
            moved = moved - (moved @ direction) * direction
        out.append(moved / np.sqrt((moved**2).sum()))
    return np.array(out)


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "bundled_sample", lambda: list(ROWS))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# -- the map -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("directions", [0, 1, 24])
def test_is_its_definition(share: float, directions: int) -> None:
    known, vectors = random_map(96, directions, share), unit(50, 96)
    expected = by_definition(vectors, known)
    np.testing.assert_allclose(known(vectors), expected, atol=2e-7)
    assert known(vectors).dtype == np.float32
    other = random_map(96, directions, share, seed=7)
    is_no_map = directions == 0 and share == 0
    assert is_no_map or np.abs(other(vectors) - expected).max() > 1e-2
    assert is_no_map or np.abs(vectors - expected).max() > 1e-2


def test_nothing_is_left_along_the_directions_and_its_input_stays() -> None:
    known, vectors = random_map(64, 8), unit(20, 64)
    before = vectors.copy()
    moved = known(vectors)
    assert np.abs(moved @ known.directions.T).max() < 1e-6 < 0.1 < np.abs(vectors @ known.directions.T).max()
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors, before)


def test_rows_of_zeros_stay_zero() -> None:
    vectors = unit(3, 64)
    vectors[1] = 0
    moved = random_map(64)(vectors)
    assert not moved[1].any() and moved[[0, 2]].any(axis=1).all()
    assert random_map(64)(np.zeros((0, 64), np.float32)).shape == (0, 64)


def test_the_dense_layer_equals_the_map() -> None:
    known, vectors = random_map(96, 24), unit(50, 96)
    weight, bias = known.as_dense()
    assert weight.dtype == bias.dtype == np.float32
    np.testing.assert_allclose(l2_normalize(vectors @ weight.T + bias), known(vectors), atol=1e-6)
    assert np.abs(l2_normalize(vectors @ weight.T) - known(vectors)).max() > 1e-2  # the bias counts


def test_the_digest_names_everything_that_decides() -> None:
    known = random_map(32)
    same = NeutralMap(known.directions.copy(), known.centre.copy(), known.share)
    assert same == known and hash(same) == hash(known) and len(known.digest) == 16
    changed = [
        replace(known, share=0.7),
        replace(known, centre=known.centre + np.float32(1e-6)),
        replace(known, directions=known.directions[:3]),
        replace(known, directions=-known.directions),
        replace(known, directions=np.asfortranarray(known.directions[::-1])),
    ]
    assert len({one.digest for one in [known, *changed]}) == 6
    assert all(one != known for one in changed) and known != known.digest
    fortran = replace(known, directions=np.asfortranarray(known.directions))
    assert fortran.digest == known.digest  # numbers count, not how they lie in memory


def test_the_digest_is_the_recorded_one() -> None:
    """Stored with collections: a change here forces everybody to re-embed."""
    known = NeutralMap(np.eye(2, 4, dtype=np.float32), np.arange(4, dtype=np.float32) / 8, 0.8)
    assert known.digest == "6725dda19d37c769"


def test_saved_and_read_it_is_the_same(tmp_path: Path) -> None:
    known = random_map(384, 24, share=0.1)
    known.save(tmp_path / FILE_NAME)
    again = NeutralMap.load(tmp_path / FILE_NAME)
    assert again.digest == known.digest and again.share == 0.1
    np.testing.assert_array_equal(again(unit(5, 384)), known(unit(5, 384)))
    assert (tmp_path / FILE_NAME).stat().st_size < 40_000
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]  # nothing is left aside


@pytest.mark.parametrize("content", [None, b"", b"x" * 100])
def test_a_damaged_map_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / FILE_NAME
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"neutral\.safetensors cannot be read"):
        NeutralMap.load(path)


def test_a_map_that_lacks_a_part_or_does_not_fit_is_named(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = tmp_path / FILE_NAME
    random_map(16).save(path)
    whole = load_file(path)
    for change in ({"centre": None}, {"share": np.zeros(0)}, {"centre": np.zeros(8, np.float32)}):
        save_file({k: v for k, v in (whole | change).items() if v is not None}, path)
        with pytest.raises(ModelFormatError, match="Copy it again"):
            NeutralMap.load(path)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"Expected \[k, D\] and \[D\]"):
        NeutralMap(np.zeros((2, 8), np.float32), np.zeros(7, np.float32), 1.0)
    with pytest.raises(ShapeError, match="estimated with this model"):
        random_map(16)(unit(2, 15))


# -- fitting -------------------------------------------------------------------------------------------------


def grouped(counts: dict[str, int], dimension: int = 24, spread: float = 0.05):
    """Vectors around one centre for each group."""
    draw = np.random.default_rng(3)
    centres = {name: draw.normal(size=dimension) for name in counts}
    groups = [name for name, count in counts.items() for _ in range(count)]
    vectors = [centres[name] + spread * draw.normal(size=dimension) for name in groups]
    return l2_normalize(np.array(vectors)), groups


def fitted_by_definition(vectors: np.ndarray, groups: list[str], directions: int):
    """Means by hand, directions as eigenvectors of their covariance."""
    names = sorted(set(groups))
    means = [vectors[[g == name for g in groups]].astype(np.float64).mean(axis=0) for name in names]
    centre = sum(means) / len(means)
    apart = np.array(means) - centre
    _, eigenvectors = np.linalg.eigh(apart.T @ apart)
    return centre, eigenvectors[:, ::-1][:, :directions].T


def test_a_fit_is_its_definition() -> None:
    vectors, groups = grouped({f"language {n}": 3 + n for n in range(9)})
    centre, directions = fitted_by_definition(vectors, groups, 5)
    found = fit(vectors, groups, directions=5, share=0.7)
    np.testing.assert_allclose(found.centre, centre, atol=1e-6)
    assert found.share == 0.7
    # The sign of a direction is free: what is taken out is not.
    np.testing.assert_allclose(found.directions.T @ found.directions, directions.T @ directions, atol=1e-5)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(5), atol=1e-6)


def test_every_group_counts_the_same_however_large() -> None:
    vectors, groups = grouped({"a": 100, "b": 5, "c": 5, "d": 5})
    found = fit(vectors, groups, directions=2)
    assert np.abs(found.centre - vectors.mean(axis=0)).max() > 0.05  # not the mean of all vectors
    first = [groups.index(name) for name in "abcd"]
    few = fit(vectors[first], [groups[row] for row in first], directions=2)
    assert np.abs(found.centre - few.centre).max() < 0.05


def test_groups_are_no_longer_told_apart() -> None:
    vectors, groups = grouped(dict.fromkeys("abcdef", 20))
    found = fit(vectors, groups, directions=5, share=1.0)
    labels = np.array(groups)

    def own_group_first(rows: np.ndarray) -> float:
        scores = rows @ rows.T - 2 * np.eye(len(rows))
        return float((labels[scores.argmax(axis=1)] == labels).mean())

    assert own_group_first(vectors) == 1 and own_group_first(found(vectors)) < 0.5


@pytest.mark.parametrize(
    ("groups", "directions"), [(["a", "b"], 1), (["a", "b", "c"], 3), (["a", "b", "c"], -1), (["a"] * 3, 1)]
)
def test_what_cannot_be_fitted_is_refused(groups: list[str], directions: int) -> None:
    with pytest.raises(ShapeError, match=f"cannot give {directions} directions"):
        fit(unit(3, 8), groups, directions=directions)
    with pytest.raises(ShapeError, match="more dimensions"):
        fit(unit(9, 3), list("abcdefghi"), directions=3)


# -- the sample ----------------------------------------------------------------------------------------------


def test_the_bundled_sample_is_wide_enough_and_small() -> None:
    rows = bundled_sample()
    counts = Counter(language for language, _ in rows)
    assert len(counts) >= 120 and min(counts.values()) >= 60
    assert SAMPLE.stat().st_size <= 2_000_000
    stated = f"{len(rows):,} ordinary sentences in {len(counts)} languages"
    assert stated in SAMPLE.with_name("README.md").read_text(encoding="utf-8")
    assert len(set(rows)) == len(rows)
    assert all(language and 3 <= len(sentence) <= 200 for language, sentence in rows)
    assert not any("\t" in sentence or sentence != sentence.strip() for _, sentence in rows)
    assert {"ar", "de", "el", "en", "es", "he", "hi", "id", "ja", "ko", "ru", "th", "tr", "vi"} <= set(counts)


# -- models --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_sample", "cache")
def test_a_model_is_estimated_from_queries_and_passages(tiny_encoder: Encoder) -> None:
    seen: list[tuple[int, int]] = []
    found = estimate(tiny_encoder, on_progress=lambda done, total: seen.append((done, total)))
    sentences = [sentence for _, sentence in ROWS]
    queries, passages = (tiny_encoder.encode(sentences, role) for role in (Role.QUERY, Role.PASSAGE))
    both = l2_normalize(np.concatenate([queries, passages]))
    groups = [f"{role} {language}" for role in ("query", "passage") for language, _ in ROWS]
    assert found == fit(both, groups, directions=4)  # an eighth of 32 dimensions
    assert found != fit(both[: len(ROWS)], groups[: len(ROWS)], directions=4)
    assert seen[-1] == (48, 48) and seen == sorted(seen)


@pytest.mark.usefixtures("small_sample")
def test_a_map_is_estimated_once_and_kept(tiny_encoder: Encoder, cache: Path, monkeypatch: Any) -> None:
    found = map_of(tiny_encoder)
    kept, beside = sorted((cache / "neutral").glob("*.safetensors"), key=lambda path: len(path.name))
    assert kept.name.startswith(tiny_encoder.contract.digest) and beside == languages_beside(kept)
    assert NeutralMap.load(kept) == found
    means = LanguageMeans.load(beside)
    assert set(means.languages) == {language for language, _ in ROWS}
    vectors = found(l2_normalize(tiny_encoder.encode([row[1] for row in ROWS], Role.PASSAGE)))
    expected = LanguageMeans.of(vectors, [row[0] for row in ROWS])
    np.testing.assert_allclose(means.means, expected.means, atol=1e-3)
    with monkeypatch.context() as patch:  # other settings give another map, not the kept one
        patch.setattr(module, "DIRECTIONS", 2)
        assert map_of(tiny_encoder) != found
    monkeypatch.setattr(module, "estimate", lambda *_, **__: pytest.fail("estimated again"))
    assert map_of(tiny_encoder) == found
    given = random_map(32)
    assert map_of(tiny_encoder.with_neutral(given)) is given


@pytest.mark.usefixtures("small_sample")
def test_a_cache_that_cannot_be_written_costs_the_estimate(
    tiny_encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO, logger="me5.neutral"):
        assert map_of(tiny_encoder) == estimate(tiny_encoder)
    assert "is not kept" in caplog.text


@pytest.mark.usefixtures("small_sample", "cache")
def test_vectors_are_as_published_unless_asked(tiny_model_dir: Path) -> None:
    def opened(**wishes: Any) -> Encoder:
        return load_encoder(str(tiny_model_dir), engine="torch", device="cpu", **wishes)

    plain, asked = opened(), opened(neutral=True)
    assert plain.neutral is None and plain.contract.neutral is None
    assert asked.neutral is not None and asked.contract.neutral == asked.neutral.digest
    assert plain.contract.digest != asked.contract.digest
    np.testing.assert_allclose(asked.encode(TEXTS), asked.neutral(plain.encode(TEXTS)), atol=1e-6)
    assert np.abs(asked.encode(TEXTS) - plain.encode(TEXTS)).max() > 1e-2
    given = random_map(32)
    mine = opened(neutral=given)
    assert mine.neutral is given
    np.testing.assert_allclose(mine.encode(TEXTS), given(plain.encode(TEXTS)), atol=1e-6)


def test_a_model_with_its_own_map_always_applies_it(neutral_model_dir: Path, packed_model_dir: Path) -> None:
    own = NeutralMap.load(neutral_model_dir / FILE_NAME)
    published = load_encoder(str(packed_model_dir), engine="torch", device="cpu").encode(TEXTS)
    for wish in ({}, {"neutral": False}, {"neutral": True}):
        encoder = load_encoder(str(neutral_model_dir), engine="torch", device="cpu", **wish)
        assert encoder.neutral == own and encoder.contract.neutral == own.digest
        np.testing.assert_allclose(encoder.encode(TEXTS), own(published), atol=1e-6)
    assert np.abs(own(published) - published).max() > 1e-2
    spec = spec_from_folder(neutral_model_dir)
    assert spec.contract == encoder.contract  # what a folder says is what it gives


def test_an_open_model_can_leave_its_map_out(neutral_model_dir: Path, packed_model_dir: Path) -> None:
    encoder = load_encoder(str(neutral_model_dir), engine="torch", device="cpu")
    published = load_encoder(str(packed_model_dir), engine="torch", device="cpu").encode(TEXTS)
    bare = encoder.with_neutral(None)
    np.testing.assert_array_equal(bare.encode(TEXTS), published)
    assert bare.neutral is None and bare.contract == replace(encoder.contract, neutral=None)
    assert encoder.neutral is not None and bare.with_neutral(encoder.neutral).contract == encoder.contract


def test_a_map_gets_unit_vectors_of_every_model(tiny_encoder: Encoder) -> None:
    """A model without normalisation gives others; the map is one of unit vectors."""
    given = random_map(32)
    spec = replace(tiny_encoder.spec, normalize=False)
    loose = Encoder(spec, tiny_encoder._tokenization, tiny_encoder._engine, tiny_encoder.runtime)
    assert np.linalg.norm(loose.encode(TEXTS), axis=1).max() > 1.1
    expected = given(tiny_encoder.encode(TEXTS))
    np.testing.assert_allclose(loose.with_neutral(given).encode(TEXTS), expected, atol=1e-6)


def test_a_map_of_another_width_is_refused(packed_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed_model_dir, tmp_path / "model"))
    random_map(16).save(folder / FILE_NAME)
    encoder = load_encoder(str(folder), engine="torch", device="cpu")
    with pytest.raises(ShapeError, match="estimated with this model"):
        encoder.encode(TEXTS)
