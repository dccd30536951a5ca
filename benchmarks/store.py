"""Time the embedded vector store: ingest, searches by brute force and by graph, reopening.

    python benchmarks/store.py [--points 10000 30000 100000] [--no-graph]

Vectors are clustered and crowded into a cone like those of E5 models; sparse vectors have about 225 distinct
features per passage, Zipf-distributed over 300,000, and queries take 10 to 60 of a passage's features. Times
include the trip to the store process. Brute force and graph are asked in turn, so that load from elsewhere
on the machine falls on both.
"""

import argparse
import os
import platform
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from indexer.store.edge import rebuild as edge_rebuild
from indexer.store.edge.store import EdgeStore
from indexer.types import Filters, Point, ScoredPoint, SparseVector

NAME = "benchmark"
DIMENSION = 384
FEATURES = 300_000
LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "th", "hi")
QUERIES = 100


@dataclass(frozen=True)
class Question:
    dense: NDArray[np.float32]
    sparse: SparseVector


def build_points(count: int, seed: int = 0) -> list[Point]:
    """Points with ids, payload, clustered unit vectors and Zipf-distributed features."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((200, DIMENSION)).astype(np.float32)
    cone = 1.5 * generator.standard_normal(DIMENSION).astype(np.float32)
    cumulative = np.cumsum(1 / np.arange(1, FEATURES + 1))
    feature_ids = generator.integers(0, 2**32, FEATURES, dtype=np.uint32)
    points = []
    for number in range(count):
        noise = generator.standard_normal(DIMENSION).astype(np.float32)
        vector = cone + 0.8 * centres[generator.integers(200)] + 0.6 * noise
        draws = generator.random(int(generator.integers(200, 400))) * cumulative[-1]
        indices = np.unique(feature_ids[np.searchsorted(cumulative, draws)])
        values = generator.uniform(0.5, 2.0, len(indices)).astype(np.float32)
        payload = {
            "language": LANGUAGES[number % len(LANGUAGES)],
            "file_type": "pdf",
            "folders": ["/library", f"/library/{number % 20}"],
            "document_id": f"document-{number // 50}",
            "added_at": float(number),
        }
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        points.append(Point(identity, unit, SparseVector(indices, values), payload))
    return points


def build_questions(points: Sequence[Point], count: int, seed: int = 1) -> list[Question]:
    """Queries near existing passages, with some of their features."""
    generator = np.random.default_rng(seed)
    questions = []
    for _ in range(count):
        point = points[generator.integers(len(points))]
        vector = point.dense + 0.03 * generator.standard_normal(DIMENSION).astype(np.float32)
        size = min(int(generator.integers(10, 61)), len(point.sparse.indices))
        chosen = np.sort(generator.choice(point.sparse.indices, size, replace=False))
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        questions.append(Question(unit, SparseVector(chosen, np.ones(size, np.float32))))
    return questions


MODES: dict[str, Callable[[EdgeStore, Question], list[ScoredPoint]]] = {
    "dense": lambda store, q: store.query(NAME, dense=q.dense),
    "lexical": lambda store, q: store.query(NAME, sparse=q.sparse),
    "hybrid": lambda store, q: store.query(NAME, dense=q.dense, sparse=q.sparse),
    "hybrid, 100 hits with vectors": lambda store, q: store.query(
        NAME, dense=q.dense, sparse=q.sparse, limit=100, with_dense=True
    ),
    "hybrid, 2 of 10 languages": lambda store, q: store.query(
        NAME, dense=q.dense, sparse=q.sparse, where=Filters(languages=("de", "fr"))
    ),
    "hybrid, 1 document": lambda store, q: store.query(
        NAME, dense=q.dense, sparse=q.sparse, where=Filters(documents=("document-3",))
    ),
}


def time_modes(
    stores: Sequence[EdgeStore], questions: Sequence[Question]
) -> dict[str, list[NDArray[np.float64]]]:
    """Milliseconds per mode and store, stores asked in turn."""
    times: dict[str, list[NDArray[np.float64]]] = {}
    for mode, ask in MODES.items():
        taken = np.zeros((len(stores), len(questions)))
        for column, question in enumerate(questions):
            for row, store in enumerate(stores):
                start = time.perf_counter()
                ask(store, question)
                taken[row, column] = 1000 * (time.perf_counter() - start)
        times[mode] = list(taken)
    return times


def recall(store: EdgeStore, points: Sequence[Point], questions: Sequence[Question], k: int = 10) -> float:
    """Share of the exact k nearest that a dense query returns."""
    dense_ND = np.stack([point.dense for point in points])
    found = 0
    for question in questions:
        best = np.argpartition(-(dense_ND @ question.dense), k)[:k]
        hits = {hit.id for hit in store.query(NAME, dense=question.dense, limit=k)}
        found += len(hits & {points[row].id for row in best})
    return found / (k * len(questions))


def fill(folder: Path, points: Sequence[Point]) -> tuple[EdgeStore, float]:
    """A store with the points, and the points written per second."""
    store = EdgeStore(folder, reserve_bytes=0)
    store.ensure(NAME, DIMENSION)
    start = time.perf_counter()
    for first in range(0, len(points), 512):
        store.upsert(NAME, points[first : first + 512])
    return store, len(points) / (time.perf_counter() - start)


def optimise_while_searching(
    store: EdgeStore, questions: Sequence[Question]
) -> tuple[float, NDArray[np.float64]]:
    """Seconds the build took and the milliseconds of hybrid searches meanwhile."""
    edge_rebuild.HNSW_MIN_POINTS = 0
    start = time.perf_counter()
    builder = threading.Thread(target=store.optimize, args=(NAME,))
    builder.start()
    taken = []
    while builder.is_alive():
        for question in questions:
            asked = time.perf_counter()
            MODES["hybrid"](store, question)
            taken.append(1000 * (time.perf_counter() - asked))
            time.sleep(0.02)
    builder.join()
    return time.perf_counter() - start, np.array(taken)


def p50_p95(times: NDArray[np.float64]) -> str:
    return f"{np.percentile(times, 50):.2f} / {np.percentile(times, 95):.2f}"


def measure(count: int, with_graph: bool) -> None:
    points = build_points(count)
    questions = build_questions(points, QUERIES)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        brute, rate = fill(Path(one), points)
        size = edge_rebuild.folder_bytes(Path(one)) / 1e6
        brute.close()
        start = time.perf_counter()
        brute = EdgeStore(Path(one), reserve_bytes=0)
        assert brute.count(NAME) == count
        reopen = time.perf_counter() - start
        print(f"\n### {count:,} points\n")
        print(
            f"ingest {rate:,.0f} points/s; on disk {size:,.0f} MB; reopened and counted in {reopen:.2f} s\n"
        )
        stores = [brute]
        if with_graph:
            graph, _ = fill(Path(other), points)
            seconds, meanwhile = optimise_while_searching(graph, questions)
            print(
                f"graph built in {seconds:.1f} s beside; hybrid searches meanwhile: p50 / p95 "
                f"{p50_p95(meanwhile)} ms, slowest {meanwhile.max():.0f} ms; "
                f"dense recall@10 by brute force {recall(brute, points, questions):.3f}, "
                f"by graph {recall(graph, points, questions):.3f}\n"
            )
            stores.append(graph)
        time_modes(stores, questions[:10])
        times = time_modes(stores, questions)
        print("| search | brute force p50 / p95 ms |" + (" graph p50 / p95 ms |" if with_graph else ""))
        print("|---|---|" + ("---|" if with_graph else ""))
        for mode, rows in times.items():
            print(f"| {mode} | " + " | ".join(p50_p95(row) for row in rows) + " |", flush=True)
        for store in stores:
            store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--points", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--no-graph", action="store_true", help="leave out building the graph")
    arguments = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"
    )
    for count in arguments.points:
        measure(count, not arguments.no_graph)


if __name__ == "__main__":
    main()
