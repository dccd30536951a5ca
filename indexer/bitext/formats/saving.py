"""Writing aside, then renaming: a reader finds the old file or the new one, never half of one."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexer.errors import DiskFullError, ExportError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def replacing(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Empty files to write to, which take the places of ``paths`` when the block ends without an error.

    Raises:
        ExportError: nothing can be written there.
        DiskFullError: the disk filled up. Old files are as they were in both cases.
    """
    mark = f".{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    asides = tuple(path.with_name(path.name + mark) for path in paths)
    try:
        _prepare(paths, asides)
        yield asides
        for aside in asides:
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
        for path, aside in zip(paths, asides, strict=True):
            aside.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"The disk filled up while writing {paths[0].name}; expected room for the whole file. "
                "Nothing was changed. Free some space, or write to another disk."
            ) from error
        raise
    finally:
        for aside in asides:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def _prepare(paths: tuple[Path, ...], asides: tuple[Path, ...]) -> None:
    try:
        for path, aside in zip(paths, asides, strict=True):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.touch()
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise ExportError(
            f"{paths[0]} cannot be written ({error.strerror or error}); expected a file in a folder "
            "that may be written to. Choose another place."
        ) from error
