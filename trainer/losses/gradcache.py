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

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Piece = TypeVar("Piece", bound=Sized)
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
        pieces: the mini-batches, each as long as it has texts; only one has activations at any time.
        loss: the embeddings [B, D] of all pieces, in their order, to a value and the gradient [B, D]. It may
            write the gradient over the embeddings.

    Returns:
        The value that ``loss`` gave.
    """
    *earlier, last = pieces
    sizes = [len(piece) for piece in pieces]
    last_row = sum(sizes) - sizes[-1]
    states, embeddings_BD = _embed_without_graph(embed, earlier, rows=sum(sizes))
    last_bD = embed(last)  # its graph is kept, so it needs no second pass
    if embeddings_BD is None:
        embeddings_BD = torch.empty_like(last_bD, requires_grad=False)
    embeddings_BD[last_row:] = last_bD.detach()
    value, gradient_BD = loss(embeddings_BD)
    del embeddings_BD  # the loss may have gone on without it
    *gradients, last_gradient_bD = gradient_BD.split(sizes)
    last_bD.backward(last_gradient_bD)  # equals the backward pass of (embeddings * gradient).sum()
    del last_bD
    for piece, state, gradient_bD in zip(earlier, states, gradients, strict=True):
        with state.replayed():
            embeddings_bD = embed(piece)
        embeddings_bD.backward(gradient_bD)
    return value


def _embed_without_graph(
    embed: Callable[[Piece], Tensor], pieces: Sequence[Piece], *, rows: int
) -> tuple[list[RandomState], Tensor | None]:
    """The state before each piece, and a tensor of ``rows`` rows that begins with the pieces' embeddings.

    One tensor from the start: many small ones that stay would lie between the activations, and leave holes
    that nothing fits into. None where there are no pieces.
    """
    states: list[RandomState] = []
    embeddings_BD: Tensor | None = None
    start = 0
    with torch.no_grad():
        for piece in pieces:
            states.append(RandomState.now())
            part_bD = embed(piece)
            if embeddings_BD is None:
                embeddings_BD = part_bD.new_empty(rows, *part_bD.shape[1:])
            embeddings_BD[start : start + len(part_bD)] = part_bD
            start += len(part_bD)
    return states, embeddings_BD
