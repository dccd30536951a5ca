"""Zip files of documents: unpacked into a folder, or read as one document, within limits.

Refused as a whole: passwords, symbolic links, names that lead out of the folder, and archives over a
limit of count, size, ratio or depth. Members of other formats and hidden files are left out.
"""

import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from indexer.errors import ReadError
from indexer.readers import SUFFIXES, encoding, sniff
from indexer.readers.container import open_container
from indexer.readers.pieces import MEGABYTE, Facts, Piece, Reading, ReadLimits, Source, refusal

UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f]')
MAX_NAME_BYTES = 180
COPY_BYTES = 1 << 18


def expand(
    path: Path, into: Path, limits: ReadLimits | None = None, *, cancelled: Callable[[], bool] | None = None
) -> list[Path]:
    """Unpack the documents of ``path`` (zip files in it too) below ``into``, in the worker process.

    Returns:
        The files written, in the order of the archive; folders inside the archive are kept.

    Raises:
        ReadError: the archive is damaged, encrypted, over a limit, or leads out of ``into``.
    """
    from indexer.readers import worker

    into.mkdir(parents=True, exist_ok=True)
    with worker.borrow(limits or ReadLimits()) as process:
        return process.expand(path, into, cancelled=cancelled)


def unpack(source: Source, into: Path) -> Iterator[Path]:
    """What ``expand`` does, in this process."""
    budget = [source.limits.max_archive_files, source.limits.max_archive_mb * MEGABYTE]
    yield from _unpack(source, into, budget)


def read(source: Source) -> Reading:
    """All documents of an archive as one; the name of each is the start of its sections."""
    yield Facts()
    found = False
    with open_container(source) as archive:
        for name, info in members(source, archive):
            if info.file_size > source.limits.memory_mb * MEGABYTE // 4:
                yield Facts(
                    warning=f"{name} was not read: {info.file_size // MEGABYTE} MB are too many in an archive"
                )
                continue
            inner = Source(
                PurePosixPath(name).name,
                data=archive.read(info),
                limits=source.limits,
                depth=source.depth + 1,
            )
            try:
                if inner.suffix == ".zip":
                    _check_depth(inner)
                for item in sniff.read(inner)[1]:
                    if isinstance(item, Piece):
                        found = True
                        yield Piece(item.text, item.page, f"{name} {item.section}" if item.section else name)
                    elif item.warning:
                        yield Facts(warning=f"{name}: {item.warning}")
            except ReadError as error:
                if inner.suffix == ".zip":
                    raise
                yield Facts(warning=f"{name} was not read: {error}")
    if not found and source.depth == 0:
        raise refusal(source.name, "holds no document that can be read", "some", "Check what is inside")


def members(source: Source, archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Safe relative name and entry of each document in the archive."""
    infos = archive.infolist()
    for info in infos:
        _refuse_escape(source, info)
    for info in infos:
        name = _name(info)
        parts = PurePosixPath(name).parts
        if info.is_dir() or not parts or any(part.startswith((".", "__MACOSX")) for part in parts):
            continue
        if PurePosixPath(name).suffix.lower() in SUFFIXES:
            yield name, info


def _unpack(source: Source, into: Path, budget: list[int]) -> Iterator[Path]:
    _check_depth(source)
    with open_container(source) as archive:
        for name, info in members(source, archive):
            target = _free(into / Path(*(_portable(part) for part in PurePosixPath(name).parts)))
            budget[0] -= 1
            budget[1] -= info.file_size
            if min(budget) < 0:
                raise refusal(
                    source.name,
                    "unpacks to more than the limit",
                    f"{source.limits.max_archive_files} files and {source.limits.max_archive_mb} MB",
                    "Split it, or unpack it yourself",
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as stream, target.open("xb") as copy:
                while part := stream.read(COPY_BYTES):
                    copy.write(part)
            if target.suffix.lower() == ".zip":
                inner = Source(
                    f"{source.name}/{name}", path=target, limits=source.limits, depth=source.depth + 1
                )
                yield from _unpack(inner, target.with_suffix(""), budget)
                target.unlink()
            else:
                yield target


def _check_depth(source: Source) -> None:
    if source.depth > source.limits.max_archive_depth:
        raise refusal(
            source.name,
            f"is an archive inside {source.depth} others",
            f"at most {source.limits.max_archive_depth}",
            "Unpack the outer ones yourself",
        )


def _refuse_escape(source: Source, info: zipfile.ZipInfo) -> None:
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or re.match(r"[A-Za-z]:", name):
        raise refusal(
            source.name,
            f"holds the name {info.filename!r}, which leads out of its folder",
            "relative names",
            "Do not trust this archive",
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise refusal(
            source.name,
            f"holds the symbolic link {info.filename!r}",
            "plain files",
            "Pack the files themselves",
        )


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name; names not marked as UTF-8 are in the code page of whoever packed them."""
    name = info.filename.replace("\\", "/")
    if info.flag_bits & 0x800 or name.isascii():
        return name
    return encoding.decode(name.encode("cp437"))[0]


def _portable(part: str) -> str:
    """A file name that every system accepts."""
    stem, dot, suffix = UNSAFE.sub("_", part).rpartition(".")
    kept = stem.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return f"{kept}{dot}{suffix[:20]}"


def _free(target: Path) -> Path:
    """``target``, or ``name (2).txt`` when an earlier member took it."""
    free, number = target, 1
    while free.exists():
        number += 1
        free = target.with_name(f"{target.stem} ({number}){target.suffix}")
    return free
