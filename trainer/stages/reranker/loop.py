"""The gradient of a step of a cross-encoder: draw groups, read their pairs, contrast the scores.

Groups are read one after the other, as many at a time as ``mini_batch_tokens`` allows; their gradients add up
to that of the batch. Only a group too large by itself is read twice (``trainer.losses.gradcache``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from me5.batching import BatchPolicy, plan_batches
from trainer.losses.gradcache import cached_backward
from trainer.run.loop import Gradients, Training, explain_memory_errors
from trainer.stages.reranker.group_batches import DrawnGroup, GroupBatches
from trainer.stages.reranker.listwise import ListwiseLoss, listwise_loss
from trainer.stages.reranker.model import CPU_POLICY, GPU_POLICY, CrossEncoder
from trainer.stages.reranker.pair_tokens import PairTokens

GroupPairs = list[PairTokens]


@dataclass(frozen=True)
class ListwiseSteps:
    """What is special about the steps of a cross-encoder.

    ``batch_size`` counts the groups of all processes; ``hardest``: of the drawn passages, train on the
    positive and on those with the highest scores, so many together; 0 trains on all. ``r_drop``: see
    ``trainer.stages.reranker.listwise``.
    """

    model: CrossEncoder
    batches: GroupBatches
    batch_size: int
    hardest: int
    r_drop: float


def listwise_gradients(training: Training, steps: ListwiseSteps) -> Gradients:
    """Draw the groups of the next step, read their pairs and contrast the scores."""
    groups = tokenize(training, steps)
    value, parts = joint(training, steps, backward(training, steps, groups))
    lengths = [len(pair) for group in groups for pair in group]
    return Gradients("groups", value, steps.batch_size, lengths, parts)


def tokenize(training: Training, steps: ListwiseSteps) -> list[GroupPairs]:
    """The pairs of this process, group by group, the positive first."""
    processes = training.processes
    drawn = steps.batches.draw(training.step, index=processes.index, count=processes.count)
    groups = [pairs_of(steps.model, group) for group in drawn]
    if steps.hardest:
        groups = [hardest(training, steps, group) for group in groups]
    return groups


def pairs_of(model: CrossEncoder, group: DrawnGroup) -> GroupPairs:
    """The query with each of the passages."""
    passages = group.passages
    return model.tokenize(
        [group.query] * len(passages),
        [passage.text for passage in passages],
        [passage.title for passage in passages],
    )


def hardest(training: Training, steps: ListwiseSteps, group: GroupPairs) -> GroupPairs:
    """The positive, and the negatives that the model as it is scores highest."""
    if len(group) <= steps.hardest:
        return group
    body = steps.model.body.eval()
    with torch.no_grad():
        scores_S = score(training, steps.model, group)
    body.train()
    rows = 1 + scores_S[1:].topk(steps.hardest - 1).indices.sort().values
    return [group[0], *(group[row] for row in rows.tolist())]  # waits for the device


def backward(training: Training, steps: ListwiseSteps, groups: Sequence[GroupPairs]) -> list[ListwiseLoss]:
    """Adds the gradient of the mean loss of the joint batch to the parameters."""
    budget = training.runtime.mini_batch_tokens
    readings = 2 if steps.r_drop else 1
    with explain_memory_errors(training):
        return [_backward(training, steps, part) for part in micro_batches(groups, budget // readings)]


def micro_batches(groups: Sequence[GroupPairs], budget: int) -> Iterator[list[GroupPairs]]:
    """Groups of similar length, together at most ``budget`` tokens with padding, but at least one."""
    part: list[GroupPairs] = []
    for group in sorted(groups, key=lambda group: -max(map(len, group))):
        longest = max(map(len, part[0] if part else group))
        if part and longest * (sum(map(len, part)) + len(group)) > budget:
            yield part
            part = []
        part.append(group)
    if part:
        yield part


def _backward(training: Training, steps: ListwiseSteps, groups: Sequence[GroupPairs]) -> ListwiseLoss:
    readings = 2 if steps.r_drop else 1
    pairs_S = [pair for group in groups for pair in group] * readings
    policy = BatchPolicy(training.runtime.mini_batch_tokens, max_texts=len(pairs_S))
    pieces = [list(range(len(pairs_S)))]
    if len(pairs_S) * max(map(len, pairs_S)) > policy.token_budget:
        pieces = plan_batches([len(pair) for pair in pairs_S], policy)
    order_S = torch.tensor([row for piece in pieces for row in piece], device=training.processes.device)

    def judge(planned_S: Tensor) -> tuple[ListwiseLoss, Tensor]:
        scores_S = torch.empty_like(planned_S)
        scores_S[order_S] = planned_S
        loss = listwise_loss(scores_S, [len(group) for group in groups], r_drop=steps.r_drop)
        return loss, loss.gradient_S[order_S] / steps.batch_size

    def read(rows: Sequence[int]) -> Tensor:
        return score(training, steps.model, [pairs_S[row] for row in rows])

    return cached_backward(read, pieces, judge)


def score(training: Training, model: CrossEncoder, pairs: Sequence[PairTokens]) -> Tensor:
    """Scores [S] of pairs; those of similar length are read together, so that little is padding."""
    device = training.processes.device
    policy = CPU_POLICY if device.type == "cpu" else GPU_POLICY
    plan = plan_batches([len(pair) for pair in pairs], policy)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=training.runtime.precision == "bf16"):
        planned_S = torch.cat([model.score([pairs[row] for row in rows]) for rows in plan])
    order_S = torch.tensor([row for rows in plan for row in rows], device=device)
    return planned_S[order_S.argsort()]


def joint(
    training: Training, steps: ListwiseSteps, losses: Sequence[ListwiseLoss]
) -> tuple[float, dict[str, float]]:
    """Mean loss of the joint batch, and its parts."""
    sums = torch.tensor(
        [
            sum(getattr(loss, name) for loss in losses) / steps.batch_size
            for name in ("value", "cross_entropy", "r_drop", "first")
        ],
        dtype=torch.float32,
        device=training.processes.device,
    )
    value, cross_entropy, r_drop, accuracy = training.processes.sum(sums).tolist()
    parts = {"accuracy": accuracy, "cross_entropy": cross_entropy}
    return value, parts | ({"r_drop": r_drop} if steps.r_drop else {})
