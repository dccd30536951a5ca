"""Switches a collection to another model in a process of its own, which kills itself when told to.

Arguments: DATA_DIR SOURCE_DIR WORK MOMENT. The work is ``add``, ``use`` (the other model), ``undo`` or
``resume`` (jobs that wait are done). The moment is ``never`` or ``step:N``, as in ``ingest_child``.
"""

import sys
from pathlib import Path
from typing import Any

import ingest_child
from fake_encoder import FakeEncoder

from indexer.library import model_switch
from indexer.library.encoders import Encoders
from indexer.library.library import Library
from indexer.text.chunking import ChunkSettings

CATALOG_CHANGES = ("settings.set", "collections.switch", "jobs.create", "jobs.claim", "jobs.end")
STORE_CHANGES = ("ensure", "upsert", "delete", "drop", "optimize")
MODELS: dict[str, Any] = {"fake": FakeEncoder(), "other/model": FakeEncoder("other/model", dimension=48)}


def main(data_dir: Path, source: Path, work: str, moment: str) -> None:
    model_switch.BATCH_CHUNKS = 32
    ingest_child.CATALOG_CHANGES, ingest_child.STORE_CHANGES = CATALOG_CHANGES, STORE_CHANGES
    Encoders._load = lambda _, name: MODELS[name]  # type: ignore[assignment, method-assign]
    settings = ChunkSettings(target_tokens=32)
    with Library.open(
        data_dir, model="fake", settings=settings, reserve_bytes=0, resume_jobs=work == "resume"
    ) as library:
        kind, _, value = moment.partition(":")
        if kind == "step":
            ingest_child.die_at_step(library, int(value))
        if work == "add":
            library.add([source], prune=True)
            return
        if work == "use":
            library.switch_model("library", "other/model")
        elif work == "undo":
            library.undo_switch("library")
        for job in library.jobs.list():
            ended = library.jobs.wait(job.id)
            assert ended.state == "done", ended.message


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
