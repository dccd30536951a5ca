"""Time nearest neighbours in both directions against two exact FAISS searches.

    python benchmarks/mining.py [--sizes 20000 100000] [--rounds 3] [--vectors crowded|isotropic]
    python benchmarks/mining.py --strips-of 1000000

``crowded`` vectors lie in a cone as those of E5 models do (cosines 0.7 to 1.0), in topics, with a few
large coordinates; half of the rows have a translation on the other side. ``isotropic`` ones are drawn from
all directions: the worst case for the screen, since nothing stands out. Both engines run in turn in one
process. Ids that differ are compared in float64 and must score alike within 1e-6. ``--strips-of`` times
strips of the rows of a search that large against all its columns, from files, and scales.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from me5.knn.neighbours import Neighbours, both_ways, plan_for
from me5.knn.space import open_array

DIMENSION = 384
TOPICS = 1_000
ROWS_AT_ONCE = 20_000
Vectors = NDArray[np.float32]


class PeakMemory(AbstractContextManager["PeakMemory"]):
    """The most this process grew by, sampled every 5 ms; pages of memory-mapped files are not counted."""

    def __enter__(self) -> "PeakMemory":
        self._process, self._stop = psutil.Process(), threading.Event()
        self._start = self._peak = self._anonymous()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self._peak = max(self._peak, self._anonymous())

    def _anonymous(self) -> int:
        memory = self._process.memory_info()
        return int(memory.rss - getattr(memory, "shared", 0))

    @property
    def grown_mb(self) -> float:
        return (self._peak - self._start) / 1e6


def build_sides(
    count: int, kind: str, new: Callable[[str], Vectors], seed: int = 0
) -> tuple[Vectors, Vectors]:
    """Two sides of unit rows; every second row of the second is near the same row of the first, shuffled."""
    draw = np.random.default_rng(seed)
    topics_KD = draw.standard_normal((TOPICS, DIMENSION), dtype=np.float32)
    cone_D = 1.6 * draw.standard_normal(DIMENSION, dtype=np.float32)
    spread_D = np.where(np.arange(DIMENSION) < 4, 3.0, 0.6).astype(np.float32)
    sides = new("x"), new("y")
    for start in range(0, count, ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, count))
        shape = (rows.stop - rows.start, DIMENSION)
        x, other = (draw.standard_normal(shape, dtype=np.float32) for _ in "xy")
        if kind == "crowded":
            x, other = (
                side * spread_D + 0.7 * topics_KD[draw.integers(0, TOPICS, len(side))] for side in (x, other)
            )
        noise = draw.standard_normal(shape, dtype=np.float32)
        is_paired = (np.arange(len(x)) % 2 == 0)[:, None]
        y = np.where(is_paired, x + 0.3 * noise, other)[draw.permutation(len(x))]
        cone = cone_D if kind == "crowded" else 0
        for side, part in zip(sides, (x + cone, y + cone), strict=True):
            side[rows] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return sides


@dataclass(frozen=True)
class Cost:
    """What a search took: wall time, and processor time of all cores, which other programs disturb less."""

    wall_s: float
    processor_s: float
    grown_mb: float

    def times(self, factor: float) -> "Cost":
        return Cost(self.wall_s * factor, self.processor_s * factor, self.grown_mb)


def measured(search: Callable[[], Neighbours]) -> tuple[Neighbours, Cost]:
    wall, processor = time.perf_counter(), time.process_time()
    with PeakMemory() as memory:
        found = search()
    return found, Cost(time.perf_counter() - wall, time.process_time() - processor, memory.grown_mb)


def faiss_both_ways(x_ND: Vectors, y_MD: Vectors, k: int, queries: int) -> Neighbours:
    """Two searches of a flat index, as LASER mines; of the first rows of each side."""
    import faiss

    found = []
    for own, other in ((x_ND, y_MD), (y_MD, x_ND)):
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(other)
        found.extend(index.search(own[:queries], k))
    return Neighbours(*found)


def count_differences(own: Neighbours, other: Neighbours, x_ND: Vectors, y_MD: Vectors) -> tuple[int, float]:
    """How many ids differ, and by how much the float64 scores of the worst such place do."""
    differing, worst = 0, 0.0
    for rows, columns, ids, other_ids in (
        (x_ND, y_MD, own.forward_ids_NK, other.forward_ids_NK),
        (y_MD, x_ND, own.backward_ids_MK, other.backward_ids_MK),
    ):
        answered = ids[: len(other_ids)]
        at, place = np.nonzero(answered != other_ids)
        differing += len(at)
        for row, column, other_column in zip(at, answered[at, place], other_ids[at, place], strict=True):
            wide = rows[row].astype(np.float64)
            worst = max(worst, abs(float(wide @ columns[column] - wide @ columns[other_column])))
    return differing, worst


def compare(count: int, rounds: int, arguments: argparse.Namespace) -> None:
    """One row of the table."""
    x_ND, y_MD = build_sides(
        count, arguments.vectors, lambda _: np.empty((count, DIMENSION), dtype=np.float32)
    )
    queries = max(1, round(count * arguments.faiss_share))
    own_costs, faiss_costs = [], []
    for _ in range(rounds):
        own, own_cost = measured(lambda: both_ways(x_ND, y_MD, arguments.k, memory_mb=arguments.memory_mb))
        other, faiss_cost = measured(lambda: faiss_both_ways(x_ND, y_MD, arguments.k, queries))
        own_costs.append(own_cost)
        faiss_costs.append(faiss_cost.times(count / queries))
        differing, worst = count_differences(own, other, x_ND, y_MD)
        assert worst < 1e-6, f"{differing} ids differ, scores by up to {worst}"
    cells = (
        f"{count:,} x {count:,} {arguments.vectors}",
        f"{statistics.median(cost.wall_s for cost in faiss_costs):.1f} s",
        f"{statistics.median(cost.wall_s for cost in own_costs):.1f} s",
        _ratio([theirs.wall_s / ours.wall_s for theirs, ours in zip(faiss_costs, own_costs, strict=True)]),
        _ratio(
            [
                theirs.processor_s / ours.processor_s
                for theirs, ours in zip(faiss_costs, own_costs, strict=True)
            ]
        ),
        f"{differing} of {2 * queries * arguments.k:,} (by {worst:.0e})",
        f"{max(cost.grown_mb for cost in faiss_costs):.0f} MB",
        f"{max(cost.grown_mb for cost in own_costs):.0f} MB",
        load(),
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def _ratio(ratios: list[float]) -> str:
    return f"**{statistics.median(ratios):.2f}x** ({min(ratios):.2f}-{max(ratios):.2f})"


def extrapolate(count: int, k: int, memory_mb: int, folder: str | None) -> None:
    """Time two strips of rows against all columns, from files, and scale to all rows."""
    with tempfile.TemporaryDirectory(dir=folder) as name:

        def new(side: str) -> Vectors:
            return open_array(Path(name) / f"{side}.npy", "w+", np.float32, (count, DIMENSION))

        x_ND, y_MD = build_sides(count, "crowded", new)
        plan = plan_for(DIMENSION, 2 * count, memory_mb, None)
        heard: list[tuple[float, float]] = []
        started = time.perf_counter()
        with PeakMemory() as memory:
            both_ways(
                x_ND[: 2 * plan.strip_rows],
                y_MD,
                k,
                memory_mb=memory_mb,
                progress=lambda share: heard.append((share, time.perf_counter() - started)),
            )
    first = next(at for share, at in heard if share > 0)
    half, end = next(at for share, at in heard if share >= 0.5), heard[-1][1]
    strips = -(-count // plan.strip_rows)
    hours = (2 * first + strips * (end - half)) / 3600
    print(
        f"{plan.strip_rows:,} rows x {count:,}: {end - half:.1f} s (the strip before: {half - first:.1f} s); "
        f"codes of {count + 2 * plan.strip_rows:,} rows: {first:.1f} s.\n{count:,} x {count:,} has {strips} "
        f"such strips: about {hours:.2f} h.\nMemory grew by {memory.grown_mb:.0f} MB (memory_mb={memory_mb}, "
        f"result of this part {(count + 2 * plan.strip_rows) * k * 8 / 1e6:.0f} MB); load {load()}."
    )


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3, help="of both engines in turn (default 3)")
    parser.add_argument("--vectors", choices=("crowded", "isotropic"), default="crowded")
    parser.add_argument("--k", type=int, default=4, help="neighbours (default 4)")
    parser.add_argument("--memory-mb", type=int, default=512, help="default 512")
    parser.add_argument(
        "--faiss-share",
        type=float,
        default=1.0,
        help="of the queries put to FAISS, its time scaled (default 1)",
    )
    parser.add_argument("--strips-of", type=int, metavar="ROWS", help="extrapolate a search of this size")
    parser.add_argument("--folder", help="for the files of --strips-of (3 GB at 1,000,000)")
    arguments = parser.parse_args()
    processor = platform.processor() or platform.machine()
    print(f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if arguments.strips_of:
        extrapolate(arguments.strips_of, arguments.k, arguments.memory_mb, arguments.folder)
        return
    if importlib.util.find_spec("faiss") is None:
        print("FAISS is not installed, so there is nothing to compare with. Run: pip install faiss-cpu")
        return
    print(
        "| search | FAISS, twice | me5 | ratio | processor time | other ids | FAISS grew | me5 grew | load |"
    )
    print(f"|{' --- |' * 9}")
    for size in arguments.sizes:
        compare(size, arguments.rounds, arguments)


if __name__ == "__main__":
    main()
