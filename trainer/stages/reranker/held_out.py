"""How well a cross-encoder in training tells positives from negatives, on groups that it never sees.

Figures for ``evaluations.jsonl``, as ``trainer.run.evaluating`` gives for embeddings: MRR@10 of the best
positive among the passages of its group, and how often it is first, per language and as their mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.data.group_file import GroupFile
from trainer.errors import TrainingError
from trainer.evaluation.statistics import Sample, interval
from trainer.run.loop import Training
from trainer.run.measurements import MEAN, RESAMPLES
from trainer.stages.reranker.group_batches import DrawnGroup
from trainer.stages.reranker.loop import pairs_of, score
from trainer.stages.reranker.model import CrossEncoder

TASK, KIND = "held-out groups", "reranking"
CUT_OFF = 10


class HeldOut:
    """The measurement of one run.

    Args:
        model: what is trained.
        groups: where the groups are read from.
        numbers: those that are measured.
    """

    def __init__(self, model: CrossEncoder, groups: GroupFile, numbers: Sequence[int]) -> None:
        self._model = model
        self._groups = groups
        self._numbers = numbers

    def measure(self, training: Training) -> list[dict[str, Any]]:
        """The figures of all groups."""
        return list(self._figures(self._ranks(training)))

    def _ranks(self, training: Training) -> dict[str, NDArray[np.int64]]:
        """Rank of the best positive of each group, by language."""
        was_training = self._model.body.training
        self._model.body.eval()
        ranks = defaultdict(list)
        try:
            with torch.no_grad():
                for number in self._numbers:
                    group = self._groups[number]
                    pairs = pairs_of(self._model, DrawnGroup(group.query, group.passages))
                    scores_S = score(training, self._model, pairs).cpu().numpy()  # waits for the device
                    ranks[group.language or "und"].append(rank_of_best(scores_S, len(group.positives)))
        finally:
            self._model.body.train(was_training)
        return {language: np.array(result) for language, result in sorted(ranks.items())}

    def _figures(self, ranks: Mapping[str, NDArray[np.int64]]) -> Iterator[dict[str, Any]]:
        values = {
            f"MRR@{CUT_OFF}": lambda ranks_Q: np.where(ranks_Q <= CUT_OFF, 1 / ranks_Q, 0.0),
            "accuracy": lambda ranks_Q: ranks_Q == 1,
        }
        for metric, value in values.items():
            samples = {language: Sample.of_values(value(ranks_Q)) for language, ranks_Q in ranks.items()}
            for language, sample in {
                MEAN: samples,
                **{name: {name: samples[name]} for name in samples},
            }.items():
                result = interval(sample, resamples=RESAMPLES)
                yield {
                    "task": TASK,
                    "kind": KIND,
                    "metric": metric,
                    "language": language,
                    "value": result.value,
                    "low": result.low,
                    "high": result.high,
                }


def rank_of_best(scores_S: NDArray[np.floating[Any]], positives: int) -> int:
    """1-based rank of the best positive; the positives come first, and equal negatives rank before.

    Raises:
        TrainingError: a score is not finite.
    """
    if not np.isfinite(scores_S).all():
        raise TrainingError(
            "A held-out group has a score that is not finite. Expected numbers. Resume from the last "
            "checkpoint with a smaller optim.learning_rate, or runtime.precision=fp32."
        )
    return 1 + int((scores_S[positives:] >= scores_S[:positives].max()).sum())
