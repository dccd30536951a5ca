"""Paths that a person names, to the files that ingest works on.

Folders are walked in a fixed order. Hidden files, lock files of office programs, links to folders and
formats that no reader knows are left out; a file that is named itself is always taken, so that what is
wrong with it is said. Only regular files are opened: a pipe or a device may never end.
"""

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from indexer.readers import SUFFIXES, suffix_of


@dataclass(frozen=True)
class FoundFile:
    """A file to index.

    Attributes:
        path: the name people see, as it was given, with forward slashes.
        source: absolute location of the bytes.
        is_copy: the bytes are a copy of ours, so that only ``path`` tells documents apart.
        archive: for a member of an archive, the ``path`` of that archive.
    """

    path: str
    source: Path
    size_bytes: int
    mtime_ns: int
    is_copy: bool = False
    archive: str | None = None


@dataclass(frozen=True)
class Scan:
    """What was found.

    Attributes:
        files: in a fixed order, each location once.
        problems: (path, reason) of what cannot be indexed.
        folders: absolute folders that were walked completely; what is missing there is gone.
        skipped: files of formats that no reader knows.
    """

    files: list[FoundFile]
    problems: list[tuple[str, str]]
    folders: list[Path]
    skipped: int


def as_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """One path or several; a string is one: its letters, "/" among them, must not be taken for paths."""
    return [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def scan(paths: Sequence[Path], *, leave_out: Sequence[Path] = ()) -> Scan:
    """Find the files below ``paths``.

    Args:
        paths: files and folders, relative ones to the current folder.
        leave_out: folders that are never walked, such as the data folder.
    """
    result = Scan([], [], [], 0)
    hidden = {path.absolute() for path in leave_out}
    seen: set[Path] = set()
    skipped = 0
    for path in map(Path, paths):
        if os.path.isdir(path):  # noqa: PTH112 - the other one raises for a name that is too long
            files, problems, other = _walk(path, hidden)
            skipped += other
            result.problems.extend(problems)
            if not problems:
                result.folders.append(path.absolute())
        elif os.path.lexists(path):
            files = [path]
        else:
            files = []
            reason = f"{path} does not exist. Expected a file or a folder. Check the spelling."
            result.problems.append((path.as_posix(), reason))
        for file in files:
            absolute = Path(os.path.abspath(file))  # noqa: PTH100 - removes ".." without following links
            if absolute in seen:
                continue
            seen.add(absolute)
            try:
                result.files.append(describe(file, absolute))
            except OSError as error:
                result.problems.append((str(file), f"{file} cannot be opened: {error.strerror}."))
            except UnicodeEncodeError:
                shown = os.fsencode(file).decode("utf-8", "replace")
                reason = f"The name {shown!r} is not valid Unicode. Expected a UTF-8 name. Rename the file."
                result.problems.append((shown, reason))
    return replace(result, skipped=skipped)


def describe(path: Path, source: Path, *, is_copy: bool = False, archive: str | None = None) -> FoundFile:
    """A file with its size and time.

    Raises:
        OSError: it cannot be examined.
        UnicodeEncodeError: its name is not text.
    """
    str(path).encode()
    status = source.stat()
    _require_regular(status, source)
    return FoundFile(path.as_posix(), source, status.st_size, status.st_mtime_ns, is_copy, archive)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; what has become something else since the scan is refused, and not waited for.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _require_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    kind = next((name for is_kind, name in kinds if is_kind(status.st_mode)), "something else")
    raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def expanded(path: Path | str) -> Path:
    """``path`` with its ``~`` replaced where that names somebody."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - the other one raises for an unknown name


def is_missing(path: Path) -> bool:
    """Whether nothing is at ``path``, as far as can be told: a place that cannot be looked at may hold it.

    A link is there even when what it leads to is not.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _walk(folder: Path, leave_out: set[Path]) -> tuple[list[Path], list[tuple[str, str]], int]:
    files: list[Path] = []
    problems: list[tuple[str, str]] = []
    skipped = 0

    def note(error: OSError) -> None:
        problems.append((str(error.filename), f"{error.filename} cannot be opened: {error.strerror}."))

    for place, folders, names in os.walk(folder, onerror=note):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (here / name).absolute() not in leave_out
        )
        for name in sorted(names):
            if name.startswith((".", "~$")):
                continue
            if suffix_of(name) in SUFFIXES:
                files.append(here / name)
            else:
                skipped += 1
    return files, problems, skipped
