"""Search filters as plain values, which each home turns into its own filter objects."""

from dataclasses import dataclass

from indexer.types import Filters


@dataclass(frozen=True)
class AnyOf:
    """The field holds one of the values (for a list field: at least one of them)."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Between:
    """The field is at least ``low`` and below ``high``; None leaves that side open."""

    field: str
    low: float | None
    high: float | None


Condition = AnyOf | Between


def to_conditions(where: Filters) -> tuple[Condition, ...]:
    """The conditions that must all hold; none for an empty ``Filters``.

    ``added_after`` is inclusive and ``added_before`` exclusive. Times without a zone are local time.
    """
    fields = (
        ("language", where.languages),
        ("file_type", where.file_types),
        ("folders", where.folders),
        ("document_id", where.documents),
    )
    conditions: list[Condition] = [AnyOf(field, tuple(values)) for field, values in fields if values]
    if where.added_after is not None or where.added_before is not None:
        low = where.added_after.timestamp() if where.added_after else None
        high = where.added_before.timestamp() if where.added_before else None
        conditions.append(Between("added_at", low, high))
    return tuple(conditions)
