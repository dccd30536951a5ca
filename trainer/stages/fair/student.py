"""The model in training: a BertModel as a table of pieces, a stack of layers and its language-neutral map.

Vectors are those of ``me5``: prefix, pieces, end, mean of the last states, length 1, the map, length 1.
"""

from __future__ import annotations

import copy
import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from me5.loading import model_folder
from me5.neutral_map import NeutralMap
from me5.packed import BLOCK, BertWeights, plain_config, tokenizer_file
from me5.weights import WORDS
from trainer.data.multilingual.tokenising import PieceTable
from trainer.errors import ConfigError
from trainer.stages.fair.stack import Chunk, Layer, Stack, Workers, iter_chunks

ENCODED_AT_ONCE = 2_048
EMBEDDINGS = "embeddings."
POSITIONS, TYPES = "embeddings.position_embeddings.weight", "embeddings.token_type_embeddings.weight"
PARTS = {
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
ATTENTION = ("attention.self.query", "attention.self.key", "attention.self.value")


@dataclass(frozen=True)
class Part:
    """Some texts of a step: their pieces, and what stands before and after each."""

    pieces: Tensor
    starts: Tensor
    head: Tensor
    tail: Tensor

    @classmethod
    def of(cls, table: PieceTable, texts: Any, limit: int, head: Sequence[int], tail: Sequence[int]) -> Part:
        pieces, starts = table.gather(texts, limit)
        return cls(pieces, starts, torch.tensor(head), torch.tensor(tail))

    def __len__(self) -> int:
        return len(self.starts)

    def chunks(self) -> Iterator[Chunk]:
        lengths = torch.diff(self.starts, append=torch.tensor([len(self.pieces)]))
        return iter_chunks(self.pieces, self.starts, lengths, self.head, self.tail)


class Texts:
    """The pieces of every text, and what stands around a text with a prefix.

    Args:
        pieces: of every text, without special ones.
        tokenizer: for what stands around.
    """

    def __init__(self, pieces: PieceTable, tokenizer: Tokenizer) -> None:
        self._pieces = pieces
        self._around = functools.cache(functools.partial(pieces_around, tokenizer))

    def part(self, texts: NDArray[np.int32], prefix: str, limit: int) -> Part:
        """Some texts with this prefix, each cut to ``limit`` pieces."""
        return Part.of(self._pieces, texts, limit, *self._around(prefix))


def pieces_around(tokenizer: Tokenizer, prefix: str) -> tuple[list[int], list[int]]:
    """The pieces before and after a text: begin and prefix, as it is cut before a word, and end."""
    alone = tokenizer.encode("x", add_special_tokens=False).ids
    prefixed = tokenizer.encode(f"{prefix}x", add_special_tokens=False).ids
    whole = tokenizer.encode(f"{prefix}x").ids
    begins = next(at for at in range(len(whole)) if whole[at : at + len(prefixed)] == prefixed)
    ends = begins + len(prefixed)
    return whole[: ends - len(alone)], whole[ends:]


class Passed:
    """The vectors of a step, and the way back to the weights."""

    def __init__(self, workers: Workers, chunks: Sequence[Chunk], inputs: list[Tensor]) -> None:
        self._workers, self._chunks, self._inputs = workers, chunks, inputs
        self._outputs = workers.forward(inputs, [chunk.lengths for chunk in chunks])
        self._order_B = torch.cat([chunk.texts for chunk in chunks])
        means_BH = torch.cat([output.detach() for output in self._outputs])
        self.means = means_BH[torch.argsort(self._order_B)]

    def backward(self, gradient_BH: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient of the means to that of the rows: pieces [U], gradients [U, H]."""
        sizes = [len(chunk.texts) for chunk in self._chunks]
        self._workers.backward(self._outputs, gradient_BH[self._order_B].split(sizes))
        pieces = torch.cat([chunk.pieces.flatten() for chunk in self._chunks])
        used_U, places = torch.unique(pieces, return_inverse=True)
        gradient_UH = torch.zeros(len(used_U), gradient_BH.shape[1])
        start = 0
        for leaf in self._inputs:
            assert leaf.grad is not None
            rows = leaf.grad.flatten(0, 1).float()
            gradient_UH.index_add_(0, places[start : start + len(rows)], rows)
            start += len(rows)
        return used_U, gradient_UH


class Student:
    """Table, stack and map; see the module.

    Args:
        folder: of a BertModel, plain or packed.
        neutral: the map; it is not trained.
    """

    def __init__(self, folder: Path, neutral: NeutralMap) -> None:
        self.config = plain_config(folder)
        if self.config.get("model_type") != "bert" or self.config.get("hidden_act", "gelu") != "gelu":
            raise ConfigError(
                f"start: {folder} is a {self.config.get('model_type')} with {self.config.get('hidden_act')}. "
                "Expected a BertModel with gelu. Choose another."
            )
        weights = BertWeights(folder)
        self.folder, self.neutral = folder, neutral
        self.table = torch.from_numpy(np.array(weights(WORDS), np.float32))
        self.stack = _stack_of(self.config, weights)
        weight_DD, bias_D = neutral.as_dense()
        self._map = torch.from_numpy(weight_DD), torch.from_numpy(bias_D)
        self.dimension = len(bias_D)

    def forward(self, workers: Workers, parts: Sequence[Part], *, learn: bool) -> Passed:
        """The means of all texts, part after part; ``learn`` keeps the way back."""
        chunks: list[Chunk] = []
        first = 0
        for part in parts:
            chunks += [Chunk(item.texts + first, item.pieces, item.lengths) for item in part.chunks()]
            first += len(part)
        inputs = [self.table[chunk.pieces].to(torch.bfloat16).requires_grad_(learn) for chunk in chunks]
        return Passed(workers, chunks, inputs)

    def vectors(self, means_BH: Tensor) -> Tensor:
        """Unit vectors of the means, without their language."""
        weight_DD, bias_D = self._map
        unit_BD = torch.nn.functional.normalize(means_BH, dim=1)
        return torch.nn.functional.normalize(unit_BD @ weight_DD.T + bias_D, dim=1)

    def save(self, folder: Path) -> None:
        """A BertModel that transformers opens, with tokenizer, prompts and map, for ``stage: shrink``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {WORDS: self.table, **_tensors_of(self.stack, int(self.config.get("type_vocab_size", 2)))}
        save_file(
            {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()},
            folder / "model.safetensors",
            {"format": "pt"},
        )
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")
        shutil.copyfile(tokenizer_file(self.folder), folder / "tokenizer.json")
        prompts = self.folder / "config_sentence_transformers.json"
        if prompts.is_file():
            shutil.copyfile(prompts, folder / prompts.name)
        self.neutral.save(folder / "neutral.safetensors")


class Teacher:
    """A model as it is now; what its student learns later does not change it."""

    def __init__(self, model: Student) -> None:
        self._model = copy.copy(model)
        self._model.table, self._model.stack = model.table.to(torch.bfloat16), copy.deepcopy(model.stack)
        self._workers = Workers(self._model.stack)
        self.dimension = model.dimension

    def vectors(self, part: Part) -> Tensor:
        """Unit vectors of the texts [B, D]."""
        with torch.no_grad():
            return self._model.vectors(self._model.forward(self._workers, [part], learn=False).means)

    def encode(self, texts: Texts, chosen: NDArray[np.int32], prefix: str, limit: int) -> Tensor:
        """Unit vectors of texts by number, of any count."""
        blocks = range(0, len(chosen), ENCODED_AT_ONCE)
        parts = (texts.part(chosen[start : start + ENCODED_AT_ONCE], prefix, limit) for start in blocks)
        return torch.cat([self.vectors(part) for part in parts])


def open_student(start: str, neutral: str | None) -> Student:
    """The student at its first step.

    Raises:
        Me5Error: the model or the map is missing or damaged.
        ConfigError: it is no BertModel.
    """
    path = Path(neutral).expanduser() if neutral else model_folder("builtin") / "neutral.safetensors"
    return Student(model_folder(start), NeutralMap.load(path))


def as_4_bits(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a stack as the packed form will hold them: its matrices in 4 bits."""
    return {
        name: _rounded(weight) if weight.ndim == 2 and name.startswith("layers.") else weight
        for name, weight in weights.items()
    }


def _rounded(weight_OI: Tensor) -> Tensor:
    blocks = weight_OI.reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(dim=1, keepdim=True))
    scales = (largest / -8).to(torch.float16).float()
    scales[scales == 0] = 1
    return ((blocks / scales).round_().clamp_(-8, 7) * scales).view_as(weight_OI)


def _stack_of(config: Mapping[str, Any], weights: Callable[[str], Any]) -> Stack:
    layers = int(config["num_hidden_layers"])
    stack = Stack(
        hidden=int(config["hidden_size"]),
        layers=layers,
        heads=int(config["num_attention_heads"]),
        intermediate=int(config["intermediate_size"]),
        positions=int(config["max_position_embeddings"]),
        epsilon=float(config["layer_norm_eps"]),
    )

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.array(weights(name), np.float32))

    state = {
        "positions": tensor(POSITIONS) + tensor(TYPES)[0],
        "norm.weight": tensor("embeddings.LayerNorm.weight"),
        "norm.bias": tensor("embeddings.LayerNorm.bias"),
    }
    for number in range(layers):
        left, right = f"layers.{number}.", f"encoder.layer.{number}."
        for kind in ("weight", "bias"):
            joined = [tensor(f"{right}{name}.{kind}") for name in ATTENTION]
            state[f"{left}query_key_value.{kind}"] = torch.cat(joined)
            for own, name in PARTS.items():
                state[f"{left}{own}.{kind}"] = tensor(f"{right}{name}.{kind}")
    stack.load_state_dict(state)
    return stack


def _tensors_of(stack: Stack, types: int) -> dict[str, Tensor]:
    """The tensors of a BertModel; what its token types add is in the positions."""
    hidden = stack.positions.shape[1]
    tensors = {
        POSITIONS: stack.positions,
        TYPES: torch.zeros(types, hidden),
        "embeddings.LayerNorm.weight": stack.norm.weight,
        "embeddings.LayerNorm.bias": stack.norm.bias,
    }
    for number, layer in enumerate(stack.layers):
        assert isinstance(layer, Layer)
        right = f"encoder.layer.{number}."
        for kind in ("weight", "bias"):
            for name, part in zip(ATTENTION, getattr(layer.query_key_value, kind).chunk(3), strict=True):
                tensors[f"{right}{name}.{kind}"] = part
            for own, name in PARTS.items():
                tensors[f"{right}{name}.{kind}"] = getattr(getattr(layer, own), kind)
    return tensors
