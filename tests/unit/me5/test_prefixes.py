"""The string before a text: by role, by instruction, and where a folder's words for bitext come from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from me5.encoder import Encoder
from me5.loading import load_encoder
from me5.prefixes import Role, prefix_of
from me5.registry import MODELS, spec_from_folder
from me5.spec import ModelSpec

SMALL, INSTRUCT = MODELS["small"], MODELS["large-instruct"]
PARALLEL = "Instruct: Retrieve parallel sentences.\nQuery: "


@pytest.mark.parametrize(
    ("spec", "role", "expected"),
    [
        (SMALL, Role.QUERY, "query: "),
        (SMALL, Role.PASSAGE, "passage: "),
        (SMALL, Role.BITEXT, ""),
        (replace(SMALL, bitext_prefix=None), Role.BITEXT, "query: "),
        (replace(SMALL, bitext_prefix="pair: "), Role.BITEXT, "pair: "),
        (INSTRUCT, Role.QUERY, f"Instruct: {INSTRUCT.default_instruction}\nQuery: "),
        (INSTRUCT, Role.PASSAGE, ""),
        (INSTRUCT, Role.BITEXT, PARALLEL),
        (replace(INSTRUCT, default_instruction=None), Role.BITEXT, PARALLEL),
        (replace(INSTRUCT, default_instruction=None), Role.QUERY, ""),
        (MODELS["fast"], Role.BITEXT, "query: "),
    ],
)
def test_a_role_decides_the_words(spec: ModelSpec, role: Role, expected: str) -> None:
    assert prefix_of(spec, role, spec.default_instruction) == expected


def test_an_instruction_of_ones_own_replaces_the_words_for_bitext() -> None:
    assert prefix_of(INSTRUCT, Role.BITEXT, "Match the laws.") == "Instruct: Match the laws.\nQuery: "
    told = replace(INSTRUCT, bitext_prefix="")
    assert prefix_of(told, Role.BITEXT, "Match the laws.") == "Instruct: Match the laws.\nQuery: "
    assert prefix_of(told, Role.BITEXT) == ""


def test_words_for_bitext_are_no_part_of_the_contract() -> None:
    assert SMALL.contract == replace(SMALL, bitext_prefix="pair: ").contract


def test_an_encoder_takes_the_role(tiny_encoder: Encoder) -> None:
    texts = ["Die Bibliothek öffnet um neun.", "図書館は朝九時に開きます。"]
    as_query = tiny_encoder.encode(texts, Role.QUERY)
    np.testing.assert_array_equal(tiny_encoder.encode(texts, Role.BITEXT), as_query)
    assert np.abs(tiny_encoder.encode(texts, Role.PASSAGE) - as_query).max() > 1e-3  # words do matter


@pytest.mark.parametrize(
    ("name", "prompts", "expected"),
    [
        ("multilingual-e5-small", {}, ""),  # a plain copy, as published
        ("multilingual-e5-small", {"query": "query: ", "passage": "passage: "}, None),  # trained further
        ("mine", {"query": "query: ", "passage": "passage: ", "bitext": "pair: "}, "pair: "),
        ("mine", {"query": "query: ", "passage": "passage: ", "bitext": ""}, ""),
        ("mine", {}, None),
    ],
)
def test_a_folder_says_its_words_for_bitext(
    tmp_path: Path, tiny_model_dir: Path, name: str, prompts: dict[str, str], expected: str | None
) -> None:
    folder = tmp_path / name
    shutil.copytree(tiny_model_dir, folder)
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    spec = spec_from_folder(folder)
    relative = name == "multilingual-e5-small" and not prompts
    if relative:  # the tiny model has another shape than the published one, so nothing follows from its name
        assert spec.bitext_prefix is None
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(
            json.dumps(config | {"hidden_size": 384, "num_hidden_layers": 12})
        )
        spec = spec_from_folder(folder)
    assert spec.bitext_prefix == expected


def test_a_folder_without_words_pairs_with_those_of_queries(static_model_dir: Path) -> None:
    encoder = load_encoder(str(static_model_dir))
    np.testing.assert_array_equal(encoder.encode(["a ship"], Role.BITEXT), encoder.encode(["a ship"]))
