"""Copies that the library keeps under the hash of their content: uploads, and members of archives."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from indexer.ingest.scan import FoundFile, describe
from indexer.readers import ARCHIVE_SUFFIXES, ReadLimits
from indexer.readers.archive import expand
from indexer.store import DEFAULT_RESERVE_BYTES
from indexer.store.disk import check_reserve

_BLOCK = 1 << 20
_UNFINISHED = "unfinished-"


def hash_file(path: Path) -> str:
    """blake2b of the content, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_archive(path: Path) -> bool:
    """Whether the file is a container of documents, to be unpacked."""
    return path.suffix.lower() in ARCHIVE_SUFFIXES


class KeptFiles:
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
        content_hash = hash_file(file.source)
        target = self._place(content_hash, file.source.suffix.lower())
        if not target.exists():
            check_reserve(self.root, self._reserve_bytes, file.size_bytes)
            unfinished = self._unfinished()
            shutil.copyfile(file.source, unfinished)
            with unfinished.open("rb+") as copy:
                os.fsync(copy.fileno())
            unfinished.replace(target)
        return replace(file, source=target, is_copy=True, mtime_ns=target.stat().st_mtime_ns)

    def unpack(
        self, file: FoundFile, limits: ReadLimits, cancelled: Callable[[], bool] | None = None
    ) -> list[FoundFile]:
        """The documents in an archive, named ``archive.zip/inner/name.txt``; unpacked only once.

        Raises:
            ReadError: the archive is damaged or over a limit.
            DiskFullError: less free disk than the reserve.
        """
        target = self._place(hash_file(file.source), ".d")
        if not target.exists():
            check_reserve(self.root, self._reserve_bytes, file.size_bytes)
            unfinished = self._unfinished()
            try:
                expand(file.source, unfinished, limits, cancelled=cancelled)
                unfinished.replace(target)
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
        return self.root / f"{_UNFINISHED}{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def _unit(self, path: Path) -> Path:
        """The copy, or the unpacked archive that the file belongs to."""
        return self.root.joinpath(*path.relative_to(self.root).parts[:2])

    def _units(self) -> Iterator[Path]:
        for entry in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if entry.name.startswith(_UNFINISHED):
                yield entry
            elif entry.is_dir():
                yield from sorted(entry.iterdir())


def delete(path: Path) -> None:
    """Remove a file, or a folder with what is in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
