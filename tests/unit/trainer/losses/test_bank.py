"""What the bank of earlier passages holds, forgets and gives back."""

import torch

from trainer.losses.bank import PassageBank
from trainer.losses.contrast import PairKeys


def keys(start: int) -> PairKeys:
    return PairKeys(torch.arange(start, start + 2), torch.arange(start + 10, start + 12))


def rows(value: float) -> torch.Tensor:
    return torch.full((2, 3), value)


def test_a_full_bank_forgets_its_oldest_batch() -> None:
    bank = PassageBank(2)
    assert bank.negatives() is None
    for number in range(3):
        bank.add(rows(number), keys(number))
    held = bank.negatives()
    assert held is not None
    assert held.passage_ND[:, 0].tolist() == [1, 1, 2, 2]
    assert held.keys.query_B.tolist() == [1, 2, 2, 3]
    assert held.keys.passage_B.tolist() == [11, 12, 12, 13]


def test_the_bank_holds_a_copy() -> None:
    bank, passages = PassageBank(1), rows(1)
    bank.add(passages, keys(0))
    passages.zero_()
    held = bank.negatives()
    assert held is not None and held.passage_ND.sum() == 6


def test_a_restored_bank_is_the_same() -> None:
    bank = PassageBank(12)
    for number in range(11):
        bank.add(rows(number), keys(number))
    other = PassageBank(12)
    other.add(rows(99), keys(99))
    other.restore(bank.tensors(), torch.device("cpu"))
    first, second = bank.negatives(), other.negatives()
    assert first is not None and second is not None
    assert torch.equal(first.passage_ND, second.passage_ND)
    assert torch.equal(first.keys.query_B, second.keys.query_B)
    assert torch.equal(first.keys.passage_B, second.keys.passage_B)
