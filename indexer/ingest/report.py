"""What an ingest did, as numbers and in words."""

from dataclasses import dataclass, fields

KEPT = "kept though their files are gone"
"""Stands in the summary of an ingest that leaves a question to a person."""


@dataclass(frozen=True)
class AddReport:
    """What an ingest did. Numbers count documents; ``chunks`` counts the passages that were indexed.

    ``failures`` holds (path, reason); ``skipped`` counts files of formats that no reader knows; ``warned``
    counts documents whose reader had to leave something out or to guess. ``kept`` holds (folder, count) of
    documents that stay without files: the folder lost most of its files at once.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    renamed: int = 0
    removed: int = 0
    skipped: int = 0
    warned: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failures: tuple[tuple[str, str], ...] = ()
    kept: tuple[tuple[str, int], ...] = ()

    @property
    def kept_count(self) -> int:
        """How many documents were kept although their files are gone."""
        return sum(count for _, count in self.kept)


def joined(one: AddReport, other: AddReport) -> AddReport:
    """The report of both."""
    names = [field.name for field in fields(AddReport)]
    return AddReport(**{name: getattr(one, name) + getattr(other, name) for name in names})


def summary(report: AddReport) -> str:
    """A report in a line for people."""
    parts = [
        (report.added, "added"),
        (report.changed, "changed"),
        (report.renamed, "renamed"),
        (report.removed, "removed"),
        (report.unchanged, "unchanged"),
        (len(report.failures), "failed"),
        (report.warned, "with warnings"),
        (report.kept_count, KEPT),
    ]
    words = [f"{count} {word}" for count, word in parts if count]
    return ", ".join(words) if words else "nothing to do"
