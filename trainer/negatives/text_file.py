"""Texts on disk, read by number, so that mining holds vectors and numbers in memory and no text."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from types import TracebackType
from typing import Self

from trainer.errors import TrainingError


class TextFile:
    """Rows of short strings; 8 bytes of memory for each. The file lives as long as the ``with`` block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("w+b")
        except OSError as error:
            raise disk_error(path, error) from error
        self._starts = array("q")
        self._end = 0  # where the next row goes
        self._at_end = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, *fields: str) -> None:
        """Add a row.

        Raises:
            TrainingError: the disk is full or cannot be written.
        """
        line = json.dumps(fields, ensure_ascii=False).encode("utf8", "surrogatepass") + b"\n"
        try:
            if not self._at_end:
                self._stream.seek(self._end)
                self._at_end = True
            self._stream.write(line)
        except OSError as error:
            raise disk_error(self._path, error) from error
        self._starts.append(self._end)
        self._end += len(line)

    def __getitem__(self, number: int) -> list[str]:
        try:
            self._at_end = False
            self._stream.seek(self._starts[number])
            line = self._stream.readline()
        except OSError as error:  # what was buffered is written first
            raise disk_error(self._path, error) from error
        row: list[str] = json.loads(line.decode("utf8", "surrogatepass"))
        return row


def disk_error(path: Path, error: OSError) -> TrainingError:
    """The error of a file that cannot be written."""
    return TrainingError(
        f"{path} cannot be written ({error}). Expected a folder with free space. Make room and run again: "
        "what is finished is not done twice."
    )
