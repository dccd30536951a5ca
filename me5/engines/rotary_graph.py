"""ModernBERT, Gemma 3 (text) and Qwen 3 as an OpenVINO graph, built from their tensors without PyTorch.

All three turn queries and keys by their positions (RoPE), normalise before each part, and have gated
feed-forward layers. Some layers see every token, some a window, some only what stands before. Inputs are the
embeddings [B, T, H] (gathered outside), the mask [B, T], and for each kind of layer three tables that depend
on T alone: cosine and sine of the positions [T, D] and what a token may see [T, T], 0 or a large negative
number. They are computed outside in fp32, because positions do not survive bf16.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from me5.engines.bert_graph import GraphBuilder, Tensors
from me5.errors import ModelFormatError
from me5.pooling import Pooling
from me5.weights import StoredTable, StoredTensors

Floats = NDArray[np.float32]
Kind = Literal["full_attention", "sliding_attention"]
NOT_SEEN = np.float32(-1e4)


@dataclass(frozen=True)
class RotaryShape:
    """What the graph needs of config.json.

    ``kinds`` has one entry a layer; ``reach`` is how far a token of a window sees, itself not counted;
    ``scale`` multiplies the scores of attention, ``embedding_scale`` the rows of pieces.
    """

    family: str
    hidden: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    epsilon: float
    activation: str
    kinds: tuple[Kind, ...]
    reach: int
    is_causal: bool
    thetas: tuple[tuple[Kind, float], ...]
    scale: float
    embedding_scale: float = 1.0

    @classmethod
    def of(cls, folder: Path) -> "RotaryShape":
        """Read the config of a folder, as transformers completes it."""
        from transformers import AutoConfig

        config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        heads = int(config.num_attention_heads)
        size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
        kinds = tuple(config.layer_types)
        common: dict[str, Any] = {
            "family": config.model_type,
            "hidden": int(config.hidden_size),
            "layers": int(config.num_hidden_layers),
            "heads": heads,
            "head_size": size,
            "kinds": kinds,
            "thetas": tuple((kind, _theta(config, kind)) for kind in sorted(set(kinds))),
            "scale": size**-0.5,
        }
        if config.model_type == "modernbert":
            return cls(
                **common,
                key_heads=heads,
                epsilon=float(config.norm_eps),
                activation=config.hidden_activation,
                reach=int(config.sliding_window),
                is_causal=False,
            )
        common |= {"key_heads": int(config.num_key_value_heads), "epsilon": float(config.rms_norm_eps)}
        reach = int(config.sliding_window or config.max_position_embeddings) - 1
        if config.model_type == "qwen3":
            return cls(**common, activation=config.hidden_act, reach=reach, is_causal=True)
        common["scale"] = float(config.query_pre_attn_scalar) ** -0.5
        return cls(
            **common,
            activation=config.hidden_activation,
            reach=reach,
            is_causal=not config.use_bidirectional_attention,
            embedding_scale=float(np.float32(config.hidden_size**0.5)),
        )

    def tables(self, tokens: int) -> list[Floats]:
        """Cosine, sine and sight of each kind of layer, in the order of ``thetas``."""
        return [table for kind, theta in self.thetas for table in self._tables_of(kind, theta, tokens)]

    def _tables_of(self, kind: Kind, theta: float, tokens: int) -> tuple[Floats, Floats, Floats]:
        reach = self.reach if kind == "sliding_attention" else None
        return (*_turns(theta, self.head_size, tokens), _sight(tokens, reach, self.is_causal))


class RotaryWeights:
    """The tensors of a folder by their names in the base model, whatever stands before these."""

    def __init__(self, folder: Path, family: str) -> None:
        table = "embeddings.tok_embeddings.weight" if family == "modernbert" else "embed_tokens.weight"
        self._stored = StoredTensors(folder)
        name = next((name for name in self._stored.names() if name.endswith(table)), None)
        if name is None:
            raise ModelFormatError(
                f"The weights in {folder} lack {table}. Expected every tensor that config.json implies. Copy "
                "the folder from the original model again."
            )
        self._prefix = name.removesuffix(table)
        self.words = StoredTable(self._stored, name)

    def __call__(self, name: str) -> Floats:
        """One tensor in fp32.

        Raises:
            ModelFormatError: the folder lacks it.
        """
        return self._stored.read(self._prefix + name)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._stored


def build_graph(
    shape: RotaryShape, layers: int, weights: RotaryWeights, pooling: Pooling, *, int8: bool
) -> Any:
    """The graph of the first ``layers`` layers as an ``openvino.Model``."""
    import openvino
    from openvino import opset13 as ops

    build = _RotaryBuilder(ops, weights, shape, int8)
    embeddings = ops.parameter([-1, -1, shape.hidden], np.float32, name="embeddings")
    mask = ops.parameter([-1, -1], np.float32, name="mask")
    tables: dict[Kind, list[Any]] = {}
    for kind, _ in shape.thetas:
        sizes = ([-1, shape.head_size], [-1, shape.head_size], [-1, -1])
        tables[kind] = [ops.parameter(size, np.float32) for size in sizes]
    padding = build.attention_bias(mask)
    seen = {kind: ops.add(padding, sight) for kind, (_, _, sight) in tables.items()}
    states = build.begin(embeddings)
    for layer in range(layers):
        kind = shape.kinds[layer]
        states = build.rotary_layer(states, seen[kind], tables[kind][:2], layer)
    pooled = build.pool(build.end(states), mask, pooling)
    pooled.output(0).tensor.set_names({"pooled"})
    inputs = [embeddings, mask, *(table for kind, _ in shape.thetas for table in tables[kind])]
    return openvino.Model([pooled], inputs, "encoder")


class _RotaryBuilder(GraphBuilder):
    """The layers of the three families; matrices, activations and pooling are those of the BERT graph."""

    def __init__(self, ops: Any, weights: RotaryWeights, shape: RotaryShape, int8: bool) -> None:
        tensors: Tensors = weights
        super().__init__(ops, tensors, shape, int8)  # type: ignore[arg-type]  # what it reads is in both shapes
        self.weights, self.rotary = weights, shape
        self.is_modernbert = shape.family == "modernbert"
        self.is_gemma = shape.family == "gemma3_text"

    def begin(self, embeddings: Any) -> Any:
        """ModernBERT normalises the rows, Gemma scaled them before."""
        return self.norm(embeddings, "embeddings.norm") if self.is_modernbert else embeddings

    def end(self, states: Any) -> Any:
        return self.norm(states, "final_norm" if self.is_modernbert else "norm")

    def rotary_layer(self, states: Any, seen: Any, turns: Any, layer: int) -> Any:
        """Both parts with their norms before, and in Gemma also behind."""
        add, name = self.ops.add, f"layers.{layer}"
        if self.is_modernbert:
            normal = states if layer == 0 else self.norm(states, f"{name}.attn_norm")
            states = add(states, self.attend(normal, seen, turns, f"{name}.attn"))
            return add(states, self.feed(self.norm(states, f"{name}.mlp_norm"), f"{name}.mlp"))
        attended = self.attend(self.norm(states, f"{name}.input_layernorm"), seen, turns, f"{name}.self_attn")
        if not self.is_gemma:
            states = add(states, attended)
            return add(
                states, self.feed(self.norm(states, f"{name}.post_attention_layernorm"), f"{name}.mlp")
            )
        states = add(states, self.norm(attended, f"{name}.post_attention_layernorm"))
        fed = self.feed(self.norm(states, f"{name}.pre_feedforward_layernorm"), f"{name}.mlp")
        return add(states, self.norm(fed, f"{name}.post_feedforward_layernorm"))

    def attend(self, states: Any, seen: Any, turns: Any, name: str) -> Any:
        """Softmax(turned q x turned k^T x scale + seen) v."""
        ops, shape = self.ops, self.rotary
        query, key, value = self._projections(states, name)
        if not self.is_modernbert:
            query, key = self.norm(query, f"{name}.q_norm"), self.norm(key, f"{name}.k_norm")
        query, key = self._turn(query, turns), self._turn(key, turns)
        scale = ops.constant(np.float32(shape.scale))
        context = ops.scaled_dot_product_attention(query, self._repeat(key), self._repeat(value), seen, scale)
        joined = ops.constant(np.array([0, 0, shape.heads * shape.head_size], np.int64))
        order = ops.constant(np.array([0, 2, 1, 3], np.int64))
        context = ops.reshape(ops.transpose(context, order), joined, True)
        return self.linear(context, f"{name}.Wo" if self.is_modernbert else f"{name}.o_proj")

    def feed(self, states: Any, name: str) -> Any:
        """activation(a) x b, back to the width of the model."""
        ops = self.ops
        if self.is_modernbert:
            both, last = self.linear(states, f"{name}.Wi"), f"{name}.Wo"
        else:
            # One matrix for both: two, with a GELU, make the CPU plugin of OpenVINO 2026.4 divide by zero in
            # bf16 when it compiles, which ends the process.
            weight = np.concatenate([self.weights(f"{name}.{part}_proj.weight") for part in ("gate", "up")])
            both, last = ops.matmul(states, self.weight(weight), False, True), f"{name}.down_proj"
        inner, gate = ops.split(both, ops.constant(np.array(2, np.int64)), 2).outputs()
        return self.linear(ops.multiply(self.activate(inner), gate), last)

    def norm(self, states: Any, name: str) -> Any:
        """LayerNorm in ModernBERT, else x / sqrt(mean(x^2) + epsilon) x gain; Gemma's gain counts from 1."""
        ops, epsilon = self.ops, self.rotary.epsilon
        axes = ops.constant(np.array([-1], np.int64))
        gain_H = self.weights(f"{name}.weight").astype(np.float32)
        if self.is_modernbert:
            normal = ops.multiply(ops.mvn(states, axes, True, epsilon, "inside_sqrt"), ops.constant(gain_H))
            return self._plus_bias(normal, name)
        mean = ops.reduce_mean(ops.multiply(states, states), axes, True)
        normal = ops.divide(states, ops.sqrt(ops.add(mean, ops.constant(np.float32(epsilon)))))
        return ops.multiply(normal, ops.constant(gain_H + np.float32(self.is_gemma)))

    def linear(self, states: Any, name: str) -> Any:
        """x W^T, and + b where there is one."""
        weight = self.weight(self.weights(f"{name}.weight"))
        return self._plus_bias(self.ops.matmul(states, weight, False, True), name)

    def _plus_bias(self, states: Any, name: str) -> Any:
        if f"{name}.bias" not in self.weights:
            return states
        return self.ops.add(states, self.ops.constant(self.weights(f"{name}.bias").astype(np.float32)))

    def _projections(self, states: Any, name: str) -> list[Any]:
        """Query, key and value, each [B, heads, T, D]."""
        ops, shape = self.ops, self.rotary
        if self.is_modernbert:  # [B, T, 3, heads, D]
            places = ops.constant(np.array([0, 0, 3 * shape.heads, shape.head_size], np.int64))
            order = ops.constant(np.array([0, 2, 1, 3], np.int64))
            all_three = ops.transpose(ops.reshape(self.linear(states, f"{name}.Wqkv"), places, True), order)
            return list(ops.split(all_three, ops.constant(np.array(1, np.int64)), 3).outputs())
        order = ops.constant(np.array([0, 2, 1, 3], np.int64))
        results = []
        for part, heads in (("q", shape.heads), ("k", shape.key_heads), ("v", shape.key_heads)):
            places = ops.constant(np.array([0, 0, heads, shape.head_size], np.int64))
            projected = self.linear(states, f"{name}.{part}_proj")
            results.append(ops.transpose(ops.reshape(projected, places, True), order))
        return results

    def _turn(self, states: Any, turns: Any) -> Any:
        """x cos + (second half negated, first half) sin."""
        ops, (cosine, sine) = self.ops, turns
        first, second = ops.split(states, ops.constant(np.array(3, np.int64)), 2).outputs()
        turned = ops.concat([ops.negative(second), first], 3)
        return ops.add(ops.multiply(states, cosine), ops.multiply(turned, sine))

    def _repeat(self, states: Any) -> Any:
        """Each key or value head for the query heads that share it."""
        shape = self.rotary
        if shape.key_heads == shape.heads:
            return states
        numbers = np.repeat(np.arange(shape.key_heads), shape.heads // shape.key_heads)
        axis = self.ops.constant(np.array(1, np.int64))
        return self.ops.gather(states, self.ops.constant(numbers.astype(np.int64)), axis)


def _theta(config: Any, kind: str) -> float:
    parameters = config.rope_parameters
    return float(parameters[kind]["rope_theta"] if kind in parameters else parameters["rope_theta"])


@lru_cache(maxsize=64)
def _turns(theta: float, size: int, tokens: int) -> tuple[Floats, Floats]:
    """Cosine and sine [T, D] of each position and pair of numbers, in fp32 as transformers computes them."""
    frequencies = np.float32(1) / np.float32(theta) ** (
        np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    )
    angles_TD = np.arange(tokens, dtype=np.float32)[:, None] * np.tile(frequencies, 2)[None]
    return np.cos(angles_TD), np.sin(angles_TD)


@lru_cache(maxsize=16)
def _sight(tokens: int, reach: int | None, is_causal: bool) -> Floats:
    """[T, T]: 0 where the token of a row sees that of a column."""
    distance_TT = np.arange(tokens)[:, None] - np.arange(tokens)[None]
    is_seen = np.ones((tokens, tokens), bool) if not is_causal else distance_TT >= 0
    if reach is not None:
        is_seen &= np.abs(distance_TT) <= reach
    return np.where(is_seen, np.float32(0), NOT_SEEN)
