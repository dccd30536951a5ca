"""When would an approximate search for neighbours pay? The exact one beside the graph of the vector store.

    python benchmarks/approximate.py [--sizes 20000 100000] [--share 0.1] [--ef 64 128]

Both answer what mining asks: the k nearest rows of each side on the other. ``me5`` is ``me5.knn``. The
graph is what the vector store builds (Qdrant Edge, HNSW, m = 16, ef_construct = 100): one for each side,
each asked for the rows of the other side, in a process of its own on one thread. A share of the rows is asked
and its time scaled. Recall is the share of the exact neighbours that the graph finds. Times are processor
seconds, which other programs disturb less; the last line says from which size on the graph would be cheaper
if the one goes on growing with the square and the other as it did between the two largest sizes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mining import DIMENSION, Vectors, build_sides, load
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from indexer.store.edge.build import HNSW_EF_CONSTRUCT, HNSW_M, SMALL_SEGMENT_KB
from me5.knn.neighbours import both_ways

WRITE_BATCH = 2_000
Ids = NDArray[np.integer]


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--share", type=float, default=0.1, help="of the rows put to the graph (default 0.1)")
    parser.add_argument(
        "--ef", type=int, nargs="+", default=[64, 128], help="width of the search in the graph"
    )
    parser.add_argument("--k", type=int, default=4, help="neighbours (default 4)")
    parser.add_argument("--memory-mb", type=int, default=512, help="of the exact search (default 512)")
    parser.add_argument("--graph", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.graph:
        answer_from_graph(*arguments.graph)
        return
    print("| rows of either side | exact | graphs built | ef | rows asked, scaled | all | recall | load |")
    print(f"|{' --- |' * 8}")
    costs = [compare(size, arguments) for size in arguments.sizes]
    if len(costs) > 1:
        print(f"\n{crossover(arguments.sizes[-2:], costs[-2:])}")


def compare(count: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Rows of the table for one size; the processor seconds of the exact search and of the cheapest graph."""
    x_ND, y_MD = build_sides(count, "crowded", lambda _: np.empty((count, DIMENSION), dtype=np.float32))
    began = time.process_time()
    exact = both_ways(x_ND, y_MD, arguments.k, memory_mb=arguments.memory_mb)
    exact_s = time.process_time() - began
    asked = max(1, round(count * arguments.share))
    sides = (
        from_graph(y_MD, x_ND[:asked], arguments.k, arguments.ef),
        from_graph(x_ND, y_MD[:asked], arguments.k, arguments.ef),
    )
    totals = []
    for place, ef in enumerate(arguments.ef):
        build_s = sum(side[0] for side in sides)
        ask_s = sum(side[1][place] for side in sides) * count / asked
        found = np.concatenate([side[2][place] for side in sides])
        right = np.concatenate([exact.forward_ids_NK[:asked], exact.backward_ids_MK[:asked]])
        totals.append(build_s + ask_s)
        cells = (
            f"{count:,}",
            f"{exact_s:.1f} s",
            f"{build_s:.1f} s",
            f"{ef}",
            f"{ask_s:.1f} s",
            f"{totals[-1]:.1f} s, {totals[-1] / exact_s:.1f} times the exact search",
            f"{recall(found, right):.4f}",
            load(),
        )
        print(f"| {' | '.join(cells)} |", flush=True)
    return exact_s, min(totals)


def from_graph(
    rows_ND: Vectors, queries_QD: Vectors, k: int, ef: list[int]
) -> tuple[float, list[float], list[Ids]]:
    """Processor seconds to build the graph, and for each width those to ask it and the ids that it found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "rows.npy", rows_ND)
        np.save(folder / "queries.npy", queries_QD)
        widths = ",".join(map(str, ef))
        command = [
            sys.executable,
            __file__,
            "--graph",
            "rows.npy",
            "queries.npy",
            str(k),
            widths,
            "found.npy",
        ]
        answer = subprocess.run(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        said = json.loads(answer.stdout)
        return said["build_s"], said["ask_s"], list(np.load(folder / "found.npy"))


def answer_from_graph(rows: str, queries: str, k: str, widths: str, found: str) -> None:
    """The child: build in the current folder, ask, write the ids, print the seconds."""
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeShard,
        EdgeVectorParams,
        HnswIndexConfig,
        Point,
        Query,
        QueryRequest,
        SearchParams,
        UpdateOperation,
    )

    rows_ND, queries_QD = np.load(rows, mmap_mode="r"), np.load(queries, mmap_mode="r")
    began = seconds()
    folder = Path("shard")
    folder.mkdir()
    shard = EdgeShard.create(
        str(folder),
        EdgeConfig(
            vectors={"dense": EdgeVectorParams(rows_ND.shape[1], Distance.Dot)},
            wal_enabled=False,
            hnsw_config=HnswIndexConfig(
                m=HNSW_M,
                ef_construct=HNSW_EF_CONSTRUCT,
                full_scan_threshold=SMALL_SEGMENT_KB,
                max_indexing_threads=1,
            ),
            optimizers=EdgeOptimizersConfig(indexing_threshold=SMALL_SEGMENT_KB, default_segment_number=1),
        ),
    )
    for start in range(0, len(rows_ND), WRITE_BATCH):
        batch = rows_ND[start : start + WRITE_BATCH].tolist()
        points = [Point(start + place, {"dense": row}, None) for place, row in enumerate(batch)]
        shard.update(UpdateOperation.upsert_points(points))
    shard.optimize()
    info = shard.info()
    if info.indexed_vectors_count < len(rows_ND):
        sys.exit(f"the graph holds {info.indexed_vectors_count} of {len(rows_ND)} rows")
    build_s, ask_s, ids = seconds() - began, [], []
    for ef in map(int, widths.split(",")):
        began = seconds()
        ids.append([])
        for row in queries_QD:
            query = Query.Nearest(row.tolist(), using="dense")
            hits = shard.query(QueryRequest(limit=int(k), query=query, params=SearchParams(hnsw_ef=ef)))
            ids[-1].append([int(hit.id) for hit in hits])
        ask_s.append(seconds() - began)
    np.save(found, np.array(ids, dtype=np.int64))
    print(json.dumps({"build_s": build_s, "ask_s": ask_s}))


def recall(found_QK: Ids, right_QK: Ids) -> float:
    """The share of the right ids that were found."""
    hits = (found_QK[:, :, None] == right_QK[:, None, :]).any(axis=1)
    return float(hits.mean())


def seconds() -> float:
    """Processor seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def crossover(sizes: list[int], costs: list[tuple[float, float]]) -> str:
    """From which size on the graph would be cheaper."""
    (_, first), (exact_s, last) = costs
    power = np.log(last / first) / np.log(sizes[1] / sizes[0])
    if power >= 2:
        return f"The graph's time grew with the power {power:.2f} of the rows: it would never be cheaper."
    rows = sizes[1] * (last / exact_s) ** (1 / (2 - power))
    return (
        f"The graph's time grew with the power {power:.2f} of the rows: both would cost the same at about "
        f"{rows:,.0f} x {rows:,.0f}, where either takes "
        f"{exact_s * (rows / sizes[1]) ** 2 / 3600:.1f} processor hours."
    )


if __name__ == "__main__":
    main()
