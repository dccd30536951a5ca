"""A small library in memory: documents in several scripts, scripted jobs, word search. For the page's unit tests."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from indexer.catalog.listing import Order, Word
from indexer.errors import CollectionError
from indexer.library.encoders import KnownModel
from indexer.library.offers import ModelOffer
from indexer.types import (
    Chunk,
    ChunkInfo,
    CollectionInfo,
    DocumentInfo,
    DocumentPage,
    Filters,
    Hit,
    JobInfo,
    SearchResult,
)

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

TEXTS = (
    ("Hafenordnung 1894", "hafen.pdf", "pdf", "de", "Jedes Schiff meldet sich beim Hafenmeister. Die Gebühr beträgt drei Mark."),
    ("مذكرات الميناء", "port.txt", "txt", "ar", "وصلت السفينة عند الفجر. كان البحر هادئا والريح خفيفة."),
    ("面包 <script>alert(1)</script>", "bread.md", "md", "zh", "面包要发酵一夜。第二天早上放进炉子。"),
    ("Bees & bread", "bees.html", "html", "en", "Bees find the way home by the sun. They dance <b>for</b> the others."),
)  # fmt: skip


@dataclass
class FakeJobs:
    jobs: list[JobInfo] = field(default_factory=list)
    submitted: list[tuple[list[Path], str, dict[str, Any]]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    reindexed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def submit_add(self, paths: list[Path], collection: str, **options: Any) -> JobInfo:
        self.submitted.append((list(paths), collection, options))
        job = build_job(id=f"job{len(self.jobs)}", state="running", collection=collection)
        self.jobs.append(job)
        return job

    def submit_remove(self, ids: list[str], collection: str = "") -> JobInfo:
        self.removed += ids
        return build_job(kind="remove")

    def submit_reindex(self, ids: list[str], collection: str = "") -> JobInfo:
        self.reindexed += ids
        return build_job(kind="reindex")

    def submit_drop(self, collection: str) -> JobInfo:
        self.dropped.append(collection)
        return build_job(kind="drop", collection=collection)

    def list(self) -> list[JobInfo]:
        return [*self.jobs]

    def get(self, job_id: str) -> JobInfo:
        return next(job for job in self.jobs if job.id == job_id)

    def cancel(self, job_id: str) -> None:
        self.jobs = [
            replace(j, state="cancelled", finished_at=NOW) if j.id == job_id else j for j in self.jobs
        ]


def build_job(**changes: Any) -> JobInfo:
    base = JobInfo("j", "add", "library", "running", "3 files", 1, 3, "files", "", 42.0, NOW, NOW, None)
    return replace(base, **changes)


class FakeLibrary:
    """Finds the documents that share a word with the query; every hit marks its first sentence."""

    def __init__(self) -> None:
        self.jobs = FakeJobs()
        self.vectors = SimpleNamespace(is_indexing=lambda collection: False)
        self.watching = SimpleNamespace(is_watching=False, folders=list)
        self.encoder = SimpleNamespace(spec=SimpleNamespace(name="fake"))
        self.model = "fake"
        self.names = ["library"]
        self.created: list[tuple[str, str | None, bool | None]] = []
        self.registered: list[KnownModel] = []
        self.passages = [
            ChunkInfo(f"c{n}", f"d{n}", "library", name, title, kind, Chunk(0, 0, len(text), text, 12 if kind == "pdf" else None, None, 9, lang))
            for n, (title, name, kind, lang, text) in enumerate(TEXTS)
        ]  # fmt: skip

    def collections(self) -> list[CollectionInfo]:
        counts = Counter(p.chunk.language for p in self.passages)
        return [
            CollectionInfo(name, name, "fake", "0" * 16, len(self.passages), len(self.passages), counts, NOW)
            if name == "library"
            else CollectionInfo(name, name, "fake", "0" * 16, 0, 0, {}, NOW)
            for name in self.names
        ]

    def create_collection(self, name: str, model: str | None = None, **options: Any) -> None:
        self.names.append(name)
        self.created.append((name, model, options["neutral"]))

    def models(self) -> list[KnownModel]:
        return self.registered

    def may_go_fast(self, job: JobInfo) -> bool:
        return bool(job.seconds_left and job.seconds_left > 600)

    def previous_model(self, collection: str) -> str | None:
        return "fake before"

    def offer(self, collection: str, *, measure: bool = True) -> ModelOffer | None:
        return None

    def documents(self, collection: str) -> list[DocumentInfo]:
        if collection != "library":
            return []
        return [
            DocumentInfo(p.document_id, "library", f"/docs/{p.document}", p.title, p.file_type, 1200 * (n + 1), "indexed", None, 1, 14 if p.file_type == "pdf" else None, {p.chunk.language: 1}, NOW, f"/docs/{p.document}")
            for n, p in enumerate(self.passages)
            if p.document_id not in self.jobs.removed
        ]  # fmt: skip

    def document_page(
        self, collection: str, words: Sequence[Word], order: Order, *, limit: int
    ) -> DocumentPage:
        """Filters by title and path; sorting is the catalog's, which has tests of its own."""
        found = [
            one
            for one in self.documents(collection)
            if all(word.text in f"{one.title} {one.path}".casefold() for word in words)
        ]
        return DocumentPage(tuple(found[:limit]), len(found), 0)

    def documents_at(self, collection: str, sources: Sequence[str]) -> list[DocumentInfo]:
        return [one for one in self.documents(collection) if one.stored_path in sources]

    def facets(self, collection: str) -> dict[str, dict[str, int]]:
        return {"language": dict(Counter(p.chunk.language for p in self.passages))}

    def documents_by_id(self, ids: list[str]) -> list[DocumentInfo]:
        return [document for document in self.documents("library") if document.id in ids]

    def chunk(self, chunk_id: str) -> ChunkInfo:
        return next(p for p in self.passages if p.id == chunk_id)

    def context(self, chunk_id: str, before: int = 3, after: int = 3) -> list[ChunkInfo]:
        return [self.chunk(chunk_id)]

    def search(self, query: str, *, collection: str, mode: str, top_k: int, where: Filters) -> SearchResult:
        if collection not in self.names:
            raise CollectionError(f"Unknown collection '{collection}'. Known: {self.names}. Create it first.")
        words = set(query.lower().split())
        hits = []
        for rank, p in enumerate(self.passages):
            if where.languages and p.chunk.language not in where.languages:
                continue
            if where.documents and p.document_id not in where.documents:
                continue
            if not words & set(p.chunk.text.lower().split()) and "everything" not in words:
                continue
            end = next((i + 1 for i, char in enumerate(p.chunk.text) if char in ".。"), len(p.chunk.text))
            hits.append(
                Hit(p.id, p.document_id, p.document, p.title, "library", 1 / (rank + 1), 0.8, "strong" if not rank else "likely", p.chunk.language, p.file_type, p.chunk.page, None, 0, len(p.chunk.text), p.chunk.text, (0, end), 2 if not rank else 0)
            )  # fmt: skip
        facets = {"language": Counter(hit.language for hit in hits)}
        return SearchResult(query, "en", 18.4, tuple(hits[:top_k]), (), facets)


@pytest.fixture
def make_job() -> Any:
    return build_job


@pytest.fixture
def fake_library() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture
def services(fake_library: FakeLibrary, tmp_path: Path) -> Any:
    from ui.services.library import Services

    return Services(fake_library, tmp_path)  # type: ignore[arg-type]
