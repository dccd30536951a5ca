"""A machine of several over one catalog and one vector store, in a process of its own.

Arguments: DATA_DIR STORE_FILE DATABASE_URL COMMAND [PATH]. The command is ``add`` (index PATH and leave; prints
how many documents were added), ``job`` (the same as a job, and stay), ``search`` (a page that leaves the job
to others), ``worker`` or ``stay`` (do what is there to be done). Uploads are kept in a folder beside the store.
A process that stays ends when its input does. Each passage takes ``MACHINE_PAUSE_S`` longer than it need.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from fake_encoder import FakeEncoder
from shared_store import SharedStore

from indexer.catalog import claims
from indexer.ingest import pipeline
from indexer.ingest import read as reading
from indexer.library import presence
from indexer.library.library import Library


def main(data_dir: Path, store_file: Path, address: str, command: str, *paths: str) -> None:
    pipeline.BATCH_CHUNKS, reading.GROUP_CHUNKS = 8, 4
    claims.LEASE_S, presence.SIGN_EVERY_S = 2.0, 0.3
    pause_s = float(os.environ.get("MACHINE_PAUSE_S", "0"))
    encoder: Any = FakeEncoder(before_encode=lambda texts: time.sleep(pause_s * len(texts)))
    store: Any = SharedStore(store_file)
    with Library.open(
        data_dir,
        encoder=encoder,
        store=store,
        database_url=address,
        reserve_bytes=0,
        resume_jobs=command != "add",
        role=command if command in ("search", "worker") else "all",
        files_dir=store_file.with_name("files"),
    ) as library:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        if command == "add":
            sys.stdout.write(f"{library.add(list(paths)).added}\n")
            return
        if command == "job":
            library.jobs.submit_add(list(paths))
        if command == "search":
            library.jobs.submit_add(list(paths), keep_copies=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
