import numpy as np
import pytest
import torch
from torch.testing import assert_close

from trainer.losses import both_ways as losses
from trainer.losses.both_ways import equal_pairs, info_nce


def unit_rows(count: int, dimension: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def reference(query, passage, temperature, ignored=None):
    """The definition, with autograd."""
    scores = query @ passage.T / temperature
    if ignored is not None:
        off_diagonal = ignored & ~torch.eye(len(query), dtype=torch.bool)
        scores = scores.masked_fill(off_diagonal, float("-inf"))
    target = torch.arange(len(query))
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


@pytest.mark.parametrize("block", [3, 256])
@pytest.mark.parametrize("temperature", [1.0, 0.05, 0.01])
@pytest.mark.parametrize("masked", [False, True])
def test_loss_and_gradients_equal_those_of_autograd(temperature, masked, block, monkeypatch):
    monkeypatch.setattr(losses, "BLOCK_ROWS", block)
    query, passage = unit_rows(7, 5, 1).requires_grad_(), unit_rows(7, 5, 2).requires_grad_()
    ignored = torch.zeros(7, 7, dtype=torch.bool)
    ignored[0, 3] = ignored[3, 0] = ignored[2, 2] = True  # the diagonal stays although it is marked
    expected = reference(query, passage, temperature, ignored if masked else None)
    expected.backward()
    result = info_nce(
        query.detach(),
        passage.detach(),
        temperature=temperature,
        ignored_K2=ignored.nonzero() if masked else None,
    )
    assert_close(torch.tensor(result.loss, dtype=torch.float64), expected.detach())
    assert_close(result.query_gradient, query.grad)
    assert_close(result.passage_gradient, passage.grad)


def test_an_ignored_negative_changes_the_loss():
    query, passage = unit_rows(4, 5, 1), unit_rows(4, 5, 2)
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[0, 1] = True
    with_all = info_nce(query, passage, temperature=0.1)
    without_one = info_nce(query, passage, temperature=0.1, ignored_K2=ignored.nonzero())
    assert without_one.loss < with_all.loss - 1e-6


def test_swapped_sides_give_the_same_loss_and_swapped_gradients():
    query, passage = unit_rows(6, 4, 3), unit_rows(6, 4, 4)
    one, other = info_nce(query, passage, temperature=0.1), info_nce(passage, query, temperature=0.1)
    assert one.loss == pytest.approx(other.loss)
    assert_close(one.query_gradient, other.passage_gradient)


def test_narrow_products_stay_close_and_inputs_stay_as_they_were():
    query, passage = unit_rows(16, 8, 5).float(), unit_rows(16, 8, 6).float()
    before = query.clone()
    exact = info_nce(query, passage, temperature=0.05)
    narrow = info_nce(query, passage, temperature=0.05, matmul_dtype=torch.bfloat16)
    # bfloat16 keeps 8 bits: a score of 20 is off by at most 0.08, the gradient by a few per cent of its size.
    assert narrow.loss == pytest.approx(exact.loss, abs=0.1)
    size = exact.query_gradient.norm()
    assert (narrow.query_gradient - exact.query_gradient).norm() < 0.05 * size
    assert_close(query, before)


def test_equal_pairs_are_those_of_the_whole_comparison():
    generator = np.random.default_rng(1)
    left, right = (generator.integers(0, 9, size).astype(np.int32) for size in (30, 20))
    expected = np.argwhere(left[:, None] == right[None, :])
    assert sorted(equal_pairs(left, right).tolist()) == expected.tolist()
    assert len(equal_pairs(left, right + 100)) == 0
