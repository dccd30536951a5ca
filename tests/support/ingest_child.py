"""Adds a folder to a library in a process of its own, which kills itself when told to.

Arguments: DATA_DIR SOURCE_DIR MOMENT. The moment is ``never``, ``step:N`` (at the N-th change of catalog or
store, before it for odd N, after it for even N) or ``time:S`` (S seconds after the library was opened).
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

from fake_encoder import FakeEncoder

from indexer.ingest import pipeline
from indexer.ingest import read as reading
from indexer.library.library import Library
from indexer.text.chunking import ChunkSettings

CATALOG_CHANGES = (
    "documents.put",
    "chunks.put",
    "chunks.mark",
    "documents.finish",
    "documents.give_up_pass",
    "chunks.delete",
    "documents.delete",
)
STORE_CHANGES = ("upsert", "delete")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(library: Library, number: int) -> None:
    """Wrap every change so that the ``number``-th one kills."""
    steps = 0

    def wrapped(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == number and number % 2:
                die()
            result = change(*args, **kwargs)
            if steps == number:
                die()
            return result

        return call

    for target, names in ((library.catalog, CATALOG_CHANGES), (library.store, STORE_CHANGES)):
        for name in names:
            *owner, method = name.split(".")
            changed = attrgetter(*owner)(target) if owner else target
            setattr(changed, method, wrapped(getattr(changed, method)))


def main(data_dir: Path, source: Path, moment: str) -> None:
    pipeline.BATCH_CHUNKS, reading.GROUP_CHUNKS = 64, 16
    settings = ChunkSettings(target_tokens=32)
    encoder: Any = FakeEncoder()
    with Library.open(
        data_dir, encoder=encoder, settings=settings, reserve_bytes=0, resume_jobs=False
    ) as library:
        kind, _, value = moment.partition(":")
        if kind == "step":
            die_at_step(library, int(value))
        elif kind == "time":
            threading.Timer(float(value), die).start()
        library.add([source], prune=True)
        if kind == "time":
            os._exit(0)  # finished before the moment came


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
