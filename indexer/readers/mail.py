"""E-mail: headers and text of a message, attachments as sections of their own; boxes of messages (mbox)."""

import email
import email.policy
import re
from collections.abc import Iterator, Sequence
from email.message import EmailMessage

from indexer.errors import ReadError
from indexer.readers import sniff
from indexer.readers.mail_headers import header, headers
from indexer.readers.mail_parts import Attachment, Text, parts_of, payload
from indexer.readers.pieces import MEGABYTE, Facts, Piece, Reading, Source, refusal

MAX_BYTES = 256 * MEGABYTE
ENCRYPTED = frozenset({"application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
UNREADABLE = {
    "application/ms-tnef": "it is Outlook's own packing (TNEF)",
    "application/vnd.ms-tnef": "it is Outlook's own packing (TNEF)",
    "message/partial": "it is a part of a message that was sent in several",
    "message/external-body": "it lies elsewhere",
} | dict.fromkeys(ENCRYPTED, "it is encrypted or sealed")
FROM_LINE = re.compile(rb"From \S.*\d\d:\d\d.*\r?\n")
QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def read(source: Source) -> Reading:
    """One message; or each message of a box, with its number and subject as section."""
    with source.open() as stream:
        start = stream.readline(1000)
    if FROM_LINE.fullmatch(start):
        yield from _read_box(source)
        return
    if source.size_bytes > MAX_BYTES:
        megabytes = source.size_bytes // MEGABYTE
        raise refusal(source.name, f"has {megabytes} MB", "a message below 256 MB", "Save its attachments")
    with source.open() as stream:
        message = _parsed(stream.read())
    if not message.keys():
        raise refusal(source.name, "has no e-mail headers", "an RFC 822 message", "Rename it to .txt")
    yield Facts(title=header(message, "subject"))
    yield from read_message(source, message)


def read_saved_page(source: Source) -> Reading:
    """The text and attachments of a page saved as one file (MHT), without its headers.

    Raises:
        ReadError: it has no text.
    """
    with source.open() as stream:
        message = _parsed(stream.read())
    result = False
    for item in _read_body(source, message):
        result = result or isinstance(item, Piece)
        yield item
    if not result:
        raise refusal(source.name, "holds no page", "one of HTML", "Save it as docx")


def _read_box(source: Source) -> Reading:
    unread = 0
    for number, data in enumerate(_messages(source), start=1):
        if len(data) > MAX_BYTES:
            yield Facts(warning=f"message {number} was not read: it has {len(data) // MEGABYTE} MB")
            continue
        message = _parsed(data)
        if not message.keys():
            unread += 1
            continue
        subject = header(message, "subject")[:200]
        section = f"message {number}: {subject}" if subject else f"message {number}"
        for item in read_message(source, message):
            if isinstance(item, Facts):
                if item.warning:
                    yield Facts(warning=f"message {number}: {item.warning}")
            else:
                place = f"{section} › {item.section}" if item.section else section
                yield Piece(item.text, item.page, place)
    if unread:
        yield Facts(warning=f"{unread} messages have no headers and were not read")


def _messages(source: Source) -> Iterator[bytes]:
    """The messages of a box. A line that begins with ``From`` after an empty one starts the next."""
    lines: list[bytes] = []
    was_empty = True
    with source.open() as stream:
        for line in stream:
            if was_empty and line.startswith(b"From ") and FROM_LINE.fullmatch(line):
                if lines:
                    yield QUOTED_FROM.sub(rb"\1", b"".join(lines))
                lines = []
            else:
                lines.append(line)
            was_empty = not line.strip()
    if lines:
        yield QUOTED_FROM.sub(rb"\1", b"".join(lines))


def _parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def read_message(source: Source, message: EmailMessage) -> Reading:
    """The headers, texts and attachments of a message."""
    words = headers(message)
    yield from _read_body(source, message, [Piece(words + "\n", section="headers")] if words else [])


def _read_body(source: Source, message: EmailMessage, head: Sequence[Piece] = ()) -> Reading:
    """What was learned of the texts, then ``head``, a passage of its own, the texts and attachments."""
    parts = list(parts_of(message))
    items = [item for part in parts if isinstance(part, Text) for item in part.items]
    yield from (item for item in items if isinstance(item, Facts))
    yield from head
    yield from (item for item in items if isinstance(item, Piece))
    attachments = [part for part in parts if isinstance(part, Attachment)]
    if attachments:
        yield Piece("".join(f"{entry.name}\n" for entry in attachments), section="attachments")
    for attachment in attachments[: source.limits.max_attachments]:
        yield from _read_attachment(source, attachment)
    if len(attachments) > source.limits.max_attachments:
        yield Facts(
            warning=f"only {source.limits.max_attachments} of {len(attachments)} attachments were read"
        )


def _read_attachment(source: Source, attachment: Attachment) -> Reading:
    """One that cannot be read is a warning, not a failure of the message."""
    name, part = attachment.name, attachment.part
    kind = part.get_content_type()
    if reason := UNREADABLE.get(kind, ""):
        yield Facts(warning=f"attachment {name} was not read: {reason}")
        return
    if source.depth >= source.limits.max_archive_depth:
        yield Facts(warning=f"attachment {name} is nested too deeply")
        return
    inner = Source(name, data=payload(part), limits=source.limits, depth=source.depth + 1)
    section = f"attachment {name}"
    try:
        if kind == "message/rfc822":
            messages = [entry for entry in part.iter_parts() if isinstance(entry, EmailMessage)]
            items: Reading = (item for message in messages for item in read_message(inner, message))
        else:
            _, items = sniff.read(inner)
        for item in items:
            if isinstance(item, Piece):
                place = f"{section} {item.section}" if item.section else section
                yield Piece(item.text, item.page, place)
            elif item.warning:
                yield Facts(warning=f"attachment {name}: {item.warning}")
    except ReadError as error:
        yield Facts(warning=f"attachment not read: {error}")
