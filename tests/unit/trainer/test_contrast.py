"""Blocked InfoNCE against autograd and against the plain loss."""

import pytest
import torch
from torch.testing import assert_close

from trainer.contrast import PairKeys, joint_info_nce, one_direction
from trainer.losses import info_nce
from trainer.processes import Processes

TEMPERATURE = 0.05


def unit_rows(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def contrast(query: torch.Tensor, passage: torch.Tensor, **options: object):
    return joint_info_nce(query, passage, temperature=TEMPERATURE, processes=Processes("cpu"), **options)


@pytest.mark.parametrize("block", [1, 4, 7, 1024])
def test_one_direction_equals_autograd(block: int) -> None:
    query, passage = unit_rows(7, 1).requires_grad_(), unit_rows(7, 2).requires_grad_()
    expected = torch.nn.functional.cross_entropy(query @ passage.T / TEMPERATURE, torch.arange(7))
    expected.backward()
    result = contrast(query.detach(), passage.detach(), block=block)
    assert result.loss == pytest.approx(expected.item(), rel=1e-12)
    assert_close(result.query_gradient, query.grad)
    assert_close(result.passage_gradient, passage.grad)


@pytest.mark.parametrize("masked", [False, True])
def test_both_directions_equal_the_plain_loss(masked: bool) -> None:
    query, passage = unit_rows(9, 3), unit_rows(9, 4)
    query_keys, passage_keys = torch.arange(9), torch.arange(100, 109)
    query_keys[4], passage_keys[6] = query_keys[1], passage_keys[2]
    passage_keys[8] = query_keys[5]
    keys = PairKeys(query_keys, passage_keys)
    same = query_keys[:, None] == query_keys
    same |= (passage_keys[:, None] == passage_keys) | (query_keys[:, None] == passage_keys)
    expected = info_nce(query, passage, temperature=TEMPERATURE, ignored_QQ=same if masked else None)
    result = contrast(query, passage, both_directions=True, keys=keys if masked else None, block=4)
    assert result.loss == pytest.approx(expected.loss, rel=1e-12)
    assert_close(result.query_gradient, expected.query_gradient)
    assert_close(result.passage_gradient, expected.passage_gradient)


def test_a_duplicate_that_is_not_masked_changes_the_loss() -> None:
    query, passage = unit_rows(6, 5), unit_rows(6, 6)
    passage[3] = passage[0]
    keys = PairKeys(torch.arange(6), torch.tensor([10, 11, 12, 10, 14, 15]))
    assert contrast(query, passage, keys=keys).loss < contrast(query, passage).loss - 1e-3


def test_slices_of_the_rows_add_up_to_the_whole() -> None:
    query, passage = unit_rows(8, 7), unit_rows(8, 8)
    whole = one_direction(query, passage, temperature=TEMPERATURE)
    parts = [
        one_direction(query[start : start + 4], passage, temperature=TEMPERATURE, first=start)
        for start in (0, 4)
    ]
    assert_close(parts[0][0] + parts[1][0], whole[0])
    assert_close(torch.cat([parts[0][1], parts[1][1]]), whole[1])
    assert_close(parts[0][2] + parts[1][2], whole[2])
