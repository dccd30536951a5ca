"""A task made of questions and answers: what is held out, what is in the pool, what is left to train on."""

import json
import lzma
import random

import pytest

from trainer.errors import DataError
from trainer.evaluation.layouts import local_tasks
from trainer.evaluation.make_retrieval_task import Answered, is_held_out, main, make_task, read_answered

ROWS = [
    Answered(f"{word} {n}?", f"passage {n} in {language}", f"title {n}", language)
    for language, word in (("de", "Was ist"), ("sw", "Nini"))
    for n in range(60)
]


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_nothing_is_on_both_sides_and_the_pool_holds_everything(tmp_path):
    again = [*ROWS, Answered("Was ist dies?", ROWS[0].passage, "another title", "de")]
    made = make_task(again, tmp_path / "task", every=5, train_file=tmp_path / "train.jsonl")
    train = read_lines(tmp_path / "train.jsonl")
    corpus = read_lines(tmp_path / "task" / "corpus.jsonl")
    queries = read_lines(tmp_path / "task" / "queries.jsonl")
    assert len(corpus) == made.passages == 120 and len(train) == made.train
    assert made.queries == len(queries) == sum(made.languages.values()) and made.queries + made.train == 121
    held_out = {row.passage for row in ROWS if is_held_out(row.passage_id, 5)}
    assert not held_out & {row["passage"] for row in train}
    assert not {row["text"] for row in queries} & {row["query"] for row in train}
    assert {*train[0]} == {"query", "passage", "title", "language"}


def test_the_order_of_the_rows_changes_nothing(tmp_path):
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    first = make_task(ROWS, tmp_path / "a", every=5, max_queries=3)
    second = make_task(shuffled, tmp_path / "b", every=5, max_queries=3)
    assert first.languages == second.languages == {"de": 3, "sw": 3}
    for name in ("queries.jsonl", "corpus.jsonl"):
        ours, theirs = read_lines(tmp_path / "a" / name), read_lines(tmp_path / "b" / name)
        assert sorted(map(str, ours)) == sorted(map(str, theirs))


def test_the_folder_is_a_task(tmp_path):
    make_task(ROWS, tmp_path / "one", every=5)
    (part,) = local_tasks(str(tmp_path / "one"))[0].read()
    assert len(part.passages) == 120 and set(part.languages) == {"de", "sw"}
    for query, judged in zip(part.queries, part.judged, strict=True):
        (number,) = judged
        assert part.passages[number].startswith(f"passage {query.split()[-1][:-1]} ")
    make_task(ROWS, tmp_path / "many", every=5, pool="language")
    parts = list(local_tasks(str(tmp_path / "many"))[0].read())
    assert [(part.name, len(part.passages)) for part in parts] == [("de", 60), ("sw", 60)]


def test_equal_questions_have_all_their_answers(tmp_path):
    rows = [Answered("Who?", f"passage {n}", language="en") for n in range(40)]
    made = make_task(rows, tmp_path / "task", every=4, train_file=tmp_path / "train.jsonl")
    assert (made.queries, made.train) == (1, 0)
    (part,) = local_tasks(str(tmp_path / "task"))[0].read()
    assert len(part.judged[0]) == 40


def test_rows_are_read_from_plain_and_packed_lines(tmp_path, capsys):
    row = {"lang": "th", "question": "อะไร", "passage": "คำตอบ", "title": None, "answer": "x"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    with lzma.open(tmp_path / "b.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"query": "was", "passage": "das", "language": "de"}))
    found = list(read_answered([tmp_path / "a.jsonl", tmp_path / "b.jsonl.xz"]))
    assert found == [Answered("อะไร", "คำตอบ", "", "th"), Answered("was", "das", "", "de")]
    assert [row.language for row in read_answered([tmp_path / "a.jsonl"], ["de"])] == []
    assert main([str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "task"), "--every", "1"]) == 0
    assert "1 questions (th 1), 1 passages; 0 pairs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"question": "x"}', "line 1: has no question or no passage"),
        ("nonsense", "line 1: not a JSON object"),
        ("[1]", "not a JSON object"),
    ],
)
def test_bad_rows_are_named(tmp_path, text, message, capsys):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    assert main([str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "task")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "task").exists()


def test_a_missing_or_broken_file_is_named(tmp_path):
    (tmp_path / "b.jsonl.xz").write_bytes(b"no archive")
    for name in ("a.jsonl", "b.jsonl.xz"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            list(read_answered([tmp_path / name]))


def test_too_few_rows_to_hold_one_out(tmp_path):
    with pytest.raises(DataError, match="none is held out with one passage in 1000000"):
        make_task(ROWS[:3], tmp_path / "task", every=1_000_000)
