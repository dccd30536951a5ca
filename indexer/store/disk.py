"""The disk reserve: a full disk kills the embedded engine, so writing stops well before."""

import shutil
from pathlib import Path

from indexer.errors import DiskFullError

DEFAULT_RESERVE_BYTES = 2 * 1024**3


def check_reserve(folder: Path, reserve_bytes: int, needed_bytes: int = 0) -> None:
    """Refuse to write when less than the reserve would stay free.

    Args:
        folder: an existing folder on the disk in question.
        reserve_bytes: what has to stay free.
        needed_bytes: what is about to be written, roughly.

    Raises:
        DiskFullError: nothing has been written.
    """
    free = shutil.disk_usage(folder).free
    if free - needed_bytes < reserve_bytes:
        raise DiskFullError(
            f"{_gib(free)} are free on the disk of {folder}; expected at least {_gib(reserve_bytes)} "
            f"besides the {_gib(needed_bytes)} to be written. Nothing was changed. "
            "Free some space, or move the data folder with --data."
        )


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.2f} GiB"
