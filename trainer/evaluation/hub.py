"""Tasks by name from the hub, through ``mteb``: MIRACL, BUCC, Tatoeba and every other task it knows.

``mteb`` is not installed with this package. :class:`MtebEncoder` has the shape of its ``EncoderProtocol``
and gives each text the prefix of its role; ``mteb.evaluate(MtebEncoder(model), tasks)`` works as well.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError, DataError
from trainer.evaluation.layouts import LAYOUTS
from trainer.evaluation.models import EncoderModel, Model

logger = logging.getLogger(__name__)

ALIASES = {"miracl": "MIRACLRetrieval", "bucc": "BUCC", "tatoeba": "Tatoeba"}
# mteb's names of the metrics that are reported, and ours.
METRICS = {
    "ndcg_at_10": "nDCG@10",
    "recall_at_100": "Recall@100",
    "mrr_at_10": "MRR@10",
    "f1": "F1",
    "accuracy": "accuracy",
    "cosine_spearman": "Spearman",
    "v_measure": "v-measure",
}
_SYMMETRIC_KINDS = {
    "BitextMining": "bitext",
    "STS": "similarity",
    "Classification": "classification",
    "Clustering": "classification",
}
_DOCUMENT = "document"


@dataclass(frozen=True)
class HubScores:
    """What ``mteb`` measured on one subset; without intervals, for it gives no scores per item."""

    task: str
    split: str
    language: str
    main_score: float
    metrics: dict[str, float]


class MtebEncoder:
    """An encoder as ``mteb`` wants it. Documents are passages, everything else is a query."""

    def __init__(self, model: EncoderModel) -> None:
        self._model = model

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **options: Any,
    ) -> NDArray[np.float32]:
        """Batches of ``{"text": [...]}`` to unit rows; titles are already part of mteb's text."""
        from me5 import Role

        texts = [text for batch in inputs for text in batch["text"]]
        role = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        if role == _DOCUMENT:
            return self._model.encode(texts, Role.PASSAGE)
        if role is not None:
            return self._model.encode(texts, Role.QUERY)
        kind = _SYMMETRIC_KINDS.get(str(getattr(task_metadata, "type", "")), "similarity")
        return self._model.vectors(texts, kind)

    def similarity(self, embeddings1: NDArray[Any], embeddings2: NDArray[Any]) -> NDArray[Any]:
        """Cosines of all pairs [N, M], for rows of length 1."""
        return np.atleast_2d(embeddings1) @ np.atleast_2d(embeddings2).T

    def similarity_pairwise(self, embeddings1: NDArray[Any], embeddings2: NDArray[Any]) -> NDArray[Any]:
        """Cosines of the rows, one with one, [N]."""
        return (np.atleast_2d(embeddings1) * np.atleast_2d(embeddings2)).sum(axis=1)

    @property
    def mteb_model_meta(self) -> Any:
        """Name, revision and size, in mteb's own class."""
        spec = self._model.encoder.spec
        meta = importlib.import_module("mteb.models.model_meta")
        name = spec.model_id if "/" in spec.model_id else f"local/{spec.model_id}"
        facts = {
            "name": name,
            "revision": spec.revision or "unpinned",
            "max_tokens": spec.max_tokens,
            "embed_dim": spec.dimension,
        }
        return meta.ModelMeta.create_empty(overwrites=facts)


def hub_scores(name: str, model: Model, languages: Iterable[str] = ()) -> list[HubScores]:
    """Run a task or benchmark of ``mteb`` by its name.

    Raises:
        DataError: mteb is not installed, has no such task, or its data cannot be fetched.
        ConfigError: the model is not an encoder.
    """
    mteb = _require_mteb(name)
    if not isinstance(model, EncoderModel):
        raise ConfigError(
            f"Model '{model.name}' cannot run the hub task '{name}'. Expected an encoder. "
            "Name an encoder, or bring the data into a local layout."
        )
    tasks = _find(mteb, name)
    for task in tasks:
        try:
            task.load_data()
        except Exception as error:  # every transport has its own errors; all mean the same here
            raise DataError(
                f"The data of task '{name}' is not on this computer and cannot be fetched "
                f"({type(error).__name__}: {error}). Expected a network connection. Try again with one, or "
                f"give the path of a local copy: {LAYOUTS}."
            ) from error
    result = mteb.evaluate(MtebEncoder(model), tasks, cache=None, show_progress_bar=False)
    return list(_flat(result.task_results, set(languages)))


def _flat(results: Iterable[Any], languages: set[str]) -> Iterable[HubScores]:
    for result in results:
        for split, subsets in result.scores.items():
            for scores in subsets:
                language = str(scores["hf_subset"])
                if languages and language not in languages and not languages & set(language.split("-")):
                    continue
                match = {metric: float(scores[right]) for right, metric in METRICS.items() if right in scores}
                yield HubScores(result.task_name, split, language, float(scores["main_score"]), match)


def _find(mteb: Any, name: str) -> list[Any]:
    try:
        return list(mteb.get_tasks(tasks=[ALIASES.get(name.lower(), name)]))
    except KeyError:
        logger.debug("%s is not a task of mteb, perhaps a benchmark", name)
    try:
        return list(mteb.get_benchmark(name).tasks)
    except KeyError as error:
        raise DataError(
            f"There is no task '{name}': no file or folder, no task or benchmark of mteb. Expected one of "
            f"mteb's names, or a path with {LAYOUTS}. Check the spelling."
        ) from error


def _require_mteb(name: str) -> Any:
    try:
        return importlib.import_module("mteb")
    except ImportError as error:
        raise DataError(
            f"There is no file or folder '{name}', and tasks of the hub need mteb, which is not installed. "
            f"Expected a path with {LAYOUTS}. Check the path, or run: pip install mteb"
        ) from error
