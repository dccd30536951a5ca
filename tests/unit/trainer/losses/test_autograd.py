"""Plain losses: those that have a blocked form give the same, all of them what their papers say."""

import math

import pytest
import torch
from torch import Tensor

from trainer.errors import ConfigError
from trainer.losses.autograd import PAIR_LOSSES, decoupled, info_nce, joint, sigmoid
from trainer.losses.contrast import PairKeys, joint_info_nce
from trainer.run.processes import Processes
from trainer.stages.pretrain import ContrastiveOptim

T = 0.05


def rows(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 16, generator=generator), dim=1)


def keys(count: int, *, doubled: bool = False) -> PairKeys:
    numbers = torch.arange(count)
    if doubled:
        numbers[3] = 0  # pairs 0 and 3 ask the same
    return PairKeys(numbers, numbers + 1_000)


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("block", [3, None])
def test_the_plain_info_nce_is_the_blocked_one(doubled: bool, block: int | None) -> None:
    query, passage, alone = rows(9, 1), rows(9, 2), Processes("cpu")
    plain = joint(info_nce, query, passage, temperature=T, processes=alone, keys=keys(9, doubled=doubled))
    fast = joint_info_nce(
        query, passage, temperature=T, processes=alone, keys=keys(9, doubled=doubled), block=block
    )
    assert plain.loss == pytest.approx(fast.loss, rel=1e-5)
    torch.testing.assert_close(plain.query_gradient, fast.query_gradient, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(plain.passage_gradient, fast.passage_gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(PAIR_LOSSES))
def test_a_step_along_the_gradient_lowers_the_loss_and_ignored_cells_do_not_matter(name: str) -> None:
    query, passage, alone = rows(9, 1), rows(9, 2), Processes("cpu")
    loss = PAIR_LOSSES[name]
    before = joint(loss, query, passage, temperature=T, processes=alone, keys=keys(9, doubled=True))
    moved = query - 0.01 * before.query_gradient
    after = joint(loss, moved, passage, temperature=T, processes=alone, keys=keys(9, doubled=True))
    assert after.loss < before.loss
    none = torch.zeros(9, 9, dtype=torch.bool)
    some = none.clone()
    some[0, 3] = True
    assert loss(query, passage, temperature=T, ignored_BB=none) != loss(
        query, passage, temperature=T, ignored_BB=some
    )


def test_decoupled_leaves_the_positive_out_of_the_sum() -> None:
    query, passage = rows(4, 1), rows(4, 2)
    none = torch.zeros(4, 4, dtype=torch.bool)
    scores = (query @ passage.T / T).tolist()
    expected = 0.0
    for i in range(4):
        others = math.log(sum(math.exp(scores[i][j]) for j in range(4) if j != i))
        expected += (others - scores[i][i]) / 4
    assert float(decoupled(query, passage, temperature=T, ignored_BB=none)) == pytest.approx(
        expected, rel=1e-5
    )
    one = torch.zeros(1, 1, dtype=torch.bool)
    assert math.isfinite(decoupled(query[:1], passage[:1], temperature=T, ignored_BB=one))


def test_sigmoid_judges_each_cell() -> None:
    query, passage = rows(3, 1), rows(3, 2)
    none = torch.zeros(3, 3, dtype=torch.bool)
    expected = 0.0
    for i in range(3):
        for j in range(3):
            logit = float(query[i] @ passage[j]) / T - math.log(2)
            expected += math.log1p(math.exp(-logit if i == j else logit)) / 3
    assert float(sigmoid(query, passage, temperature=T, ignored_BB=none)) == pytest.approx(expected, rel=1e-4)


def test_a_recipe_names_a_loss() -> None:
    assert ContrastiveOptim(loss="sigmoid").loss == "sigmoid"
    with pytest.raises(
        ConfigError, match=r"optim\.loss is 'triplet'; expected one of decoupled, info_nce, sigmoid"
    ):
        ContrastiveOptim(loss="triplet")
    with pytest.raises(ConfigError, match="belong to InfoNCE in blocks"):
        ContrastiveOptim(loss="decoupled", bank_batches=2)
