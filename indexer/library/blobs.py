"""Copies that the library keeps under the hash of their content: uploads, and members of archives."""

import errno
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import Cancelled
from indexer.ingest.scan import FoundFile, describe, open_regular
from indexer.readers import ARCHIVE_SUFFIXES, ReadLimits
from indexer.readers.archive import expand
from indexer.store import DEFAULT_RESERVE_BYTES
from indexer.store.disk import check_reserve
from me5 import atomic

if TYPE_CHECKING:
    from indexer.catalog import Catalog

_BLOCK = 1 << 20
_POLL_S = 0.2
SILENT_S = 120.0
"""A file that gives no megabyte for so long, as on a network drive that is gone, is given up."""


def hash_file(path: Path, *, cancelled: Callable[[], bool] | None = None) -> str:
    """blake2b of the content, 32 hexadecimal digits.

    Raises:
        OSError: it cannot be read, is no regular file, or does not answer.
        Cancelled: ``cancelled`` said so.
    """
    hashing = _Hashing(path)
    hashing.start()
    seen, since = 0, time.monotonic()
    while True:
        hashing.join(_POLL_S)
        if not hashing.is_alive():
            break
        now = time.monotonic()
        if hashing.blocks > seen:
            seen, since = hashing.blocks, now
        is_silent = now - since > SILENT_S
        hashing.is_unwanted = is_silent or (cancelled is not None and cancelled())
        if is_silent:
            raise OSError(errno.ETIMEDOUT, f"it has not answered for {SILENT_S:.0f} s", str(path))
        if hashing.is_unwanted:
            raise Cancelled(f"Reading {path} was cancelled. Start it again to resume.")
    if hashing.error is not None:
        raise hashing.error
    return hashing.digest.hexdigest()


class _Hashing(threading.Thread):
    """Reads a file in a thread of its own: nothing else gets away from a read that does not return."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="hashing", daemon=True)
        self._path = path
        self.digest = hashlib.blake2b(digest_size=16)
        self.blocks = 0
        self.error: OSError | None = None
        self.is_unwanted = False

    def run(self) -> None:
        try:
            with open_regular(self._path) as file:
                while not self.is_unwanted and (block := file.read(_BLOCK)):
                    self.digest.update(block)
                    self.blocks += 1
        except OSError as error:
            self.error = error


def needed_copies(catalog: "Catalog", *, except_job: str = "") -> set[str]:
    """The locations that documents were read from, and those that jobs, but for one, have still to read."""
    waiting = catalog.jobs.active_params(except_job=except_job)
    return catalog.documents.sources() | {
        source for params in waiting for _, source in params.get("copies", ())
    }


def is_archive(path: Path) -> bool:
    """Whether the file is a container of documents, to be unpacked."""
    return path.suffix.lower() in ARCHIVE_SUFFIXES


class BlobStore:
    """``data_dir/files``: ``ab/abcd….pdf`` for a copy, ``ab/abcd….d/`` for an unpacked archive."""

    def __init__(self, root: Path, reserve_bytes: int = DEFAULT_RESERVE_BYTES) -> None:
        self.root = root.absolute()
        self._reserve_bytes = reserve_bytes

    def keep(self, file: FoundFile) -> FoundFile:
        """Copy a file into the folder; the copy appears only when it is complete.

        Raises:
            DiskFullError: less free disk than the reserve.
            OSError: it cannot be read or written.
        """
        target = self._place(hash_file(file.source), file.source.suffix.lower())
        if not target.exists():
            check_reserve(self.root, self._reserve_bytes, file.size_bytes)
            unfinished = self._unfinished()
            try:
                digest = _copy(file.source, unfinished)
                target = self._place(digest, target.suffix)  # the file may have changed meanwhile
                atomic.move_file(unfinished, target)
            finally:
                unfinished.unlink(missing_ok=True)
        return replace(file, source=target, is_copy=True, mtime_ns=target.stat().st_mtime_ns)

    def unpack(
        self, file: FoundFile, limits: ReadLimits, cancelled: Callable[[], bool] | None = None
    ) -> list[FoundFile]:
        """The documents in an archive, named ``archive.zip/inner/name.txt``; unpacked only once.

        Raises:
            ReadError: the archive is damaged or over a limit.
            DiskFullError: less free disk than the reserve.
        """
        target = self._place(hash_file(file.source, cancelled=cancelled), ".d")
        if not target.exists():
            check_reserve(self.root, self._reserve_bytes, file.size_bytes)
            unfinished = self._unfinished()
            try:
                expand(file.source, unfinished, limits, cancelled=cancelled)
                atomic.move_folder(unfinished, target, durable=False)  # thousands of files
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        members = sorted(path for path in target.rglob("*") if path.is_file())
        return [
            describe(Path(file.path) / member.relative_to(target), member, is_copy=True, archive=file.path)
            for member in members
        ]

    def owns(self, path: Path) -> bool:
        """Whether the file lies in this folder."""
        return path.is_relative_to(self.root)

    def orphans(self, used: Collection[str]) -> list[Path]:
        """Copies, unpacked archives and remains of interrupted copies that none of ``used`` needs."""
        needed = {self._unit(Path(path)) for path in used if self.owns(Path(path))}
        return [unit for unit in self._units() if unit not in needed]

    def release(self, candidates: Collection[str], used: Collection[str]) -> None:
        """Delete the copies among ``candidates`` that none of ``used`` needs."""
        needed = {self._unit(Path(path)) for path in used if self.owns(Path(path))}
        for unit in {self._unit(Path(path)) for path in candidates if self.owns(Path(path))} - needed:
            delete(unit)

    def _place(self, content_hash: str, suffix: str) -> Path:
        folder = self.root / content_hash[:2]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{content_hash}{suffix}"

    def _unfinished(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        return atomic.name_aside(self.root / "unfinished")

    def _unit(self, path: Path) -> Path:
        """The copy, or the unpacked archive that the file belongs to."""
        return self.root.joinpath(*path.relative_to(self.root).parts[:2])

    def _units(self) -> Iterator[Path]:
        for entry in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if atomic.is_aside(entry):
                yield entry
            elif entry.is_dir():
                yield from sorted(entry.iterdir())


def _copy(source: Path, target: Path) -> str:
    """Copy a file to the disk, safely; the hash of what was copied, as of ``hash_file``."""
    digest = hashlib.blake2b(digest_size=16)
    with open_regular(source) as original, target.open("wb") as copy:
        while block := original.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def delete(path: Path) -> None:
    """Remove a file, or a folder with what is in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
