"""Archives of documents (zip, tar, 7z): unpacked into a folder, or read as one document, within limits.

What is refused as a whole, and which members are documents, is handled by ``packed``. Archives in archives
are unpacked too, up to a depth; one that is damaged stays a file, which fails by itself.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from indexer.errors import ReadError
from indexer.readers import ARCHIVE_SUFFIXES, sniff
from indexer.readers.packed import Member, open_members
from indexer.readers.pieces import MEGABYTE, Facts, Piece, Reading, ReadLimits, Source, refusal, suffix_of

UNSAFE = re.compile(r'[<>:"|?*\x00-\x1f]')
MAX_NAME_BYTES = 180


def expand(
    path: Path, into: Path, limits: ReadLimits | None = None, *, cancelled: Callable[[], bool] | None = None
) -> list[Path]:
    """Unpack the documents of ``path`` (archives in it too) below ``into``, in the worker process.

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
    result = False
    with open_members(source) as members:
        for member in members:
            for item in _read_member(source, member):
                result = result or isinstance(item, Piece)
                yield item
    if not result and source.depth == 0:
        raise refusal(source.name, "holds no document that can be read", "some", "Check what is inside")


def _read_member(source: Source, member: Member) -> Reading:
    """One that cannot be read is a warning; an archive that lies too deep refuses the whole."""
    name = member.name
    if member.size_bytes > source.limits.memory_mb * MEGABYTE // 4:
        yield Facts(
            warning=f"{name} was not read: {member.size_bytes // MEGABYTE} MB are too many in an archive"
        )
        return
    is_archive = suffix_of(name) in ARCHIVE_SUFFIXES
    try:
        data = b"".join(member.read())
        inner = Source(PurePosixPath(name).name, data=data, limits=source.limits, depth=source.depth + 1)
        if is_archive:
            _check_depth(inner)
        for item in sniff.read(inner)[1]:
            if isinstance(item, Piece):
                yield Piece(item.text, item.page, f"{name} {item.section}" if item.section else name)
            elif item.warning:
                yield Facts(warning=f"{name}: {item.warning}")
    except ArchiveTooDeepError:
        raise
    except ReadError as error:
        yield Facts(warning=f"{name} was not read: {error}")


def _unpack(source: Source, into: Path, budget: list[int]) -> Iterator[Path]:
    _check_depth(source)
    with open_members(source) as members:
        for member in members:
            parts = PurePosixPath(member.name).parts
            target = _free(into / Path(*(_portable(part) for part in parts)))
            _spend(source, member, budget)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as copy:
                for part in member.read():
                    copy.write(part)
            if suffix_of(target) not in ARCHIVE_SUFFIXES:
                yield target
                continue
            name = f"{source.name}/{member.name}"
            inner = Source(name, path=target, limits=source.limits, depth=source.depth + 1)
            if _can_be_opened(inner):
                yield from _unpack(inner, target.with_name(_stem(target)), budget)
                target.unlink()
            else:
                yield target


def _spend(source: Source, member: Member, budget: list[int]) -> None:
    budget[0] -= 1
    budget[1] -= member.size_bytes
    if min(budget) < 0:
        raise refusal(
            source.name,
            "unpacks to more than the limit",
            f"{source.limits.max_archive_files} files and {source.limits.max_archive_mb} MB",
            "Split it, or unpack it yourself",
        )


def _can_be_opened(source: Source) -> bool:
    _check_depth(source)
    try:
        with open_members(source) as members:
            next(members, None)
    except ReadError:
        return False
    return True


class ArchiveTooDeepError(ReadError):
    """Raised when an archive lies inside more others than the limit allows."""


def _check_depth(source: Source) -> None:
    if source.depth > source.limits.max_archive_depth:
        message = refusal(
            source.name,
            f"is an archive inside {source.depth} others",
            f"at most {source.limits.max_archive_depth}",
            "Unpack the outer ones yourself",
        )
        raise ArchiveTooDeepError(str(message))


def _portable(part: str) -> str:
    """A file name that every system accepts."""
    name = UNSAFE.sub("_", part)
    suffix = suffix_of(name)
    kept = name[: len(name) - len(suffix)].encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return f"{kept}{name[len(name) - len(suffix) :][:20]}"


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path))]


def _free(target: Path) -> Path:
    """``target``, or ``name (2).txt`` when an earlier member took it."""
    free, number = target, 1
    stem = _stem(target)
    while free.exists():
        number += 1
        free = target.with_name(f"{stem} ({number}){target.name[len(stem) :]}")
    return free
