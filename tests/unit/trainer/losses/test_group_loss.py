"""The loss of stage 2 against its definition by autograd, and against numbers worked out by hand."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from trainer.losses.gradcache import cached_backward
from trainer.losses.group_loss import GroupLoss, GroupTable, group_loss
from trainer.run.processes import Processes

GROUPS, SIZE, DIMENSION = 6, 4, 5
TEMPERATURE, WEIGHT = 0.05, 0.2


def unit(rows: Tensor) -> Tensor:
    return nn.functional.normalize(rows, dim=-1)


def embeddings(seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(GROUPS, DIMENSION, generator=generator, dtype=torch.float64)
    passage = torch.randn(GROUPS, SIZE, DIMENSION, generator=generator, dtype=torch.float64)
    return unit(query), unit(passage)


def table() -> GroupTable:
    """Every exception at once.

    Group 1 has two empty places, group 2 no scores, 3 has the query of 0, 4 the positive of 5, a negative of
    0 is another positive of 5, and a negative of 4 is the query of 2.
    """
    passage_keys = 100 + torch.arange(GROUPS * SIZE).view(GROUPS, SIZE)
    passage_keys[4, 0] = passage_keys[5, 0]
    passage_keys[0, 2] = 900
    passage_keys[4, 3] = 12
    query_keys = torch.arange(10, 10 + GROUPS)
    query_keys[3] = query_keys[0]
    is_passage = torch.ones(GROUPS, SIZE, dtype=torch.bool)
    is_passage[1, 2:] = False
    positives = torch.stack([passage_keys[:, 0], passage_keys[:, 0]], dim=1)
    positives[5, 1] = 900
    teacher = torch.randn(GROUPS, SIZE, generator=torch.Generator().manual_seed(8)) * 3
    is_scored = torch.ones(GROUPS, dtype=torch.bool)
    is_scored[2] = False
    return GroupTable(query_keys, passage_keys, is_passage, positives, teacher, is_scored)


def defined_loss(
    query: Tensor, passage: Tensor, table: GroupTable, *, mask_own_negatives: bool = False
) -> tuple[Tensor, Tensor]:
    """KL and InfoNCE as they are written down, group by group, passage by passage."""
    kl, contrastive = [], []
    for i in range(len(query)):
        real = table.is_passage_BS[i]
        scores = query[i] @ passage[i].T / TEMPERATURE
        if table.is_scored_B[i]:
            student = scores[real].log_softmax(0)
            teacher = table.teacher_BS[i][real].double().log_softmax(0)
            kl.append(nn.functional.kl_div(student, teacher, reduction="sum", log_target=True))
        own = {int(key) for key in table.positive_keys_BM[i]} | {int(table.query_keys_B[i])}
        logits = [scores[0]]
        for j in range(len(query)):
            for place in range(passage.shape[1]):
                is_own = i == j
                is_left_out = (
                    not table.is_passage_BS[j, place]
                    or int(table.passage_keys_BS[j, place]) in own
                    or (place == 0 and bool(table.query_keys_B[i] == table.query_keys_B[j]))
                    or (is_own and mask_own_negatives)
                )
                if not is_left_out:
                    logits.append(query[i] @ passage[j, place] / TEMPERATURE)
        contrastive.append(-torch.stack(logits).log_softmax(0)[0])
    return torch.stack(kl).sum() / len(query), torch.stack(contrastive).mean()


def computed(query: Tensor, passage: Tensor, table: GroupTable, **options: object) -> GroupLoss:
    settings = {"temperature": TEMPERATURE, "contrastive_weight": WEIGHT, "processes": Processes("cpu")}
    return group_loss(query, passage, table, **(settings | options))


@pytest.mark.parametrize("mask_own_negatives", [False, True])
@pytest.mark.parametrize("block", [1, 4, None])
def test_loss_and_gradients_are_those_of_the_definition(block: int | None, mask_own_negatives: bool) -> None:
    query, passage = (rows.requires_grad_() for rows in embeddings())
    kl, contrastive = defined_loss(query, passage, table(), mask_own_negatives=mask_own_negatives)
    (kl + WEIGHT * contrastive).backward()
    result = computed(
        query.detach(), passage.detach(), table(), block=block, mask_own_negatives=mask_own_negatives
    )
    assert result.kl == pytest.approx(kl.item(), rel=1e-12)
    assert result.contrastive == pytest.approx(contrastive.item(), rel=1e-12)
    assert result.value == pytest.approx((kl + WEIGHT * contrastive).item(), rel=1e-12)
    assert_close(result.query_gradient_bD, query.grad)
    assert_close(result.passage_gradient_bSD, passage.grad)


def test_the_divergence_worked_out_by_hand() -> None:
    query = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    passage = torch.tensor([[[0.6, 0.8], [0.8, 0.6]]], dtype=torch.float64)  # cosines 0.6 and 0.8
    one = GroupTable(
        query_keys_B=torch.tensor([1]),
        passage_keys_BS=torch.tensor([[2, 3]]),
        is_passage_BS=torch.tensor([[True, True]]),
        positive_keys_BM=torch.tensor([[2]]),
        teacher_BS=torch.tensor([[1.0, 0.0]]),
        is_scored_B=torch.tensor([True]),
    )
    result = computed(query, passage, one, temperature=0.1)
    # Student logits 6 and 8, teacher logits 1 and 0 as they are: probabilities of the first passage.
    student, teacher = 1 / (1 + math.exp(2)), 1 / (1 + math.exp(-1))
    kl = teacher * math.log(teacher / student) + (1 - teacher) * math.log((1 - teacher) / (1 - student))
    assert kl == pytest.approx(1.0068, abs=1e-4)
    assert result.kl == pytest.approx(kl, rel=1e-6)
    assert result.contrastive == pytest.approx(-math.log(student), rel=1e-12)
    assert result.value == pytest.approx(kl - 0.2 * math.log(student), rel=1e-6)


def test_a_student_that_agrees_with_the_teacher_has_no_divergence() -> None:
    query, passage = embeddings()
    agreeing = replace(
        table(),
        teacher_BS=torch.einsum("bd,bsd->bs", query, passage) / TEMPERATURE + 7.0,  # a shift changes nothing
        is_passage_BS=torch.ones(GROUPS, SIZE, dtype=torch.bool),
    )
    assert computed(query, passage, agreeing).kl == pytest.approx(0.0, abs=1e-12)
    assert computed(query, passage, table()).kl > 0.1


def test_equal_texts_change_the_loss_unless_they_are_left_out() -> None:
    query, passage = embeddings()
    differing = replace(
        table(),
        query_keys_B=torch.arange(GROUPS),
        passage_keys_BS=100 + torch.arange(GROUPS * SIZE).view(GROUPS, SIZE),
        positive_keys_BM=100 + SIZE * torch.arange(GROUPS)[:, None],
    )
    assert computed(query, passage, differing).contrastive > computed(query, passage, table()).contrastive


class Threads:
    """Stands for processes: each thread is one, and they hand each other their tensors."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._barrier = threading.Barrier(count, timeout=20)
        self._parts: list[Tensor] = [torch.empty(0)] * count

    def member(self, index: int) -> SimpleNamespace:
        def exchange(part: Tensor) -> list[Tensor]:
            self._parts[index] = part
            self._barrier.wait()
            parts = list(self._parts)
            self._barrier.wait()
            return parts

        return SimpleNamespace(
            index=index,
            count=self.count,
            gather=lambda part: torch.cat(exchange(part)),
            sum=lambda part: torch.stack(exchange(part)).sum(dim=0),
        )

    def run(self, work: Callable[[SimpleNamespace], GroupLoss]) -> Sequence[GroupLoss]:
        results: dict[int, GroupLoss] = {}
        threads = [
            threading.Thread(target=lambda index=index: results.update({index: work(self.member(index))}))
            for index in range(self.count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [results[index] for index in range(self.count)]


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_give_what_one_gives_for_the_joint_batch(count: int) -> None:
    query, passage = embeddings()
    whole = computed(query, passage, table())
    own = GROUPS // count

    def work(member: SimpleNamespace) -> GroupLoss:
        rows = slice(member.index * own, (member.index + 1) * own)
        return computed(query[rows], passage[rows], table(), processes=member, block=2)

    parts = Threads(count).run(work)
    for part in parts:
        assert (part.value, part.kl) == pytest.approx((whole.value, whole.kl), rel=1e-12)
    assert_close(torch.cat([part.query_gradient_bD for part in parts]), whole.query_gradient_bD)
    assert_close(torch.cat([part.passage_gradient_bSD for part in parts]), whole.passage_gradient_bSD)


@pytest.mark.parametrize("mini_batch_size", [1, 7, 30])
def test_the_cached_gradient_is_that_of_the_whole_batch(mini_batch_size: int) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(0.3), nn.Linear(16, DIMENSION))
    model = model.double().train()
    inputs = torch.randn(GROUPS * (1 + SIZE), 6, dtype=torch.float64)
    pieces = list(inputs.split(mini_batch_size))

    torch.manual_seed(3)
    rows = torch.cat([unit(model(piece)) for piece in pieces])
    kl, contrastive = defined_loss(rows[:GROUPS], rows[GROUPS:].view(GROUPS, SIZE, -1), table())
    (kl + WEIGHT * contrastive).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]

    def judge(rows_BD: Tensor) -> tuple[float, Tensor]:
        result = computed(rows_BD[:GROUPS], rows_BD[GROUPS:].view(GROUPS, SIZE, -1), table())
        return result.value, torch.cat([result.query_gradient_bD, result.passage_gradient_bSD.flatten(0, 1)])

    model.zero_grad()
    torch.manual_seed(3)
    value = cached_backward(lambda piece: unit(model(piece)), pieces, judge)
    assert value == pytest.approx((kl + WEIGHT * contrastive).item(), rel=1e-12)
    for parameter, reference in zip(model.parameters(), expected, strict=True):
        assert_close(parameter.grad, reference, rtol=1e-10, atol=1e-12)
