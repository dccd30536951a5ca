"""Arrays in files whose whole space is reserved before the first value is written.

A page of a memory map gets its place on the disk when it is written. Where none is left, the system ends the
process (SIGBUS), and no message can be given; so the place is taken first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from me5.errors import DiskSpaceError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNSUPPORTED = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)
_PIECE = 1 << 20


def open_array(path: Path, mode: Literal["w+", "r+"], dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray:
    """A writable memory map of a ``.npy`` file, new and zero (``w+``) or as it is (``r+``).

    Raises:
        DiskSpaceError: the disk has no room for all of it. A new file is removed, an old one is as it was.
        OSError, ValueError: an old file is not there, or is not of this type and shape.
    """
    with explain_full_disk(path.parent):
        if mode == "w+":
            try:
                with path.open("wb+") as file:
                    described = np.lib.format.header_data_from_array_1_0(np.empty(0, dtype))
                    np.lib.format.write_array_header_1_0(file, {**described, "shape": shape})
                    size = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
                    reserve(file, file.tell() + size)
            except OSError:
                path.unlink(missing_ok=True)
                raise
        else:
            with path.open("rb+") as file:
                reserve(file, path.stat().st_size)
        array: NDArray = np.load(path, mmap_mode="r+")
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise ValueError(f"{path} holds {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
    return array


def reserve(file: IO[bytes], size_bytes: int) -> None:
    """Give a file of at most ``size_bytes`` all its space; what is in it stays, the rest is zero.

    Raises:
        OSError: there is not so much.
    """
    file.flush()
    if size_bytes == 0:
        return
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    _write_through(file, size_bytes)


def _write_through(file: IO[bytes], size_bytes: int) -> None:
    """Write every byte once, where the system cannot reserve: holes get their place by that."""
    for start in range(0, size_bytes, _PIECE):
        length = min(_PIECE, size_bytes - start)
        file.seek(start)
        piece = file.read(length)
        file.seek(start)
        file.write(piece.ljust(length, b"\0"))
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Say in words that a disk is full.

    Raises:
        DiskSpaceError: instead of the error of the system.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise DiskSpaceError(
            f"The disk of {folder} is full ({error.strerror}). What was finished before is kept. Free some "
            "space and start it again to resume."
        ) from error
