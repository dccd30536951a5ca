"""Pairs that people bring: forms of files, what is left out, and a held-out part that nothing trains on."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from trainer.data import text_files
from trainer.data.import_pairs import Columns, hold_out, iter_pairs, take_in
from trainer.errors import DataError
from trainer.evaluation.layouts import local_tasks
from trainer.evaluation.values import Bitext, Retrieval


def detect(texts: Sequence[str]) -> list[str]:
    return ["de" if "ü" in text else "en" for text in texts]


def write(path: Path, lines: Sequence[str], encoding: str = "utf8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def body(count: int = 30, sep: str = "\t") -> list[str]:
    return [f"question {n}{sep}answer {n}" for n in range(count)]


@pytest.mark.parametrize(
    ("name", "lines", "encoding"),
    [
        ("a.tsv", ["query\tpassage", *body()], "utf8"),
        ("a.tsv", body(), "utf8"),
        ("a.tsv", ["Source\tTarget", *body()], "utf-8-sig"),
        ("a.tsv", body(), "utf-16"),
        ("a.csv", ["question,answer", *body(sep=",")], "utf8"),
        ("a.csv", body(sep=";"), "utf8"),
        ("a.csv", ["question,answer", *[f'"question {n}","answer {n}"' for n in range(30)]], "utf8"),
        (
            "a.jsonl",
            [json.dumps({"query": f"question {n}", "positive": [f"answer {n}"]}) for n in range(30)],
            "utf8",
        ),
    ],
)
def test_many_forms_hold_the_same_pairs(tmp_path: Path, name: str, lines: list[str], encoding: str) -> None:
    found = take_in(write(tmp_path / name, lines, encoding), tmp_path / "pairs.jsonl", detect)
    assert found.usable == 30 and found.samples[0].query == "question 0"
    pairs = list(iter_pairs(tmp_path / "pairs.jsonl"))
    assert [(pair.query, pair.passage) for pair in pairs] == [
        (f"question {n}", f"answer {n}") for n in range(30)
    ]


def test_quotation_marks_of_tsv_files_are_only_that(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ['"he said\tshe "did"', *body()])
    take_in(path, tmp_path / "pairs.jsonl", detect)
    first = next(iter_pairs(tmp_path / "pairs.jsonl"))
    assert (first.query, first.passage) == ('"he said', 'she "did"')


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    lines = [*body(), "question 3\tanswer 3", "\tanswer", "question\t ", "same\tsame", "Grüße\tgreetings"]
    found = take_in(write(tmp_path / "a.tsv", lines), tmp_path / "pairs.jsonl", detect)
    assert (found.usable, found.copies, found.empty, found.same) == (31, 1, 2, 1)
    assert found.query_languages == {"en": 30, "de": 1} and found.passage_languages == {"en": 31}


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    rows = [f"{n}\ttext {n}\tanswer {n}\tname {n}" for n in range(30)]
    path = write(tmp_path / "a.tsv", ["id\tleft_side\tright_side\ttitle", *rows])
    with pytest.raises(DataError, match="id, left_side, right_side, title"):
        take_in(path, tmp_path / "pairs.jsonl", detect)
    found = take_in(path, tmp_path / "pairs.jsonl", detect, Columns("left_side", "right_side", "title"))
    assert found.samples[2].title == "name 2" and found.samples[2].passage == "answer 2"
    with pytest.raises(DataError, match="no column 'nothing'"):
        take_in(path, tmp_path / "pairs.jsonl", detect, Columns("nothing", "right_side"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF", "cannot be read as pairs"),
        ("a.tsv", b"", "is empty"),
        ("a.tsv", b"one\ttwo\n", "0 usable pairs|1 usable pairs"),
        ("a.tsv", bytes(range(256)) * 8, "cannot be read"),
        ("a.jsonl", b"not json\n", "is empty"),
    ],
)
def test_trouble_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, message: str
) -> None:
    monkeypatch.setattr(text_files, "_finders", [])  # as where nobody finds codecs
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        take_in(tmp_path / name, tmp_path / "pairs.jsonl", detect)
    assert "Expected" in str(caught.value)


def taken(tmp_path: Path, lines: list[str]) -> Path:
    take_in(write(tmp_path / "a.tsv", lines), tmp_path / "pairs.jsonl", detect)
    return tmp_path / "pairs.jsonl"


def test_held_out_queries_and_passages_are_not_trained_on(tmp_path: Path) -> None:
    shared = [f"another question {n}\tanswer {n % 40}" for n in range(100)]
    pairs = taken(tmp_path, [*body(200), *shared])
    split = hold_out(pairs, tmp_path / "data", detect, "retrieval")
    assert split.task is not None and split.held_out == 60
    [task] = local_tasks(str(split.task)) or []
    [part] = list(task.read())
    assert isinstance(part, Retrieval)
    relevant = {part.passages[next(iter(grades))] for grades in part.judged}
    train = list(iter_pairs(tmp_path / "data" / "train.jsonl"))
    assert len(train) == split.train and len(relevant) == 60
    assert not relevant & {pair.passage for pair in train}
    assert not set(part.queries) & {pair.query for pair in train}
    assert len(part.passages) > 150  # passages of the training are there to be mistaken for it


def test_small_languages_are_held_out_as_well(tmp_path: Path) -> None:
    lines = [*body(400), *[f"Grüße {n}\tgreetings {n}" for n in range(30)]]
    split = hold_out(taken(tmp_path, lines), tmp_path / "data", detect, "bitext")
    assert split.task is not None
    [task] = local_tasks(str(split.task)) or []
    parts = {part.language: part for part in task.read() if isinstance(part, Bitext)}
    assert len(parts["de-en"].sources) == 30 and len(parts["en-en"].sources) == 56
    assert parts["de-en"].targets[0].replace("greetings", "Grüße") == parts["de-en"].sources[0]


def test_one_pair_of_languages_is_named(tmp_path: Path) -> None:
    split = hold_out(taken(tmp_path, body(100)), tmp_path / "data", detect, "bitext")
    assert split.task is not None
    [task] = local_tasks(str(split.task)) or []
    assert [part.language for part in task.read()] == ["en-en"]


def test_too_few_pairs_are_all_trained_on(tmp_path: Path) -> None:
    split = hold_out(taken(tmp_path, body(30)), tmp_path / "data", detect, "bitext")
    assert (split.train, split.held_out, split.task) == (30, 0, None)
