"""The training loop: draw a batch, embed it, judge it, step.

What a batch is and what is good is the objective's business (``trainer.runs.objective``). Everything periodic
(log, checkpoint, evaluation) is a hook; files, folders and processes are other modules' business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from me5.batching import BatchPolicy, plan_batches
from trainer.errors import TrainingError
from trainer.losses.gradcache import cached_backward
from trainer.models.backbone import TextModel
from trainer.runs.objective import Batch, Loss, Objective
from trainer.runs.processes import Processes
from trainer.runs.schedule import linear_schedule
from trainer.runs.settings import RuntimeConfig, StepPlan

MAX_TEXTS = 4_096  # per mini-batch, however short they are


@dataclass(frozen=True)
class StepReport:
    """What one step did. ``tokens`` and ``cut_share`` are those of this process."""

    step: int
    source: str
    loss: float
    gradient_norm: float
    learning_rate: float
    pairs: int  # or query groups, of the joint batch
    tokens: int
    cut_share: float  # of the texts: as long as max_tokens allows, so probably longer
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)  # of the loss


Hook = Callable[[StepReport], None]


@dataclass
class Training:
    """The parts of a run and how far it has come."""

    model: TextModel
    optimiser: torch.optim.Optimizer
    objective: Objective
    processes: Processes
    plan: StepPlan
    runtime: RuntimeConfig
    seed: int
    step: int = 0


def train(training: Training, hooks: Sequence[Hook], should_stop: Callable[[], bool] = lambda: False) -> None:
    """Go from where the training stands to the last step of its plan, or until it should stop.

    Raises:
        TrainingError: the loss or the gradient is not finite, or memory has run out.
        DataError: a source cannot give a batch.
    """
    training.model.body.train()
    while training.step < training.plan.steps and not should_stop():
        started = time.perf_counter()
        batch = training.objective.next_batch()
        learning_rate = set_learning_rate(training)
        seed_step(training)
        loss = backward(training, batch)
        gradient_norm = clip(training, loss.value)
        training.optimiser.step()
        training.optimiser.zero_grad(set_to_none=True)
        training.step += 1
        report = StepReport(
            step=training.step,
            source=batch.source,
            loss=loss.value,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            pairs=batch.items,
            tokens=sum(map(len, batch.ids)),
            cut_share=cut_share(batch, training.model),
            seconds=time.perf_counter() - started,
            parts=loss.parts,
        )
        for hook in hooks:
            hook(report)


def set_learning_rate(training: Training) -> float:
    """Give the optimiser the rate of this step."""
    plan = training.plan
    share = linear_schedule(training.step, warmup_steps=plan.warmup_steps, steps=plan.steps)
    for group in training.optimiser.param_groups:
        group["lr"] = plan.learning_rate * share
    return plan.learning_rate * share


def seed_step(training: Training) -> None:
    """Random numbers that depend on recipe, step and process alone, so that a resumed run has the same."""
    processes = training.processes
    torch.manual_seed((training.seed * 1_000_003 + training.step) * 1_009 + processes.index)


def backward(training: Training, batch: Batch) -> Loss:
    """The loss of the joint batch; its gradient, summed over the processes, is added to the parameters.

    Texts of similar length share a mini-batch, so that little is computed on padding.
    """
    runtime, processes = training.runtime, training.processes
    policy = BatchPolicy(token_budget=runtime.mini_batch_tokens, max_texts=MAX_TEXTS)
    mini_batches = plan_batches([len(row) for row in batch.ids], policy)
    order_B = torch.tensor([position for rows in mini_batches for position in rows], device=processes.device)

    def embed(rows: Sequence[int]) -> Tensor:
        with torch.autocast(processes.device.type, dtype=torch.bfloat16, enabled=runtime.precision == "bf16"):
            return training.model.embed([batch.ids[row] for row in rows])

    def judge(planned_BD: Tensor) -> tuple[Loss, Tensor]:
        embeddings_BD = torch.empty_like(planned_BD)
        embeddings_BD[order_B] = planned_BD
        del planned_BD  # as large as all that the loss needs
        loss = training.objective.loss(embeddings_BD, batch)
        return loss, loss.gradient_BD[order_B]

    try:
        loss = cached_backward(embed, mini_batches, judge)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"Memory ran out in step {training.step + 1} with mini-batches of "
            f"{runtime.mini_batch_tokens} tokens. The batch may stay as it is: resume with "
            f"runtime.mini_batch_tokens={max(1, runtime.mini_batch_tokens // 2)}."
        ) from error
    processes.sum_gradients(trained(training.model.body))
    return loss


def is_out_of_memory(error: Exception) -> bool:
    """Of a device or of the machine, whose allocator has no error type of its own."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def trained(body: nn.Module) -> Iterable[nn.Parameter]:
    """The parameters that a run changes; a frozen body under adapters has few."""
    return (parameter for parameter in body.parameters() if parameter.requires_grad)


def clip(training: Training, loss: float) -> float:
    """Shorten the gradient to the recipe's norm and return its length before.

    Raises:
        TrainingError: loss or gradient is not finite; the weights have not been touched.
    """
    plan = training.plan
    norm = float(nn.utils.clip_grad_norm_(trained(training.model.body), plan.max_gradient_norm))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise TrainingError(
            f"Step {training.step + 1} has loss {loss} and gradient norm {norm}. Expected finite numbers. "
            f"Resume from the last checkpoint with a smaller optim.learning_rate (now {plan.learning_rate}) "
            "or runtime.precision=fp32."
        )
    return norm


def cut_share(batch: Batch, model: TextModel) -> float:
    """Share of the texts that fill ``max_tokens``."""
    return sum(len(row) >= model.tokenization.max_tokens for row in batch.ids) / len(batch.ids)
