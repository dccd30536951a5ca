"""Training of transformer layers on top of a static table, and of the table with them.

The layers follow AdamW; a row of the table moves when its piece occurs, by row-wise Adagrad, as in
``trainer.builtin.static``. Losses, samplers and kinds of pairs are those of the static stages.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from me5 import atomic
from trainer.builtin.layers import Layer, Stack, Workers, iter_chunks
from trainer.builtin.static import PieceTable, Sampler, adagrad, kind_of_step, position_of
from trainer.config import LayersConfig
from trainer.errors import TrainingError

log = logging.getLogger(__name__)

WEIGHT_DECAY = 0.01
MAX_GRADIENT_NORM = 1.0
BETAS = (0.9, 0.98)


@dataclass
class LayeredState:
    """A run at one step: the table [V, H], its Adagrad sums [V], the layers, their optimiser, the step."""

    table: Tensor
    squares: Tensor
    stack: Stack
    optimiser: torch.optim.AdamW
    step: int = 0


def new_layers(table_VH: Tensor, unread: int, config: LayersConfig, seed: int) -> LayeredState:
    """A stack that gives every text its static vector.

    Args:
        table_VH: balanced rows, the ``unread`` last columns for balance only.
        unread: columns that the last LayerNorm hides.
        config: sizes and rates.
        seed: of the weights that are not zero.
    """
    hidden = table_VH.shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        stack = Stack(
            hidden=hidden,
            layers=config.layers,
            heads=config.heads,
            intermediate=config.intermediate,
            positions=config.positions,
            epsilon=config.epsilon,
        )
    last = stack.layers[-1]
    assert isinstance(last, Layer)
    with torch.no_grad():
        last.output_norm.weight[hidden - unread :] = 0
    return LayeredState(table_VH.clone(), torch.zeros(len(table_VH)), stack, _optimiser(stack, config))


def _optimiser(stack: Stack, config: LayersConfig) -> torch.optim.AdamW:
    decayed = [parameter for parameter in stack.parameters() if parameter.dim() == 2]
    others = [parameter for parameter in stack.parameters() if parameter.dim() != 2]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS)


def train_layered(
    tables: Sequence[PieceTable],
    samplers: Mapping[str, Sampler],
    state: LayeredState,
    *,
    config: LayersConfig,
    temperature: float,
    limits: Mapping[str, int],
    first: int,
    seed: int,
    hooks: Sequence[Callable[[LayeredState, float], None]] = (),
) -> LayeredState:
    """Go from ``state`` to ``config.steps`` steps; every step draws from one kind.

    Args:
        tables: pieces of all texts; a step reads one of the tables, at random.
        samplers: by kind of pairs.
        state: changed in place.
        config: sizes, shares and rates.
        temperature: of the losses.
        limits: most pieces of a text, by kind.
        first: the piece before every text.
        seed: of the choice of kinds.
        hooks: called after each step with the state and the loss.
    """
    workers = Workers(state.stack)
    while state.step < config.steps:
        kind, generator = kind_of_step(config.mixture, seed, state.step)
        batch = samplers[kind].draw(config.batch_sizes.get(kind, config.batch_size))
        pieces, starts_B = tables[int(generator.integers(len(tables)))].gather(batch.texts, limits[kind])
        lengths_B = torch.diff(starts_B, append=torch.tensor([len(pieces)]))
        used_U, pieces = torch.unique(torch.cat([torch.tensor([0, first]), pieces]), return_inverse=True)
        chunks = list(iter_chunks(pieces[2:], starts_B, lengths_B, pieces[1:2], pieces[:0]))
        rows_UH = state.table[used_U].to(torch.bfloat16)
        inputs = [rows_UH[chunk.pieces].requires_grad_() for chunk in chunks]
        outputs = workers.forward(inputs, [chunk.lengths for chunk in chunks])

        order_B = torch.cat([chunk.texts for chunk in chunks])
        means_BH = torch.cat([output.detach() for output in outputs])[torch.argsort(order_B)]
        texts_BH = torch.nn.functional.normalize(means_BH.requires_grad_(), dim=1)
        loss, gradient_BH = batch.loss(
            texts_BH.detach(), temperature=temperature, matmul_dtype=torch.bfloat16
        )
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {state.step}; expected a finite number. "
                "Lower layers.learning_rate."
            )
        texts_BH.backward(gradient_BH)
        assert means_BH.grad is not None
        sizes = [len(chunk.texts) for chunk in chunks]
        workers.backward(outputs, means_BH.grad[order_B].split(sizes))

        gradient_UH = torch.zeros(len(used_U), state.table.shape[1])
        for chunk, leaf in zip(chunks, inputs, strict=True):
            assert leaf.grad is not None
            gradient_UH.index_add_(0, chunk.pieces.flatten(), leaf.grad.flatten(0, 1).float())
        _update(state, used_U, gradient_UH, config)
        state.step += 1
        for hook in hooks:
            hook(state, loss)
    return state


def _update(state: LayeredState, used_U: Tensor, gradient_UH: Tensor, config: LayersConfig) -> None:
    share = rate_share(state.step, config)
    for group in state.optimiser.param_groups:
        group["lr"] = config.learning_rate * share
    torch.nn.utils.clip_grad_norm_(state.stack.parameters(), MAX_GRADIENT_NORM)
    state.optimiser.step()
    state.optimiser.zero_grad(set_to_none=True)
    adagrad(state.table, state.squares, used_U, gradient_UH, config.table_rate * share)


def rate_share(step: int, config: LayersConfig) -> float:
    """Share of the highest rates at a step: a linear rise over ``warmup_steps``, then a linear fall."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 1.0 - (1.0 - config.final_share) * done


def save_layered(
    folder: Path, state: LayeredState, samplers: Mapping[str, Sampler], fingerprint: str
) -> None:
    """Write everything that a resumed run needs, aside first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = {
        "position": position_of(state, samplers, fingerprint),
        "table": state.table,
        "squares": state.squares,
        "stack": state.stack.state_dict(),
        "optimiser": state.optimiser.state_dict(),
    }
    with atomic.replacing(folder / "checkpoint.pt") as aside:
        torch.save(saved, aside)


def restore_layered(
    folder: Path, state: LayeredState, samplers: Mapping[str, Sampler], fingerprint: str
) -> bool:
    """Move state and samplers to where the run of this recipe in ``folder`` was saved; False without one."""
    path = folder / "checkpoint.pt"
    if not path.is_file():
        return False
    saved = torch.load(path, weights_only=True)
    position = json.loads(saved["position"])
    if position["fingerprint"] != fingerprint:
        return False
    state.table, state.squares, state.step = saved["table"], saved["squares"], position["step"]
    state.stack.load_state_dict(saved["stack"])
    state.optimiser.load_state_dict(saved["optimiser"])
    for kind, sampler in samplers.items():
        sampler.restore(position["samplers"][kind])
    return True
