"""Errors of the indexing package.

IndexerError              base
├── ReadError             a file cannot be read: unsupported, damaged, encrypted, over a limit
├── ChunkingError         chunk settings that cannot be met
├── CatalogError          the catalog database refuses: locked, wrong version, unreachable
├── StoreError            the vector store refuses or has died
│   ├── StoreAwayError    it does not answer for now
│   ├── StoreLockedError  another process owns the data folder
│   ├── StoreDamagedError vector files that cannot be read; the catalog can make them again
│   └── DiskFullError     less free disk than the reserve
├── CollectionError       unknown collection, or one whose model is another or cannot be opened
├── ModelError            a model cannot be registered under that name, or is none
├── MiningError           parallel text cannot be made of what was given
├── QueryError            a search that cannot be answered: nothing asked, unknown mode, bad top_k
├── ExportError           pairs cannot be written: the format or the place does not hold them
├── JobError              a job is not there, cannot be started or changed, or takes longer than was waited
└── Cancelled             long work was asked to stop
"""


class IndexerError(Exception):
    """Base class of every error raised on purpose by ``indexer``."""


class ReadError(IndexerError):
    """Raised when a file cannot be turned into text. The message is shown beside the file."""


class ChunkingError(IndexerError):
    """Raised when chunk settings contradict each other."""


class CatalogError(IndexerError):
    """Raised when the catalog database cannot be used."""


class StoreError(IndexerError):
    """Raised when the vector store refuses an operation or has died."""


class StoreAwayError(StoreError):
    """Raised when the vector store does not answer for now; the same may succeed later."""


class StoreLockedError(StoreError):
    """Raised when another process owns the data folder."""


class StoreDamagedError(StoreError):
    """Raised when vector files cannot be read. Nothing is lost: the catalog holds what they are made from."""


class DiskFullError(StoreError):
    """Raised when free disk space is below the reserve."""


class CollectionError(IndexerError):
    """Raised when a collection is unknown or does not fit the model."""


class ModelError(IndexerError):
    """Raised when a model cannot be registered in a data folder."""


class MiningError(IndexerError):
    """Raised when two sides give no parallel text: one is empty, or both are in one language."""


class QueryError(IndexerError):
    """Raised when a search cannot be answered as it was asked."""


class JobError(IndexerError):
    """Raised when a job is not there, cannot be started or changed, or has not ended in time."""


class Cancelled(IndexerError):  # noqa: N818 - asked for, so not an error
    """Raised by every long work that was asked to stop; the message says what is kept."""


class ExportError(IndexerError):
    """Raised when a file cannot be written as it was asked. An older file in its place is as it was."""
