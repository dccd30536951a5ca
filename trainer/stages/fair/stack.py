"""The layers of a ``BertModel``, arranged for training on a CPU.

Texts of like length share a chunk whose states stay in the cache of one core. Each core works on chunks of
its own, on a copy of the stack, and the gradients of the copies are added. Products run in bfloat16, sums and
weights in float32.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer.run import cores

CHUNK_TOKENS = 4_096
MASKED = -1e4
HAS_FUSED_BIAS = hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Layer(nn.Module):
    """Attention and feed-forward, each added and then normalised, as in BERT (arXiv:1810.04805)."""

    def __init__(self, hidden: int, heads: int, intermediate: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.intermediate = nn.Linear(hidden, intermediate)
        self.output = nn.Linear(intermediate, hidden)
        self.output_norm = nn.LayerNorm(hidden, eps=epsilon)

    def forward(self, states_BTH: Tensor, mask_B11T: Tensor | None) -> Tensor:
        states_BTH = self.attention_norm(states_BTH + self._attend(states_BTH, mask_B11T))
        inner_BTI = nn.functional.gelu(_product(self.intermediate, states_BTH))
        return self.output_norm(states_BTH + _product(self.output, inner_BTI))

    def _attend(self, states_BTH: Tensor, mask_B11T: Tensor | None) -> Tensor:
        # Written out: for texts of a few tokens PyTorch's fused attention is several times slower.
        batch, tokens, hidden = states_BTH.shape
        size = hidden // self.heads
        split = _product(self.query_key_value, states_BTH).view(batch, tokens, 3, self.heads, size)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores_BATT = (query * (1 / math.sqrt(size))) @ key.transpose(-1, -2)
        if mask_B11T is not None:
            scores_BATT = scores_BATT + mask_B11T
        mixed_BATS = scores_BATT.softmax(dim=-1) @ value
        return _product(self.attention_output, mixed_BATS.transpose(1, 2).reshape(batch, tokens, hidden))


class Stack(nn.Module):
    """Positions, the LayerNorm of the embeddings, and the layers."""

    def __init__(
        self, *, hidden: int, layers: int, heads: int, intermediate: int, positions: int, epsilon: float
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(positions, hidden))
        self.norm = nn.LayerNorm(hidden, eps=epsilon)
        self.layers = nn.ModuleList(Layer(hidden, heads, intermediate, epsilon) for _ in range(layers))

    def forward(self, pieces_BTH: Tensor, lengths_B: Tensor) -> Tensor:
        """Mean last states [B, H], float32, of texts with ``lengths_B`` pieces and padding after them."""
        tokens = pieces_BTH.shape[1]
        real_BT = torch.arange(tokens) < lengths_B[:, None]
        mask_B11T = None
        if not bool(real_BT.all()):
            mask_B11T = (~real_BT * MASKED).to(pieces_BTH.dtype)[:, None, None, :]
        positions_TH = self.positions[torch.arange(tokens).clamp_(max=len(self.positions) - 1)]
        states_BTH = self.norm(pieces_BTH + positions_TH.to(pieces_BTH.dtype))
        for layer in self.layers:
            states_BTH = layer(states_BTH, mask_B11T)
        sums_BH = (states_BTH * real_BT[:, :, None]).float().sum(dim=1)
        return sums_BH / lengths_B[:, None]


def _product(linear: nn.Linear, states: Tensor) -> Tensor:
    if states.dtype != torch.bfloat16 or not HAS_FUSED_BIAS:
        return nn.functional.linear(states, linear.weight.to(states.dtype), linear.bias.to(states.dtype))
    result: Tensor = _Product.apply(states, linear.weight, linear.bias)
    return result


class _Product(torch.autograd.Function):
    """The same by oneDNN, which adds the bias as it goes; PyTorch copies it to every row first."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        narrow = weight.to(states.dtype)
        ctx.save_for_backward(states, narrow)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            states, narrow, bias.to(states.dtype), "none", [], ""
        )
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, narrow = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])
        of_states = (flat @ narrow).view(states.shape)
        of_weight = flat.T @ states.reshape(-1, states.shape[-1])
        return of_states, of_weight.float(), flat.sum(dim=0).float()


@dataclass(frozen=True)
class Chunk:
    """Some texts of a batch, padded to one length: numbers [B], pieces [B, T] (0 is padding), lengths [B]."""

    texts: Tensor
    pieces: Tensor
    lengths: Tensor


def iter_chunks(
    pieces: Tensor, starts_B: Tensor, lengths_B: Tensor, head: Tensor, tail: Tensor
) -> Iterator[Chunk]:
    """Texts in order of their length, ``CHUNK_TOKENS`` at a time.

    Args:
        pieces: of all texts, one text after another.
        starts_B: where each text begins.
        lengths_B: its pieces.
        head: pieces that every text begins with.
        tail: pieces that every text ends with.
    """
    order_B = torch.argsort(lengths_B, stable=True)
    sizes = (lengths_B[order_B] + len(head) + len(tail)).tolist()
    start = 0
    while start < len(sizes):
        stop = start + 1
        while stop < len(sizes) and (stop - start + 1) * sizes[stop] <= CHUNK_TOKENS:
            stop += 1
        texts = order_B[start:stop]
        own_B = lengths_B[texts]
        longest = int(own_B.max())
        ids_BT = torch.zeros(len(texts), sizes[stop - 1], dtype=pieces.dtype)
        ids_BT[:, : len(head)] = head
        if longest:
            offsets_T = torch.arange(longest)
            index_BT = (starts_B[texts][:, None] + offsets_T).clamp_(max=len(pieces) - 1)
            body_BT = pieces[index_BT].masked_fill(offsets_T >= own_B[:, None], 0)
            ids_BT[:, len(head) : len(head) + longest] = body_BT
        for place, piece in enumerate(tail.tolist()):
            ids_BT[torch.arange(len(texts)), own_B + len(head) + place] = piece
        yield Chunk(texts, ids_BT, own_B + len(head) + len(tail))
        start = stop


class Workers:
    """Runs chunks on every core, each on a copy of the stack.

    Args:
        stack: the weights; ``backward`` adds to the gradients of its parameters.
        seen: what the copies compute with instead of them; gradients are those of the copies.
    """

    def __init__(
        self, stack: Stack, seen: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    ) -> None:
        self._stack, self._seen = stack, seen
        self._copies = [copy.deepcopy(stack) for _ in range(cores.COUNT)]

    def forward(self, inputs: Sequence[Tensor], lengths: Sequence[Tensor]) -> list[Tensor]:
        """Mean states of each chunk; ``inputs`` are leaves that get gradients when they ask for them."""
        weights = self._seen(self._stack.state_dict())
        for twin in self._copies:
            twin.load_state_dict(weights)
            twin.zero_grad(set_to_none=True)
        outputs: list[Tensor | None] = [None] * len(inputs)

        def run(worker: int) -> None:
            with torch.set_grad_enabled(inputs[0].requires_grad):
                for number in range(worker, len(inputs), cores.COUNT):
                    outputs[number] = self._copies[worker](inputs[number], lengths[number])

        cores.on_every_core(run)
        return [output for output in outputs if output is not None]

    def backward(self, outputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Gradients of the chunks' inputs, and those of the stack, summed over the copies in their order."""

        def run(worker: int) -> None:
            for number in range(worker, len(outputs), cores.COUNT):
                outputs[number].backward(gradients[number])

        cores.on_every_core(run)
        for twin in self._copies:
            for own, other in zip(self._stack.parameters(), twin.parameters(), strict=True):
                if other.grad is not None:
                    own.grad = other.grad if own.grad is None else own.grad + other.grad
