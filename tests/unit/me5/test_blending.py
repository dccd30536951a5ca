"""Blended query embeddings: both ends, the middle, and the passages of the first model."""

from pathlib import Path

import numpy as np
import pytest

from me5 import (
    BlendedEncoder,
    Encoder,
    InstructionError,
    ModelFormatError,
    Role,
    UnknownModelError,
    load_blend,
    load_encoder,
)
from tests.conftest import write_model_dir

TEXTS = ["The library opens at nine.", "Die Bibliothek öffnet um neun.", ""]
TEMPLATE = (
    '{"prompts": {"query": "", "passage": ""}, "instruct_template": "Instruct: {task}\\nQuery: {text}"}'
)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Other weights, and a template for instructions."""
    folder = write_model_dir(tmp_path_factory.mktemp("blend") / "second", "bert", seed=1)
    (folder / "config_sentence_transformers.json").write_text(TEMPLATE, encoding="utf8")
    return load_encoder(str(folder), engine="torch", device="cpu", precision="fp32", threads=1)


def test_the_ends_are_the_two_models(tiny_encoder: Encoder, second: Encoder) -> None:
    queries = [BlendedEncoder(tiny_encoder, second, share).encode(TEXTS) for share in (0, 1)]
    np.testing.assert_array_equal(queries[0], tiny_encoder.encode(TEXTS))
    np.testing.assert_array_equal(queries[1], second.encode(TEXTS))
    assert np.abs(queries[0] - queries[1]).max() > 0.1


def test_between_them_lies_a_unit_vector_on_the_way(tiny_encoder: Encoder, second: Encoder) -> None:
    blended = BlendedEncoder(tiny_encoder, second, 0.3).encode(TEXTS)
    expected = 0.7 * tiny_encoder.encode(TEXTS) + 0.3 * second.encode(TEXTS)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(blended, expected, atol=1e-6)
    assert blended.dtype == np.float32


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_passages_are_those_of_the_first_model(tiny_encoder: Encoder, second: Encoder, share: float) -> None:
    blended = BlendedEncoder(tiny_encoder, second, share)
    titles = ["Title", "", "T"]
    np.testing.assert_array_equal(
        blended.encode(TEXTS, Role.PASSAGE, titles=titles),
        tiny_encoder.encode(TEXTS, Role.PASSAGE, titles=titles),
    )
    assert blended.contract == tiny_encoder.contract


def test_an_instruction_reaches_the_model_that_takes_one(tiny_encoder: Encoder, second: Encoder) -> None:
    blended = BlendedEncoder(tiny_encoder, second, 0.5)
    expected = tiny_encoder.encode(TEXTS) + second.encode(TEXTS, instruction="Find it.")
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(blended.encode(TEXTS, instruction="Find it."), expected, atol=1e-6)
    assert np.abs(blended.encode(TEXTS) - expected).max() > 1e-3
    with pytest.raises(InstructionError):
        blended.encode(TEXTS, Role.PASSAGE, instruction="Find it.")
    with pytest.raises(InstructionError):
        BlendedEncoder(tiny_encoder, tiny_encoder, 0.5).encode(TEXTS, instruction="Find it.")


def test_a_blend_has_a_name(tiny_model_dir: Path) -> None:
    name = f"blend:{tiny_model_dir}+{tiny_model_dir}@0.25"
    assert (load_blend(name).share, load_blend(name).spec.name) == (0.25, name)


@pytest.mark.parametrize(
    "name", ["blend:a+b", "blend:a@0.3", "blend:a+b+c@0.3", "blend:a+b@1.5", "blend:+b@0"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UnknownModelError, match="names no blend"):
        load_blend(name)


def test_vectors_that_cannot_be_added_are_refused(tiny_encoder: Encoder, tmp_path: Path) -> None:
    wider = load_encoder(str(write_model_dir(tmp_path / "wider", "bert", hidden=64)), engine="torch")
    with pytest.raises(ModelFormatError, match=r"32 numbers and .* 64"):
        BlendedEncoder(tiny_encoder, wider, 0.5)
