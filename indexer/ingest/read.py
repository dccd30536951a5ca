"""The first half of ingest: files to chunks with ids, languages and sparse vectors, in order.

Nothing is written here and no model runs, so it works ahead in a thread of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from uuid import UUID, uuid5

from indexer.catalog import ChunkRecord, DocumentRecord, PassResult
from indexer.errors import Cancelled, IndexerError
from indexer.ingest import titles
from indexer.ingest.embedding import sparse_of
from indexer.ingest.left_alone import LeftAlone
from indexer.ingest.plan import Decision, Planner
from indexer.ingest.scan import FoundFile
from indexer.readers import ReadLimits
from indexer.readers.worker import Reading, read_file
from indexer.text import language
from indexer.text.chunking import ChunkSettings, TokenCounter, fit_title, iter_chunks
from indexer.text.file_names import stem
from indexer.types import Chunk, SparseVector
from me5.storable import storable

GROUP_CHUNKS = 128
"""Chunks handed over together; also the context in which languages correct each other."""


@dataclass(frozen=True)
class DocumentStarted:
    """Something was decided about a file. For ``add`` and ``change`` its chunks follow."""

    file: FoundFile
    decision: Decision


@dataclass(frozen=True)
class Group:
    """Consecutive chunks of the document begun last. ``text_bytes`` is the size of their text."""

    document_id: str
    records: list[ChunkRecord]
    sparse: list[SparseVector]
    text_bytes: int


@dataclass(frozen=True)
class DocumentFinished:
    """All chunks of a document were handed over."""

    document_id: str
    result: PassResult


@dataclass(frozen=True)
class Failed:
    """A file cannot be indexed. ``document`` is None when it could not even be opened."""

    file: FoundFile
    document: DocumentRecord | None
    reason: str


@dataclass(frozen=True)
class PassedOver:
    """Nothing is done about a file, because later work has removed or replaced its document."""

    file: FoundFile


Event = DocumentStarted | Group | DocumentFinished | Failed | PassedOver


@dataclass(frozen=True)
class ReadOptions:
    """How files are read: sizes of chunks in the tokens of the model, what a file may cost, when to stop, and
    which files are left alone.
    """

    tokens: TokenCounter
    settings: ChunkSettings
    limits: ReadLimits
    cancelled: Callable[[], bool]
    left_alone: LeftAlone = field(default_factory=LeftAlone)


def read_all(files: Sequence[FoundFile], planner: Planner, options: ReadOptions) -> Iterator[Event]:
    """Everything that happens while ``files`` are read, one file after the other.

    Raises:
        Cancelled: ``options.cancelled`` said so.
    """
    for file in files:
        if options.cancelled():
            raise Cancelled(f"Indexing was cancelled before {file.path}. Start it again to resume.")
        if options.left_alone.has_file(file):
            yield PassedOver(file)
            continue
        try:
            decision = planner.decide(file)
        except OSError as error:
            reason = f"{file.path} cannot be opened: {error.strerror}. Check that it is there and readable."
            yield Failed(file, None, reason)
            continue
        if decision.is_retitled:
            decision = _named_by_content(file, decision, options)
        if decision.action in ("skip", "rename"):
            yield DocumentStarted(file, decision)
            continue
        try:
            yield from _read(file, decision, options)
        except Cancelled:
            raise
        except (IndexerError, OSError) as error:
            yield Failed(file, decision.document, str(error))


def _named_by_content(file: FoundFile, decision: Decision, options: ReadOptions) -> Decision:
    """``decision`` about a renamed file whose title was its name, with the title that the file has anyway.

    Both may be the same words, and nothing but the file tells where they came from.
    """
    try:
        with read_file(file.source, options.limits, cancelled=options.cancelled) as reading:
            title = _title(reading, decision.document)
    except Cancelled:
        raise
    except (IndexerError, OSError):  # it was read before: its new name will do
        return decision
    return replace(decision, document=replace(decision.document, title=title))


def _read(file: FoundFile, decision: Decision, options: ReadOptions) -> Iterator[Event]:
    tokens, settings = options.tokens, options.settings
    with read_file(file.source, options.limits, cancelled=options.cancelled) as reading:
        title = _title(reading, decision.document)
        document = replace(decision.document, title=title, file_type=reading.info.file_type)
        yield DocumentStarted(file, replace(decision, document=document))
        chunks = iter_chunks(reading, tokens, settings, title=fit_title(document.title, tokens, settings))
        is_empty = True
        while group := list(islice(chunks, GROUP_CHUNKS)):
            is_empty = False
            yield prepare(document, group)
        info = reading.info
    if is_empty:
        yield Failed(
            file,
            document,
            f"{file.path} holds no text. Expected words; scanned pages and pictures have none. "
            "Run text recognition (OCR) on it first.",
        )
        return
    result = PassResult(document.title, document.file_type, info.encoding, info.pages, info.warnings)
    yield DocumentFinished(document.id, result)


def prepare(document: DocumentRecord, chunks: Sequence[Chunk]) -> Group:
    """Give consecutive chunks of a document their ids, languages and sparse vectors."""
    texts = [storable(chunk.text) for chunk in chunks]
    guesses = language.refine(language.detect_many(texts), texts)
    namespace = UUID(document.id)
    records = []
    for chunk, text, guess in zip(chunks, texts, guesses, strict=True):
        place = f"{document.id}:{document.pending_hash}:{chunk.start}:{chunk.end}"
        known = replace(
            chunk,
            text=text,
            language=guess.language,
            script=guess.script,
            language_confidence=float(guess.confidence),
        )
        records.append(ChunkRecord(str(uuid5(namespace, place)), document.id, document.generation + 1, known))
    return Group(document.id, records, sparse_of(document, records), sum(len(t.encode()) for t in texts))


def _title(reading: Reading, document: DocumentRecord) -> str:
    """The title that the content gives, else the name of the file as it was given."""
    head = reading.head(titles.HEAD_CHARS)
    info = reading.info
    is_log = document.path.lower().endswith(".log")
    match = titles.find_title(info.title, head, info.file_type, is_log=is_log)
    return storable(match) or stem(document.path)
