"""The cached gradient is the gradient of the whole batch."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from trainer.losses.contrast import joint_info_nce
from trainer.losses.gradcache import RandomState, cached_backward
from trainer.run.processes import Processes

PAIRS = 8


def make_model(dropout: float) -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 5))
    return layers.double().train()


def unit(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(model(inputs), dim=1)


def inputs() -> torch.Tensor:
    return torch.randn(2 * PAIRS, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def contrast(embeddings: torch.Tensor) -> tuple[float, torch.Tensor]:
    query, passage = embeddings.chunk(2)
    result = joint_info_nce(query, passage, temperature=0.05, processes=Processes("cpu"), block=3)
    return result.loss, torch.cat([result.query_gradient, result.passage_gradient])


def plain_gradients(model: nn.Module, pieces: list[torch.Tensor]) -> tuple[float, list[torch.Tensor]]:
    """One graph over all pieces, drawn from the same random numbers, and the loss by its definition."""
    torch.manual_seed(3)
    query, passage = torch.cat([unit(model, piece) for piece in pieces]).chunk(2)
    loss = nn.functional.cross_entropy(query @ passage.T / 0.05, torch.arange(PAIRS))
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in model.parameters()]


def cached_gradients(model: nn.Module, pieces: list[torch.Tensor]) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    torch.manual_seed(3)
    loss = cached_backward(lambda piece: unit(model, piece), pieces, contrast)
    return loss, [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("mini_batch_size", [1, 3, 8, 16])
def test_cached_gradient_equals_the_full_gradient(mini_batch_size: int, dropout: float) -> None:
    model = make_model(dropout)
    pieces = list(inputs().split(mini_batch_size))
    expected_loss, expected = plain_gradients(model, pieces)
    loss, gradients = cached_gradients(model, pieces)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert_close(gradient, reference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mini_batch_size", [1, 3, 8])
def test_without_dropout_the_mini_batch_size_changes_nothing(mini_batch_size: int) -> None:
    model = make_model(dropout=0.0)
    _, expected = plain_gradients(model, [inputs()])
    _, gradients = cached_gradients(model, list(inputs().split(mini_batch_size)))
    for gradient, reference in zip(gradients, expected, strict=True):
        assert_close(gradient, reference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mini_batch_size", [3, 16])
def test_the_loss_may_write_its_gradient_over_the_embeddings(mini_batch_size: int) -> None:
    def in_place(embeddings: torch.Tensor) -> tuple[float, torch.Tensor]:
        loss, gradient = contrast(embeddings)
        return loss, embeddings.copy_(gradient)

    model, pieces = make_model(dropout=0.3), list(inputs().split(mini_batch_size))
    _, expected = plain_gradients(model, pieces)
    model.zero_grad()
    torch.manual_seed(3)
    cached_backward(lambda piece: unit(model, piece), pieces, in_place)
    for parameter, reference in zip(model.parameters(), expected, strict=True):
        assert_close(parameter.grad, reference, rtol=1e-10, atol=1e-12)


def test_without_replay_of_the_random_numbers_the_gradient_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(dropout=0.3)
    pieces = list(inputs().split(3))
    _, expected = plain_gradients(model, pieces)
    monkeypatch.setattr(RandomState, "replayed", lambda self: nullcontext())
    _, gradients = cached_gradients(model, pieces)
    assert (gradients[0] - expected[0]).abs().max() > 0.01 * expected[0].abs().max()


def test_replay_leaves_the_random_numbers_as_they_were() -> None:
    torch.manual_seed(4)
    state = RandomState.now()
    first = torch.rand(3)
    following = RandomState.now()
    with state.replayed():
        assert_close(torch.rand(3), first)
    assert torch.equal(RandomState.now().cpu, following.cpu)
