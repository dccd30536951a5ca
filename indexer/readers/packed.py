"""Archives as a list of documents in them: zip, tar (also packed with gzip, bzip2 or xz), and 7z.

Refused as a whole: passwords, names that lead out of the folder, and archives over a limit of count, size or
ratio. Links and devices in a tar file are left out. The 7z format needs the package py7zr, if it is there.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from indexer.readers import SUFFIXES, encoding, seven_zip
from indexer.readers.container import SMALL_BYTES, open_container
from indexer.readers.pieces import MEGABYTE, Source, refusal, suffix_of

SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
PACKINGS: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
DAMAGE = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Member:
    """A document in an archive. ``read`` gives its bytes in parts; ask for them before the next member."""

    name: str
    size_bytes: int
    read: Callable[[], Iterator[bytes]]


@contextmanager
def open_members(source: Source) -> Iterator[Iterator[Member]]:
    """The documents of an archive, in its order; it is checked as a whole before.

    Raises:
        ReadError: it is damaged, encrypted, over a limit, or holds a name that leads out of its folder.
    """
    head = source.head()
    if head.startswith(SEVEN_ZIP):
        yield _seven_zip_members(source)
    elif head.startswith(b"PK") or (source.suffix == ".zip" and not is_tar(source, head)):
        with open_container(source) as archive:
            yield iter(list(_zip_members(source, archive)))
    else:
        _check_tar(source)
        yield _tar_members(source)


def is_tar(source: Source, head: bytes) -> bool:
    """Whether the first bytes, unpacked if needed, are those of a tar file."""
    with source.open() as stream:
        try:
            start = _unpacked(stream, head).read(tarfile.BLOCKSIZE)
            return len(start) == tarfile.BLOCKSIZE and bool(
                tarfile.TarInfo.frombuf(start, "utf-8", "replace")
            )
        except DAMAGE:
            return False


def _is_document(name: str) -> bool:
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return bool(parts) and not is_hidden and suffix_of(name) in SUFFIXES


def _refuse_escape(source: Source, name: str) -> None:
    path = name.replace("\\", "/")
    if path.startswith("/") or ".." in PurePosixPath(path).parts or re.match(r"[A-Za-z]:", path):
        raise refusal(
            source.name,
            f"holds the name {name!r}, which leads out of its folder",
            "relative names",
            "Do not trust this archive",
        )


class _Budget:
    """Count and size of what an archive holds, against the limits."""

    def __init__(self, source: Source) -> None:
        self._source, self._count, self._size_bytes = source, 0, 0

    def spend(self, name: str, size_bytes: int) -> None:
        limits = self._source.limits
        _refuse_escape(self._source, name)
        self._count += 1
        if self._count > limits.max_archive_files:
            self._refuse(f"holds more than {limits.max_archive_files} files", "fewer")
        self._size_bytes += size_bytes
        self.check_size(self._size_bytes)

    def check_size(self, size_bytes: int) -> None:
        limits = self._source.limits
        if size_bytes > limits.max_archive_mb * MEGABYTE:
            self._refuse(f"unpacks to more than {limits.max_archive_mb} MB", "less")
        if size_bytes > max(SMALL_BYTES, limits.max_archive_ratio * self._source.size_bytes):
            self._refuse(f"unpacks to more than {limits.max_archive_ratio:.0f} times its size", "less")

    def _refuse(self, seen: str, expected: str) -> None:
        raise refusal(self._source.name, seen, expected, "Split it, or unpack it yourself")


# zip


def _zip_members(source: Source, archive: zipfile.ZipFile) -> Iterator[Member]:
    infos = archive.infolist()
    for info in infos:
        _refuse_escape(source, info.filename)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise refusal(
                source.name,
                f"holds the symbolic link {info.filename!r}",
                "plain files",
                "Pack the files themselves",
            )
    for info in infos:
        name = _zip_name(info)
        if not info.is_dir() and _is_document(name):
            yield Member(name, info.file_size, lambda info=info: _parts(archive.open(info)))  # type: ignore[misc]


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; names not marked as UTF-8 are in the code page of whoever packed them."""
    name = info.filename.replace("\\", "/")
    if info.flag_bits & 0x800 or name.isascii():
        return name
    return encoding.decode(name.encode("cp437"))[0]


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while part := stream.read(1 << 18):
            yield part


# tar


class _Header(tarfile.TarInfo):
    """A header of a tar file. A damaged one is an error, and not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Bounded(io.RawIOBase):
    """A stream of which no more is unpacked than the limits of archives allow."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget, self._count = stream, budget, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._count += len(data)
        self._budget.check_size(self._count)
        return data


def _unpacked(stream: IO[bytes], head: bytes) -> IO[bytes]:
    for magic, opener in PACKINGS:
        if head.startswith(magic):
            return opener(stream)
    return stream


@contextmanager
def _open_tar(source: Source, budget: _Budget) -> Iterator[tarfile.TarFile]:
    try:
        with source.open() as stream:
            bounded = _Bounded(_unpacked(stream, source.head()), budget)
            with tarfile.open(
                fileobj=bounded, mode="r|", tarinfo=_Header, errors="surrogateescape"
            ) as archive:
                yield archive
    except DAMAGE as error:
        raise refusal(
            source.name,
            f"is damaged ({type(error).__name__}: {error})",
            "a whole tar file",
            "Copy or save it again",
        ) from error


def _check_tar(source: Source) -> None:
    """Read over all of the archive, so that nothing of a bad one is unpacked."""
    budget = _Budget(source)
    with _open_tar(source, budget) as archive:
        for info in archive:
            budget.spend(info.name, info.size)


def _tar_members(source: Source) -> Iterator[Member]:
    with _open_tar(source, _Budget(source)) as archive:
        for info in archive:
            name = _tar_name(info.name)
            if info.isreg() and _is_document(name):
                yield Member(name, info.size, lambda info=info: _tar_parts(archive, info))  # type: ignore[misc]


def _tar_name(name: str) -> str:
    """The name; one that is not UTF-8 is in the encoding of whoever packed it."""
    raw = name.encode("utf-8", "surrogateescape")
    return PurePosixPath(encoding.decode(raw)[0]).as_posix()


def _tar_parts(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    stream = archive.extractfile(info)
    assert stream is not None
    return _parts(stream)


# 7z


def _seven_zip_members(source: Source) -> Iterator[Member]:
    result = seven_zip.members(source, _Budget(source).spend, _is_document)
    yield from (Member(*member) for member in result)
