"""The encoder of BERT and XLM-RoBERTa as an OpenVINO graph, built from its tensors without PyTorch.

Inputs are the summed embeddings [B, T, H] (word + position + type, before their LayerNorm; gathered outside,
so that no table of words is in the graph) and the mask [B, T]; the output is pooled, [B, H]. Matrices are
kept in fp32, or in int8 with one scale a row, which the CPU plugin multiplies in 8-bit arithmetic when the
compile options allow it (``DYNAMIC_QUANTIZATION_GROUP_SIZE``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.errors import EngineError
from me5.pooling import Pooling
from me5.runtime import OPENVINO_ACTIVATIONS, ROTARY_ACTIVATIONS

Floats = NDArray[np.float32]
Tensors = Callable[[str], Floats]
"""Gives a tensor by its name in a BertModel, without the model's own prefix, such as
``encoder.layer.0.output.dense.weight``."""


@dataclass(frozen=True)
class EncoderShape:
    """What the graph needs of config.json."""

    hidden: int
    layers: int
    heads: int
    epsilon: float
    activation: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "EncoderShape":
        """Read a BertConfig or XLMRobertaConfig.

        Raises:
            EngineError: its activation is not one of ``OPENVINO_ACTIVATIONS``.
        """
        if config.get("hidden_act", "gelu") not in OPENVINO_ACTIVATIONS:
            raise EngineError(
                f"The activation {config['hidden_act']!r} cannot be run by OpenVINO here. Expected one of "
                f"{', '.join(OPENVINO_ACTIVATIONS)}. Use engine 'torch'."
            )
        return cls(
            hidden=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            activation=str(config.get("hidden_act", "gelu")),
        )


def build_graph(shape: EncoderShape, tensors: Tensors, pooling: Pooling, *, int8: bool) -> Any:
    """The graph as an ``openvino.Model`` with the inputs ``embeddings`` and ``mask``."""
    import openvino
    from openvino import opset13 as ops

    build = GraphBuilder(ops, tensors, shape, int8)
    embeddings = ops.parameter([-1, -1, shape.hidden], np.float32, name="embeddings")
    mask = ops.parameter([-1, -1], np.float32, name="mask")
    states = build.layer_norm(embeddings, "embeddings.LayerNorm")
    bias = build.attention_bias(mask)
    for layer in range(shape.layers):
        states = build.layer(states, bias, f"encoder.layer.{layer}")
    pooled = build.pool(states, mask, pooling)
    pooled.output(0).tensor.set_names({"pooled"})
    return openvino.Model([pooled], [embeddings, mask], "encoder")


class GraphBuilder:
    """One method for each part of a transformer layer."""

    def __init__(self, ops: Any, tensors: Tensors, shape: EncoderShape, int8: bool) -> None:
        self.ops, self.tensors, self.shape, self.int8 = ops, tensors, shape, int8

    def layer(self, states: Any, bias: Any, name: str) -> Any:
        """Attention and feed-forward, each with its residual and LayerNorm (post-norm)."""
        attended = self.attention(states, bias, f"{name}.attention.self")
        attended = self.linear(attended, f"{name}.attention.output.dense")
        states = self.layer_norm(self.ops.add(states, attended), f"{name}.attention.output.LayerNorm")
        inner = self.activate(self.linear(states, f"{name}.intermediate.dense"))
        outer = self.linear(inner, f"{name}.output.dense")
        return self.layer_norm(self.ops.add(states, outer), f"{name}.output.LayerNorm")

    def attention(self, states: Any, bias: Any, name: str) -> Any:
        """Softmax(q k^T / sqrt(d) + bias) v over all heads."""
        ops, heads = self.ops, self.shape.heads
        size = self.shape.hidden // heads
        split = ops.constant(np.array([0, 0, heads, size], np.int64))
        order = ops.constant(np.array([0, 2, 1, 3], np.int64))
        parts = [
            ops.transpose(ops.reshape(self.linear(states, f"{name}.{part}"), split, True), order)
            for part in ("query", "key", "value")
        ]
        context = ops.scaled_dot_product_attention(*parts, bias)
        joined = ops.constant(np.array([0, 0, self.shape.hidden], np.int64))
        return ops.reshape(ops.transpose(context, order), joined, True)

    def attention_bias(self, mask: Any) -> Any:
        """[B, 1, 1, T]: 0 for tokens, a large negative number for padding."""
        ops = self.ops
        penalty = ops.multiply(
            ops.subtract(ops.constant(np.float32(1)), mask), ops.constant(np.float32(-1e4))
        )
        return ops.unsqueeze(penalty, ops.constant(np.array([1, 2], np.int64)))

    def linear(self, states: Any, name: str) -> Any:
        """x W^T + b."""
        ops = self.ops
        weight = self.weight(self.tensors(f"{name}.weight"))
        bias = ops.constant(self.tensors(f"{name}.bias").astype(np.float32))
        return ops.add(ops.matmul(states, weight, False, True), bias)

    def weight(self, weight_OI: Floats) -> Any:
        """A matrix, or what the plugin recognises as one in int8: codes, times a scale a row."""
        ops = self.ops
        if not self.int8:
            return ops.constant(weight_OI.astype(np.float32))
        codes_OI, scales_O1 = quantize_rows(weight_OI)
        widened = ops.convert(ops.constant(codes_OI), np.float32)
        return ops.multiply(widened, ops.constant(scales_O1))

    def layer_norm(self, states: Any, name: str) -> Any:
        """(x - mean) / sqrt(variance + epsilon) * gain + bias over the last axis."""
        ops = self.ops
        axes = ops.constant(np.array([-1], np.int64))
        normal = ops.mvn(states, axes, True, self.shape.epsilon, "inside_sqrt")
        gain = ops.constant(self.tensors(f"{name}.weight").astype(np.float32))
        bias = ops.constant(self.tensors(f"{name}.bias").astype(np.float32))
        return ops.add(ops.multiply(normal, gain), bias)

    def activate(self, inner: Any) -> Any:
        """What the config names; see ``OPENVINO_ACTIVATIONS`` and ``ROTARY_ACTIVATIONS``."""
        kind = ROTARY_ACTIVATIONS[self.shape.activation]
        if kind == "silu":
            return self.ops.swish(inner)
        return self.ops.relu(inner) if kind == "relu" else self.ops.gelu(inner, kind)

    def pool(self, states: Any, mask: Any, pooling: Pooling) -> Any:
        """[B, H]; see ``me5.pooling``."""
        ops = self.ops
        zero, item = (ops.constant(np.array(number, np.int64)) for number in (0, 1))
        if pooling == "cls":
            return ops.gather(states, zero, item)
        tokens = ops.reduce_sum(mask, ops.constant(np.array([1], np.int64)), True)
        if pooling == "last":
            last = ops.convert(ops.subtract(tokens, ops.constant(np.float32(1))), np.int64)
            return ops.squeeze(ops.gather(states, last, item, 1), item)
        weights = ops.unsqueeze(mask, ops.constant(np.array([2], np.int64)))
        sums = ops.reduce_sum(ops.multiply(states, weights), item, False)
        return ops.divide(sums, tokens)


def quantize_rows(weight_OI: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Codes [O, I] in -127..127 and scales [O, 1]: symmetric, one scale a row."""
    scales_O1 = np.maximum(np.abs(weight_OI).max(axis=1, keepdims=True), 1e-12) / 127
    codes_OI = np.clip(np.rint(weight_OI / scales_O1), -127, 127).astype(np.int8)
    return codes_OI, scales_O1.astype(np.float32)
