"""Which documents this process may read, where several read into one collection."""

from collections.abc import Sequence
from typing import Protocol


class Claims(Protocol):
    """Claims on documents; a document is read by the process that has claimed it."""

    @property
    def host(self) -> str | None:
        """Id of this machine, where several share the catalog."""
        ...

    def claim(self, document_ids: Sequence[str]) -> set[str]:
        """Claim documents; the ids of those that another process reads."""
        ...

    def release(self, document_ids: Sequence[str]) -> None:
        """Give up claims."""
        ...


class Unclaimed:
    """Of a process that is alone."""

    host: str | None = None

    def claim(self, document_ids: Sequence[str]) -> set[str]:
        """Everything may be read."""
        return set()

    def release(self, document_ids: Sequence[str]) -> None:
        """Nothing is kept."""
