"""MIRACL in the layout of its authors."""

import gzip
import json

import pytest

from trainer.errors import DataError
from trainer.evaluation.layouts import local_tasks

DOCS = {
    0: [
        {"docid": "1#0", "title": "Mto", "text": "Mto hubeba mchanga"},
        {"docid": "1#1", "title": "", "text": "Bahari"},
    ],
    1: [{"docid": "2#0", "title": "Maktaba", "text": "Hufunguliwa saa tatu"}],
}


@pytest.fixture
def miracl(write):
    root = write(
        {
            "m/miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-dev.tsv": "7\tMaktaba hufunguliwa lini?\n8\tMto?\n",
            "m/miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-train.tsv": "9\tBahari?\n",
            "m/miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv": "7 Q0 2#0 1\n7 Q0 1#0 0\n8 Q0 1#0 1\n",
            "m/miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-train.tsv": "9\tQ0\t1#1\t1\n",
        }
    )
    folder = root / "m" / "miracl-corpus-v1.0-sw"
    folder.mkdir()
    for number, rows in DOCS.items():
        with gzip.open(folder / f"docs-{number}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return root / "m"


def test_topics_qrels_and_corpus_of_a_language_are_a_pool(miracl):
    (task,) = local_tasks(str(miracl))
    (part,) = task.read()
    assert (task.name, task.kind) == ("miracl", "retrieval")
    assert (part.queries, part.languages) == (["Maktaba hufunguliwa lini?", "Mto?"], ["sw", "sw"])
    assert part.passages == ["Hufunguliwa saa tatu", "Bahari", "Mto hubeba mchanga"]  # ids, descending
    assert part.titles == ["Maktaba", "", "Mto"] and part.judged == [{0: 1, 2: 0}, {2: 1}]


def test_another_split_is_named(miracl):
    (part,) = local_tasks(str(miracl), "train")[0].read()
    assert part.queries == ["Bahari?"]
    with pytest.raises(DataError, match=r"dev, train for sw. Expected test"):
        list(local_tasks(str(miracl), "test")[0].read())


def test_what_is_missing_or_damaged_is_named(miracl):
    (miracl / "miracl-corpus-v1.0-sw" / "docs-1.jsonl.gz").write_bytes(b"half a download")
    with pytest.raises(DataError, match=r"docs-1\.jsonl\.gz cannot be read"):
        list(local_tasks(str(miracl))[0].read())
    for path in (miracl / "miracl-corpus-v1.0-sw").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no passages.*miracl/miracl-corpus"):
        list(local_tasks(str(miracl))[0].read())
