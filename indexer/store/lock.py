"""One process owns a data folder: a locked file that names the owner.

The operating system drops the lock when the owner dies, so a lock that is left over never blocks. Not by
``filelock``: it locks all of the file where Windows then lets nobody read who the owner is.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from indexer.addresses import hide_password, hide_passwords
from indexer.errors import StoreError, StoreLockedError

_GRACE_S = 0.5

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(1 << 20)  # beyond the text, which others must be able to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_soon(file: IO[str]) -> None:
    """Lock, trying again for a moment: a child that is just starting may hold what its parent has let go."""
    deadline = time.monotonic() + _GRACE_S
    while True:
        try:
            _lock(file)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def wait_for_lock(path: Path, timeout_s: float) -> IO[str]:
    """Lock a file, waiting for another holder to let go. Closing the returned file releases it.

    Raises:
        TimeoutError: it is still held after ``timeout_s``.
    """
    file = path.open("a+", encoding="utf-8")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            _lock(file)
            return file
        except OSError:
            if time.monotonic() > deadline:
                file.close()
                raise TimeoutError(str(path)) from None
            time.sleep(0.01)


class OwnerLock:
    """Holds ``owner.lock`` of a data folder from construction to ``release``.

    Raises:
        StoreLockedError: another process, or another store in this one, holds it.
        StoreError: the folder cannot be written.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "owner.lock"
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] | None = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"The data folder {data_dir} cannot be written ({error.strerror}). "
                "Expected a folder of yours; choose another with --data."
            ) from error
        try:
            _lock_soon(self._file)
        except OSError as error:
            owner = _read_owner(self._file)
            self._file.close()
            self._file = None
            raise StoreLockedError(
                f"The data folder {data_dir} is in use by {owner}. One process may own it at a time. "
                "Use that one, stop it, or choose another folder with --data."
            ) from error
        owner_record = {
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(map(hide_password, sys.argv))[:500],
        }
        self._file.seek(0)
        self._file.truncate()
        json.dump(owner_record, self._file)
        self._file.flush()

    def release(self) -> None:
        """Let the folder go. The file stays: removing it would race with the next owner."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _read_owner(file: IO[str]) -> str:
    try:
        file.seek(0)
        record = json.loads(file.read())
        return f"process {record['pid']} ({hide_passwords(record['command'])}, since {record['started']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
