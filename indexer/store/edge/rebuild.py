"""Build an index without keeping a search waiting: on a copy, by a second process.

The engine builds in the calling thread and lets nobody else in meanwhile (18 s for 30,000 points), and
opening the result takes seconds too. So the shard is copied while nobody writes to it, ``build``
indexes the copy, a process of its own opens it, the writes made meanwhile are repeated on it, and it takes
the place of the original, which has answered all searches so far. The copy is what a kill would leave, log
included, and is not flushed before: that takes up to 0.5 s on a busy disk. A crash anywhere leaves the
original in use.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from indexer.errors import StoreError
from indexer.store.edge.build import SMALL_SEGMENT_KB
from indexer.store.edge.client import child_environment
from indexer.store.edge.manifest import read_manifest
from indexer.store.edge.processes import ShardProcesses
from indexer.store.edge.wire import PointBatch, ShardState
from me5 import atomic

_log = logging.getLogger(__name__)

HNSW_MIN_POINTS = 50_000
"""Unindexed points from which the graph is built. Measured (benchmarks/store.md): a hybrid search by brute
force takes 7 ms at 100,000 points of 384 dimensions, so speed alone would not ask for it before. Memory does:
unindexed points take 5 MB per 1,000 until a build moves their sparse vectors into files, and the build itself
takes a multiple of that."""


BUILD_SHARE = 3
"""Free disk that a build asks for, in sizes of the shard: the copy, and old and new segments side by side."""
REPEAT_AT_ONCE = 2048
"""Writes repeated on the copy before other writes get their turn. More than one write brings, so it ends."""
REPEAT_BATCH = 64
"""Points read at once from the shard that is being searched: some 5 ms."""


def is_worthwhile(points: int, indexed: int) -> bool:
    """Whether enough points have come since the last build, which found ``indexed`` of them."""
    return points - indexed >= HNSW_MIN_POINTS


def folder_bytes(folder: Path) -> int:
    """Space that the files of a folder take on disk; files that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):  # which passes over folders that vanish
        for name in names:
            try:
                status = Path(place, name).stat()
            except FileNotFoundError:
                continue
            total += status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size
    return total


def copy_shard(source: Path, target: Path) -> None:
    """Copy a shard whose files are held still."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def build_beside(
    path: Path,
    dimension: int,
    lock_path: Path,
    log_path: Path,
    on_start: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    """Run ``build`` on a folder with half of the cores and wait for it.

    Raises:
        StoreError: the process failed; the folder is to be thrown away.
    """
    threads = max(1, (os.cpu_count() or 1) // 2)
    arguments = (path, dimension, threads, lock_path)
    lock_path.write_text("")  # no process id of an earlier build, which may be somebody else's by now
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "indexer.store.edge.build", *map(str, arguments)],
            stdin=subprocess.PIPE,  # its end tells the child that this process has ended
            stdout=log,
            stderr=log,
            env=child_environment(),
        )
        with process:
            on_start(process)
            returncode = process.wait()
    if returncode:
        raise StoreError(
            f"Building the index in {path} ended with code {returncode} (see the log: {log_path}). "
            "Searches go on without it, only slower. It is tried again after the next documents."
        )


def require_index(state: ShardState, dimension: int) -> None:
    """Check that a build has made a graph where the engine makes one: in segments above its threshold.

    Raises:
        StoreError: it has not.
    """
    mean_bytes = 4 * dimension * state.points / max(1, state.segments)
    is_sparse_only = state.indexed <= state.points  # sparse vectors count as indexed
    if is_sparse_only and mean_bytes > 1024 * SMALL_SEGMENT_KB:
        raise StoreError(
            f"The build ended, but {state.points} points in {state.segments} segments have no index. "
            "Searches go on without it, only slower. It is tried again after the next documents."
        )


def repeat_writes(processes: ShardProcesses, source: str, target: str, ids: Sequence[str]) -> None:
    """Give the points of ``target`` the contents they have in ``source``, or delete them."""
    for start in range(0, len(ids), REPEAT_BATCH):
        part = ids[start : start + REPEAT_BATCH]
        present: PointBatch = processes.call(source, "fetch", part, False)
        if present.ids:
            processes.call(target, "upsert", present)
        gone = sorted(set(part) - set(present.ids))
        if gone:
            processes.call(target, "delete", gone)


def sweep(root: Path) -> None:
    """Remove what an interrupted drop or rebuild has left behind."""
    for leaving in root.glob("*.dropped"):
        shutil.rmtree(leaving, ignore_errors=True)
    for folder in root.glob("*/"):
        atomic.remove_leftovers(folder)
    for path in root.glob("*/manifest.json"):
        try:
            manifest = read_manifest(path.parent)
        except StoreError as error:  # reported when the name is used
            _log.warning("%s", error)
            continue
        for shard in path.parent.glob("shard-*"):
            if manifest is not None and shard != manifest.shard(path.parent):
                shutil.rmtree(shard, ignore_errors=True)
