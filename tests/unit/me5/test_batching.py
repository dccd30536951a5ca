import pytest
from hypothesis import given
from hypothesis import strategies as st

from me5.batching import BatchPolicy, plan_batches


@given(st.lists(st.integers(1, 600), max_size=80), st.integers(1, 2_000), st.integers(1, 20))
def test_every_text_once_sorted_and_within_the_budget(lengths: list[int], budget: int, most: int) -> None:
    batches = plan_batches(lengths, BatchPolicy(budget, most))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    flat = [lengths[position] for batch in batches for position in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) == 1 or len(batch) * max(lengths[p] for p in batch) <= budget


@pytest.mark.parametrize(("budget", "expected"), [(20, 2), (10, 4), (40, 1)])
def test_batches_are_filled(budget: int, expected: int) -> None:
    assert len(plan_batches([5] * 8, BatchPolicy(budget, 256))) == expected
