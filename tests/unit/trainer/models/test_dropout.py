"""Dropout with shared draws: the right share, the right scale, the same again after a replay."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import BertConfig, BertModel

from trainer.losses.gradcache import RandomState
from trainer.models.dropout import ATTENTION, FastDropout, kept_values
from trainer.models.layers import use_cpu_kernels

TEXTS, TOKENS = 3, 5


@pytest.fixture
def plain() -> BertModel:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32
    )
    return BertModel(config, add_pooling_layer=False)


def read(body: nn.Module) -> torch.Tensor:
    ids = torch.arange(TEXTS * TOKENS).view(TEXTS, TOKENS)
    mask = torch.ones_like(ids)
    mask[1, 3:] = 0
    return body(input_ids=ids, attention_mask=mask).last_hidden_state


def share_of(body: nn.Module, share: float) -> nn.Module:
    for module in body.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
    return body.train()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_right_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    kept, scale = kept_values(torch.empty(1_001, 999), share)
    assert kept.shape == (1_001, 999) and set(kept.unique().tolist()) == {0.0, 1.0}
    assert abs(1 - float(kept.mean()) - share) < 2e-3  # four standard errors are 2e-3
    assert scale == pytest.approx(1 / (1 - share), rel=2e-4)
    neighbours = float((kept[:, 1:] * kept[:, :-1]).mean())  # the four of a draw are independent
    assert neighbours == pytest.approx((1 - share) ** 2, abs=3e-3)


def test_values_are_kept_whole_or_dropped_and_so_is_their_gradient() -> None:
    layer = FastDropout(0.25).train()
    values = torch.ones(3, 7, requires_grad=True)
    result = layer(values)
    result.sum().backward()
    assert set(result.detach().unique().tolist()) <= {0.0, float(torch.tensor(4 / 3))}
    assert values.grad is not None and torch.equal(values.grad, result.detach())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_nothing_is_pytorchs(share: float) -> None:
    assert torch.equal(FastDropout(share).train()(torch.ones(9)), nn.Dropout(share).train()(torch.ones(9)))


def test_nothing_is_dropped_when_the_model_is_used(plain: BertModel) -> None:
    fast = copy.deepcopy(plain)
    use_cpu_kernels(fast)
    assert_close(read(fast.eval()), read(plain.eval()))


def test_with_next_to_no_dropout_values_and_gradients_are_those_of_pytorch(plain: BertModel) -> None:
    """Seeds with which none of some 2,000 values falls to a share of 1/65,536."""
    fast = copy.deepcopy(plain)
    use_cpu_kernels(fast)
    assert fast.config._attn_implementation == ATTENTION
    torch.manual_seed(1)
    share_of(plain, 0.0), share_of(fast, 1e-6)
    expected, result = read(plain), read(fast)
    assert_close(result, expected, rtol=1e-3, atol=1e-3)  # what is kept is scaled by 1 + 1/65,535
    for body, value in ((plain, expected), (fast, result)):
        value.square().sum().backward()
        assert all(p.grad is not None for p in body.parameters())
    for one, other in zip(plain.parameters(), fast.parameters(), strict=True):
        assert_close(other.grad, one.grad, rtol=1e-2, atol=1e-3)


def test_the_mean_over_many_draws_is_the_attention_without_dropout(plain: BertModel) -> None:
    attention = plain.encoder.layer[0].attention.self
    hidden = torch.randn(TEXTS, TOKENS, 16)
    mask = torch.ones(TEXTS, 1, 1, TOKENS, dtype=torch.bool)
    mask[1, ..., 3:] = False
    expected = attention.eval()(hidden, attention_mask=mask)[0]
    use_cpu_kernels(plain)
    attention.train().dropout.p = 0.3
    torch.manual_seed(2)
    draws = torch.stack([attention(hidden, attention_mask=mask)[0] for _ in range(800)]).detach()
    assert_close(draws.mean(0), expected.detach(), rtol=0, atol=7e-3)
    assert float(draws.std(0).mean()) > 0.01


def test_a_replayed_state_drops_the_same(plain: BertModel) -> None:
    use_cpu_kernels(plain)
    share_of(plain, 0.2)
    state = RandomState.now()
    first = read(plain)
    other = read(plain)
    with state.replayed():
        again = read(plain)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_under_autocast_and_in_float64_pytorch_drops(plain: BertModel) -> None:
    fast = copy.deepcopy(plain)
    use_cpu_kernels(fast)
    for body in (plain, fast):
        share_of(body, 0.2)
    for context, kind in ((True, torch.float32), (False, torch.float64)):
        results = []
        for body in (plain.to(kind), fast.to(kind)):
            torch.manual_seed(4)
            with torch.autocast("cpu", torch.bfloat16, enabled=context):
                results.append(read(body))
        assert_close(results[1], results[0])


def test_the_saved_model_knows_nothing_of_it(plain: BertModel, tmp_path) -> None:
    use_cpu_kernels(plain)
    plain.save_pretrained(tmp_path)
    assert ATTENTION not in (tmp_path / "config.json").read_text(encoding="utf-8")
