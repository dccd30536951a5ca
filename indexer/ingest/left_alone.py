"""Documents that an ingest leaves alone, because later work has removed or replaced them.

The later work adds to it while the ingest stands still; from then on the ingest writes nothing about these
documents, whatever it has read of them.
"""

import threading
from collections.abc import Iterable

from indexer.catalog import DocumentRecord
from indexer.ingest.scan import FoundFile


class LeftAlone:
    """Documents by id, and files by what tells them apart. Safe to use from several threads.

    Args:
        names: paths of documents that were read from copies.
        sources: locations of files that were read where they lie.
    """

    def __init__(self, names: Iterable[str] = (), sources: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._names, self._sources = set(names), set(sources)

    def add(self, documents: Iterable[DocumentRecord] = (), names: Iterable[str] = ()) -> None:
        """Leave these documents alone, and copies of these names."""
        with self._lock:
            self._names.update(names)
            for item in documents:
                self._ids.add(item.id)
                self._names.add(item.path)
                self._sources.add(item.source)

    def has_document(self, document: DocumentRecord) -> bool:
        """Whether the document is left alone; it may be one that only this ingest knows."""
        with self._lock:
            return document.id in self._ids or document.path in self._names

    def has_file(self, file: FoundFile) -> bool:
        """Whether nothing is to be done about the file."""
        with self._lock:
            return file.path in self._names if file.is_copy else str(file.source) in self._sources
