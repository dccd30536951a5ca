"""Endpoints for programs (``gradio_client``, MCP): values in, JSON out. Files go in through ``/add``."""

from typing import Any

import gradio as gr

from indexer.cli.documents import result_json
from ui.exports import document_rows
from ui.filters import to_filters
from ui.guard import guarded
from ui.services.jobs import job_json
from ui.services.library import DEFAULT_COLLECTION, Services


def add_endpoints(services: Services) -> None:
    """Register the endpoints in the Blocks that are being built."""

    def search(
        query: str,
        collection: str = DEFAULT_COLLECTION,
        mode: str = "hybrid",
        top_k: int = 10,
        languages: list[str] | None = None,
    ) -> dict[str, Any]:
        """Ranked passages for a question in any language, best first, each with its confidence.

        Where a collection allows no verdict, confidence only says how many words of the question a passage
        has.
        """
        result = services.search(query, collection, to_filters(mode, languages, top_k=top_k))
        return result_json(result)

    def similar(
        document: str,
        collection: str = DEFAULT_COLLECTION,
        at: int | None = None,
        in_other_languages: bool = False,
        top_k: int = 10,
    ) -> dict[str, Any]:
        """Documents nearest in meaning to one, or to its passage with character ``at``, such as the ``start``
        of a hit; without a verdict.
        """
        result = services.similar_to(
            document, collection, at, top_k=top_k, in_other_languages=in_other_languages
        )
        return result_json(result)

    def context(chunk_id: str) -> list[dict[str, Any]]:
        """A passage with its neighbours in reading order."""
        return [
            {
                "id": p.id, "document": p.document, "title": p.title, "page": p.chunk.page,
                "section": p.chunk.section, "start": p.chunk.start, "end": p.chunk.end,
                "language": p.chunk.language, "text": p.chunk.text,
            }
            for p in services.context(chunk_id)
        ]  # fmt: skip

    def jobs() -> list[dict[str, Any]]:
        """Every recorded job, running ones included."""
        return [job_json(job) for job in services.library.jobs.list()]

    def job(job_id: str) -> dict[str, Any]:
        """One job by its id."""
        return job_json(services.library.jobs.get(job_id))

    def cancel(job_id: str) -> dict[str, Any]:
        """Ask a job to stop."""
        services.cancel(job_id)
        return job_json(services.library.jobs.get(job_id))

    def documents(collection: str = DEFAULT_COLLECTION) -> list[dict[str, Any]]:
        """The documents of a collection."""
        match = services.documents(collection)
        return [{"id": d.id} | row for d, row in zip(match, document_rows(match), strict=True)]

    def collections() -> list[dict[str, Any]]:
        """All collections with their counts."""
        return [
            {
                "name": c.name, "model": c.model, "documents": c.documents, "chunks": c.chunks,
                "languages": dict(c.languages),
            }
            for c in services.collections()
        ]  # fmt: skip

    def create_collection(name: str, model: str | None = None, neutral: bool | None = None) -> str:
        """Create a collection and return its name; neutral: vectors without their language."""
        return services.create_collection(name, model, neutral)

    def remove(document_ids: list[str], collection: str = DEFAULT_COLLECTION) -> dict[str, Any]:
        """Take documents out of the library, as a job."""
        return job_json(services.remove(document_ids, collection))

    def reindex(document_ids: list[str], collection: str = DEFAULT_COLLECTION) -> dict[str, Any]:
        """Read and index documents again, as a job."""
        return job_json(services.reindex(document_ids, collection))

    endpoints = (
        search, similar, context, jobs, job, cancel, documents, collections, create_collection, remove,
        reindex,
    )  # fmt: skip
    for endpoint in endpoints:
        gr.api(guarded(endpoint), api_name=endpoint.__name__)
