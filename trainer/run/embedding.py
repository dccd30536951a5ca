"""The gradient of a step of an embedding model: draw a batch, embed it in mini-batches, judge it.

What a batch is and what is good is the objective's business (``trainer.run.objective``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from me5.batching import BatchPolicy, plan_batches
from me5.memory import give_back_memory
from trainer.losses.gradcache import cached_backward
from trainer.run.loop import Gradients, Training, explain_memory_errors
from trainer.run.objective import Batch

MAX_TEXTS = 4_096  # per mini-batch, however short they are


def embedding_gradients(training: Training) -> Gradients:
    """Draw the next batch of the objective, embed it and judge it."""
    batch = training.objective.next_batch()
    give_back_memory()  # of the texts, whose token ids are all that is left
    return backward(training, batch)


def backward(training: Training, batch: Batch) -> Gradients:
    """The loss of the joint batch; its gradient for the texts of this process is added to the parameters.

    Texts of similar length share a mini-batch, so that little is computed on padding.
    """
    runtime, processes = training.runtime, training.processes
    policy = BatchPolicy(token_budget=runtime.mini_batch_tokens, max_texts=MAX_TEXTS)
    lengths = [len(row) for row in batch.ids]
    mini_batches = plan_batches(lengths, policy)
    order_B = torch.tensor([position for rows in mini_batches for position in rows], device=processes.device)

    def embed(rows: Sequence[int]) -> Tensor:
        give_back_memory()  # each has another shape: what the one before left free may not fit
        with torch.autocast(processes.device.type, dtype=torch.bfloat16, enabled=runtime.precision == "bf16"):
            return training.model.embed([batch.ids[row] for row in rows])

    def judge(planned_BD: Tensor) -> tuple[Gradients, Tensor]:
        embeddings_BD = torch.empty_like(planned_BD)
        embeddings_BD[order_B] = planned_BD
        loss = training.objective.loss(embeddings_BD, batch)
        torch.index_select(loss.gradient_BD, 0, order_B, out=planned_BD)  # all that stays
        return Gradients(batch.source, loss.value, batch.items, lengths, loss.parts), planned_BD

    with explain_memory_errors(training):
        return cached_backward(embed, mini_batches, judge)
