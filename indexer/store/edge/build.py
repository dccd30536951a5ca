"""Index one copied shard and end: ``python -m indexer.store.edge.build`` and the arguments of ``main``.

Runs at low priority beside the store process, which goes on answering from the original. Standard input is
a pipe that the parent holds open and writes nothing to: its end is the end of the parent, whatever stands
between the two (on Windows the launcher of a virtual environment does). The engine lets nothing else run in a
process while it builds, so this one cannot notice that end then. It leaves its process id in LOCK, which it
holds, and the next owner of the folder ends it.
"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

LOCK_PATIENCE_S = 10.0
PARENT_CHECK_S = 0.05
PARENT_ENDED = 3
HNSW_M = 16
HNSW_EF_CONSTRUCT = 100
SMALL_SEGMENT_KB = 10_000
"""Segments below this are left to brute force by the engine."""
MAX_SEGMENTS = 64
"""Above so many the engine merges them, which takes memory for all of them at once."""


def build(path: str, dimension: int, threads: int) -> None:
    """Build the graph of the shard in ``path``, with at most so many threads."""
    from qdrant_edge import EdgeOptimizersConfig, EdgeShard, HnswIndexConfig

    from indexer.store.edge.process import shard_config

    shard = EdgeShard.load(
        path,
        shard_config(
            dimension,
            hnsw_config=HnswIndexConfig(
                m=HNSW_M,
                ef_construct=HNSW_EF_CONSTRUCT,
                full_scan_threshold=SMALL_SEGMENT_KB,
                max_indexing_threads=threads,
            ),
            optimizers=EdgeOptimizersConfig(
                indexing_threshold=SMALL_SEGMENT_KB, default_segment_number=MAX_SEGMENTS
            ),
        ),
    )
    shard.optimize()
    shard.flush()
    shard.close()


def main(arguments: Sequence[str]) -> int:
    """FOLDER DIMENSION THREADS LOCK; the exit code, 0 only when all was built."""
    from indexer.store.lock import wait_for_lock

    path, dimension, threads, lock_path = arguments
    parent_ended = threading.Thread(target=_read_to_end, daemon=True)
    parent_ended.start()
    lock = wait_for_lock(Path(lock_path), LOCK_PATIENCE_S)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    parent_ended.join(PARENT_CHECK_S)
    if not parent_ended.is_alive():  # it ended before it could be seen that this process builds
        return PARENT_ENDED
    if hasattr(os, "nice"):
        os.nice(10)
    build(path, int(dimension), int(threads))
    lock.close()
    return 0


def _read_to_end() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock would end the process badly
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
