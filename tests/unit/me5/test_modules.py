"""modules.json: what runs in which order, and what is refused by its name."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5.errors import ModelFormatError
from me5.folders import content_hash, read_folder
from me5.loading import load_encoder
from me5.modules import read_modules
from tests.unit.me5.test_heads import TEXTS, peer_vectors

ST = "sentence_transformers.models."


@pytest.fixture
def folder(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def write(folder: Path, modules: Any) -> None:
    (folder / "modules.json").write_text(json.dumps(modules))


def entry(kind: str, path: str = "", home: str = ST) -> dict[str, str]:
    return {"type": f"{home}{kind}", "path": path}


BODY = [entry("Transformer"), entry("Pooling", "1_Pooling")]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([*BODY, entry("CNN", "2_CNN")], "models.CNN"),
        ([*BODY, entry("WeightedLayerPooling", "2")], "WeightedLayerPooling"),
        ([entry("Transformer", home="custom_st."), BODY[1]], r"custom_st\.Transformer"),
        ([entry("CLIPModel", "0_CLIPModel")], "CLIPModel"),
        ([BODY[0], entry("Dense", "2_Dense"), BODY[1]], "begins with Transformer and Dense"),
        ([BODY[0], entry("Normalize", "2_Normalize")], "begins with Transformer and Normalize"),
        ([*BODY, entry("Transformer")], "Transformer after the pooling"),
        ([BODY[0], entry("Pooling", "../other")], "inside of"),
        ([BODY[0], entry("Pooling", "/etc")], "inside of"),
        ([], "lists no modules"),
        ({"type": "x"}, "lists no modules"),
        (["Transformer"], "lists no modules"),
        ([{"type": "sentence_transformers.models.Transformer"}], "lists no modules"),
    ],
)
def test_what_cannot_be_run_is_named(folder: Path, modules: Any, message: str) -> None:
    write(folder, modules)
    with pytest.raises(ModelFormatError, match=message):
        read_folder(folder)


def test_dropout_is_nothing_when_texts_are_encoded(folder: Path) -> None:
    expected = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
    modules = json.loads((folder / "modules.json").read_text())
    write(folder, [modules[0], modules[1], entry("Dropout", "2_Dropout"), modules[2]])
    assert [module.kind for module in read_modules(folder)] == [
        "Transformer",
        "Pooling",
        "Dropout",
        "Normalize",
    ]
    np.testing.assert_array_equal(
        load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS), expected
    )


def test_names_of_newer_sentence_transformers_are_known(folder: Path, tmp_path: Path) -> None:
    """As version 6 saves a folder."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(folder), device="cpu").save(str(tmp_path / "saved"))
    names = [module["type"] for module in json.loads((tmp_path / "saved" / "modules.json").read_text())]
    assert all("models." not in name for name in names)
    vectors = load_encoder(str(tmp_path / "saved"), engine="torch", device="cpu").encode(TEXTS)
    np.testing.assert_allclose(vectors, peer_vectors(folder), atol=1e-6)


def test_a_transformer_in_a_folder_of_its_own_is_found_there(folder: Path, tmp_path: Path) -> None:
    expected = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
    moved = tmp_path / "moved"
    (moved / "0_Transformer").mkdir(parents=True)
    for path in folder.iterdir():
        own = path.is_dir() or path.name in ("modules.json", "config_sentence_transformers.json")
        shutil.move(path, moved / path.name if own else moved / "0_Transformer" / path.name)
    modules = json.loads((moved / "modules.json").read_text())
    write(moved, [modules[0] | {"path": "0_Transformer"}, *modules[1:]])
    for engine in ("torch", "openvino"):
        vectors = load_encoder(str(moved), engine=engine, device="cpu", precision="fp32").encode(TEXTS)
        np.testing.assert_allclose(vectors, expected, atol=1e-4)
    before = content_hash(moved)
    tokenizer = moved / "0_Transformer" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert content_hash(moved) != before


def test_texts_are_read_in_lower_case_where_the_folder_says_so(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512, "do_lower_case": true}')
    encoder = load_encoder(str(folder), engine="torch", device="cpu", prefixes=("", ""))
    upper, lower = encoder.encode(["RIVER Öffnet", "river öffnet"])
    np.testing.assert_array_equal(upper, lower)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 512}')
    other = load_encoder(str(folder), engine="torch", device="cpu", prefixes=("", "")).encode(
        ["RIVER Öffnet"]
    )
    assert float(other[0] @ lower) < 0.9999


def test_a_pooling_that_leaves_out_the_prompt_is_refused(folder: Path) -> None:
    config = {"pooling_mode_mean_tokens": True, "include_prompt": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFormatError, match="include_prompt"):
        read_folder(folder)


def test_damaged_settings_are_named(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text("[]")
    with pytest.raises(ModelFormatError, match=r"config_sentence_transformers\.json holds a list"):
        read_folder(folder)
