import numpy as np
import pytest
import torch

from trainer.data.multilingual.corpus import Pairs
from trainer.data.multilingual.sampling import Batch, PairSampler, Translations
from trainer.errors import TrainingError


def table_of(rows):
    pairs = Pairs()
    for left, right, group in rows:
        pairs.add(left, right, group)
    return pairs.arrays()


def test_texts_that_belong_together_are_no_negatives():
    batch = Batch(left=np.array([1, 1, 2, 3], dtype=np.int32), right=np.array([7, 8, 8, 2], dtype=np.int32))
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[tuple(batch.ignored().T)] = True
    assert ignored[0, 1] and ignored[1, 0]  # the same left text
    assert ignored[1, 2] and ignored[2, 1]  # the same right text
    assert ignored[2, 3]  # left 2 is the very text on the right of row 3
    assert not ignored[0, 2] and not ignored[0, 3]


@pytest.mark.parametrize(("exponent", "expected"), [(1.0, 0.1), (0.5, 0.25), (0.0, 0.5)])
def test_small_groups_are_drawn_by_their_size_to_the_exponent(exponent, expected):
    rows = [(number, 5_000 + number, "large") for number in range(900)]
    rows += [(900 + number, 6_000 + number, "small") for number in range(100)]
    batch = PairSampler(table_of(rows), exponent=exponent, seed=1).draw(20_000)
    assert (batch.left >= 900).mean() == pytest.approx(expected, abs=0.02)
    assert (batch.right - batch.left >= 5_000).all()


def test_translations_replace_about_the_asked_share_and_never_by_the_avoided_text():
    table = table_of([(0, 10, "a"), (0, 11, "b"), (1, 12, "a")])
    translations = Translations(table)
    texts = np.array([0] * 4_000 + [1] * 10 + [99] * 10, dtype=np.int32)
    avoid = np.array([10] * 4_000 + [12] * 10 + [0] * 10, dtype=np.int32)
    result = translations.replace(texts, avoid, 0.5, np.random.default_rng(1))
    assert set(result[:4_000]) == {0, 11}
    assert (result[:4_000] == 11).mean() == pytest.approx(
        0.25, abs=0.03
    )  # half of the draws hit the avoided one
    assert (result[4_000:] == texts[4_000:]).all()  # no other partner, or unknown


def test_pivoted_pairs_are_two_translations_of_one_text():
    table = table_of([(text, 100 + 10 * text + k, f"en-{k}") for text in range(5) for k in range(3)])
    sampler = PairSampler(table, exponent=1.0, seed=2, translations=Translations(table), pivot_share=1.0)
    batch = sampler.draw(500)
    pivoted = batch.left >= 100
    assert 0.5 < pivoted.mean() < 0.8
    assert ((batch.left[pivoted] - 100) // 10 == (batch.right[pivoted] - 100) // 10).all()
    assert (batch.left[pivoted] != batch.right[pivoted]).all()


def test_a_restored_sampler_draws_the_same_batches():
    table = table_of([(number, 50 + number, "a") for number in range(50)])
    sampler = PairSampler(table, exponent=1.0, seed=3)
    sampler.draw(10)
    state = sampler.state()
    expected = sampler.draw(10)
    other = PairSampler(table, exponent=1.0, seed=99)
    other.restore(state)
    assert (other.draw(10).left == expected.left).all()


def test_an_empty_source_is_refused():
    with pytest.raises(TrainingError, match="no pairs"):
        PairSampler(table_of([]), exponent=1.0, seed=1)
