"""E-mail messages: the body is the text, attachments of known formats follow as sections of their own."""

import email
import email.policy
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage, MIMEPart

from indexer.errors import ReadError
from indexer.readers import encoding, sniff
from indexer.readers.html import read_markup
from indexer.readers.pieces import MEGABYTE, Facts, Headings, Piece, Reading, Source, refusal

MAX_BYTES = 256 * MEGABYTE


def read(source: Source) -> Reading:
    if source.size_bytes > MAX_BYTES:
        megabytes = source.size_bytes // MEGABYTE
        raise refusal(source.name, f"has {megabytes} MB", "a message below 256 MB", "Save its attachments")
    with source.open() as stream:
        message = email.message_from_binary_file(stream, policy=email.policy.default)
    if not message.keys() or not isinstance(message, EmailMessage):
        raise refusal(source.name, "has no e-mail headers", "an RFC 822 message", "Rename it to .txt")
    yield Facts(title=_header(message, "subject"))
    body = message.get_body(preferencelist=("plain", "html"))
    if body is not None:
        text, codec = _text(body)
        yield Facts(encoding=codec)
        if body.get_content_subtype() == "html":
            yield from (item for item in read_markup(text, Headings()) if isinstance(item, Piece))
        elif text.strip():
            yield Piece(text.rstrip("\n") + "\n")
    attachments = list(_attachments(message, body))
    if attachments:
        names = [name for name, _ in attachments]
        yield Piece("\n".join(names) + "\n", section="attachments")
    for name, part in attachments[: source.limits.max_attachments]:
        yield from _read_attachment(source, name, part)
    if len(attachments) > source.limits.max_attachments:
        yield Facts(
            warning=f"only {source.limits.max_attachments} of {len(attachments)} attachments were read"
        )


def _read_attachment(source: Source, name: str, part: MIMEPart) -> Reading:
    """One that cannot be read is a warning, not a failure of the message."""
    if source.depth >= source.limits.max_archive_depth:
        yield Facts(warning=f"attachment {name} is nested too deeply")
        return
    if part.get_content_type() == "message/rfc822":
        data = b"".join(inner.as_bytes() for inner in part.iter_parts()) or _payload(part)
    else:
        data = _payload(part)
    inner = Source(name, data=data, limits=source.limits, depth=source.depth + 1)
    section = f"attachment {name}"
    try:
        _, pieces = sniff.read(inner)
        for item in pieces:
            if isinstance(item, Piece):
                place = f"{section} {item.section}" if item.section else section
                yield Piece(item.text, item.page, place)
    except ReadError as error:
        yield Facts(warning=f"attachment not read: {error}")


def _attachments(message: EmailMessage, body: MIMEPart | None) -> Iterator[tuple[str, MIMEPart]]:
    for number, part in enumerate(_leaves(message), start=1):
        if part is body or (
            part.get_filename() is None and part.get_content_maintype() in ("text", "multipart")
        ):
            continue
        if part.get_content_maintype() == "image" and part.get("content-id") and not part.is_attachment():
            continue  # a picture shown in the text
        fallback = (
            f"message {number}.eml" if part.get_content_type() == "message/rfc822" else f"part {number}"
        )
        name = " ".join((part.get_filename() or fallback).replace("/", "_").replace("\\", "_").split())
        yield name[:200], part


def _leaves(message: MIMEPart) -> Iterator[MIMEPart]:
    """Parts without going into attached messages, which are documents of their own."""
    if message.get_content_maintype() != "multipart":
        yield message
        return
    for part in message.iter_parts():
        if isinstance(part, MIMEPart):
            yield from _leaves(part)


def _payload(part: MIMEPart) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _text(part: MIMEPart) -> tuple[str, str]:
    data = _payload(part)
    declared = part.get_content_charset()
    if declared is None and part.get_content_subtype() == "html":
        declared = encoding.declared_charset(data)
    return encoding.decode(data, declared)


def _header(message: EmailMessage, name: str) -> str:
    with suppress(ValueError, LookupError, IndexError, AttributeError):
        return " ".join(str(message[name] or "").split())
    return ""
