"""Values per item in a file: comparisons from it are those of the measurement; digests tell tasks apart."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.errors import DataError
from trainer.evaluation.models import EncoderModel
from trainer.evaluation.samples_file import Digest, read_samples, write_samples
from trainer.evaluation.scoring import measure
from trainer.evaluation.statistics import compare
from trainer.evaluation.values import Bitext, Classification, Mining, Retrieval, Similarity

RETRIEVAL = Retrieval(["river", "sea"], ["en", "de"], [{0: 1}, {1: 1}], ["the river", "the sea", "a hill"])
BITEXT = Bitext("de", ["eins", "zwei"], ["one", "two"], np.array([0, 1]))
MINING = Mining("de-en", ["river sea", "house"], ["river sea", "hill"], frozenset({(0, 0)}))
SIMILARITY = Similarity("en", ["a b", "a", "c"], ["a b", "b", "c d"], np.array([5.0, 0.0, 3.0]))
CLASSES = Classification("en", ["a", "b"], ["x", "y"], ["a", "b", "a b"], ["x", "y", "x"])
PARTS = [RETRIEVAL, BITEXT, MINING, SIMILARITY, CLASSES]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_what_is_kept_gives_the_same_values_and_comparisons(part, noting, tmp_path):
    model = EncoderModel("m", noting())
    measured = {one.language: one for one in measure(part, model)}
    write_samples(tmp_path / "a" / "task.npz", measured)
    kept = read_samples(tmp_path / "a" / "task.npz")
    assert {name for one in measured.values() for name in one.samples} == set(kept)
    for language, one in measured.items():
        for metric, sample in one.samples.items():
            again = kept[metric][language]
            assert again.value == pytest.approx(sample.value)
            other = replace(sample, rows=sample.rows[::-1].copy(), _drawn={})
            ours = compare({language: sample}, {language: other}, resamples=30)
            theirs = compare({language: again}, {language: other}, resamples=30)
            assert ours == theirs


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_missing_or_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz cannot be read.*Measure again"):
        read_samples(path)


def digest_of(*parts):
    digest = Digest()
    for part in parts:
        digest.add(part)
    return digest.value


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_equal_items_have_equal_digests_and_others_do_not(part):
    assert digest_of(part) == digest_of(replace(part)) != digest_of(part, part)


def test_a_changed_judgement_is_another_task():
    assert digest_of(RETRIEVAL) != digest_of(replace(RETRIEVAL, judged=[{0: 1}, {1: 2}]))
    assert digest_of(BITEXT) != digest_of(replace(BITEXT, gold=np.array([1, 0])))
    assert digest_of(SIMILARITY) != digest_of(replace(SIMILARITY, scores=np.array([5.0, 0.0, 3.1])))
