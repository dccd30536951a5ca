"""The training loop of stage 1: draw a batch, embed it, contrast it, step.

Everything periodic (log, checkpoint) is a hook; files, folders and processes are other modules' business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from me5 import Role
from me5.batching import BatchPolicy, plan_batches
from trainer.backbone import TextModel
from trainer.contrast import Contrast, PairKeys, joint_info_nce
from trainer.contrastive import ContrastiveConfig
from trainer.errors import TrainingError
from trainer.gradcache import cached_backward
from trainer.mixture import PairBatch, PairMixture
from trainer.pairs import Pair
from trainer.processes import Processes
from trainer.schedule import linear_schedule

MAX_TEXTS = 4_096  # per mini-batch, however short they are


@dataclass(frozen=True)
class StepReport:
    """What one step did. ``tokens`` and ``cut_share`` are those of this process."""

    step: int
    source: str
    loss: float
    gradient_norm: float
    learning_rate: float
    pairs: int
    tokens: int
    cut_share: float  # of the texts: as long as max_tokens allows, so probably longer
    seconds: float


Hook = Callable[[StepReport], None]


@dataclass
class Training:
    """The parts of a run and how far it has come."""

    config: ContrastiveConfig
    model: TextModel
    optimiser: torch.optim.Optimizer
    mixture: PairMixture
    processes: Processes
    step: int = 0


def train(training: Training, hooks: Sequence[Hook]) -> None:
    """Go from where the training stands to the last step of its recipe.

    Raises:
        TrainingError: the loss or the gradient is not finite, or memory has run out.
        DataError: a source cannot give a batch.
    """
    training.model.body.train()
    while training.step < training.config.optim.steps:
        started = time.perf_counter()
        batch = training.mixture.next_batch()
        learning_rate = set_learning_rate(training)
        seed_step(training)
        ids = tokenize(training, own_pairs(batch, training.processes), batch)
        contrast = backward(training, ids, batch)
        gradient_norm = clip(training, contrast.loss)
        training.optimiser.step()
        training.optimiser.zero_grad(set_to_none=True)
        training.step += 1
        report = StepReport(
            step=training.step,
            source=batch.source.name,
            loss=contrast.loss,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            pairs=len(batch.pairs),
            tokens=sum(map(len, ids)),
            cut_share=sum(len(row) >= training.model.tokenization.max_tokens for row in ids) / len(ids),
            seconds=time.perf_counter() - started,
        )
        for hook in hooks:
            hook(report)


def set_learning_rate(training: Training) -> float:
    """Give the optimiser the rate of this step."""
    optim = training.config.optim
    share = linear_schedule(training.step, warmup_steps=optim.warmup_steps, steps=optim.steps)
    for group in training.optimiser.param_groups:
        group["lr"] = optim.learning_rate * share
    return optim.learning_rate * share


def seed_step(training: Training) -> None:
    """Random numbers that depend on recipe, step and process alone, so that a resumed run has the same."""
    processes = training.processes
    torch.manual_seed((training.config.seed * 1_000_003 + training.step) * 1_009 + processes.index)


def own_pairs(batch: PairBatch, processes: Processes) -> Sequence[Pair]:
    """The slice of the joint batch that this process embeds. All processes draw the same joint batch."""
    size = len(batch.pairs) // processes.count
    return batch.pairs[processes.index * size : (processes.index + 1) * size]


def tokenize(training: Training, pairs: Sequence[Pair], batch: PairBatch) -> list[list[int]]:
    """Token ids of all queries, then of all passages."""
    source, model = batch.source, training.model
    queries = model.tokenize([pair.query for pair in pairs], Role(source.query_role))
    passages = model.tokenize(
        [pair.passage for pair in pairs], Role(source.passage_role), [pair.title for pair in pairs]
    )
    return queries + passages


def backward(training: Training, ids: Sequence[Sequence[int]], batch: PairBatch) -> Contrast:
    """The loss of the joint batch; its gradient, summed over the processes, is added to the parameters.

    Texts of similar length share a mini-batch, so that little is computed on padding.
    """
    config, processes = training.config, training.processes
    policy = BatchPolicy(token_budget=config.runtime.mini_batch_tokens, max_texts=MAX_TEXTS)
    mini_batches = plan_batches([len(row) for row in ids], policy)
    order_B = torch.tensor([position for rows in mini_batches for position in rows], device=processes.device)
    keys = pair_keys(batch, processes.device)

    def embed(rows: Sequence[int]) -> Tensor:
        with torch.autocast(
            processes.device.type, dtype=torch.bfloat16, enabled=config.runtime.precision == "bf16"
        ):
            return training.model.embed([ids[row] for row in rows])

    def loss(planned_BD: Tensor) -> tuple[Contrast, Tensor]:
        embeddings_BD = torch.empty_like(planned_BD)
        embeddings_BD[order_B] = planned_BD
        query_bD, passage_bD = embeddings_BD.chunk(2)
        contrast = joint_info_nce(
            query_bD,
            passage_bD,
            temperature=config.optim.temperature,
            both_directions=config.optim.both_directions,
            keys=keys,
            processes=processes,
        )
        gradient_BD = torch.cat([contrast.query_gradient, contrast.passage_gradient])
        return contrast, gradient_BD[order_B]

    try:
        contrast = cached_backward(embed, mini_batches, loss)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"Memory ran out in step {training.step + 1} with mini-batches of "
            f"{config.runtime.mini_batch_tokens} tokens. The batch may stay as it is: resume with "
            f"runtime.mini_batch_tokens={config.runtime.mini_batch_tokens // 2}."
        ) from error
    processes.sum_gradients(training.model.body.parameters())
    return contrast


def pair_keys(batch: PairBatch, device: torch.device) -> PairKeys:
    """Which texts of the joint batch are the same."""
    query_keys, passage_keys = zip(*(pair.keys for pair in batch.pairs), strict=True)
    return PairKeys(torch.tensor(query_keys, device=device), torch.tensor(passage_keys, device=device))


def clip(training: Training, loss: float) -> float:
    """Shorten the gradient to the recipe's norm and return its length before.

    Raises:
        TrainingError: loss or gradient is not finite; the weights have not been touched.
    """
    optim = training.config.optim
    norm = float(nn.utils.clip_grad_norm_(training.model.body.parameters(), optim.max_gradient_norm))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainingError(
            f"Step {training.step + 1} has loss {loss} and gradient norm {norm}. Expected finite numbers. "
            f"Resume from the last checkpoint with a smaller optim.learning_rate (now {optim.learning_rate}) "
            "or runtime.precision=fp32."
        )
    return norm
