"""The training loop of every stage: compute the gradient of a batch, step, tell.

The gradient is computed by the stage (``trainer.run.embedding``, ``trainer.stages.reranker.loop``).
Everything periodic (log, checkpoint, evaluation) is a hook; files, folders and processes are other modules'
business.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from trainer.errors import TrainingError
from trainer.models.backbone import TextModel
from trainer.run.objective import Objective
from trainer.run.processes import Processes
from trainer.run.schedule import linear_schedule
from trainer.run.settings import RuntimeConfig, StepPlan


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


@dataclass(frozen=True)
class Gradients:
    """What is known of the gradient of a step, once this process has added its part to the parameters."""

    source: str
    loss: float  # mean of the joint batch
    items: int  # pairs or query groups, of the joint batch
    lengths: Sequence[int]  # tokens of the texts of this process
    parts: Mapping[str, float] = field(default_factory=dict)  # of the loss


def train(
    training: Training,
    hooks: Sequence[Hook],
    compute: Callable[[Training], Gradients],
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Go from where the training stands to the last step of its plan, or until it should stop.

    Args:
        training: what is trained, and how far it has come.
        hooks: told after every step.
        compute: adds the gradient of the next step.
        should_stop: asked before every step.

    Raises:
        TrainingError: the loss or the gradient is not finite, or memory has run out.
        DataError: a source cannot give a batch.
    """
    training.model.body.train()
    while training.step < training.plan.steps and not should_stop():
        started = time.perf_counter()
        learning_rate = set_learning_rate(training)
        seed_step(training)
        gradients = compute(training)
        training.processes.sum_gradients(trained(training.model.body))
        gradient_norm = clip(training, gradients.loss)
        training.optimiser.step()
        training.optimiser.zero_grad(set_to_none=True)
        training.step += 1
        report = StepReport(
            step=training.step,
            source=gradients.source,
            loss=gradients.loss,
            gradient_norm=gradient_norm,
            learning_rate=learning_rate,
            pairs=gradients.items,
            tokens=sum(gradients.lengths),
            cut_share=cut_share(gradients.lengths, training.model.tokenization.max_tokens),
            seconds=time.perf_counter() - started,
            parts=gradients.parts,
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


@contextmanager
def explain_memory_errors(training: Training) -> Iterator[None]:
    """Inside, memory that runs out is told with a remedy."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        tokens = training.runtime.mini_batch_tokens
        raise TrainingError(
            f"Memory ran out in step {training.step + 1} with mini-batches of {tokens} tokens. The batch may "
            f"stay as it is: resume with runtime.mini_batch_tokens={max(1, tokens // 2)}."
        ) from error


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


def cut_share(lengths: Sequence[int], max_tokens: int) -> float:
    """Share of the texts that fill ``max_tokens``."""
    return sum(length >= max_tokens for length in lengths) / max(len(lengths), 1)
