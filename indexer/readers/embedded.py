"""Documents inside Word documents (alternative format chunks): read by their own kind."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from indexer.errors import ReadError
from indexer.readers import load_reader
from indexer.readers.container import Container
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

PAGE = re.compile(rb"<(?:!doctype html|html|body|p|div|table|h[1-6])\b", re.IGNORECASE)
MESSAGE = re.compile(rb"(?:^|\n)(?:mime-version|content-type):", re.IGNORECASE)


def read_chunk(source: Source, archive: Container, part: str | None) -> Reading:
    """The pieces of one chunk, or a warning that says why it has none."""
    if part is None or not archive.has(part):
        yield Facts(warning="an inserted document is missing and was not read")
        return
    name = PurePosixPath(part).name
    if source.depth >= source.limits.max_archive_depth:
        yield Facts(warning=f"inserted document {name} was not read: it lies too deep")
        return
    try:
        for item in _read(source, name, archive.read(part)):
            if isinstance(item, Piece) or item.warning:
                yield item if isinstance(item, Piece) else Facts(warning=item.warning)
    except ReadError as error:
        yield Facts(warning=f"inserted document {name} was not read: {error}")


def _read(source: Source, name: str, data: bytes) -> Iterator[Piece | Facts]:
    inner = Source(name, data=data, limits=source.limits, depth=source.depth + 1)
    start = data[:4096].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"{\\rtf"):
        return load_reader("rtf")(inner)
    if start.startswith(b"PK\x03\x04"):
        return load_reader("docx")(inner)
    if MESSAGE.search(start) and not start.startswith(b"<"):
        from indexer.readers.mail import read_saved_page

        return read_saved_page(inner)
    if (
        PAGE.search(start)
        or start.startswith((b"<?xml", b"<html"))
        or name.lower().endswith((".htm", ".html", ".xhtml"))
    ):
        return load_reader("html")(inner)
    if name.lower().endswith(".txt"):
        return load_reader("txt")(inner)
    raise refusal(
        name,
        "is of a kind that is not read here",
        "HTML, RTF, docx or MHT",
        "Open the document and save it again",
    )
