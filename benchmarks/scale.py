"""What a large library costs beside the search itself: opening it, counts, filters, its table, many at once.

    python benchmarks/scale.py --documents 100000 --passages 300000
    python benchmarks/scale.py --documents 10000 --passages 30000 --points

Makes a catalog of sentences of the sample library in ``--data``, unless one of that size is there, and prints
a table for ``benchmarks/scale.md``. Without ``--points`` the vector store answers with passages drawn at
random, which takes no time: what is measured is all that a search costs besides encoding and finding. With
``--points`` the passages are embedded with ``--model`` and found by the embedded store.
"""

import argparse
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from search import EXAMPLES, cpu_name, sentences_by_document

from indexer.catalog import Catalog, ChunkRecord, CollectionRecord, DocumentRecord
from indexer.ingest.embedding import embed, sparse_of
from indexer.library.library import Library
from indexer.text.language import detect
from indexer.types import Chunk, Filters, ScoredPoint

COLLECTION = "library"
FOLDERS = 200
FILE_TYPES = ("pdf", "docx", "txt", "html", "odt", "md")
BATCH_DOCUMENTS = 500
DAY_S = 86_400.0


class RandomStore:
    """As many points as the catalog has passages, and random ones for every question, at once."""

    def __init__(self, ids: Sequence[str], dimension: int) -> None:
        self.ids = ids
        self._dimension = dimension
        self._vector = np.full(dimension, dimension**-0.5, dtype=np.float32)

    def ensure(self, name: str, dimension: int) -> None:
        """There already."""

    def exists(self, name: str) -> bool:
        """Every name is."""
        return True

    def names(self) -> list[str]:
        """None to be dropped."""
        return []

    def count(self, name: str) -> int:
        """As the catalog has it."""
        return len(self.ids)

    def iter_ids(self, name: str) -> Iterator[str]:
        """As the catalog has them."""
        return iter(sorted(self.ids))

    def query(
        self, name: str, *, limit: int = 10, with_dense: bool = False, **options: Any
    ) -> list[ScoredPoint]:
        """Random passages, the first with the best score."""
        chosen = random.sample(self.ids, min(limit, len(self.ids)))
        vector = self._vector if with_dense else None
        return [ScoredPoint(one, 0.9 - 0.001 * rank, vector) for rank, one in enumerate(chosen)]

    def bulk(self, name: str) -> AbstractContextManager[None]:
        """Nothing to defer."""
        return nullcontext()

    def optimize(self, name: str) -> None:
        """Nothing to build."""

    def is_indexing(self, name: str) -> bool:
        """Never."""
        return False

    def describe(self) -> str:
        """For people."""
        return "random passages"

    def close(self) -> None:
        """Nothing to release."""


# -- the library --------------------------------------------------------------------------------------------


def documents_of(
    collection: CollectionRecord, documents: int, passages: int
) -> Iterator[tuple[DocumentRecord, list[ChunkRecord]]]:
    """Documents as a finished ingest leaves them, with about ``passages / documents`` passages each."""
    rng = random.Random(7)
    sources = [(texts, detect(" ".join(texts))) for texts in sentences_by_document().values()]
    now = time.time()
    for number in range(documents):
        texts, guess = rng.choice(sources)
        name = f"{rng.choice(texts)[:40].strip().replace('/', ' ')} {number}"
        file_type = rng.choice(FILE_TYPES)
        folder = f"/shelf/{rng.randrange(10):02d}/{rng.randrange(FOLDERS // 10):02d}"
        path = f"{folder}/{name}.{file_type}"
        record = DocumentRecord(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
            collection_id=collection.id,
            path=path,
            source=path,
            title=name,
            file_type=file_type,
            size_bytes=rng.randrange(1_000, 5_000_000),
            mtime_ns=number,
            added_at=now - rng.random() * 400 * DAY_S,
            content_hash=f"{number:064x}",
            generation=1,
            state="indexed",
        )
        count = passages * (number + 1) // documents - passages * number // documents
        chunks = []
        for ordinal in range(count):
            text = " ".join(rng.choices(texts, k=5)) + f" {number}.{ordinal}"
            chunk = Chunk(
                ordinal, ordinal, ordinal + 1, text, None, None, 60, guess.language, guess.script, 1.0
            )
            chunk_id = str(uuid.uuid5(uuid.UUID(record.id), str(ordinal)))
            chunks.append(ChunkRecord(chunk_id, record.id, 1, chunk, "indexed"))
        yield record, chunks


def fill(library: Library, documents: int, passages: int, *, with_points: bool) -> None:
    """Write the catalog, and the points where they are wanted."""
    library.create_collection(COLLECTION)
    collection = library.catalog.collections.get(COLLECTION)
    batch: list[tuple[DocumentRecord, list[ChunkRecord]]] = []
    for one in documents_of(collection, documents, passages):
        batch.append(one)
        if len(batch) == BATCH_DOCUMENTS:
            write(library, collection, batch, with_points=with_points)
            batch = []
    write(library, collection, batch, with_points=with_points)
    if with_points:
        library.store.optimize(collection.store_name)


def write(
    library: Library,
    collection: CollectionRecord,
    batch: Sequence[tuple[DocumentRecord, list[ChunkRecord]]],
    *,
    with_points: bool,
) -> None:
    """Some documents with their passages."""
    languages = {record.id: Counter(one.chunk.language for one in chunks) for record, chunks in batch}
    library.catalog.documents.add_finished([record for record, _ in batch], languages)
    rows = [(record, chunk) for record, chunks in batch for chunk in chunks]
    library.catalog.chunks.put([chunk for _, chunk in rows])
    if not with_points:
        return
    for start in range(0, len(rows), 512):
        part = rows[start : start + 512]
        owners, records = [owner for owner, _ in part], [chunk for _, chunk in part]
        sparse = [sparse_of(owner, [record])[0] for owner, record in part]
        points = embed(library.encoder, owners, records, sparse, settings=library.settings)
        library.store.upsert(collection.store_name, points)


# -- what is measured ---------------------------------------------------------------------------------------


def timed(times: int, action: Callable[[], object]) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        took.append((time.perf_counter() - started) * 1000)
    return took


def line(what: str, took: Sequence[float]) -> None:
    """A row of the table."""
    p50, p95, worst = np.percentile(took, [50, 95, 100])
    print(f"| {what} | {len(took)} | {p50:.1f} | {p95:.1f} | {worst:.1f} |", flush=True)


def measure_catalog(library: Library) -> None:
    """Counts, filters and the table, each anew, as after a change of the collection."""
    from ui.build import _draw
    from ui.services.library import Services
    from ui.shell import refresh
    from ui.tabs.library import draw_table

    services = Services(library, library.data_dir)
    catalog = library.catalog
    collection = catalog.collections.get(COLLECTION)

    first = catalog.documents.find(
        collection.id, path=next(iter(catalog.passages.iter_titles(collection.id)))[1]
    )
    assert first is not None

    def after_a_change(action: Callable[[], object], times: int = 10) -> list[float]:
        took = []
        for _ in range(times):
            catalog.documents.put([first])
            took += timed(1, action)
        return took

    line("collections with their counts", after_a_change(library.collections))
    line("the same, nothing changed", timed(20, library.collections))
    line("facets", after_a_change(lambda: catalog.facets.counts(collection.id)))
    language = next(iter(library.collections()[0].languages))
    line(
        "facets, one language",
        after_a_change(lambda: catalog.facets.counts(collection.id, Filters(languages=(language,)))),
    )
    month = Filters(added_after=datetime.fromtimestamp(time.time() - 31 * DAY_S, UTC))
    line("facets, past month", after_a_change(lambda: catalog.facets.counts(collection.id, month), 5))
    for key in ("added", "title", "languages", "state"):
        line(
            f"Library table by {key}",
            after_a_change(lambda key=key: draw_table(services, COLLECTION, "", (key, True)), 5),
        )
    line(
        "Library table, filtered",
        after_a_change(lambda: draw_table(services, COLLECTION, "7 pdf", ("title", False)), 5),
    )
    line(
        "whole page after a change",
        after_a_change(lambda: _draw(services, COLLECTION, "", ("added", True)), 5),
    )
    line("look for news", after_a_change(lambda: refresh(services, COLLECTION)))


def questions() -> list[str]:
    """The questions of the sample library."""
    with (EXAMPLES / "questions.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(one)["question"] for one in lines]


def measure_search(library: Library, searches: int, threads: int) -> None:
    """Searches one after another, then from many threads at once."""
    asked = questions()
    rng = random.Random(3)
    library.warm(COLLECTION)

    def search() -> None:
        library.search(f"{rng.choice(asked)} {rng.randrange(10_000)}", collection=COLLECTION)

    collection = library.catalog.collections.get(COLLECTION)
    chosen = library.catalog.chunks.sample(collection.id, searches)
    texts = iter([info.chunk.text[:80] for info in library.catalog.chunks.by_id(chosen)])
    line("search, words of a passage", timed(len(chosen), lambda: library.search(next(texts))))
    line("search, 36 questions", timed(searches, search))
    took: list[float] = []
    started = time.perf_counter()
    workers = [
        threading.Thread(target=lambda: took.extend(timed(searches // threads, search)))
        for _ in range(threads)
    ]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    seconds = time.perf_counter() - started
    line(f"search, 36 questions, {threads} threads", took)
    print(f"\n{threads} threads: {len(took) / seconds:.0f} searches/s in total")


def main() -> None:
    """Read the arguments, make the library if needed, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="default 100000")
    parser.add_argument("--passages", type=int, default=300_000, help="default 300000")
    parser.add_argument("--points", action="store_true", help="embed the passages and search the real store")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--threads", type=int, default=20)
    parser.add_argument("--data", type=Path, default=Path("/tmp/me5-scale"), help="folder, kept")
    arguments = parser.parse_args()
    kind = "points" if arguments.points else "catalog"
    folder = arguments.data / f"{kind}-{arguments.documents}-{arguments.passages}"
    with ExitStack() as stack:
        library = open_measured(folder, arguments, stack)
        measure_catalog(library)
        measure_search(library, arguments.searches, arguments.threads)
        memory = psutil.Process().memory_info().rss / 1e6
        catalog_bytes = (folder / "catalog.sqlite3").stat().st_size / 1e6
        print(f"memory of this process {memory:.0f} MB; catalog {catalog_bytes:.0f} MB")


def open_measured(folder: Path, arguments: argparse.Namespace, stack: ExitStack) -> Library:
    """The library, made when it is missing, and how long its opening takes."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "catalog.sqlite3").exists():
        started = time.perf_counter()
        with open_library(folder, arguments, []) as library:
            fill(library, arguments.documents, arguments.passages, with_points=arguments.points)
        print(f"made in {time.perf_counter() - started:.0f} s", flush=True)
    ids = passage_ids(folder)
    info = f"{arguments.documents} documents, {len(ids)} passages, model {arguments.model}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu_name()}, load {psutil.getloadavg()[0]:.1f}; {info}\n")
    print("| what | times | p50 ms | p95 ms | max ms |\n|---|---|---|---|---|")
    line("open", timed(5, lambda: open_library(folder, arguments, ids).close()))
    return stack.enter_context(open_library(folder, arguments, ids))


def open_library(folder: Path, arguments: argparse.Namespace, ids: Sequence[str]) -> Library:
    """Open the data folder, with its own points or with random ones."""
    store: Any = None if arguments.points else RandomStore(ids, 256)
    return Library.open(folder, model=arguments.model, store=store, reserve_bytes=0, resume_jobs=False)


def passage_ids(folder: Path) -> list[str]:
    """Of all passages in the catalog."""
    catalog = Catalog.open(folder / "catalog.sqlite3")
    try:
        return [one for one, _ in catalog.chunks.iter_states(catalog.collections.get(COLLECTION).id)]
    finally:
        catalog.close()


if __name__ == "__main__":
    main()
