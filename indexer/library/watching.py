"""Folders that are kept in step with collections: watched while the library is open, looked through when
something has changed.

Looking is an ordinary job, so what was renamed is followed, what is gone is removed, and a folder that lost
most of its files at once is asked about (``indexer.ingest.losses``). Watching only says when to look.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from indexer.catalog import Catalog
from indexer.errors import ReadError
from indexer.ingest.scan import as_paths, expanded
from indexer.library.jobs import JobRunner
from me5.states import ACTIVE

DEBOUNCE_MS = 800
LOOK_AROUND_MS = 2_000
"""How often a watched folder is looked for itself: one that is unmounted gives no sign."""
QUIET_S = 1.0
"""A file that has not grown for so long is taken for whole."""
MOST_GROWING_S = 120.0
"""So long a growing file is waited for; then all others are taken in, and it again later."""
_SETTING = "watched folders"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchedFolder:
    """A folder and the collection that follows it.

    Attributes:
        path: absolute.
        collection: name; made where it is missing.
        polls: looked through for changes instead of being told of them, as network drives need.
        is_paused: on the list, and not watched.
        looked_at: when it was last looked through; None before the first time.
        trouble: why it is not in step, for people; empty where it is.
    """

    path: str
    collection: str
    polls: bool = False
    is_paused: bool = False
    looked_at: datetime | None = None
    trouble: str = ""

    @property
    def label(self) -> str:
        """What its jobs are called."""
        return f"Look through {self.path}"


class Watching:
    """The list of watched folders, and a thread for each while the library is open.

    Args:
        catalog: remembers the list.
        jobs: looks through folders.
        host: this machine; the folders of others are theirs.
        leave_out: a folder whose changes are our own.
    """

    def __init__(self, catalog: Catalog, jobs: JobRunner, host: str, leave_out: Path) -> None:
        self._catalog, self._jobs, self._host, self._leave_out = catalog, jobs, host, leave_out
        self._watchers: dict[str, _Watcher] = {}
        self._lock = threading.RLock()
        self._is_started = False

    def start(self) -> None:
        """Watch what is on the list, and look through it for what changed while nobody watched."""
        with self._lock:
            self._is_started = True
            for folder in self._listed():
                self._watch(folder)

    def close(self) -> None:
        """Stop watching; the list stays."""
        with self._lock:
            self._is_started = False
            watchers, self._watchers = list(self._watchers.values()), {}
        for watcher in watchers:
            watcher.close()

    @property
    def is_watching(self) -> bool:
        """Whether something may change the library without anybody asking."""
        return bool(self._watchers)

    def folders(self) -> list[WatchedFolder]:
        """The folders of this machine by path, and how it goes with them."""
        with self._lock:
            watchers = dict(self._watchers)
        jobs = self._jobs.list() if watchers else []
        result = []
        for folder in self._listed():
            last = next((job for job in jobs if job.label == folder.label and job.finished_at), None)
            watcher = watchers.get(folder.path)
            trouble = "" if watcher is None else watcher.trouble
            if last is not None and last.state == "failed":
                trouble = trouble or last.message
            looked_at = None if last is None else last.finished_at
            result.append(replace(folder, trouble=trouble, looked_at=looked_at))
        return result

    def add(
        self, folders: str | Path | Sequence[str | Path], collection: str, *, polls: bool = False
    ) -> list[WatchedFolder]:
        """Put folders on the list, or change how they are watched.

        Raises:
            ReadError: one is no folder; then none is added.
        """
        places = [expanded(str(path)).absolute() for path in as_paths(folders)]
        for place in places:
            if not place.is_dir():
                raise ReadError(f"{place} is not a folder. Expected one that exists. Check the spelling.")
        added = [WatchedFolder(str(place), collection, polls) for place in places]
        paths = {folder.path for folder in added}
        with self._lock:
            self._write([*(folder for folder in self._listed() if folder.path not in paths), *added])
            for folder in added:
                self._unwatch(folder.path)
                self._watch(folder)
        return added

    def remove(self, path: str) -> None:
        """Take a folder off the list; its documents stay."""
        with self._lock:
            self._write([folder for folder in self._listed() if folder.path != self._require(path).path])
            self._unwatch(path)

    def pause(self, path: str, *, is_paused: bool = True) -> None:
        """Stop watching a folder for a while, or go on."""
        with self._lock:
            changed = replace(self._require(path), is_paused=is_paused)
            self._write([changed if folder.path == path else folder for folder in self._listed()])
            self._unwatch(path)
            self._watch(changed)

    def _require(self, path: str) -> WatchedFolder:
        for folder in self._listed():
            if folder.path == path:
                return folder
        raise ReadError(f"{path} is not watched. Expected a folder of the list. Look at the list again.")

    def _listed(self) -> list[WatchedFolder]:
        known: dict[str, Any] = self._catalog.settings.get(_SETTING) or {}
        return [WatchedFolder(**values) for values in known.get(self._host, ())]

    def _write(self, folders: Iterable[WatchedFolder]) -> None:
        names = ("path", "collection", "polls", "is_paused")
        rows = [
            {name: asdict(folder)[name] for name in names}
            for folder in sorted(folders, key=lambda folder: folder.path)
        ]
        known: dict[str, Any] = self._catalog.settings.get(_SETTING) or {}
        self._catalog.settings.set(_SETTING, {**known, self._host: rows})

    def _watch(self, folder: WatchedFolder) -> None:
        if self._is_started and not folder.is_paused:
            watcher = self._watchers[folder.path] = _Watcher(folder, self._look, self._leave_out)
            watcher.start()

    def _unwatch(self, path: str) -> None:
        watcher = self._watchers.pop(path, None)
        if watcher is not None:
            watcher.close()

    def _look(self, folder: WatchedFolder) -> None:
        """Have a folder looked through, unless that waits to be done anyway."""
        waiting = [job for job in self._jobs.list() if job.state in ACTIVE and job.label == folder.label]
        if not any(job.state == "queued" for job in waiting):
            self._jobs.submit_add([folder.path], folder.collection, prune=True, label=folder.label)


class _Watcher(threading.Thread):
    """Says when a folder has changed and its files have come to rest."""

    def __init__(self, folder: WatchedFolder, look: Callable[[WatchedFolder], None], leave_out: Path) -> None:
        super().__init__(name=f"watching {folder.path}", daemon=True)
        self._folder, self._look, self._leave_out = folder, look, leave_out
        self._root = Path(folder.path)
        self._stop_event = threading.Event()
        self.trouble = ""

    def close(self) -> None:
        """Stop, and wait for it, unless it stops itself."""
        self._stop_event.set()
        if threading.current_thread() is not self:
            self.join()

    def run(self) -> None:
        """Watch until closed."""
        while not self._stop_event.is_set():
            identity = _identity(self._root)
            if identity is None:
                self.trouble = "The folder is not there. Its documents stay; it is looked for."
                self._stop_event.wait(LOOK_AROUND_MS / 1000)
                continue
            self.trouble = ""
            try:
                self._follow(identity)
            except Exception as error:  # noqa: BLE001 - a library that is being closed, a limit of the system
                logger.warning("%s is not watched: %s", self._root, error)
                self.trouble = f"It cannot be watched: {error}. It is tried again."
                self._stop_event.wait(LOOK_AROUND_MS / 1000)

    def _follow(self, identity: tuple[int, int]) -> None:
        """Look at once, for what changed while nobody watched, and after each change, until the folder is
        another one or gone.
        """
        from watchfiles import watch

        is_first = True
        for changes in watch(
            self._root,
            watch_filter=lambda _, path: is_wanted(Path(path), self._root, self._leave_out),
            stop_event=self._stop_event,
            debounce=DEBOUNCE_MS,
            rust_timeout=LOOK_AROUND_MS,
            yield_on_timeout=True,
            force_polling=self._folder.polls or None,
            ignore_permission_denied=True,
            raise_interrupt=False,
        ):
            if _identity(self._root) != identity:
                return
            if changes or is_first:  # by then it is watched, and nothing falls between
                self._wait_until_at_rest({Path(path) for _, path in changes})
                self._look(self._folder)
            is_first = False

    def _wait_until_at_rest(self, paths: set[Path]) -> None:
        if not paths:
            return
        deadline = time.monotonic() + MOST_GROWING_S
        before = {path: _size(path) for path in paths}
        while time.monotonic() < deadline and not self._stop_event.wait(QUIET_S):
            now = {path: _size(path) for path in paths}
            if now == before:
                return
            before = now


def is_wanted(path: Path, root: Path, leave_out: Path) -> bool:
    """Whether a change below a watched folder is one of files that are looked through: not of hidden ones, of
    locks of office programs, or of ours, which each look would change again.
    """
    if path.is_relative_to(leave_out):
        return False
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return not any(part.startswith((".", "~$")) for part in parts)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if folder.is_dir() else None


def _size(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
