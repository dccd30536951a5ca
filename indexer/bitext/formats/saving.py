"""What is said when a file of pairs cannot be written; how it is written, ``me5.atomic`` knows."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import DiskFullError, ExportError
from me5 import atomic

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def replacing(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Empty files to write to, which take the places of ``paths`` when the block ends without an error.

    Raises:
        ExportError: nothing can be written there.
        DiskFullError: the disk filled up. Old files are as they were in both cases.
    """
    is_begun = False
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing_all(paths) as asides:
            is_begun = True
            yield asides
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"The disk filled up while writing {paths[0].name}; expected room for the whole file. "
                "Nothing was changed. Free some space, or write to another disk."
            ) from error
        if is_begun:
            raise
        raise ExportError(
            f"{paths[0]} cannot be written ({error.strerror or error}); expected a file in a folder "
            "that may be written to. Choose another place."
        ) from error
