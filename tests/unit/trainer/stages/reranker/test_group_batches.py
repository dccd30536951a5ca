"""The groups of a step: every group once per epoch, shares of processes, choice of passages."""

from pathlib import Path

import pytest

from tests.support.rerankers import build_groups
from trainer.data.group_file import GroupFile
from trainer.data.groups import Passage, QueryGroup, write_groups
from trainer.errors import DataError
from trainer.stages.reranker.group_batches import GroupBatches


def batches(tmp_path: Path, groups: list[QueryGroup], **options: int) -> GroupBatches:
    write_groups(tmp_path / "groups.jsonl", groups)
    numbers = list(range(len(groups)))
    values = {"batch_size": 4, "passages": 6, "seed": 1} | options
    return GroupBatches(GroupFile([tmp_path / "groups.jsonl"]), numbers, **values)


def test_an_epoch_sees_every_group_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    found = batches(tmp_path, build_groups(12))
    epochs = [
        [group.query for step in range(3) for group in found.draw(3 * epoch + step)] for epoch in (0, 1)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(group.query for group in build_groups(12))
    assert epochs[0] != epochs[1]
    assert found.draw(1) == batches(tmp_path, build_groups(12)).draw(1)  # no memory of what came before
    assert found.draw(1) != batches(tmp_path, build_groups(12), seed=2).draw(1)


def test_processes_share_the_joint_batch(tmp_path: Path) -> None:
    found = batches(tmp_path, build_groups(12))
    shares = [found.draw(2, index=index, count=3) for index in range(3)]
    assert [len(share) for share in shares] == [2, 1, 1]
    assert sorted(group.query for share in shares for group in share) == sorted(
        group.query for group in found.draw(2)
    )


def test_the_positive_comes_first_and_negatives_change(tmp_path: Path) -> None:
    positives = (Passage("yes"), Passage("also"))
    group = QueryGroup("q", positives, tuple(Passage(f"no {number}") for number in range(20)))
    found = batches(tmp_path, [group], batch_size=1, passages=5)
    drawn = [found.draw(step)[0] for step in range(30)]
    assert {each.passages[0] for each in drawn} == set(positives)
    assert all(len(set(each.passages)) == 5 and not set(each.passages[1:]) & set(positives) for each in drawn)
    assert {passage for each in drawn for passage in each.passages[1:]} == set(group.negatives)


def test_steps_cover_the_epochs(tmp_path: Path) -> None:
    found = batches(tmp_path, build_groups(10))
    assert [found.steps(epochs) for epochs in (0.1, 1, 2, 3)] == [1, 3, 5, 8]


def test_other_data_is_not_resumed_with(tmp_path: Path) -> None:
    state = batches(tmp_path, build_groups(10)).state()
    batches(tmp_path, build_groups(10)).restore(state, {})
    with pytest.raises(DataError, match="trains on 9 groups and had 10"):
        batches(tmp_path, build_groups(9)).restore(state, {})
