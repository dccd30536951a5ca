"""The listwise loss: against plain PyTorch, group by group, and what R-Drop adds."""

import pytest
import torch
from torch.nn import functional

from trainer.stages.reranker.listwise import listwise_loss

SIZES = [3, 1, 5, 2]


def scores(readings: int = 1, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(readings * sum(SIZES), generator=torch.Generator().manual_seed(seed))


def plain(scores_S: torch.Tensor) -> torch.Tensor:
    return sum(  # type: ignore[return-value]
        functional.cross_entropy(group[None], torch.tensor([0])) for group in scores_S.split(SIZES)
    )


def test_loss_and_gradient_equal_a_softmax_per_group() -> None:
    scores_S = scores().requires_grad_()
    expected = plain(scores_S)
    expected.backward()
    loss = listwise_loss(scores_S.detach(), SIZES)
    assert loss.value == pytest.approx(expected.item(), rel=1e-6)
    assert loss.value == loss.cross_entropy and loss.r_drop == 0
    torch.testing.assert_close(loss.gradient_S, scores_S.grad)
    assert loss.first == sum(int(group.argmax() == 0) for group in scores().split(SIZES))


def test_r_drop_equals_the_divergences_of_pytorch() -> None:
    scores_S = scores(readings=2).requires_grad_()
    first, second = scores_S.split(sum(SIZES))
    expected = 0.5 * (plain(first) + plain(second))
    for one, other in zip(first.split(SIZES), second.split(SIZES), strict=True):
        p, q = one.log_softmax(0), other.log_softmax(0)
        for left, right in ((p, q), (q, p)):
            divergence = functional.kl_div(left, right, reduction="sum", log_target=True)
            expected = expected + 0.7 * 0.5 * divergence
    expected.backward()
    loss = listwise_loss(scores_S.detach(), SIZES, r_drop=0.7)
    assert loss.value == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(loss.gradient_S, scores_S.grad, atol=1e-6, rtol=1e-5)
    assert loss.r_drop > 0.1


def test_equal_readings_have_no_divergence() -> None:
    once = scores()
    loss = listwise_loss(once.repeat(2), SIZES, r_drop=1.0)
    assert loss.r_drop == 0
    assert loss.value == pytest.approx(listwise_loss(once, SIZES).value, rel=1e-6)


def test_extreme_scores_stay_finite() -> None:
    loss = listwise_loss(torch.tensor([-1e4, 1e4, 0.0, 1e4, -1e4, 0.0]), [3], r_drop=1.0)
    assert loss.gradient_S.isfinite().all() and loss.value > 1e3
