"""How the vector store grows: writing, building, searching, recall, memory, disk; embedded and on a server.

    python benchmarks/growth.py --points 200000
    python benchmarks/growth.py --points 1000000 --qdrant-url http://127.0.0.1:6333 --server-pid 4711
    python benchmarks/growth.py --points 100000 --least 5000

Writes random unit vectors around 200 centres, with random sparse features, into an empty store as ingest
does, and prints a row after each ``--part`` points: what writing and building took, then 50 questions near
passages by each leg. Recall is that of the 100 nearest against numpy. ``--least`` stands for
``HNSW_MIN_POINTS``: with a tenth of it the same growth is seen on a tenth of the points. ``--equal`` builds
after equal steps, however large the shard is. A collection ``growth`` that is on the server is replaced.
"""

import argparse
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from search import cpu_name

from indexer.ingest.pipeline import BATCH_CHUNKS, OPTIMIZE_EVERY
from indexer.store.edge import rebuild
from indexer.store.edge.store import EdgeStore
from indexer.store.protocol import VectorStore
from indexer.store.qdrant import QdrantStore
from indexer.types import Point, SparseVector

DIMENSION = 256
FEATURES = 150
NAME = "growth"
QUESTIONS = 50
NEAREST = 100
MOST_WAIT_S = 3600.0


@dataclass
class Part:
    """What was measured since the last row."""

    points: int = 0
    writing_s: float = 0.0
    building_s: float = 0.0


@dataclass(frozen=True)
class Subject:
    """A store, and how its processes and files are found."""

    title: str
    store: VectorStore
    memory_mb: Callable[[], float | None]
    disk_mb: Callable[[], float | None]


class Written:
    """What is in the store, for exact answers and questions."""

    def __init__(self, count: int) -> None:
        self.dense_ND = np.empty((count, DIMENSION), dtype=np.float32)
        self.features: list[NDArray[np.uint32]] = []  # of every so many points


def points(count: int, written: Written) -> Iterator[list[Point]]:
    """Batches as ingest writes them; the same for every store."""
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((200, DIMENSION)).astype(np.float32)
    for start in range(0, count, BATCH_CHUNKS):
        size = min(BATCH_CHUNKS, count - start)
        dense = rng.standard_normal((size, DIMENSION)).astype(np.float32)
        dense += centres[rng.integers(len(centres), size=size)]
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        written.dense_ND[start : start + size] = dense
        batch = []
        for row in range(size):
            features = np.unique(rng.zipf(1.3, FEATURES).clip(max=1 << 30)).astype(np.uint32)
            number = start + row
            if number % max(1, count // 1000) == 0:
                written.features.append(features)
            payload = {"language": "de", "file_type": "txt", "folders": [f"/{number % 200}"], "added_at": 1.0}
            sparse = SparseVector(features, np.ones(len(features), np.float32))
            batch.append(Point(_id(number), dense[row], sparse, {**payload, "document_id": str(number // 3)}))
        yield batch


def main() -> None:
    """Read the arguments, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=200_000, help="default 200000")
    parser.add_argument("--part", type=int, help="points of a row; default a quarter of them")
    parser.add_argument("--least", type=int, default=rebuild.HNSW_MIN_POINTS, help="default 50000")
    parser.add_argument("--equal", action="store_true", help="build after equal steps")
    parser.add_argument("--qdrant-url", help="address of a server, measured after the embedded store")
    parser.add_argument("--server-pid", type=int, help="its process, for the memory")
    parser.add_argument("--server-folder", type=Path, help="its storage, for the disk")
    arguments = parser.parse_args()
    rebuild.HNSW_MIN_POINTS = arguments.least
    if arguments.equal:
        rebuild.GROWTH = arguments.points  # so that the least always decides
    part = arguments.part or arguments.points // 4
    every = max(1, OPTIMIZE_EVERY * arguments.least // 50_000)
    print(f"{cpu_name()}, load {psutil.getloadavg()[0]:.1f}, {DIMENSION} dimensions")
    with ExitStack() as opened:
        grow(_embedded(opened), arguments.points, part, every)
    if arguments.qdrant_url:
        with ExitStack() as opened:
            subject = _server(opened, arguments.qdrant_url, arguments.server_pid, arguments.server_folder)
            grow(subject, arguments.points, part, every)


def grow(subject: Subject, count: int, part: int, every: int) -> None:
    """Write all points; a row after each part."""
    print(
        f"\n{subject.title}\n\n"
        "| points | points/s written | s of building | dense p50 / p95, ms | lexical | hybrid of 100 "
        "| recall@100 | MB memory | MB disk |\n|---|---|---|---|---|---|---|---|---|"
    )
    store, written, since = subject.store, Written(count), Part()
    store.ensure(NAME, DIMENSION)
    total = 0
    with store.bulk(NAME):
        for batch in points(count, written):
            since.writing_s += _seconds(lambda batch=batch: store.upsert(NAME, batch))
            before, total = total, total + len(batch)
            since.points += len(batch)
            if total // every > before // every:
                since.building_s += _seconds(lambda: store.optimize(NAME))
            if total // part > before // part and total < count:
                _row(subject, written, total, since)
                since = Part()
    since.building_s += _seconds(lambda: store.optimize(NAME))
    since.building_s += _seconds(lambda: _wait(store))
    _row(subject, written, total, since)


def _row(subject: Subject, written: Written, total: int, since: Part) -> None:
    legs, recall = _searches(subject.store, written, total)
    columns = [
        f"{total:,}",
        f"{since.points / since.writing_s:,.0f}",
        f"{since.building_s:.1f}",
        *(f"{np.percentile(times, 50):.1f} / {np.percentile(times, 95):.1f}" for times in legs),
        f"{recall:.3f}",
        *("–" if value is None else f"{value:,.0f}" for value in (subject.memory_mb(), subject.disk_mb())),
    ]
    print(f"| {' | '.join(columns)} |", flush=True)


def _searches(store: VectorStore, written: Written, total: int) -> tuple[list[list[float]], float]:
    """Milliseconds of each leg, and the recall of the dense one."""
    rng = np.random.default_rng(7)
    known = written.dense_ND[:total]
    legs: list[list[float]] = [[], [], []]
    found = 0
    for number in range(QUESTIONS):
        dense = known[rng.integers(total)] + 0.03 * rng.standard_normal(DIMENSION).astype(np.float32)
        dense = (dense / np.linalg.norm(dense)).astype(np.float32)
        features = written.features[number * (len(written.features) - 1) // QUESTIONS]
        chosen = np.sort(rng.choice(features, min(12, len(features)), replace=False))
        sparse = SparseVector(chosen, np.ones(len(chosen), np.float32))
        started = time.perf_counter()
        hits = store.query(NAME, dense=dense, limit=NEAREST)
        legs[0].append(1000 * (time.perf_counter() - started))
        legs[1].append(1000 * _seconds(lambda s=sparse: store.query(NAME, sparse=s, limit=NEAREST)))
        legs[2].append(
            1000
            * _seconds(
                lambda d=dense, s=sparse: store.query(NAME, dense=d, sparse=s, limit=NEAREST, with_dense=True)
            )
        )
        nearest = np.argpartition(-(known @ dense), NEAREST)[:NEAREST]
        found += len({hit.id for hit in hits} & {_id(int(row)) for row in nearest})
    return legs, found / (QUESTIONS * NEAREST)


def _embedded(opened: ExitStack) -> Subject:
    folder = Path(tempfile.mkdtemp(prefix="me5-growth-"))
    opened.callback(shutil.rmtree, folder)
    store = EdgeStore(folder, reserve_bytes=0)
    opened.callback(store.close)

    def memory_mb() -> float:
        return sum(child.memory_info().rss for child in psutil.Process().children(recursive=True)) / 1e6

    return Subject("Embedded:", store, memory_mb, lambda: rebuild.folder_bytes(folder) / 1e6)


def _server(opened: ExitStack, url: str, pid: int | None, folder: Path | None) -> Subject:
    store = QdrantStore(url)
    opened.callback(store.close)
    store.drop(NAME)
    opened.callback(store.drop, NAME)
    return Subject(
        f"{store.describe()}:",
        store,
        lambda: None if pid is None else psutil.Process(pid).memory_info().rss / 1e6,
        lambda: None if folder is None else rebuild.folder_bytes(folder) / 1e6,
    )


def _wait(store: VectorStore) -> None:
    """Until the server has built its index."""
    deadline = time.monotonic() + MOST_WAIT_S
    while store.is_indexing(NAME) and time.monotonic() < deadline:
        time.sleep(0.5)


def _id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def _seconds(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
