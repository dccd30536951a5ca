"""The parts of a step that need no run."""

import pytest
import torch
from torch import nn

from trainer.run.loop import is_out_of_memory, trained
from trainer.run.optimiser import build_optimiser


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ],
)
def test_memory_runs_out_in_several_words(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_trouble_is_not_taken_for_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_frozen_parameters_are_left_alone() -> None:
    body = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    body[0].requires_grad_(False)
    assert list(trained(body)) == list(body[1].parameters())
    groups = build_optimiser(body, learning_rate=0.1, weight_decay=0.01).param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    assert [
        parameter is own
        for group, own in zip(groups, body[1].parameters(), strict=True)
        for parameter in group["params"]
    ] == [True, True]
