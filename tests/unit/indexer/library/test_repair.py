"""Catalog and store are compared without holding either."""

from itertools import count, islice

from hypothesis import given
from hypothesis import strategies as st

from indexer.library.repair import side_by_side

IDS = st.text(alphabet="0123456789abcdef-", min_size=1, max_size=3)


@given(st.dictionaries(IDS, st.sampled_from(["indexed", "pending"])), st.sets(IDS))
def test_what_differs_is_what_sets_say(states: dict[str, str], points: set[str]) -> None:
    found = list(side_by_side(sorted(states.items()), iter(sorted(points))))  # type: ignore[arg-type]
    missing = sorted(one for one, state in states.items() if state == "indexed" and one not in points)
    orphans = sorted(points - states.keys())
    assert [one for kind, one in found if kind == "missing"] == missing
    assert [one for kind, one in found if kind == "orphan"] == orphans
    assert [one for _, one in found] == sorted(missing + orphans)


def test_neither_side_is_read_further_than_it_was_compared() -> None:
    """Two sides without an end: a set of either would never be full."""
    states = ((f"{number:09}", "indexed") for number in count())
    points = (f"{number:09}" for number in count() if number % 100)
    first = list(islice(side_by_side(states, points), 3))  # type: ignore[arg-type]
    assert first == [("missing", f"{number:09}") for number in (0, 100, 200)]
