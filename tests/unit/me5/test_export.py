"""Exported folders: what transformers and sentence-transformers make of them, and this package again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5 import registry
from me5.encoder import Encoder
from me5.errors import ExportError, UnknownModelError
from me5.export import export_model
from me5.loading import load_encoder
from me5.neutral import map_of
from me5.neutral_map import FILE_NAME, NeutralMap
from me5.packed import BertWeights
from me5.prefixes import Role
from me5.registry import MODELS, spec_from_folder
from tests.unit.me5.conftest import random_map

TEXTS = ["", "river", "Die Bibliothek öffnet um neun Uhr.", "東京 ห้องสมุด 😀", "word " * 700]
PARITY = 0.99999


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


def exact(folder: Path | str) -> Encoder:
    return load_encoder(str(folder), engine="torch", device="cpu", precision="fp32")


def peer_vectors(folder: Path, prompt: str) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    return np.asarray(SentenceTransformer(str(folder), device="cpu").encode(TEXTS, prompt_name=prompt))


@pytest.fixture(scope="module")
def exported(neutral_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed model with its map, exported."""
    folder = tmp_path_factory.mktemp("exports") / "new" / "model"
    assert export_model(str(neutral_model_dir), folder) == NeutralMap.load(neutral_model_dir / FILE_NAME)
    return folder


@pytest.mark.parametrize("role", [Role.QUERY, Role.PASSAGE])
def test_sentence_transformers_gives_the_vectors_of_the_model(
    exported: Path, neutral_model_dir: Path, role: Role
) -> None:
    encoder = exact(neutral_model_dir)
    found = peer_vectors(exported, str(role))
    assert cosines(found, encoder.encode(TEXTS, role)).min() >= PARITY
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    other = Role.PASSAGE if role is Role.QUERY else Role.QUERY
    assert cosines(found, encoder.encode(TEXTS, other))[:4].max() < PARITY
    assert cosines(found, encoder.with_neutral(None).encode(TEXTS, role)).max() < 0.99


def test_this_package_applies_the_map_once(exported: Path, neutral_model_dir: Path, monkeypatch: Any) -> None:
    original, again = exact(neutral_model_dir), exact(exported)
    assert cosines(again.encode(TEXTS), original.encode(TEXTS)).min() >= PARITY
    assert again.neutral == original.neutral and again.contract.neutral == original.contract.neutral
    assert map_of(again) == original.neutral  # so that nobody estimates one on top
    published = original.with_neutral(None).encode(TEXTS)
    assert cosines(again.with_neutral(None).encode(TEXTS), published).min() >= PARITY
    assert (again.spec.query_prefix, again.spec.passage_prefix) == ("query: ", "passage: ")
    assert spec_from_folder(exported).contract == again.contract


def test_without_the_file_of_the_map_its_layer_is_one_of_the_model(
    exported: Path, neutral_model_dir: Path, tmp_path: Path
) -> None:
    """A copy that sentence-transformers saved has no such file: the vectors are the same."""
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    (folder / FILE_NAME).unlink()
    encoder = exact(folder)
    assert encoder.neutral is None
    assert cosines(encoder.encode(TEXTS), exact(neutral_model_dir).encode(TEXTS)).min() >= PARITY


def test_transformers_opens_it_as_an_ordinary_model(exported: Path, packed_model_dir: Path) -> None:
    from safetensors.numpy import load_file
    from transformers import AutoModel, AutoTokenizer

    config = json.loads((exported / "config.json").read_text())
    assert config["architectures"] == ["BertModel"] and "quantization_config" not in config
    tensors = load_file(exported / "model.safetensors")
    weights = BertWeights(packed_model_dir)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight"):
        np.testing.assert_array_equal(tensors[name], weights(name))
    tokenizer, model = AutoTokenizer.from_pretrained(exported), AutoModel.from_pretrained(exported)
    inputs = tokenizer(["query: river", "query: Die Bibliothek öffnet"], padding=True, return_tensors="pt")
    hidden = model.eval()(**inputs).last_hidden_state.detach()
    mask = inputs["attention_mask"][..., None]
    pooled = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    published = exact(packed_model_dir).encode(["river", "Die Bibliothek öffnet"])
    assert cosines(pooled, published).min() >= PARITY


def test_every_file_can_be_read_by_others(exported: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in exported.rglob("*") if path.is_file()}
    assert len(modes) == 1


@pytest.mark.parametrize(
    "source", ["tiny_model_dir", "tiny_xlmr_dir", "packed_model_dir", "static_model_dir"]
)
def test_models_without_a_map_are_as_published(
    request: pytest.FixtureRequest, tmp_path: Path, source: str
) -> None:
    folder = request.getfixturevalue(source)
    assert export_model(str(folder), tmp_path / "model") is None
    encoder = load_encoder(str(folder), device="cpu", precision="fp32")
    again = load_encoder(str(tmp_path / "model"), device="cpu", precision="fp32")
    assert again.engine_name == encoder.engine_name and again.neutral is None
    assert cosines(again.encode(TEXTS), encoder.encode(TEXTS)).min() >= PARITY
    np.testing.assert_allclose(peer_vectors(tmp_path / "model", "query"), encoder.encode(TEXTS), atol=1e-5)
    assert not (tmp_path / "model" / FILE_NAME).exists()


def test_any_model_can_be_exported_with_a_map(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = random_map(32, seed=4)
    seen: list[tuple[int, int]] = []

    def estimated(encoder: Encoder, *, on_progress: Any) -> NeutralMap:
        on_progress(1, 2)
        return given

    monkeypatch.setattr("me5.export.map_of", estimated)
    found = export_model(
        str(tiny_model_dir), tmp_path / "model", neutral=True, on_progress=lambda *done: seen.append(done)
    )
    assert found is given and seen == [(1, 2)]
    expected = exact(tiny_model_dir).with_neutral(given).encode(TEXTS)
    assert cosines(peer_vectors(tmp_path / "model", "query"), expected).min() >= PARITY
    assert cosines(exact(tmp_path / "model").encode(TEXTS), expected).min() >= PARITY


def test_a_model_with_a_head_keeps_it(tiny_model_dir: Path, tmp_path: Path) -> None:
    """The layout of LaBSE, then the map: Pooling, Dense, Normalize, Dense, Normalize."""
    from tests.unit.me5.test_heads import with_modules

    source = with_modules(Path(shutil.copytree(tiny_model_dir, tmp_path / "source")), "DN")
    random_map(24).save(source / FILE_NAME)
    export_model(str(source), tmp_path / "model")
    modules = json.loads((tmp_path / "model" / "modules.json").read_text())
    names = ["", "1_Pooling", "2_Dense", "3_Normalize", "4_Neutral", "5_Normalize"]
    assert [module["path"] for module in modules] == names
    expected = exact(source).encode(TEXTS)
    assert expected.shape == (5, 24) and exact(source).neutral == random_map(24)
    assert cosines(peer_vectors(tmp_path / "model", "query"), expected).min() >= PARITY
    assert cosines(exact(tmp_path / "model").encode(TEXTS), expected).min() >= PARITY


def test_other_poolings_and_no_normalisation_are_kept(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = replace(
        MODELS["mdpr"],
        name="loose",
        path=tiny_model_dir,
        revision="1",
        dimension=32,
        layers=2,
        query_prefix="q: ",
    )
    monkeypatch.setattr(registry, "MODELS", {"loose": loose})
    export_model("loose", tmp_path / "model")
    again = exact(tmp_path / "model")
    assert (again.spec.pooling, again.spec.normalize, again.spec.query_prefix) == ("cls", False, "q: ")
    vectors = again.encode(TEXTS)
    assert np.linalg.norm(vectors, axis=1).max() > 1.1
    np.testing.assert_allclose(peer_vectors(tmp_path / "model", "query"), vectors, atol=1e-4)
    monkeypatch.setattr("me5.export.map_of", lambda *_, **__: random_map(32))
    monkeypatch.setattr("me5.export.load_encoder", lambda _: None)
    export_model("loose", tmp_path / "neutral", neutral=True)
    expected = again.with_neutral(random_map(32)).encode(TEXTS)
    assert cosines(peer_vectors(tmp_path / "neutral", "query"), expected).min() >= PARITY


def test_prompts_are_stated_also_where_they_are_empty(tiny_model_dir: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tiny_model_dir, tmp_path / "source"))
    path = source / "config_sentence_transformers.json"
    path.unlink()
    export_model(str(source), tmp_path / "my-e5")  # the name alone would mean the prefixes of E5
    assert spec_from_folder(tmp_path / "my-e5").query_prefix == ""
    template = {"instruct_template": "Instruct: {task}\nQuery: {text}", "default_instruction": "Find it."}
    path.write_text(json.dumps({"prompts": {"query": "", "passage": "", "bitext": "pair: "}, **template}))
    export_model(str(source), tmp_path / "instructed")
    again, encoder = exact(tmp_path / "instructed"), exact(source)
    assert again.spec.bitext_prefix == "pair: " and again.spec.default_instruction == "Find it."
    assert cosines(peer_vectors(tmp_path / "instructed", "query"), encoder.encode(TEXTS)).min() >= PARITY
    for words in ({}, {"instruction": "Other."}):
        assert cosines(again.encode(TEXTS, **words), encoder.encode(TEXTS, **words)).min() >= PARITY


def test_an_existing_folder_is_refused(packed_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("empty", "link"):
        with pytest.raises(ExportError, match="Choose another, or remove it"):
            export_model(str(packed_model_dir), tmp_path / name)
    assert not list((tmp_path / "empty").iterdir())


def test_nothing_is_left_of_a_failure(
    packed_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnknownModelError):
        export_model("no-such-model", tmp_path / "model")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("me5.export._write_modules", full)
    with pytest.raises(ExportError, match=r"No space left.*Make room"):
        export_model(str(packed_model_dir), tmp_path / "model")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        export_model(str(packed_model_dir), tmp_path / "file" / "model")
