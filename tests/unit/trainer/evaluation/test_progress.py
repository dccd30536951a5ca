"""The file that says how far an evaluation is."""

import json

from trainer.evaluation import progress
from trainer.evaluation.progress import ProgressFile, texts_of
from trainer.evaluation.values import Bitext, Mining, Retrieval

FIRST = Retrieval(["q1", "q2"], ["en", "en"], [{0: 1}, {1: 1}], ["p1", "p2", "p3"])
SECOND = Bitext("de", ["eins"], ["one", "two"], [0])


def test_texts_of_all_parts_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE_S", 0.0)
    path = tmp_path / "progress.json"
    file = ProgressFile(path, texts_of(FIRST) + texts_of(SECOND))

    def read():
        return json.loads(path.read_text())

    assert read() == {"done": 0, "total": 8}
    file.begin("own", FIRST)
    file.step(1, 2)
    assert read() == {"task": "own", "language": "", "done": 1, "total": 8}
    file.step(2, 2)
    file.step(3, 3)
    assert read()["done"] == 5
    file.begin("news", SECOND)
    assert read() == {"task": "news", "language": "de", "done": 5, "total": 8}
    file.end()
    assert read()["done"] == 8


def test_a_model_that_reads_texts_twice_does_not_pass_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE_S", 0.0)
    file = ProgressFile(tmp_path / "p.json", 5)
    file.begin("own", FIRST)
    for _ in range(3):
        file.step(5, 5)
    assert json.loads((tmp_path / "p.json").read_text())["done"] == 5


def test_the_pile_for_tuning_counts_too():
    pile = Mining("de-en", ["a"], ["b", "c"], frozenset())
    assert texts_of(pile) == 3
    assert texts_of(Mining("de-en", ["a"], ["b"], frozenset(), pile)) == 5
