"""What gathers on the disk beside the documents: damaged vectors set aside, logs, the cache of this machine.

All of it can be made again or did its duty; the last few are kept, for whoever looks into a trouble.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.library.blobs import delete
from me5 import atomic
from me5.cache import cache_folder

KEPT_DAMAGED = 3
KEPT_LOGS = 10
KEPT_CACHED = 3
"""Of each kind."""

CACHE_FOLDERS = ("models", "tokenizers")
"""Converted models and unpacked tokenizers: tens of megabytes each, and seconds to make again."""


@dataclass(frozen=True)
class Leftovers:
    """Files or folders of one kind, newest first, and the folder that they lie in."""

    folder: Path
    paths: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """What they take."""
        return sum(map(size_of, self.paths))


def damaged_vectors(data_dir: Path) -> Leftovers:
    """Vectors that could not be opened and were set aside; the catalog has made them again since."""
    folder = data_dir / "vectors"
    return Leftovers(folder, _newest_first(folder.glob("*.damaged-*")))


def logs(data_dir: Path) -> Leftovers:
    """The logs of the processes of the vector store."""
    folder = data_dir / "logs"
    return Leftovers(folder, _newest_first(folder.glob("*.log")))


def cached() -> list[Leftovers]:
    """What was converted once for this machine, outside the data folder, by kind."""
    results = []
    for folder in (cache_folder() / name for name in CACHE_FOLDERS):
        under_way = set(atomic.leftovers(folder)) - set(atomic.leftovers(folder, idle_s=atomic.IDLE_S))
        paths = (path for path in folder.glob("*") if path not in under_way)
        results.append(Leftovers(folder, _newest_first(paths)))
    return results


def tidy(data_dir: Path) -> None:
    """Delete all but the last few damaged vectors and logs, and what a kill left half written."""
    for folder in (data_dir, data_dir / "files"):
        atomic.remove_leftovers(folder)
    atomic.remove_leftovers(data_dir / "models", idle_s=atomic.IDLE_S)  # who registers one holds no lock
    remove(damaged_vectors(data_dir).paths[KEPT_DAMAGED:])
    remove(logs(data_dir).paths[KEPT_LOGS:])


def remove(paths: Sequence[Path]) -> list[Path]:
    """Delete files and folders, as far as the system allows it; those that are gone."""
    gone = []
    for path in paths:
        try:
            delete(path)
        except OSError:  # in use, on systems that mind, or not ours
            continue
        if not path.exists():
            gone.append(path)
    return gone


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        try:
            total += 0 if file.is_dir() else file.lstat().st_size
        except OSError:
            continue
    return total


def _newest_first(paths: Iterable[Path]) -> tuple[Path, ...]:
    times = {}
    for path in paths:
        try:
            times[path] = path.lstat().st_mtime_ns
        except OSError:
            continue
    return tuple(sorted(times, key=lambda path: (-times[path], path.name)))
