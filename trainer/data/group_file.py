"""Query groups by number, read from the disk when they are asked for: 8 bytes of memory for each."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path

from trainer.data.groups import QueryGroup, parse_group
from trainer.errors import DataError


class GroupFile:
    """The groups of one or several files, every line checked when it opens.

    Args:
        paths: files of query groups, see ``trainer.data.groups``.

    Raises:
        DataError: a file is missing or empty, or a line is no group.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._paths = [Path(path).expanduser() for path in paths]
        self._first: list[int] = []  # number of the first group of each file
        self._starts = array("q")
        self._has_negatives = bytearray()
        self._hashes = array("Q")
        for path in self._paths:
            self._first.append(len(self._starts))
            self._scan(path)
            if len(self._starts) == self._first[-1]:
                raise DataError(f"{path} has no query groups. Expected one per line. Check what wrote it.")

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> QueryGroup:
        path = self._paths[bisect_right(self._first, number) - 1]
        try:
            with path.open("rb") as stream:
                stream.seek(self._starts[number])
                line = stream.readline().decode("utf8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} cannot be read any more ({error}). Expected it unchanged during the run. Resume."
            ) from error
        return parse_group(line, f"{path}, byte {self._starts[number]}")

    def with_negatives(self) -> list[int]:
        """Numbers of the groups that have a negative."""
        return [number for number, has in enumerate(self._has_negatives) if has]

    def is_held_out(self, number: int, one_in: int) -> bool:
        """True for one query in so many, chosen by its SHA-1, so always the same; 0 holds none out."""
        return one_in > 0 and self._hashes[number] % one_in == 0

    def _scan(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"{path} does not exist; expected a file of query groups. Check the path.")
        start = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    group = parse_group(_decoded(line, path, number), f"{path}, line {number}")
                    self._starts.append(start)
                    self._has_negatives.append(bool(group.negatives))
                    digest = sha1(group.query.encode("utf8", "surrogatepass"), usedforsecurity=False).digest()
                    self._hashes.append(int.from_bytes(digest[:8], "big"))
                start += len(line)


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number} is not UTF-8 ({error}). Expected UTF-8. Convert the file."
        ) from error
