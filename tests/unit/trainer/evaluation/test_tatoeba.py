import tarfile

import numpy as np
import pytest

from trainer.errors import DataError
from trainer.evaluation.tatoeba import (
    XTREME_36,
    evaluate_retrieval,
    evaluate_tatoeba,
    iter_tatoeba,
    mean_to_english,
)

NUMBERS = {"eins": 0, "zwei": 1, "drei": 2, "one": 0, "two": 1, "three": 2, "un": 0, "deux": 0}


def encode(texts):
    """One direction per number word: translations are equal, everything else is at right angles."""
    return np.eye(3, dtype=np.float32)[[NUMBERS[text] for text in texts]]


@pytest.fixture
def tatoeba(tmp_path):
    files = {
        "tatoeba.deu-eng.deu": "eins\nzwei\ndrei\n",
        "tatoeba.deu-eng.eng": "one\ntwo\nthree\n",
        "tatoeba.fra-eng.fra": "un\ndeux\n",  # 'deux' is encoded as 'one': wrong
        "tatoeba.fra-eng.eng": "one\ntwo\n",
    }
    folder = tmp_path / "tatoeba-v1"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf8")
    return folder


def test_accuracy_per_language_and_direction(tatoeba):
    scores = evaluate_tatoeba(tatoeba, encode)
    assert (scores["deu"].to_english, scores["deu"].from_english, scores["deu"].sentences) == (100, 100, 3)
    assert scores["fra"].to_english == 50
    assert scores["fra"].from_english == 0  # both French sentences tie for 'one'; 'two' has no near one
    assert mean_to_english(scores) == 75
    assert mean_to_english(scores, ["deu"]) == 100


def test_folder_and_archive_give_the_same(tatoeba, tmp_path):
    archive = tmp_path / "tatoeba.tar.xz"
    with tarfile.open(archive, "w:xz") as target:
        target.add(tatoeba, arcname="tatoeba-v1")
    assert list(iter_tatoeba(archive)) == list(iter_tatoeba(tatoeba))


def test_a_folder_without_tatoeba_is_refused(tmp_path):
    with pytest.raises(DataError, match="Tatoeba v1"):
        list(iter_tatoeba(tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        list(iter_tatoeba(tmp_path / "none.tar.xz"))


def test_retrieval_ranks_the_given_passage():
    score = evaluate_retrieval(["eins", "zwei"], [0, 0], ["one", "two", "three"], encode, encode)
    assert (score.queries, score.passages, score.accuracy) == (2, 3, 0.5)
    assert score.mrr_10 == pytest.approx((1 + 1 / 3) / 2)  # the second ties for rank 2 with 'three'


def test_xtreme_has_36_languages():
    assert len(set(XTREME_36)) == 36
