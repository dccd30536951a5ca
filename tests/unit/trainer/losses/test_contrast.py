"""Blocked InfoNCE against autograd and against the plain loss."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from trainer.losses.both_ways import info_nce
from trainer.losses.contrast import (
    Contrast,
    FurtherNegatives,
    PairKeys,
    joint_info_nce,
    nested_contrast,
    one_direction,
)
from trainer.run.processes import Processes

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
    expected = info_nce(
        query, passage, temperature=TEMPERATURE, ignored_K2=same.nonzero() if masked else None
    )
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


def masked_cross_entropy(
    scores: torch.Tensor, target: torch.Tensor, ignored: torch.Tensor | None = None
) -> torch.Tensor:
    """By definition: minus the logarithm of the softmax at the target, over what is not ignored."""
    if ignored is not None:
        ignored = ignored.clone()
        ignored[torch.arange(len(target)), target] = False
        scores = scores.masked_fill(ignored, -torch.inf)
    return torch.nn.functional.cross_entropy(scores, target)


@pytest.mark.parametrize("block", [2, None])
def test_further_negatives_equal_autograd_with_their_columns_held_fixed(block: int | None) -> None:
    query, passage = unit_rows(6, 9).requires_grad_(), unit_rows(6, 10).requires_grad_()
    keys = PairKeys(torch.arange(6), torch.arange(10, 16))
    others = FurtherNegatives(
        unit_rows(4, 11), PairKeys(torch.tensor([3, 100, 101, 102]), torch.tensor([20, 12, 1, 21]))
    )
    ignored = torch.zeros(6, 10, dtype=torch.bool)
    ignored[3, 6] = True  # another passage of query 3
    ignored[2, 7] = True  # the positive of query 2
    ignored[1, 8] = True  # the text of query 1
    scores = query @ torch.cat([passage, others.passage_ND]).T / TEMPERATURE
    expected = masked_cross_entropy(scores, torch.arange(6), ignored)
    expected.backward()
    result = contrast(query.detach(), passage.detach(), keys=keys, further=others, block=block)
    assert result.loss == pytest.approx(expected.item(), rel=1e-12)
    assert_close(result.query_gradient, query.grad)
    assert_close(result.passage_gradient, passage.grad)
    assert contrast(query.detach(), passage.detach(), keys=keys).loss < result.loss


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("both", [False, True])
def test_the_hardest_negatives_equal_autograd_over_those_alone(share: float, both: bool) -> None:
    query, passage = unit_rows(8, 12).requires_grad_(), unit_rows(8, 13).requires_grad_()

    def side(scores: torch.Tensor) -> torch.Tensor:
        negatives = scores.detach().masked_fill(torch.eye(8, dtype=torch.bool), -torch.inf)
        counted = max(1, math.ceil(share * 7))
        ignored = torch.ones(8, 8, dtype=torch.bool).scatter(1, negatives.topk(counted).indices, False)
        return masked_cross_entropy(scores, torch.arange(8), ignored)

    scores = query @ passage.T / TEMPERATURE
    expected = (side(scores) + side(scores.T)) / 2 if both else side(scores)
    expected.backward()
    result = contrast(query.detach(), passage.detach(), both_directions=both, hardest_share=share, block=3)
    assert result.loss == pytest.approx(expected.item(), rel=1e-12)
    assert_close(result.query_gradient, query.grad)
    assert_close(result.passage_gradient, passage.grad)
    plain = contrast(query.detach(), passage.detach(), both_directions=both)
    assert (result.loss == pytest.approx(plain.loss, rel=1e-12)) == (share == 1.0)


def test_fewer_hard_negatives_than_asked_for_are_all_counted() -> None:
    """Where most columns are ignored, the rest counts, whatever the share."""
    query, passage = unit_rows(4, 14), unit_rows(4, 15)
    keys = PairKeys(torch.tensor([1, 1, 1, 2]), torch.arange(10, 14))
    assert (
        contrast(query, passage, keys=keys, hardest_share=0.99).loss
        == contrast(query, passage, keys=keys).loss
    )


@pytest.mark.parametrize("both", [False, True])
def test_nested_vectors_equal_autograd(both: bool) -> None:
    query, passage = unit_rows(7, 16).requires_grad_(), unit_rows(7, 17).requires_grad_()
    others = FurtherNegatives(unit_rows(3, 18), PairKeys(torch.arange(50, 53), torch.arange(60, 63)))
    keys = PairKeys(torch.arange(7), torch.arange(10, 17))
    losses = {}
    for length in (2, 4, 5):
        first, second, third = (
            torch.nn.functional.normalize(rows[:, :length], dim=1) if length < 5 else rows
            for rows in (query, passage, others.passage_ND)
        )
        scores = first @ torch.cat([second, third]).T / TEMPERATURE
        loss = masked_cross_entropy(scores, torch.arange(7))
        if both:
            loss = (loss + masked_cross_entropy(scores[:, :7].T, torch.arange(7))) / 2
        losses[f"loss_{length}"] = loss
    expected = torch.stack(list(losses.values())).mean()
    expected.backward()
    result = nested_contrast(
        query.detach(),
        passage.detach(),
        dimensions=[4, 2],
        further=others,
        contrast=lambda q, p, further: contrast(q, p, keys=keys, further=further, both_directions=both),
    )
    assert result.loss == pytest.approx(expected.item(), rel=1e-12)
    assert result.parts == {name: pytest.approx(loss.item(), rel=1e-12) for name, loss in losses.items()}
    assert_close(result.query_gradient, query.grad)
    assert_close(result.passage_gradient, passage.grad)


def test_without_prefixes_nested_is_plain() -> None:
    query, passage = unit_rows(5, 19), unit_rows(5, 20)
    nested = nested_contrast(query, passage, dimensions=[], contrast=lambda q, p, _: contrast(q, p))
    plain = contrast(query, passage)
    assert nested.loss == plain.loss
    assert torch.equal(nested.query_gradient, plain.query_gradient)


def test_a_block_holds_fewer_rows_the_longer_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the memory of the scores stays the same; the result does too."""
    query, passage = unit_rows(9, 21), unit_rows(9, 22)
    whole = contrast(query, passage)
    sizes = []
    logsumexp = torch.Tensor.logsumexp
    monkeypatch.setattr(
        torch.Tensor, "logsumexp", lambda self, dim: sizes.append(self.numel()) or logsumexp(self, dim)
    )
    monkeypatch.setattr("trainer.losses.contrast.BLOCK_SCORES", 20)
    result = contrast(query, passage)
    assert max(sizes) <= 20 and sum(sizes) == 81
    assert result.loss == pytest.approx(whole.loss, rel=1e-12)
    assert_close(result.passage_gradient, whole.passage_gradient)


@pytest.mark.parametrize(
    "options", [{}, {"both_directions": True}, {"hardest_share": 0.4}, {"further": True}, {"nested": True}]
)
def test_two_processes_equal_one(options: dict[str, bool]) -> None:
    """Loss and gradients of two halves that exchange embeddings are those of the joint batch."""
    query, passage = unit_rows(6, 23), unit_rows(6, 24)
    keys = PairKeys(torch.tensor([0, 1, 2, 0, 4, 5]), torch.tensor([10, 11, 12, 13, 11, 15]))
    options = dict(options)
    further = None
    if options.pop("further", False):
        further = FurtherNegatives(unit_rows(4, 25), PairKeys(torch.arange(4), torch.arange(20, 24)))
    is_nested = options.pop("nested", False)

    def run(processes: Any, rows: slice) -> Contrast:
        def of(q: torch.Tensor, p: torch.Tensor, cut: FurtherNegatives | None) -> Contrast:
            return joint_info_nce(
                q, p, temperature=TEMPERATURE, processes=processes, keys=keys, further=cut, **options
            )

        if not is_nested:
            return of(query[rows], passage[rows], further)
        return nested_contrast(query[rows], passage[rows], dimensions=[2, 3], contrast=of, further=further)

    whole = run(Processes("cpu"), slice(0, 6))
    halves = run_together(lambda process: run(process, slice(3 * process.index, 3 * process.index + 3)))
    for half in halves:
        assert half.loss == pytest.approx(whole.loss, rel=1e-12)
        assert half.parts == {name: pytest.approx(value) for name, value in whole.parts.items()}
    assert_close(torch.cat([half.query_gradient for half in halves]), whole.query_gradient)
    assert_close(torch.cat([half.passage_gradient for half in halves]), whole.passage_gradient)


class Thread:
    """One of two processes, played by threads that meet whenever they exchange something."""

    def __init__(self, index: int, barrier: threading.Barrier, shelf: list[Any]) -> None:
        self.index, self.count = index, 2
        self._barrier, self._shelf = barrier, shelf

    def gather(self, part: torch.Tensor) -> torch.Tensor:
        return torch.cat(self._exchange(part))

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        first, second = self._exchange(value)
        return first + second

    def _exchange(self, value: torch.Tensor) -> list[torch.Tensor]:
        self._shelf[self.index] = value.clone()
        self._barrier.wait(timeout=30)
        values = list(self._shelf)
        self._barrier.wait(timeout=30)
        return values


def run_together(work: Callable[[Thread], Contrast]) -> list[Contrast]:
    barrier, shelf = threading.Barrier(2), [None, None]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda index: work(Thread(index, barrier, shelf)), range(2)))
