"""Training of static piece embeddings: a text is the mean of the vectors of its pieces, nothing else.

No layers means no word order, but also minutes instead of days on a CPU, and a table that later models can
start from. The gradient of the loss is written by hand (``losses.info_nce``); the step is row-wise Adagrad,
one learning rate per piece, which lets rare pieces learn as fast as frequent ones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from me5 import atomic
from trainer.data.multilingual.tokenising import PieceTable
from trainer.errors import TrainingError
from trainer.run.hooks import Stepping
from trainer.stages.static.recipe import StaticOptimConfig

log = logging.getLogger(__name__)


class Batch(Protocol):
    """Texts of one step and what is wanted of their vectors."""

    @property
    def texts(self) -> NDArray[np.int32]: ...

    def loss(
        self, vectors_BD: Tensor, *, temperature: float, matmul_dtype: torch.dtype | None
    ) -> tuple[float, Tensor]: ...


class Sampler(Protocol):
    """A stream of batches whose position can be saved."""

    def draw(self, size: int) -> Batch: ...

    def state(self) -> dict[str, object]: ...

    def restore(self, state: Any) -> None: ...


ADAGRAD_EPSILON = 1e-10
TENSORS = ("embedding", "squares")  # of a checkpoint


@dataclass
class StaticState:
    """A run at one step: the vectors [V, D], their Adagrad sums [V], the step."""

    embedding: Tensor
    squares: Tensor
    step: int = 0


def new_state(vocab_size: int, dimension: int, seed: int) -> StaticState:
    """Random vectors of small length."""
    generator = torch.Generator().manual_seed(seed)
    embedding_VD = torch.randn(vocab_size, dimension, generator=generator) / dimension**0.5
    return StaticState(embedding_VD, torch.zeros(vocab_size))


def embed(pieces: Tensor, bags: Tensor, embedding_VD: Tensor) -> Tensor:
    """Unit mean vectors [B, D]; a text without pieces gets a zero vector."""
    mean_BD = torch.nn.functional.embedding_bag(pieces, embedding_VD, bags, mode="mean")
    return torch.nn.functional.normalize(mean_BD, dim=1)


def kind_of_step(mixture: Mapping[str, float], seed: int, step: int) -> tuple[str, np.random.Generator]:
    """The kind that a step draws, and the generator for its other choices.

    One generator per step: a resumed run makes the choices that the interrupted one would have made.
    """
    kinds = sorted(kind for kind, share in mixture.items() if share > 0)
    shares = np.array([mixture[kind] for kind in kinds])
    generator = np.random.default_rng((seed, step))
    return kinds[generator.choice(len(kinds), p=shares / shares.sum())], generator


def train_static(
    tables: Sequence[PieceTable],
    samplers: Mapping[str, Sampler],
    mixture: Mapping[str, float],
    state: StaticState,
    *,
    optim: StaticOptimConfig,
    limits: Mapping[str, int],
    seed: int,
    hooks: Sequence[Callable[[StaticState, float], None]] = (),
) -> StaticState:
    """Go from ``state`` to ``optim.steps`` steps; every step draws from one kind.

    Args:
        tables: pieces of all texts; a step reads one of the tables, at random.
        samplers: by kind of pairs.
        mixture: share of the steps by kind.
        state: changed in place.
        optim: sizes and rates.
        limits: most pieces of a text, by kind.
        seed: of the choice of kinds.
        hooks: called after each step with the state and the loss.
    """
    dtype = torch.bfloat16 if optim.matmul_bf16 else None
    while state.step < optim.steps:
        kind, generator = kind_of_step(mixture, seed, state.step)
        batch = samplers[kind].draw(optim.batch_size)
        pieces, bags = tables[int(generator.integers(len(tables)))].gather(batch.texts, limits[kind])
        # Only the rows of this batch take part: a gradient for the whole table would cost more than the loss.
        used_U, pieces = torch.unique(pieces, return_inverse=True)
        rows_UD = state.embedding[used_U].requires_grad_()
        texts_BD = embed(pieces, bags, rows_UD)
        loss, gradient_BD = batch.loss(texts_BD.detach(), temperature=optim.temperature, matmul_dtype=dtype)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {state.step}; expected a finite number. "
                "Lower optim.learning_rate."
            )
        texts_BD.backward(gradient_BD)
        assert rows_UD.grad is not None
        adagrad(state.embedding, state.squares, used_U, rows_UD.grad, _learning_rate(optim, state.step))
        state.step += 1
        for hook in hooks:
            hook(state, loss)
    return state


def _learning_rate(optim: StaticOptimConfig, step: int) -> float:
    done = step / optim.steps
    return optim.learning_rate * (1.0 - (1.0 - optim.final_learning_rate) * done)


def adagrad(
    table_VD: Tensor, squares_V: Tensor, used_U: Tensor, gradient_UD: Tensor, learning_rate: float
) -> None:
    """One row-wise step: the rate of a row falls with the root of its summed mean squared gradients."""
    squares_U = squares_V[used_U] + gradient_UD.square().mean(dim=1)
    squares_V[used_U] = squares_U
    rate_U = learning_rate / (squares_U.sqrt() + ADAGRAD_EPSILON)
    rate_U[used_U == 0] = 0.0  # padding
    table_VD.index_add_(0, used_U, gradient_UD * -rate_U[:, None])


def position_of(state: Stepping, samplers: Mapping[str, Sampler], fingerprint: str) -> str:
    """What a checkpoint says beside its tensors: step, recipe, place in the stream of each sampler."""
    places = {kind: sampler.state() for kind, sampler in samplers.items()}
    return json.dumps({"step": state.step, "fingerprint": fingerprint, "samplers": places})


def save_checkpoint(
    folder: Path, state: StaticState, samplers: Mapping[str, Sampler], fingerprint: str
) -> None:
    """Write everything that a resumed run needs, aside first, then renamed."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: getattr(state, name).detach() for name in TENSORS}
    with atomic.replacing(folder / "checkpoint.safetensors") as aside:
        save_file(tensors, aside, metadata={"position": position_of(state, samplers, fingerprint)})


def load_checkpoint(folder: Path, samplers: Mapping[str, Sampler], fingerprint: str) -> StaticState | None:
    """The saved state, the samplers moved to their places; None without a checkpoint of the same recipe."""
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as file:
        position = json.loads(file.metadata()["position"])
        if position["fingerprint"] != fingerprint:
            return None
        tensors = {name: file.get_tensor(name) for name in TENSORS}
        state = StaticState(**tensors, step=position["step"])
    for kind, sampler in samplers.items():
        sampler.restore(position["samplers"][kind])
    return state
