"""Documents inside Word documents (alternative format chunks): read by their own kind."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from indexer.errors import ReadError
from indexer.readers import encoding, load_reader
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
        return _read_web_archive(inner)
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


def _read_web_archive(source: Source) -> Iterator[Piece | Facts]:
    """The page of an MHT file: its first part of HTML, else of plain text."""
    import email
    import email.policy
    from email.message import EmailMessage

    message = email.message_from_bytes(source.data, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    for kind in ("text/html", "application/xhtml+xml", "text/plain"):
        for part in parts:
            if part.get_content_type() == kind:
                assert isinstance(part, EmailMessage)
                payload = part.get_payload(decode=True)
                data = payload if isinstance(payload, bytes) else b""
                charset = part.get_content_charset()
                if kind == "text/plain":
                    yield Piece(encoding.decode(data, charset)[0])
                    return
                from indexer.readers.html import read_markup
                from indexer.readers.pieces import Headings

                text, _ = encoding.decode(data, charset or encoding.declared_charset(data))
                yield from read_markup(text, Headings())
                return
    raise refusal(source.name, "holds no page", "one of HTML", "Save it as docx")
