"""Which groups a step sees, and what of them."""

import json
from pathlib import Path

import pytest

from tests.support.runs import write_groups
from trainer.data.group_mixture import GroupMixture, groups_per_epoch, sample_group
from trainer.data.groups import Passage, QueryGroup
from trainer.data.pairs import text_key
from trainer.data.sources import GroupSource
from trainer.errors import DataError

SOURCE = GroupSource("one", "one.jsonl", instruction="Find it.")


def group(positives: int = 1, negatives: int = 6, **values: object) -> QueryGroup:
    return QueryGroup(
        "q",
        tuple(Passage(f"p{number}") for number in range(positives)),
        tuple(Passage(f"n{number}") for number in range(negatives)),
        **values,
    )


def texts(group: QueryGroup, epoch: int = 0, size: int = 4) -> list[str]:
    sample = sample_group(group, SOURCE, size=size, epoch=epoch, seed=[1, 2, 3])
    return [passage.text for passage in sample.passages]


def test_a_sample_is_one_positive_and_then_distinct_negatives() -> None:
    first, *others = texts(group())
    assert first == "p0" and len(set(others)) == 3 and all(text.startswith("n") for text in others)
    assert texts(group(negatives=2)) in (["p0", "n0", "n1"], ["p0", "n1", "n0"])
    assert texts(group(negatives=0)) == ["p0"]


def test_epochs_rotate_over_the_positives_and_draw_other_negatives() -> None:
    seen = [texts(group(positives=3), epoch) for epoch in range(3)]
    assert {sample[0] for sample in seen} == {"p0", "p1", "p2"}
    assert len({tuple(sample[1:]) for sample in seen}) > 1
    assert texts(group(positives=3), 1) == seen[1]  # nothing but the numbers decides


def test_scores_stay_with_their_passages() -> None:
    scored = group(positives=2, negatives=3, scores=(10.0, 11.0, 0.0, 1.0, 2.0))
    sample = sample_group(scored, SOURCE, size=4, epoch=0, seed=[4])
    expected = {"p0": 10.0, "p1": 11.0, "n0": 0.0, "n1": 1.0, "n2": 2.0}
    assert sample.scores == tuple(expected[passage.text] for passage in sample.passages)
    assert sample.positive_keys[0] == text_key(sample.passages[0].text)
    assert set(sample.positive_keys) == {text_key("p0"), text_key("p1")}


def test_no_negative_equals_the_query_a_positive_or_another_negative() -> None:
    doubtful = QueryGroup(
        "q",
        (Passage("p", "t"), Passage("p1")),
        (Passage("t p"), Passage("q"), Passage("p1"), Passage("n"), Passage("n")),
    )
    assert texts(doubtful, size=8)[1:] == ["n"]


def test_a_group_without_an_instruction_takes_that_of_its_source() -> None:
    def instruction(**values: str) -> str:
        return sample_group(group(**values), SOURCE, size=2, epoch=0, seed=[0]).instruction

    assert instruction() == "Find it." and instruction(instruction="Own.") == "Own."


@pytest.fixture
def sources(tmp_path: Path) -> list[GroupSource]:
    for name, count in (("one", 10), ("two", 30)):
        write_groups(tmp_path / f"{name}.jsonl", count)
    return [
        GroupSource("one", str(tmp_path / "one.jsonl")),
        GroupSource("two", str(tmp_path / "two.jsonl"), volume=15),
    ]


def mixture(sources: list[GroupSource], seed: int = 1, batch_size: int = 5) -> GroupMixture:
    return GroupMixture(sources, batch_size=batch_size, group_size=3, seed=seed)


def drawn(mixture: GroupMixture, batches: int) -> list[tuple[str, str]]:
    return [(one.source.name, one.query) for _ in range(batches) for one in mixture.next_batch()]


def test_an_epoch_takes_every_source_to_its_volume_and_no_group_twice(sources: list[GroupSource]) -> None:
    groups = mixture(sources)
    assert groups.per_epoch == 25
    first, second = drawn(groups, 5), drawn(groups, 5)
    for epoch in (first, second):
        assert len(set(epoch)) == 25
        assert [name for name, _ in epoch].count("one") == 10
    assert first != second and set(first) != set(second)  # another order, others of the larger source
    assert groups_per_epoch(sources[0], 10) == 10 and groups_per_epoch(sources[1], 7) == 7


def test_the_order_depends_on_the_seed_alone(sources: list[GroupSource]) -> None:
    expected = drawn(mixture(sources), 7)
    assert drawn(mixture(sources), 7) == expected
    assert drawn(mixture(sources, seed=2), 7) != expected


@pytest.mark.parametrize("batches", [0, 3, 6])
def test_a_restored_position_goes_on_exactly(sources: list[GroupSource], batches: int) -> None:
    groups = mixture(sources)
    drawn(groups, batches)
    state = json.loads(json.dumps(groups.state()))
    expected = drawn(groups, 4)
    restored = mixture(sources)
    restored.restore(state)
    assert drawn(restored, 4) == expected


def test_a_changed_file_is_refused(sources: list[GroupSource]) -> None:
    state = mixture(sources).state()
    write_groups(Path(sources[0].path), 11)
    with pytest.raises(DataError, match="'one' has 11 groups, and had 10"):
        mixture(sources).restore(state)


def test_an_epoch_smaller_than_a_batch_is_refused(sources: list[GroupSource]) -> None:
    with pytest.raises(DataError, match="25 groups in an epoch; a batch needs 26"):
        mixture(sources, batch_size=26)
