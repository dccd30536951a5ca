"""The whole product as one thing that ranks passages: for measuring what a person gets, not a model alone.

Passages become documents of a library in a temporary folder, with chunks, languages, lexical vectors and
confidence, and queries are asked as on the page. What comes back is the order of the hits, each document
once, at the place of its best passage. Fits where an evaluation wants a model with ``search``; it has
no vectors of its own and pairs no sentences.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from indexer.catalog import ChunkRecord, CollectionRecord, DocumentRecord
from indexer.errors import IndexerError, QueryError
from indexer.ingest.embedding import embed
from indexer.ingest.pipeline import BATCH_CHUNKS
from indexer.ingest.read import prepare
from indexer.library.library import Library
from indexer.search.search import MAX_TOP_K
from indexer.text.chunking import fit_title, iter_chunks
from indexer.types import Block, Fusion, SearchMode, SparseVector

if TYPE_CHECKING:
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

NAME = "product"
NO_HIT = -1
_COLLECTION = "measured"
_REPORT_EVERY = 16

Hits = tuple[NDArray[np.float32], NDArray[np.int64]]
Progress = Callable[[str, int, int], None]


def open_product(name: str, progress: Progress | None = None) -> "Product":
    """The product named ``product``, ``product:MODEL``, ``product:MODE`` or ``product:MODEL:MODE``.

    Args:
        name: MODEL as for ``me5.load_encoder`` (default: builtin), MODE ``hybrid`` (default), ``dense`` or
            ``lexical``.
        progress: called with (name, done, total) while passages are indexed and queries asked.

    Raises:
        Me5Error: the model cannot be opened.
    """
    from me5.loading import load_encoder

    model = name.partition(":")[2]
    mode: SearchMode = "hybrid"
    for item in get_args(SearchMode):
        if model == item or model.endswith(f":{item}"):
            model, mode = model[: -len(item)].rstrip(":"), item
            break
    return Product(name, load_encoder(model or "builtin"), mode=mode, progress=progress)


class Product:
    """Ranks passages as the search page does.

    Args:
        name: shown in results.
        encoder: the model of the library.
        mode, fusion: how to search.
        progress: called with (name, done, total).
        folder: where the temporary library is made; the system's place for such when None.
    """

    def __init__(
        self,
        name: str,
        encoder: "Encoder",
        *,
        mode: SearchMode = "hybrid",
        fusion: Fusion = "rrf",
        progress: Progress | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self._encoder, self._mode, self._fusion = encoder, mode, fusion
        self._progress: Progress = progress or (lambda name, done, total: None)
        self._folder = folder

    def search(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None, k: int
    ) -> Hits:
        """The documents that the page would show, in its order: those judged weak after the others.

        Returns:
            [Q, k] float32 scores that fall with the rank and say nothing else, and [Q, k] passage numbers,
            -1 where there is no hit.

        Raises:
            QueryError: ``k`` is more than a search may ask for.
            DiskFullError: the temporary library does not fit on the disk.
        """
        if not 1 <= k <= MAX_TOP_K:
            raise QueryError(f"k is {k}; a search gives 1 to {MAX_TOP_K} hits. Ask for fewer.")
        numbers_QK = np.full((len(queries), k), NO_HIT, dtype=np.int64)
        with (
            tempfile.TemporaryDirectory(prefix="me5-product-", dir=self._folder) as place,
            Library.open(Path(place), encoder=self._encoder, resume_jobs=False) as library,
        ):
            numbers = self._index(library, passages, titles)
            for row, query in enumerate(queries):
                match = self._ask(library, query, k)
                hits = [numbers[document] for document in match]
                numbers_QK[row, : len(hits)] = hits
                if (row + 1) % _REPORT_EVERY == 0 or row + 1 == len(queries):
                    self._progress(self.name, row + 1, len(queries))
        ranks_K = np.arange(1, k + 1, dtype=np.float32)
        return np.where(numbers_QK == NO_HIT, np.float32(0), 1 / ranks_K), numbers_QK

    def pair(self, sources: Sequence[str], targets: Sequence[str], k: int, kind: str) -> tuple[Hits, Hits]:
        """Refused: sentences are no documents."""
        raise self._refusal(kind)

    def vectors(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        """Refused: vectors are those of the model."""
        raise self._refusal(kind)

    def _refusal(self, kind: str) -> IndexerError:
        return QueryError(
            f"{self.name!r} searches documents and cannot do a {kind} task. Expected a retrieval task. "
            "Measure its model instead, by the model's own name."
        )

    def _ask(self, library: Library, query: str, k: int) -> list[str]:
        """Ids of documents, best first; none for a query without words."""
        try:
            result = library.search(
                query, collection=_COLLECTION, mode=self._mode, top_k=k, fusion=self._fusion
            )
        except QueryError as error:
            logger.info("a query has no hits: %s", error)
            return []
        return [hit.document_id for hit in (*result.hits, *result.weak_hits)]

    def _index(
        self, library: Library, passages: Sequence[str], titles: Sequence[str] | None
    ) -> dict[str, int]:
        """Put passages into the library as ingest would put files; the passage number of each document."""
        library.create_collection(_COLLECTION)
        collection = library.catalog.collections.get(_COLLECTION)
        numbers: dict[str, int] = {}
        writer = _Writer(library, collection, self._encoder)
        for number, text in enumerate(passages):
            document = _document(collection, number, titles[number] if titles else "", len(text))
            numbers[document.id] = number
            writer.add(document, text)
            if (number + 1) % BATCH_CHUNKS == 0 or number + 1 == len(passages):
                self._progress(self.name, number + 1, len(passages))
        writer.flush()
        if passages:
            library.store.optimize(collection.store_name)
        return numbers


def _document(collection: CollectionRecord, number: int, title: str, size: int) -> DocumentRecord:
    return DocumentRecord(
        id=str(uuid5(UUID(collection.id), str(number))),
        collection_id=collection.id,
        path=f"{number // 1000}/{number}",
        source="",
        title=" ".join(title.split()),
        file_type="txt",
        size_bytes=size,
        mtime_ns=0,
        added_at=0.0,
        content_hash=str(number),
        pending_hash=str(number),
        generation=0,
    )


class _Writer:
    """Documents to catalog and store in batches, without the care of ``ingest.pipeline`` for crashes."""

    def __init__(self, library: Library, collection: CollectionRecord, encoder: "Encoder") -> None:
        self._library, self._collection, self._encoder = library, collection, encoder
        self._documents: list[DocumentRecord] = []
        self._rows: list[tuple[DocumentRecord, ChunkRecord, SparseVector]] = []

    def add(self, document: DocumentRecord, text: str) -> None:
        """Index a document; one of only white space has no passages."""
        settings = self._library.settings
        title = fit_title(document.title, self._encoder, settings)
        chunks = list(iter_chunks(_blocks(text), self._encoder, settings, title=title))
        group = prepare(document, chunks)
        self._documents.append(document)
        self._rows += [
            (document, record, sparse) for record, sparse in zip(group.records, group.sparse, strict=True)
        ]
        if len(self._rows) >= BATCH_CHUNKS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        catalog, store = self._library.catalog, self._library.store
        owners = [owner for owner, _, _ in self._rows]
        records = [replace(record, state="indexed") for _, record, _ in self._rows]
        languages = {document.id: Counter[str]() for document in self._documents}
        for record in records:
            languages[record.document_id][record.chunk.language] += 1
        finished = [replace(document, pending_hash=None, generation=1) for document in self._documents]
        catalog.documents.add_finished(finished, languages)
        catalog.chunks.put(records)
        if records:
            sparse = [features for _, _, features in self._rows]
            points = embed(self._encoder, owners, records, sparse, settings=self._library.settings)
            store.upsert(self._collection.store_name, points)
        self._documents, self._rows = [], []


def _blocks(text: str) -> Iterator[Block]:
    if text:
        yield Block(text, 0)
