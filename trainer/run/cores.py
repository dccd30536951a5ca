"""Work in one thread per core, where PyTorch uses one: no core waits for another inside an operation."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

COUNT = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_every_core(work: Callable[[int], None]) -> None:
    """Call ``work(core)`` for the numbers of all cores at once, and return when all are done."""
    for done in [_pool().submit(work, core) for core in range(COUNT)]:
        done.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(COUNT, initializer=torch.set_num_threads, initargs=(1,))
