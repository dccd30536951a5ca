"""The graph that is built from weights, against transformers on the same random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5.engines.bert_graph import EncoderShape, build_graph, quantize_rows
from me5.errors import EngineError
from me5.loading import load_encoder
from me5.pooling import POOLERS
from me5.runtime import OPENVINO_ACTIVATIONS
from tests.conftest import write_model_dir

openvino = pytest.importorskip("openvino")

CLOSE = 0.999999
LENGTHS = (7, 1, 12, 30, 3)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left, right = left.astype(np.float64), right.astype(np.float64)
    return np.sum(left * right, axis=-1) / np.linalg.norm(left, axis=-1) / np.linalg.norm(right, axis=-1)


def random_model(kind: str, activation: str = "gelu") -> Any:
    """Two layers of random weights, larger than usual, so that texts and activations differ."""
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 100,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 40,
        "initializer_range": 0.3,
        "hidden_act": activation,
    }
    if kind == "bert":
        model: Any = BertModel(BertConfig(**shape), add_pooling_layer=False)
    else:
        model = XLMRobertaModel(XLMRobertaConfig(**shape, pad_token_id=1), add_pooling_layer=False)
    with torch.no_grad():  # fresh norms and biases are ones and zeros, which hide mistakes
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.normal_(mean=1.0 if name.endswith("Norm.weight") else 0.0, std=0.3)
    return model.eval()


def batch(lengths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return np.where(mask == 1, draw.integers(5, 100, mask.shape), 1), mask


def reference(model: Any, ids: np.ndarray, mask: np.ndarray, pooling: Any) -> np.ndarray:
    import torch

    with torch.inference_mode():
        inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        return POOLERS[pooling](model(**inputs).last_hidden_state.numpy(), mask)


def by_graph(
    model: Any, ids: np.ndarray, mask: np.ndarray, pooling: Any, *, int8: bool = False, group: int = 0
) -> np.ndarray:
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    embeddings = weights["embeddings.word_embeddings.weight"][ids]
    first = 2 if model.config.model_type == "xlm-roberta" else 0
    places = slice(first, first + ids.shape[1])
    embeddings = embeddings + weights["embeddings.position_embeddings.weight"][places]
    embeddings = embeddings + weights["embeddings.token_type_embeddings.weight"][0]
    shape = EncoderShape.of(model.config.to_dict())
    graph = build_graph(shape, weights.__getitem__, pooling, int8=int8)
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if int8:
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
    compiled = openvino.Core().compile_model(graph, "CPU", settings)
    return np.array(compiled([embeddings, mask.astype(np.float32)])[0])


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_equals_transformers(kind: str, pooling: str) -> None:
    model, (ids, mask) = random_model(kind), batch(LENGTHS)
    expected = reference(model, ids, mask, pooling)
    found = by_graph(model, ids, mask, pooling)
    assert found.shape == (5, 64) and cosines(found, expected).min() >= CLOSE
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for other in {"mean", "cls", "last"} - {pooling}:
        apart = cosines(found, reference(model, ids, mask, other))
        assert apart[[0, 2, 3, 4]].max() < 0.999  # the text of one token is the same to all


@pytest.mark.parametrize("activation", OPENVINO_ACTIVATIONS)
def test_every_activation_is_the_one_that_transformers_means(activation: str) -> None:
    model, (ids, mask) = random_model("bert", activation), batch(LENGTHS)
    expected = reference(model, ids, mask, "mean")
    np.testing.assert_allclose(by_graph(model, ids, mask, "mean"), expected, atol=2e-5)
    for other in {"gelu", "gelu_new", "relu"} - {activation}:
        if OPENVINO_ACTIVATIONS[other] != OPENVINO_ACTIVATIONS[activation]:
            model.config.hidden_act = other
            assert np.abs(by_graph(model, ids, mask, "mean") - expected).max() > 1e-4


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_padding_and_the_other_rows_change_nothing(pooling: str) -> None:
    model, (ids, mask) = random_model("bert"), batch(LENGTHS)
    together = by_graph(model, ids, mask, pooling)
    for row, length in enumerate(LENGTHS):
        alone = by_graph(model, ids[row : row + 1, :length], mask[row : row + 1, :length], pooling)
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    unmasked = by_graph(model, ids, np.ones_like(mask), pooling)
    assert cosines(unmasked, together)[[0, 1, 2, 4]].max() < 0.999
    np.testing.assert_allclose(unmasked[3], together[3], atol=1e-5)  # the longest has no padding


def test_rows_in_8_bits_are_within_half_a_step() -> None:
    weights = np.random.default_rng(0).normal(size=(30, 64)).astype(np.float32)
    weights[3] = 0
    codes, scales = quantize_rows(weights)
    assert (codes.dtype, scales.dtype, scales.shape) == (np.int8, np.float32, (30, 1))
    assert (np.abs(codes * scales - weights) <= 0.5001 * scales).all()
    assert codes.min() == -127 or codes.max() == 127
    np.testing.assert_allclose(scales[:, 0], np.maximum(np.abs(weights).max(axis=1), 1e-12) / 127, rtol=1e-6)
    assert not codes[3].any()


@pytest.mark.parametrize("group", [0, 32])
@pytest.mark.parametrize("kind", ["bert", "xlmr"])
def test_int8_is_close_and_not_equal(kind: str, group: int) -> None:
    model, (ids, mask) = random_model(kind), batch(LENGTHS)
    found = cosines(
        by_graph(model, ids, mask, "mean", int8=True, group=group), reference(model, ids, mask, "mean")
    )
    assert 0.99 <= found.min() < CLOSE


def test_an_activation_that_is_not_built_is_run_by_torch(tmp_path: Path) -> None:
    folder = write_model_dir(tmp_path / "model", "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "silu"}))
    assert load_encoder(str(folder), device="cpu").engine_name == "torch"
    with pytest.raises(EngineError, match="'silu' cannot be run by OpenVINO"):
        load_encoder(str(folder), engine="openvino", device="cpu")
