"""Vectors of many texts on disk: encoded once per model contract and texts, gone on with after a kill.

A file of vectors is named by the model contract, the role and the texts, so that another model or another
text never meets old vectors. It is written from the front in blocks of fixed size: what a killed run leaves
is a number of whole blocks, and encoding the rest gives the same vectors as one run would have.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import Encoder, Me5Error, Role, atomic, load_encoder
from trainer.errors import ConfigError, TrainingError
from trainer.negatives.text_file import disk_error

logger = logging.getLogger(__name__)

BLOCK_TEXTS = 4_096
"""Texts encoded at a time; also the window in which the encoder sorts texts by length."""

TextBlock = Callable[[int, int], tuple[Sequence[str], Sequence[str] | None]]
"""Texts, and titles if there are any, of the rows from ``start`` up to ``stop``."""


class RowFile:
    """Rows of numbers on disk, written from the front in blocks.

    Args:
        path: of the file; an unfinished one is gone on with.
        rows: how many there will be.
        width: numbers in a row.
        dtype: of a number.
        block: rows in a block; of an unfinished file only whole blocks are kept.
    """

    def __init__(self, path: Path, *, rows: int, width: int, dtype: Any, block: int = 1) -> None:
        self._path, self._rows, self.width = path, rows, width
        self._dtype = np.dtype(dtype)
        self._row_bytes = width * self._dtype.itemsize
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            result = path.stat().st_size // self._row_bytes
        except OSError as error:
            raise disk_error(path, error) from error
        self.done = 0
        self.keep(rows if result >= rows else result - result % block)

    def keep(self, rows: int) -> None:
        """Forget what is behind the first ``rows`` rows."""
        try:
            os.truncate(self._path, rows * self._row_bytes)
        except OSError as error:
            raise disk_error(self._path, error) from error
        self.done = rows

    def append(self, values: NDArray[Any]) -> None:
        """Add rows; they are on the disk when this returns.

        Raises:
            TrainingError: the disk is full or cannot be written; what was there stays.
        """
        assert values.shape[1:] == (self.width,) and self.done + len(values) <= self._rows
        try:
            with self._path.open("ab") as stream:
                stream.write(np.ascontiguousarray(values, dtype=self._dtype).tobytes())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise disk_error(self._path, error) from error
        self.done += len(values)

    def read(self) -> NDArray[Any]:
        """All rows that are done, [done, width], as a map of the file that memory need not hold."""
        shape = (self.done, self.width)
        return np.memmap(self._path, self._dtype, "r", shape=shape) if self.done else np.empty(shape)


def cached_vectors(
    encoder: Encoder,
    block: TextBlock,
    keys: NDArray[np.int64],
    *,
    role: Role,
    folder: Path,
    instruction: str | None = None,
) -> NDArray[np.float32]:
    """The vectors of texts, encoded or found on disk.

    Args:
        encoder: the model.
        block: gives texts and titles.
        keys: one number per text that changes with its text or title; they name the file.
        role: of all texts.
        folder: where the file is.
        instruction: for queries of models that take one.

    Returns:
        [N, D] float32 as a map of the file; do not write into it.
    """
    name = content_name(
        encoder.contract.digest, encoder.runtime.precision, str(role), instruction or "", keys
    )
    rows = RowFile(
        folder / f"vectors-{role}-{name}.f32",
        rows=len(keys),
        width=encoder.dimension,
        dtype=np.float32,
        block=BLOCK_TEXTS,
    )
    missing = len(keys) - rows.done
    require_space(folder, missing * encoder.dimension * 4)
    logger.info("%s vectors: %d to encode, %d found on disk", role, missing, rows.done)
    progress = Progress(f"{role} texts encoded", missing)
    while rows.done < len(keys):
        stop = min(rows.done + BLOCK_TEXTS, len(keys))
        texts, titles = block(rows.done, stop)
        vectors = encoder.encode(texts, role, titles=titles, instruction=instruction)
        progress.add(len(vectors))
        rows.append(vectors)
    return rows.read()


class Progress:
    """Tells the log how far long work has come, at most every ten seconds."""

    def __init__(self, what: str, total: int, every_s: float = 10.0) -> None:
        self._what, self._total, self._every_s = what, total, every_s
        self._done = 0
        self._started = self._told = time.monotonic()

    def add(self, count: int) -> None:
        """Count finished items."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= self._every_s or self._done >= self._total:
            self._told = now
            rate = self._done / max(now - self._started, 1e-9)
            logger.info(
                "%d of %d %s, %.0f a second, %.0f s left",
                self._done,
                self._total,
                self._what,
                rate,
                max(self._total - self._done, 0) / rate,
            )


def open_encoder(
    name: str, *, device: str = "auto", precision: str = "auto", neutral: bool = False
) -> Encoder:
    """A model by registry name, folder or hub id; ``neutral`` takes the language out of its vectors.

    Raises:
        ConfigError: it cannot be found or opened.
    """
    try:
        return load_encoder(name, device=device, precision=precision, neutral=neutral)
    except Me5Error as error:
        raise ConfigError(f"model {name!r} cannot be opened: {error}") from error


def content_name(*parts: str | NDArray[Any]) -> str:
    """24 hexadecimal digits that change with any part."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        data = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values at once.

    Raises:
        TrainingError: the disk is full or cannot be written; an older file of that name stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps(values, ensure_ascii=False, indent=1))
    except OSError as error:
        raise disk_error(path, error) from error


def require_space(folder: Path, size_bytes: int) -> None:
    """Stop before work whose result would not fit on the disk.

    Raises:
        TrainingError: less than ``size_bytes`` are free.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise TrainingError(
            f"{folder} has {free_bytes / 1e9:.1f} GB free, the vectors need {size_bytes / 1e9:.1f} GB. "
            "Make room, or name a folder on another disk with cache=FOLDER."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of a cache folder; the lock goes with the process, also when it is killed.

    Raises:
        TrainingError: another run works there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise TrainingError(
            f"Another run is working in {folder}. Expected a folder of its own. Wait for the other run, or "
            "name another folder with cache=FOLDER."
        ) from error
    except OSError as error:
        raise disk_error(folder, error) from error
    try:
        atomic.remove_leftovers(folder)
        yield
    finally:
        lock.release()
