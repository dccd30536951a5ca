"""Questions and titles against passages: nDCG@10 beside BM25, with the paired difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.builtin.figures import Model, figure
from research.builtin.sets import Ranking
from trainer.evaluation.bm25 import Bm25, Pieces
from trainer.evaluation.metrics import graded_ndcg, reciprocal_rank
from trainer.evaluation.statistics import Sample, compare

CUT_OFF = 10


def measure_rankings(
    rankings: Sequence[Ranking], model: Model, pieces: Mapping[str, Pieces]
) -> dict[str, Any]:
    """nDCG@10 and MRR@10 per set, of the model and of BM25, and the differences.

    Args:
        rankings: queries with passages.
        model: what is measured.
        pieces: the kinds of BM25, by what they count ("words", "pieces"). The difference is taken to the one
            with the higher nDCG@10 in that set, which favours BM25.
    """
    rows = []
    left: dict[str, dict[str, Sample]] = {}
    right: dict[str, dict[str, Sample]] = {}
    for ranking in rankings:
        ranked = {"model": _ranked(model, ranking)}
        ranked |= {
            name: Bm25(ranking.passages, count).top_k(ranking.queries, CUT_OFF)[1]
            for name, count in pieces.items()
        }
        grades = {name: _grades(numbers, ranking.relevant) for name, numbers in ranked.items()}
        judged = [[1] * len(relevant) for relevant in ranking.relevant]
        samples = {name: Sample.of_values(graded_ndcg(grade, judged)) for name, grade in grades.items()}
        best = max(pieces, key=lambda name: samples[name].value)
        group = ranking.kind if ranking.language == ranking.passage_language else "question, other language"
        key = f"{ranking.language} → {ranking.passage_language}"
        left.setdefault(group, {})[key], right.setdefault(group, {})[key] = samples["model"], samples[best]
        rows.append(
            {
                "kind": group,
                "language": ranking.language,
                "passage_language": ranking.passage_language,
                "queries": len(ranking.queries),
                "passages": len(ranking.passages),
                "ndcg_10": figure({"": samples["model"]}),
                "mrr_10": round(float(reciprocal_rank(grades["model"]).mean()), 4),
                **{f"bm25_{name}_ndcg_10": round(samples[name].value, 4) for name in pieces},
                "difference": _difference({"": samples[best]}, {"": samples["model"]}),
            }
        )
    same = [group for group in left if group != "question, other language"]
    return {
        "sets": rows,
        "means": {group: _mean(right[group], left[group]) for group in left},
        "same_language": _mean(_flat(right, same), _flat(left, same)) if same else None,
    }


def _ranked(model: Model, one: Ranking) -> NDArray[np.int64]:
    scores_QP = model.query(one.queries) @ model.passage(one.passages).T
    return np.argsort(-scores_QP, axis=1, kind="stable")[:, :CUT_OFF]


def _grades(numbers_QK: NDArray[np.int64], relevant: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array(
        [np.isin(numbers, own) for numbers, own in zip(numbers_QK, relevant, strict=True)], dtype=np.int64
    )


def _mean(first: Mapping[str, Sample], second: Mapping[str, Sample]) -> dict[str, Any]:
    wins = sum(second[key].value > first[key].value for key in first)
    return {
        "sets": len(first),
        "above_bm25": wins,
        "ndcg_10": figure(second),
        "bm25_ndcg_10": figure(first),
        "difference": _difference(first, second),
    }


def _difference(first: Mapping[str, Sample], second: Mapping[str, Sample]) -> dict[str, float]:
    result = compare(first, second)
    return {
        "value": round(result.difference, 4),
        "low": round(result.low, 4),
        "high": round(result.high, 4),
        "p": round(result.p_value, 4),
    }


def _flat(samples: Mapping[str, Mapping[str, Sample]], groups: Sequence[str]) -> dict[str, Sample]:
    return {f"{group} {key}": sample for group in groups for key, sample in samples[group].items()}
