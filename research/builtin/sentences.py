"""Sentences against sentences: Tatoeba in both directions, and graded similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.builtin.figures import Encode, Figure, figure
from trainer.evaluation.metrics import f1_of_labels, ranks_of_positives, spearman
from trainer.evaluation.statistics import Sample
from trainer.evaluation.tatoeba import XTREME_36, iter_tatoeba

DIRECTIONS = ("to_english", "from_english")
METRICS = ("accuracy", "f1")


def measure_tatoeba(
    path: Path, encode: Encode, leaking: Mapping[str, Sequence[int]] | None = None
) -> dict[str, Any]:
    """Accuracy and F1 in percent, per language and as means, both directions.

    Accuracy counts a tie as wrong; F1 is that of MTEB, with the first of equal scores. ``leaking`` are
    sentence numbers per language; the means are also given without them.
    """
    samples: dict[str, dict[str, Sample]] = {}
    clean: dict[str, dict[str, Sample]] = {}
    for language, sentences, english in iter_tatoeba(path):
        own = _samples(encode(sentences) @ encode(english).T)
        samples[language] = {name: Sample.of_values(values) for name, values in own.items()}
        kept = np.setdiff1d(np.arange(len(sentences)), np.asarray((leaking or {}).get(language, ()), int))
        clean[language] = {name: Sample.of_values(values[kept]) for name, values in own.items()}
    result: dict[str, Any] = {
        "languages": {
            language: {
                "sentences": len(sample["accuracy_to_english"].rows),
                **{name: round(item.value, 2) for name, item in sample.items()},
            }
            for language, sample in samples.items()
        },
        "all": _means(samples, list(samples)),
    }
    if xtreme := [language for language in XTREME_36 if language in samples]:
        result["xtreme_36"] = _means(samples, xtreme)
    if leaking is not None:
        with_rest = [language for language in samples if len(clean[language]["f1_to_english"].rows)]
        result["all_without_leaks"] = _means(clean, with_rest)
    return result


def _samples(scores_NN: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    own = np.arange(len(scores_NN))
    results = {}
    for direction, scores in zip(DIRECTIONS, (scores_NN, scores_NN.T), strict=True):
        results[f"accuracy_{direction}"] = 100.0 * (ranks_of_positives(scores, own) == 1)
        results[f"f1_{direction}"] = 100.0 * f1_of_labels(own, scores.argmax(axis=1))
    return results


def _means(samples: Mapping[str, Mapping[str, Sample]], languages: Sequence[str]) -> dict[str, Any]:
    means: dict[str, Any] = {"languages": len(languages)}
    for metric in METRICS:
        for direction in DIRECTIONS:
            name = f"{metric}_{direction}"
            means[name] = figure({language: samples[language][name] for language in languages}, digits=2)
    return means


def measure_similarity(
    pairs: Mapping[str, Sequence[tuple[str, str, float]]], encode: Encode
) -> dict[str, Any]:
    """Spearman's correlation (times 100) of cosine and label, per language and set."""
    samples = {}
    for name, rows in pairs.items():
        left, right = encode([row[0] for row in rows]), encode([row[1] for row in rows])
        labels = np.array([row[2] for row in rows])
        samples[name] = Sample(np.stack([(left * right).sum(axis=1), labels], axis=1), _correlation)
    languages: dict[str, Figure] = {
        name: {"pairs": len(sample.rows), **figure({name: sample}, digits=2)}
        for name, sample in samples.items()
    }
    return {"languages": languages, "mean": figure(samples, digits=2) if samples else None}


def _correlation(rows_N2: NDArray[np.float64]) -> float:
    return 100 * spearman(rows_N2[:, 0], rows_N2[:, 1])
