"""Processes that an earlier owner has left."""

import subprocess
import sys
from pathlib import Path

import pytest

from indexer.errors import StoreError
from indexer.store.edge import processes as edge_processes
from indexer.store.edge.client import child_environment
from indexer.store.edge.processes import BUILD_LOCK, SHARED_LOCK, ShardProcesses
from indexer.store.lock import wait_for_lock

HOLDER = """
import os, sys
from pathlib import Path
from indexer.store.lock import wait_for_lock
lock = wait_for_lock(Path(sys.argv[1]), 5)
lock.truncate(0)
lock.write(str(os.getpid()))
lock.flush()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", [SHARED_LOCK, "process-3.lock"])
def test_a_process_that_does_not_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(edge_processes, "ORPHAN_PATIENCE_S", 0.05)
    held = wait_for_lock(tmp_path / name, 1)
    with pytest.raises(StoreError, match=rf"earlier owner still holds .*{name}.*End it"):
        ShardProcesses(tmp_path, tmp_path)
    held.close()
    ShardProcesses(tmp_path, tmp_path).close()
    assert not (tmp_path / "process-3.lock").exists()


def test_an_orphaned_build_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / BUILD_LOCK)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment()
    ) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == b"held\n"
        ShardProcesses(tmp_path, tmp_path).close()
        assert build.wait(60) != 0


def test_closed_processes_start_no_other(tmp_path: Path) -> None:
    processes = ShardProcesses(tmp_path, tmp_path)
    processes.close()
    with pytest.raises(StoreError, match="closed"):
        processes.start_own("shard-2")
    with pytest.raises(StoreError, match="closed"):
        processes.call("shard-1", "count")
