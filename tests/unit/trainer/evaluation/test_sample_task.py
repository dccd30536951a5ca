"""The sample task that comes with the program: balanced, and every judgement is right by its words."""

import json
from collections import Counter
from pathlib import Path

from trainer.evaluation.layouts import local_tasks

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
TASK = EXAMPLES / "evaluation" / "sample-questions"
ENTRIES = [
    json.loads(line) for line in (EXAMPLES / "parallel_questions.jsonl").read_text("utf-8").splitlines()
]


def test_every_question_is_asked_in_the_same_languages():
    (task,) = local_tasks(str(TASK))
    (part,) = task.read()
    assert set(Counter(part.languages).values()) == {len(ENTRIES)}
    assert len(set(part.languages)) == 6
    asked = {text for entry in ENTRIES for text in entry["questions"].values()}
    assert set(part.queries) == asked


def test_relevant_passages_hold_the_answer_and_are_of_its_document():
    corpus = {
        row["_id"]: " ".join(row["text"].split())
        for row in map(json.loads, (TASK / "corpus.jsonl").read_text("utf-8").splitlines())
    }
    lines = (TASK / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]
    for line in lines:
        query, passage, _ = line.split("\t")
        entry = ENTRIES[int(query[1:].split("-")[0]) - 1]
        assert entry["answer_contains"] in corpus[passage]
        assert passage.split("#")[0] == entry["document"]
    documents = {passage.split("#")[0] for passage in corpus}
    there = {
        path.relative_to(EXAMPLES / "library").as_posix() for path in (EXAMPLES / "library").rglob("*.*")
    }
    assert documents == there
