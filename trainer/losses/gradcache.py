"""The gradient of a large batch in the memory of a small one (GradCache, arXiv:2101.06983).

A contrastive loss needs the embeddings of all texts at once, but not all their activations. Three steps:

1. embed every mini-batch without a graph, and keep the state of the random numbers before each;
2. compute the loss on all embeddings, which gives one gradient per embedding;
3. embed every mini-batch again, now with a graph and *the same random numbers*, and go backward from the
   product of embedding and gradient, whose derivative is that of the loss.

Without the replay in step 3 dropout would differ between the two passes, and the gradient would belong to
embeddings that the loss has never seen. The last mini-batch keeps its graph in step 1 and is spared step 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Piece = TypeVar("Piece")
Value = TypeVar("Value")


@dataclass(frozen=True)
class RandomState:
    """The random numbers of the processor and of every CUDA device."""

    cpu: Tensor
    cuda: tuple[Tensor, ...]

    @classmethod
    def now(cls) -> RandomState:
        """The state that the next random operation will start from."""
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return cls(cpu=torch.get_rng_state(), cuda=tuple(devices))

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Inside, random operations draw as they did from this state; afterwards nothing has changed."""
        before = RandomState.now()
        self._set()
        try:
            yield
        finally:
            before._set()

    def _set(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))


def cached_backward(
    embed: Callable[[Piece], Tensor],
    pieces: Sequence[Piece],
    loss: Callable[[Tensor], tuple[Value, Tensor]],
) -> Value:
    """Adds the gradient of the loss over all pieces to the parameters behind ``embed``.

    Args:
        embed: one mini-batch to its embeddings [b, D]; the part that needs memory.
        pieces: the mini-batches; only one of them has activations at any time.
        loss: the embeddings [B, D] of all pieces, in their order, to a value and the gradient [B, D].

    Returns:
        The value that ``loss`` gave.
    """
    *earlier, last = pieces
    states, embeddings = _embed_without_graph(embed, earlier)
    last_bD = embed(last)  # its graph is kept, so it needs no second pass
    embeddings.append(last_bD.detach())
    sizes = [len(part) for part in embeddings]
    joint = [torch.cat(embeddings)]
    embeddings.clear()
    value, gradient_BD = loss(joint.pop())  # the only reference, so that the loss may let go of it
    *gradients, last_gradient_bD = gradient_BD.split(sizes)
    last_bD.backward(last_gradient_bD)  # equals the backward pass of (embeddings * gradient).sum()
    for piece, state, gradient_bD in zip(earlier, states, gradients, strict=True):
        with state.replayed():
            embeddings_bD = embed(piece)
        embeddings_bD.backward(gradient_bD)
    return value


def _embed_without_graph(
    embed: Callable[[Piece], Tensor], pieces: Sequence[Piece]
) -> tuple[list[RandomState], list[Tensor]]:
    states, embeddings = [], []
    with torch.no_grad():
        for piece in pieces:
            states.append(RandomState.now())
            embeddings.append(embed(piece))
    return states, embeddings
