"""The adapter, driven as mteb drives it, by a task built in memory; mteb itself is not needed."""

from enum import StrEnum
from types import SimpleNamespace

import numpy as np
import pytest

from trainer.errors import ConfigError, DataError
from trainer.evaluation import hub
from trainer.evaluation.bm25 import word_pieces
from trainer.evaluation.hub import MtebEncoder, hub_scores
from trainer.evaluation.models import INSTRUCTIONS, Bm25Model, EncoderModel


class PromptType(StrEnum):
    query = "query"
    document = "document"


class RetrievalInMemory:
    """Encodes and scores as mteb's retrieval evaluator does: batches of dicts, prompt types, similarity."""

    metadata = SimpleNamespace(name="Rivers", type="Retrieval")
    queries = ("river silt", "library nine")
    corpus = ("library opens at nine", "River silt and sea")

    def __init__(self, *, reachable=True):
        self.reachable = reachable

    def load_data(self):
        if not self.reachable:
            raise ConnectionError("no route to host")

    def run(self, model):
        def encode(texts, prompt_type):
            batches = [{"text": list(texts[:1])}, {"text": list(texts[1:])}]
            return model.encode(
                batches,
                task_metadata=self.metadata,
                hf_split="test",
                hf_subset="en",
                prompt_type=prompt_type,
                batch_size=2,
            )

        scores = model.similarity(
            encode(self.queries, PromptType.query), encode(self.corpus, PromptType.document)
        )
        right = float((scores.argmax(axis=1) == [1, 0]).mean())
        subsets = [{"hf_subset": "en", "main_score": right, "accuracy": right, "map": 0.1}]
        return SimpleNamespace(
            task_name="Rivers", scores={"test": [*subsets, subsets[0] | {"hf_subset": "de-fr"}]}
        )


def library(tasks):
    """What is used of mteb."""

    known = tasks

    def get_tasks(*, tasks):
        if tasks == ["Rivers"]:
            return known
        raise KeyError(tasks)

    def get_benchmark(name):
        if name == "Water":
            return SimpleNamespace(tasks=known)
        raise KeyError(name)

    return SimpleNamespace(
        get_tasks=get_tasks,
        get_benchmark=get_benchmark,
        evaluate=lambda model, tasks, **_: SimpleNamespace(task_results=[task.run(model) for task in tasks]),
    )


@pytest.fixture
def mteb(monkeypatch):
    def install(**options):
        monkeypatch.setattr(hub, "_require_mteb", lambda name: library([RetrievalInMemory(**options)]))

    return install


def test_a_task_in_memory_gets_roles_and_scores(mteb, noting):
    mteb()
    encoder = noting()
    scores = hub_scores("Rivers", EncoderModel("m", encoder))
    assert [(s.task, s.split, s.language, s.main_score, s.metrics) for s in scores] == [
        ("Rivers", "test", "en", 1.0, {"accuracy": 1.0}),
        ("Rivers", "test", "de-fr", 1.0, {"accuracy": 1.0}),
    ]
    assert [(role, texts) for role, texts, _, _ in encoder.calls] == [
        ("query", ["river silt", "library nine"]),
        ("passage", ["library opens at nine", "River silt and sea"]),
    ]


def test_benchmarks_and_languages_are_chosen_by_name(mteb, noting):
    mteb()
    assert len(hub_scores("Water", EncoderModel("m", noting()))) == 2
    (found,) = hub_scores("Rivers", EncoderModel("m", noting()), ["de"])
    assert found.language == "de-fr"


def test_symmetric_tasks_have_one_role_and_their_instruction(noting):
    encoder = noting(instruct=True)
    adapter = MtebEncoder(EncoderModel("m", encoder))
    for kind in ("BitextMining", "STS"):
        adapter.encode([{"text": ["a"]}], task_metadata=SimpleNamespace(type=kind))
    adapter.encode(
        [{"text": ["a"]}], task_metadata=SimpleNamespace(type="Retrieval"), prompt_type=PromptType.document
    )
    assert [(role, instruction) for role, _, _, instruction in encoder.calls] == [
        ("bitext", None),  # the model's own words
        ("query", INSTRUCTIONS["similarity"]),
        ("passage", None),
    ]


def test_similarities_have_the_shapes_of_the_protocol(noting):
    adapter = MtebEncoder(EncoderModel("m", noting()))
    left, right = np.eye(3)[:2], np.eye(3)
    assert adapter.similarity(left, right).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert adapter.similarity_pairwise(left, right[:2]).tolist() == [1, 1]
    assert adapter.similarity(left[0], right).shape == (1, 3)


def test_an_unreachable_hub_names_the_local_layouts(mteb, noting):
    mteb(reachable=False)
    with pytest.raises(DataError, match=r"cannot be fetched \(ConnectionError.*BEIR"):
        hub_scores("Rivers", EncoderModel("m", noting()))


def test_an_unknown_name_is_no_task(mteb, noting):
    mteb()
    with pytest.raises(DataError, match=r"There is no task 'Deserts'.*BEIR"):
        hub_scores("Deserts", EncoderModel("m", noting()))


def test_without_mteb_the_error_says_what_to_install(noting, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mteb", None)  # as if it were not installed
    with pytest.raises(DataError, match=r"no file or folder 'Rivers'.*BEIR.*pip install mteb"):
        hub_scores("Rivers", EncoderModel("m", noting()))


def test_bm25_cannot_run_hub_tasks(mteb):
    mteb()
    with pytest.raises(ConfigError, match="Expected an encoder"):
        hub_scores("Rivers", Bm25Model("bm25", word_pieces()))
