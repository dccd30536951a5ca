"""Filters as plain values."""

from datetime import UTC, datetime

from indexer.store.filters import AnyOf, Between, to_conditions
from indexer.types import Filters


def test_no_restriction_is_no_condition() -> None:
    assert to_conditions(Filters()) == ()


def test_each_field_becomes_one_condition() -> None:
    where = Filters(
        languages=("de", "en"),
        file_types=("pdf",),
        folders=("/a",),
        documents=("d1",),
        added_after=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert to_conditions(where) == (
        AnyOf("language", ("de", "en")),
        AnyOf("file_type", ("pdf",)),
        AnyOf("folders", ("/a",)),
        AnyOf("document_id", ("d1",)),
        Between("added_at", 1767225600.0, None),
    )


def test_a_time_of_zero_is_a_bound_too() -> None:
    epoch = datetime.fromtimestamp(0, UTC)
    assert to_conditions(Filters(added_before=epoch)) == (Between("added_at", None, 0.0),)
