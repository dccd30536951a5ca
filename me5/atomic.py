"""Write aside, flush to the disk, rename: whoever reads finds the old content or the new, never half of it.

What is being written stands beside its place as ``.NAME.PID-RANDOM.part``. An error removes it, as Ctrl+C
does; a kill or a power cut leaves it, and :func:`remove_leftovers` is for whoever owns the folder. Folders
that files go to are not made here. Two writers of one place do not disturb each other: the last one wins.
"""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SUFFIX = ".part"
IDLE_S = 24 * 3600.0
"""A leftover that was not written to for so long is nobody's, also where several processes write."""

_LEFTOVER = re.compile(rf"\..*\.\d+-[0-9a-f]{{8}}{re.escape(SUFFIX)}", re.DOTALL)
_MAX_LABEL_BYTES = 180  # names may have 255
_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST)
_NO_FLUSH = (
    errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EBADF,
)  # fmt: skip
"""What file systems of other machines answer that cannot be told to flush."""


def write(path: Path, content: str | bytes, *, mode: int | None = None, durable: bool = True) -> None:
    """Replace a file at once.

    Args:
        path: the file; it need not exist, its folder must.
        content: all of it; text is written as UTF-8, with the line ends it has.
        mode: permissions, such as 0o600; None for those of the file that is replaced, or the usual ones.
        durable: wait until it is on the disk. Without, a power cut may leave an empty file.

    Raises:
        OSError: it cannot be written; an old file is as it was.
    """
    with replacing(path, mode=mode, durable=durable) as aside:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, *, mode: int | None = None, durable: bool = True) -> Iterator[Path]:
    """An empty file to write to, which takes the place of ``path`` when the block ends without an error.

    Args and errors as of :func:`write`.
    """
    with replacing_all((path,), mode=mode, durable=durable) as (aside,):
        yield aside


@contextmanager
def replacing_all(
    paths: Sequence[Path], *, mode: int | None = None, durable: bool = True
) -> Iterator[tuple[Path, ...]]:
    """As :func:`replacing` for files that belong together: no one is replaced before all are on the disk."""
    asides = tuple(map(name_aside, paths))
    for path in paths if durable else ():
        remove_leftovers_of(path, idle_s=IDLE_S)
    try:
        modes = [_create(path, aside, mode) for path, aside in zip(paths, asides, strict=True)]
        yield asides
        for aside, wanted in zip(asides, modes, strict=True):
            if wanted is not None:
                with suppress(OSError):  # file systems without permissions
                    aside.chmod(wanted)
            if durable:
                _flush(aside)
        for path, aside in zip(paths, asides, strict=True):
            aside.replace(path)
        for folder in {path.parent for path in paths} if durable else ():
            _flush_names(folder)
    finally:
        for aside in asides:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, *, exist_ok: bool = False, durable: bool = True) -> Iterator[Path]:
    """A folder of the same name to fill, which takes the place of ``path`` when the block ends.

    Args:
        path: of the folder; the one above is made.
        exist_ok: a folder that is there is replaced; else only an empty one is.
        durable: as of :func:`write`, for every file in it.

    Yields:
        A path below a folder aside; made, empty, and called as ``path`` is.

    Raises:
        OSError: it cannot be written, or ``path`` holds something; a folder that is there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers_of(path, idle_s=IDLE_S)
    aside = name_aside(path)
    new = aside / path.name
    try:
        new.mkdir(parents=True)
        yield new
        move_folder(new, path, exist_ok=exist_ok, durable=durable)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def move_file(new: Path, path: Path) -> None:
    """Flush a file to the disk and give it its place, in the same folder or another one of the same disk."""
    _flush(new)
    new.replace(path)
    _flush_names(path.parent)


def move_folder(new: Path, path: Path, *, exist_ok: bool = False, durable: bool = True) -> None:
    """Flush a folder to the disk and give it its place; as :func:`replacing_folder`, which calls this."""
    for parent, _, names in os.walk(new) if durable else ():
        for name in names:
            if not (Path(parent) / name).is_symlink():
                _flush(Path(parent) / name)
        _flush_names(Path(parent))
    old = name_aside(path)
    with ExitStack() as undo:
        if path.is_dir() and not path.is_symlink():
            if exist_ok:
                path.rename(old)
                undo.callback(old.rename, path)
            else:
                _remove_if_empty(path)
        new.rename(path)
        undo.pop_all()
    shutil.rmtree(old, ignore_errors=True)
    if durable:
        _flush_names(path.parent)


def name_aside(path: Path) -> Path:
    """Where to write what ``path`` becomes: in the same folder, under a name that nobody else uses."""
    return path.with_name(f"{_beginning(path)}{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")


def is_aside(path: Path) -> bool:
    """Whether the name is one of :func:`name_aside`."""
    return _LEFTOVER.fullmatch(path.name) is not None


def leftovers(folder: Path, *, idle_s: float = 0.0, beginning: str = ".") -> list[Path]:
    """What writers have left in a folder, not below it.

    Args:
        folder: none is like an empty one.
        idle_s: only what was not written to for so long; 0 where nobody else writes there.
        beginning: of the names.
    """
    now = time.time()
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.name.startswith(beginning))
    except OSError:
        return []
    result = filter(is_aside, entries)
    return [entry for entry in result if not idle_s or now - _last_written(entry) >= idle_s]


def remove_leftovers_of(path: Path, *, idle_s: float = 0.0) -> None:
    """Delete what writers of one file or folder have left. What is a day old, the next writer deletes."""
    remove_leftovers(path.parent, idle_s=idle_s, beginning=_beginning(path))


def remove_leftovers(folder: Path, *, idle_s: float = 0.0, beginning: str = ".") -> None:
    """Delete what :func:`leftovers` finds, as far as the system allows it."""
    for entry in leftovers(folder, idle_s=idle_s, beginning=beginning):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    label = path.name.encode(errors="ignore")[:_MAX_LABEL_BYTES].decode(errors="ignore")
    return f".{label}."


def _create(path: Path, aside: Path, mode: int | None) -> int | None:
    """Make the empty file; the permissions that it gets when it is written."""
    if path.exists() and not path.is_file():
        number = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(number, "it is a folder or a device, not a file", str(path))
    wanted = mode
    if wanted is None and path.exists():
        wanted = path.stat().st_mode & 0o777
    aside.touch(0o666 if wanted is None else 0o600, exist_ok=False)
    return wanted


def _flush(path: Path) -> None:
    """Wait until a file is on the disk, not only in its cache."""
    with _unless_unsupported():
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _flush_names(folder: Path) -> None:
    """The same for what a folder lists."""
    if os.name != "nt":  # which has no handle of a folder
        _flush(folder)


@contextmanager
def _unless_unsupported() -> Iterator[None]:
    """Ignore that the file system cannot flush; a full or broken disk stays an error."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno in _NOT_EMPTY:
            raise FileExistsError(errno.EEXIST, "the folder is there and not empty", str(folder)) from error
        raise


def _last_written(path: Path) -> float:
    """Seconds since 1970, of the newest file of a folder."""
    newest = 0.0
    for entry in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
        with suppress(OSError):
            newest = max(newest, entry.lstat().st_mtime)
    return newest
