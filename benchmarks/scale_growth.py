"""How writing and building go as the embedded store grows: seconds, builds and memory of each part.

    python benchmarks/scale_growth.py --points 200000
    python benchmarks/scale_growth.py --points 100000 --least 5000

Writes random unit vectors with random sparse features into an empty store, asks for a build after every 5,000
as ingest does, and prints a row for each ``--part`` points. ``--least`` stands for ``HNSW_MIN_POINTS``: with
a tenth of it the same growth is seen on a tenth of the points. ``--equal`` builds after equal steps, however
large the shard is.
"""

import argparse
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from search import cpu_name

from indexer.ingest.pipeline import BATCH_CHUNKS, OPTIMIZE_EVERY
from indexer.store.edge import rebuild
from indexer.store.edge.store import EdgeStore
from indexer.types import Point, SparseVector

DIMENSION = 256
FEATURES = 150
NAME = "growth"


def points(count: int) -> Iterator[list[Point]]:
    """Batches as ingest writes them."""
    rng = np.random.default_rng(5)
    for start in range(0, count, BATCH_CHUNKS):
        size = min(BATCH_CHUNKS, count - start)
        dense = rng.standard_normal((size, DIMENSION)).astype(np.float32)
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        batch = []
        for row in range(size):
            features = np.unique(rng.zipf(1.3, FEATURES).clip(max=1 << 30)).astype(np.uint32)
            number = start + row
            payload = {"language": "de", "file_type": "txt", "folders": [f"/{number % 200}"], "added_at": 1.0}
            sparse = SparseVector(features, np.ones(len(features), np.float32))
            point_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
            batch.append(Point(point_id, dense[row], sparse, {**payload, "document_id": str(number // 3)}))
        yield batch


def processes_mb() -> float:
    """Memory of the store's processes."""
    children = psutil.Process().children(recursive=True)
    return sum(one.memory_info().rss for one in children) / 1e6


def main() -> None:
    """Read the arguments, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=200_000, help="default 200000")
    parser.add_argument("--part", type=int, help="points of a row; default a quarter of them")
    parser.add_argument("--least", type=int, default=rebuild.HNSW_MIN_POINTS, help="default 50000")
    parser.add_argument("--equal", action="store_true", help="build after equal steps")
    arguments = parser.parse_args()
    rebuild.HNSW_MIN_POINTS = arguments.least
    if arguments.equal:
        rebuild.GROWTH = arguments.points  # so that the least always decides
    part = arguments.part or arguments.points // 4
    every = max(1, OPTIMIZE_EVERY * arguments.least // 50_000)
    folder = Path(tempfile.mkdtemp(prefix="me5-growth-"))
    print(f"{cpu_name()}, load {psutil.getloadavg()[0]:.1f}, {DIMENSION} dimensions\n")
    print(
        "| points | s of writing | s of building | builds | GB copied | MB of the store |\n"
        "|---|---|---|---|---|---|"
    )
    store = EdgeStore(folder, reserve_bytes=0)
    try:
        store.ensure(NAME, DIMENSION)
        grow(store, arguments.points, part, every)
    finally:
        store.close()
        shutil.rmtree(folder)


def grow(store: EdgeStore, count: int, part: int, every: int) -> None:
    """Write all points; a row after each part."""
    written = builds = 0
    writing = building = copied = 0.0
    for batch in points(count):
        started = time.perf_counter()
        store.upsert(NAME, batch)
        writing += time.perf_counter() - started
        before, written = written, written + len(batch)
        if written // every > before // every:
            size = rebuild.folder_bytes(store._root)
            generation = store._manifest(NAME).generation
            started = time.perf_counter()
            store.optimize(NAME)
            if store._manifest(NAME).generation != generation:
                building += time.perf_counter() - started
                builds += 1
                copied += size / 1e9
        if written // part > before // part or written == count:
            seconds = f"{writing:.1f} | {building:.1f}"
            print(f"| {written} | {seconds} | {builds} | {copied:.1f} | {processes_mb():.0f} |", flush=True)
            writing, building, builds, copied = 0.0, 0.0, 0, 0.0


if __name__ == "__main__":
    main()
