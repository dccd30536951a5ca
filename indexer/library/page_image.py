"""Pictures of document pages for the screen, drawn in the reader process."""

from pathlib import Path

from indexer.readers.pieces import ReadLimits

MIN_WIDTH, MAX_WIDTH = 64, 2400


def page_image(path: Path, page: int, width: int = 900, *, limits: ReadLimits | None = None) -> bytes:
    """Page ``page`` (from 1) of a PDF as PNG bytes, ``width`` pixels wide (64 to 2400).

    Raises:
        ReadError: not a PDF, no such page, encrypted or damaged.
    """
    from indexer.readers import worker

    with worker.borrow(limits or ReadLimits()) as process:
        return process.page_image(Path(path), page, min(max(width, MIN_WIDTH), MAX_WIDTH))
