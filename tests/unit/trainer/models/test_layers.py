"""The faster layers give the values and gradients of PyTorch's own."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from trainer.models.layers import FastLinear, RowEmbedding, use_cpu_kernels


class Body(nn.Module):
    """An embedding, used twice, and two linear layers; the second has no bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.words = nn.Embedding(11, 8, padding_idx=0)
        self.first = nn.Linear(8, 16)
        self.second = nn.Linear(16, 4, bias=False)

    def forward(self, ids_BT: torch.Tensor) -> torch.Tensor:
        hidden = self.words(ids_BT) + self.words(ids_BT.flip(1))
        return self.second(torch.tanh(self.first(hidden)))


IDS = torch.tensor([[1, 2, 3, 2], [4, 0, 0, 10]])


def gradients(body: nn.Module, *, autocast: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    result = None
    for _ in range(2):  # a second mini-batch adds to the gradient of the first
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            result = body(IDS)
        result.float().square().sum().backward()
    assert result is not None
    return result.detach(), {
        name: p.grad.clone() for name, p in body.named_parameters() if p.grad is not None
    }


def make_pair() -> tuple[nn.Module, nn.Module]:
    plain = Body()
    fast = copy.deepcopy(plain)
    use_cpu_kernels(fast)
    return plain, fast


@pytest.mark.parametrize(
    "prepare",
    [
        lambda body: body,
        lambda body: body.double(),
        lambda body: body.first.requires_grad_(False) and body,
        lambda body: body.words.requires_grad_(False) and body,
    ],
    ids=["float32", "float64", "frozen linear", "frozen embedding"],
)
def test_values_and_gradients_are_those_of_pytorch(prepare: Callable[[nn.Module], nn.Module]) -> None:
    plain, fast = (prepare(body) for body in make_pair())
    (expected, expected_gradients), (result, fast_gradients) = gradients(plain), gradients(fast)
    assert_close(result, expected)
    assert fast_gradients.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():
        assert_close(fast_gradients[name], gradient, rtol=1e-5, atol=1e-6)


def test_under_autocast_the_layers_are_pytorchs_own() -> None:
    plain, fast = make_pair()
    (expected, expected_gradients), (result, fast_gradients) = (
        gradients(body, autocast=True) for body in (plain, fast)
    )
    assert result.dtype == torch.bfloat16 and torch.equal(result, expected)
    assert torch.equal(fast_gradients["first.weight"], expected_gradients["first.weight"])


def test_layers_are_exchanged_in_place_and_padding_gets_no_gradient() -> None:
    plain, fast = make_pair()
    assert isinstance(fast.first, FastLinear) and isinstance(fast.words, RowEmbedding)
    assert fast.state_dict().keys() == plain.state_dict().keys()
    weight = fast.words.weight
    _, found = gradients(fast)
    assert fast.words.weight is weight
    assert found["words.weight"][0].abs().sum() == 0
    assert found["words.weight"][2].abs().sum() > 0


def test_no_gradient_of_the_size_of_the_table_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made once per step, not per mini-batch."""
    _, fast = make_pair()
    made = []
    zeros_like = torch.zeros_like
    monkeypatch.setattr(torch, "zeros_like", lambda tensor: made.append(tensor.shape) or zeros_like(tensor))
    gradients(fast)
    assert made == [torch.Size([11, 8])]


def test_without_gradients_nothing_is_kept() -> None:
    _, fast = make_pair()
    with torch.no_grad():
        assert not fast(IDS).requires_grad
