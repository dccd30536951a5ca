"""One owner per data folder."""

import json
import os
import threading
from pathlib import Path

import pytest

from indexer.errors import StoreError, StoreLockedError
from indexer.store.lock import OwnerLock, wait_for_lock


def test_the_owner_is_named(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "new")
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    with pytest.raises(StoreLockedError, match=rf"process {os.getpid()} .*since 20.*--data"):
        OwnerLock(tmp_path / "new")
    lock.release()
    lock.release()
    OwnerLock(tmp_path / "new").release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 999999999, "command": "x", "started": "y"}'])
def test_a_lock_file_left_over_by_a_dead_owner_is_taken_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.lock").write_text(text)
    lock = OwnerLock(tmp_path)
    assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    lock.release()


def test_an_unreadable_owner_still_holds(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path)
    lock.path.write_text("garbage")
    with pytest.raises(StoreLockedError, match="another process"):
        OwnerLock(tmp_path)
    lock.release()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        OwnerLock(tmp_path / "file" / "data")


def test_waiting_ends_with_the_holder_or_the_patience(tmp_path: Path) -> None:
    held = wait_for_lock(tmp_path / "process.lock", 0.0)
    with pytest.raises(TimeoutError):
        wait_for_lock(tmp_path / "process.lock", 0.0)
    held.close()
    wait_for_lock(tmp_path / "process.lock", 0.0).close()


def test_a_folder_that_is_let_go_this_moment_can_be_owned(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path)
    leaving = threading.Timer(0.05, lock.release)
    leaving.start()
    OwnerLock(tmp_path).release()
    leaving.join()
