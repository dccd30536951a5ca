"""Documents by what a person calls them: an id, the path that search shows, a place on disk, a folder."""

import os
from collections.abc import Iterable
from pathlib import Path

from indexer.catalog.records import DocumentPlace
from indexer.ingest.scan import expanded
from indexer.library.blobs import BlobStore


def named_documents(
    places: Iterable[DocumentPlace], name: str, files: BlobStore, folder: Path | None = None
) -> list[DocumentPlace]:
    """The documents that ``name`` means; none where it means nothing.

    The first of these that gives any: the document of that id or shown path; what was read at that place on
    disk or below it, members of archives included; what is shown below that path, as in an upload.

    Args:
        places: of the documents to choose from.
        name: as typed.
        files: tells copies, which have no place of their own, from files that were read where they lie.
        folder: where relative paths begin; the current one when None.
    """
    if not name.strip():
        return []
    known = list(places)
    shown = expanded(name).as_posix()
    exact = [item for item in known if item.id == name or item.path in (name, shown)]
    if exact:
        return exact
    place = Path(os.path.abspath((folder or Path()) / expanded(name)))  # noqa: PTH100 - removes ".." without following links
    below = f"{shown}/"
    located = []
    for item in known:
        is_copy = files.owns(Path(item.source))
        at = Path(item.path) if is_copy else Path(item.source)
        if at.is_relative_to(place) or (is_copy and item.path.startswith(below)):
            located.append(item)
    return located or [item for item in known if item.path.startswith(below)]
