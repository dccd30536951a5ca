"""The callables and values that tabs may use: a thin layer between the page and the library."""

import functools
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.errors import CollectionError, ReadError
from indexer.ingest.report import KEPT
from indexer.ingest.scan import expanded
from indexer.types import (
    ChunkInfo,
    CollectionInfo,
    DocumentInfo,
    DocumentPage,
    JobInfo,
    SearchResult,
)
from me5.states import ACTIVE
from ui import exports
from ui.filters import SearchFilters
from ui.questions import SAMPLES, SampleQuestion, read_sample_questions
from ui.services import search as searches
from ui.services.access import Access, unquoted
from ui.services.metrics import Metrics
from ui.services.models import ModelChoice, model_choices

if TYPE_CHECKING:
    from indexer.catalog.facets import Facets
    from indexer.catalog.listing import Order, Word
    from indexer.library.library import Library
    from indexer.progress import Progress

DEFAULT_COLLECTION = "library"
SAMPLE_COLLECTION = "library"
NAME_PATTERN = re.compile(r"\w[\w .,'’()-]{0,79}")


@dataclass
class Services:
    """One library and what the page may do with it.

    Args:
        library: an open library; closed by whoever opened it.
        data_dir: the data folder; exports and uploads pass through ``data_dir/tmp``.
        is_private: whether only the person at this machine uses the page; others may name less, see
            :mod:`ui.services.access`.
    """

    library: "Library"
    data_dir: Path
    is_private: bool = True
    dismissed_jobs: set[str] = field(default_factory=set)
    _lost: dict[str, int] = field(default_factory=dict)

    @functools.cached_property
    def metrics(self) -> Metrics:
        """What watching programs are told."""
        return Metrics(self.library)

    @property
    def access(self) -> Access:
        """What may be named on this page."""
        return Access(self.data_dir, self.library.model, self.is_private)

    @property
    def uploads(self) -> Path:
        """Where gradio puts files before the library takes them over."""
        return self.data_dir / "tmp" / "uploads"

    @property
    def model_name(self) -> str:
        """The model that new collections get."""
        return self.library.model

    # -- collections ------------------------------------------------------------------------------------

    def collections(self) -> list[CollectionInfo]:
        """All collections, the default one first."""
        return sorted(
            self.library.collections(), key=lambda c: (c.name != DEFAULT_COLLECTION, c.name.casefold())
        )

    def collection(self, name: str) -> CollectionInfo | None:
        """The collection of that name, if there is one."""
        return next((info for info in self.collections() if info.name == name), None)

    def collection_names(self) -> list[str]:
        """Names to choose from; the default one is offered before it exists."""
        names = [info.name for info in self.collections()]
        return names if DEFAULT_COLLECTION in names else [DEFAULT_COLLECTION, *names]

    def model_choices(self) -> list[ModelChoice]:
        """Models that a new collection can have without anything being fetched, the usual one first."""
        return model_choices(self.library)

    def create_collection(
        self,
        name: str,
        model: str | None = None,
        neutral: bool | None = None,
        progress: "Progress | None" = None,
    ) -> str:
        """Create a collection and return its cleaned name.

        Args:
            name: of the collection.
            model: None: the usual one.
            neutral: vectors without their language, or as published; None: as usual.
            progress: told of the preparation of a model that is new here.

        Raises:
            NotOfferedError: the model is not offered on this page.
            CollectionError: the name is empty, too long, taken, or holds signs that do not belong in a name.
            Me5Error: the model cannot be opened.
        """
        if model:
            self.access.require("model", model)
        clean = " ".join(name.split())
        if not NAME_PATTERN.fullmatch(clean):
            raise CollectionError(
                f"'{clean[:80]}' cannot be the name of a collection. Expected 1 to 80 letters, digits, "
                "blanks and signs such as - . ( ). Choose another name."
            )
        if clean in self.collection_names() and self.collection(clean):
            raise CollectionError(f"There is a collection called '{clean}' already. Choose another name.")
        self.library.create_collection(clean, model, neutral=neutral, progress=progress)
        return clean

    def drop_collection(self, name: str) -> JobInfo:
        """Delete a collection in the background; the files that its documents were read from stay.

        Raises:
            CollectionError: there is none of that name.
        """
        if self.collection(name) is None:
            raise CollectionError(
                f"There is no collection called '{name}'. Expected one of the list; choose it at the top."
            )
        return self.library.jobs.submit_drop(name)

    # -- documents and jobs -----------------------------------------------------------------------------

    def documents(self, collection: str) -> list[DocumentInfo]:
        """Documents of a collection; none when it does not exist yet."""
        return self.library.documents(collection) if self.collection(collection) else []

    def document_page(
        self, collection: str, words: "Sequence[Word]", order: "Order", *, limit: int
    ) -> DocumentPage:
        """The first documents of a collection that the words find. The collection must exist."""
        return self.library.document_page(collection, words, order, limit=limit)

    def facets(self, collection: str) -> "Facets":
        """Passages by language, file type and folder; none when the collection does not exist yet."""
        return self.library.facets(collection) if self.collection(collection) else {}

    def documents_by_id(self, ids: Sequence[str]) -> list[DocumentInfo]:
        """The chosen documents."""
        return self.library.documents_by_id(list(ids))

    def add_uploads(self, paths: Sequence[Path], collection: str) -> JobInfo:
        """Index uploaded files in the background; the library keeps copies under their hash."""
        if not paths:
            raise ReadError("No file arrived. Choose at least one file and try again.")
        for path in paths:
            self.access.require("upload", path)
        try:
            return self.library.jobs.submit_add(list(paths), collection, keep_copies=True)
        finally:  # the library has its own copy now, or refused the file
            for path in paths:
                if path.is_relative_to(self.uploads):
                    path.unlink(missing_ok=True)

    def add_server_path(self, path: str, collection: str) -> JobInfo:
        """Index a file or folder of this machine where it lies, without a copy.

        Raises:
            ReadError: nothing is there.
            NotOfferedError: the page is open to others, who could read any file of the host.
        """
        self.access.require("folder", path)
        cleaned = unquoted(path)
        where = expanded(cleaned)
        if not cleaned or not os.path.exists(where):  # noqa: PTH110 - the other one raises for odd names
            raise ReadError(
                f"There is nothing at '{cleaned}'. Expected the path of a file or folder on this computer. "
                "Copy it from the file manager and try again."
            )
        return self.library.jobs.submit_add([where.absolute()], collection, prune=True)

    def lost_by(self, job: JobInfo | None) -> int:
        """Documents that a finished job kept although their files are gone: the page asks about them."""
        if job is None or job.state != "done" or KEPT not in job.message:
            return 0
        if self.collection(job.collection) is None:  # deleted since
            return 0
        if job.id not in self._lost:
            self._lost = {job.id: len(self.library.lost_documents(job.id, job.collection))}
        return self._lost[job.id]

    def remove_lost(self, job_id: str) -> JobInfo:
        """Remove, in the background, the documents of :meth:`lost_by` whose files are still gone."""
        job = self.library.jobs.get(job_id)
        self._lost = {}
        return self.remove(self.library.lost_documents(job_id, job.collection), job.collection)

    def add_samples(self, collection: str) -> JobInfo:
        """Index the sample library that comes with the program."""
        if not SAMPLES.is_dir():
            raise ReadError(
                f"The sample library is not at {SAMPLES}. Expected the folder that comes with the program. "
                "Restore it, or add documents of your own."
            )
        return self.library.jobs.submit_add([SAMPLES], collection, label="the sample library")

    def sample_documents(self, collection: str) -> list[DocumentInfo]:
        """The documents of the sample library that are in a collection; none when it does not exist yet."""
        sources = sorted(
            {str(SAMPLES / sample_question.document) for sample_question in read_sample_questions()}
        )
        return self.library.documents_at(collection, sources) if self.collection(collection) else []

    def sample_questions(self, documents: Sequence[DocumentInfo]) -> list[SampleQuestion]:
        """Questions to begin with: those whose sample document is among ``documents`` and can be found."""
        findable = {document.stored_path for document in documents if document.chunks}
        return [
            sample_question
            for sample_question in read_sample_questions()
            if str(SAMPLES / sample_question.document) in findable
        ]

    def running_jobs(self) -> list[JobInfo]:
        """Jobs that run or wait, oldest first, whoever started them."""
        return sorted(
            (job for job in self.library.jobs.list() if job.state in ACTIVE), key=lambda j: j.created_at
        )

    def latest_finished(self) -> JobInfo | None:
        """The job that ended last, if that was within an hour and nobody hid its line."""
        ended = [job for job in self.library.jobs.list() if job.finished_at and job.state not in ACTIVE]
        latest = max(ended, key=_ended_at, default=None)
        if latest is None or latest.id in self.dismissed_jobs:
            return None
        return latest if _ended_at(latest) > datetime.now(UTC) - timedelta(hours=1) else None

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; what it has indexed stays."""
        self.library.jobs.cancel(job_id)

    def fast_first(self, job_id: str) -> list[JobInfo]:
        """Go on with the fast model, and embed with the former one afterwards."""
        return self.library.fast_first(job_id)

    def undo_of(self, job: JobInfo | None) -> str | None:
        """The model that a finished switch can be undone to."""
        if (
            job is None
            or (job.kind, job.state) != ("switch", "done")
            or self.collection(job.collection) is None
        ):
            return None
        return self.library.previous_model(job.collection)

    def undo_switch(self, collection: str) -> JobInfo:
        """Return to the model before, in the background."""
        return self.library.undo_switch(collection)

    def remove(self, document_ids: Sequence[str], collection: str) -> JobInfo:
        """Take documents out of the library, in the background."""
        return self.library.jobs.submit_remove(list(document_ids), collection)

    def reindex(self, document_ids: Sequence[str], collection: str) -> JobInfo:
        """Read and index documents again, in the background."""
        return self.library.jobs.submit_reindex(list(document_ids), collection)

    # -- search -----------------------------------------------------------------------------------------

    def search(self, query: str, collection: str, filters: SearchFilters) -> SearchResult:
        """Ranked hits. The collection must exist."""
        with self.metrics.searching(filters.mode):
            return searches.search(self.library, query, collection, filters)

    def similar(self, chunk_id: str, collection: str, *, in_other_languages: bool = False) -> SearchResult:
        """What is nearest in meaning to a passage, in other documents."""
        return searches.similar(self.library, chunk_id, collection, in_other_languages=in_other_languages)

    def similar_to(
        self, document: str, collection: str, at: int | None, *, top_k: int, in_other_languages: bool
    ) -> SearchResult:
        """What is nearest in meaning to a document of the collection, or to its passage with a character."""
        return self.library.similar_to(
            document, collection=collection, folder=Path.cwd(), at=at, top_k=top_k,
            in_other_languages=in_other_languages,
        )  # fmt: skip

    def context(self, chunk_id: str) -> list[ChunkInfo]:
        """A passage with its neighbours, in reading order."""
        return searches.context(self.library, chunk_id)

    def page_png(self, chunk_id: str) -> tuple[bytes, int] | None:
        """The PDF page that a passage stands on, or nothing when its document has no pages to show."""
        return searches.page_png(self.library, chunk_id)

    def run_queries(self, path: Path, collection: str, filters: SearchFilters) -> Iterator[SearchResult]:
        """Search for every question of a file, in its order."""
        self.access.require("upload", path)
        return searches.run_queries(self.library, path, collection, filters)

    # -- exports ----------------------------------------------------------------------------------------

    def export_results(self, results: Sequence[SearchResult], kind: exports.ExportFormat) -> Path:
        """Write hits to a file that the page offers for download."""
        rows = exports.result_rows(results)
        return exports.write_rows(self._fresh("results"), rows, exports.RESULT_COLUMNS, kind)

    def export_documents(self, documents: Sequence[DocumentInfo], kind: exports.ExportFormat = "csv") -> Path:
        """Write a list of documents to a file that the page offers for download."""
        rows = exports.document_rows(documents)
        return exports.write_rows(self._fresh("documents"), rows, exports.DOCUMENT_COLUMNS, kind)

    def _fresh(self, stem: str) -> Path:
        folder = self.data_dir / "tmp" / "exports" / f"{time.time_ns():x}"
        return folder / f"{stem}-{datetime.now():%Y-%m-%d-%H%M}"

    def clean_temporary(self) -> None:
        """Drop exports and half uploads of earlier sessions; the library copied what it was given."""
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)


def _ended_at(job: JobInfo) -> datetime:
    assert job.finished_at is not None
    return job.finished_at if job.finished_at.tzinfo else job.finished_at.replace(tzinfo=UTC)
