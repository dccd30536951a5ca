import tarfile

import pytest

from trainer.errors import DataError
from trainer.evaluation.layouts import local_tasks

FILES = {
    "tat/v1/tatoeba.deu-eng.deu": "eins\n",
    "tat/v1/tatoeba.deu-eng.eng": "one\n",
    "miracl/sw/corpus.jsonl": "",
    "class/train.tsv": "a\tb\n",
    "class/test.tsv": "a\tb\n",
    "news/dev.de": "eins\n",
    "news/dev.en": "one\n",
    "odd/left.txt": "eins\n",
    "odd/right.txt": "one\n",
    "sts.tsv": "a\tb\t3.5\tde\n",
    "bi.tsv": "a\tb\n",
    "own.csv": "query,document\na,b\n",
}


def found(path):
    tasks = local_tasks(str(path))
    return None if tasks is None else [(task.name, task.kind) for task in tasks]


def test_every_layout_is_recognised(write, beir, bucc):
    root = write(FILES)
    assert found(root / "tat") == [("tat", "bitext")]
    assert found(beir) == [("nq", "retrieval")]
    assert found(root / "miracl") == [("miracl", "retrieval")]
    assert found(bucc) == [("bucc (MTEB)", "bitext"), ("bucc (mining)", "mining")]
    assert found(root / "class") == [("class", "classification")]
    assert found(root / "news") == [("news", "bitext")]
    assert found(root / "news" / "dev") == [("dev", "bitext")]
    assert found(f"{root / 'odd/left.txt'},{root / 'odd/right.txt'}") == [("left", "bitext")]
    assert found(root / "sts.tsv") == [("sts", "similarity")]
    assert found(root / "bi.tsv") == [("bi", "bitext")]
    assert found(root / "own.csv") == [("own", "retrieval")]


def test_an_archive_is_tatoeba(write, tmp_path):
    folder = write(FILES) / "tat"
    archive = tmp_path / "tatoeba-v1.tar.xz"
    with tarfile.open(archive, "w:xz") as target:
        target.add(folder, arcname="tat")
    (task,) = local_tasks(str(archive))
    assert (task.name, [part.language for part in task.read()]) == ("tatoeba-v1", ["deu"])


def test_files_deep_below_do_not_decide(write):
    root = write({"x/a/b/c/tatoeba.deu-eng.deu": "eins\n", "x/dev.de": "eins\n", "x/dev.en": "one\n"})
    assert found(root / "x") == [("x", "bitext")]
    (part,) = local_tasks(str(root / "x"))[0].read()
    assert part.language == "de-en"


def test_what_is_no_path_may_be_a_task_of_the_hub(tmp_path):
    assert local_tasks("MIRACLRetrieval") is None
    assert local_tasks(str(tmp_path / "nothing")) is None


def test_an_unknown_layout_names_the_known_ones(write):
    root = write({"y/notes.txt": "x", "z.tsv": "a\n", "z.txt": "a"})
    for name in ("y", "z.tsv", "z.txt"):
        with pytest.raises(DataError, match=r"no known layout.*BEIR.*BUCC"):
            local_tasks(str(root / name))
