"""Messages that Outlook saved (msg): made into a message of the Internet, and read as one.

The properties of a message (MS-OXMSG) are streams named by number and type; recipients, attachments and
attached messages are storages.
"""

import email
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import EmailPolicy, default
from email.utils import format_datetime
from typing import Any

from indexer.readers import encoding, load_reader
from indexer.readers.charsets import codec_named
from indexer.readers.compound import MESSAGE_STREAM, CompoundError, Storage, read_compound
from indexer.readers.compressed_rtf import CompressedRtfError, plain_rtf
from indexer.readers.mail import MAX_BYTES, read_message
from indexer.readers.mail_headers import header
from indexer.readers.pieces import MEGABYTE, Facts, Piece, Reading, Source, refusal
from me5.storable import storable

ATTACHMENT, RECIPIENT = "__attach_version1.0_", "__recip_version1.0_"
STRING, OLD_STRING, BINARY, OBJECT = "001F", "001E", "0102", "000D"
SUBJECT, BODY, RTF, HTML = 0x0037, 0x1000, 0x1009, 0x1013
SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP = (0x0C1A, 0x0042), (0x0C1F, 0x0065), (0x5D01, 0x5D02)
SHOWN_PEOPLE = {1: ("To", 0x0E04), 2: ("Cc", 0x0E03), 3: ("Bcc", 0x0E02)}
NAME, ADDRESS, SMTP, RECIPIENT_KIND = 0x3001, 0x3003, 0x39FE, 0x0C15
SENT, RECEIVED = 0x0039, 0x0E06
CODE_PAGE, HTML_CODE_PAGE = 0x3FFD, 0x3FDE
FILE_NAME, SHORT_NAME, CONTENT, MIME_TYPE, CONTENT_ID = 0x3707, 0x3704, 0x3701, 0x370E, 0x3712
MAX_NESTING = 10
CHARSETS = {20127: "ascii", 20866: "koi8-r", 21866: "koi8-u", 50220: "iso-2022-jp", 50221: "iso-2022-jp",
            50225: "iso-2022-kr", 51932: "euc-jp", 51949: "euc-kr", 52936: "hz", 54936: "gb18030",
            65000: "utf-7", 65001: "utf-8"}  # fmt: skip


class _Policy(EmailPolicy):
    """Headers of parts are parsed; those of people are kept as they are written."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        return (
            super().header_store_parse(name, value) if name.lower().startswith("content-") else (name, value)
        )


POLICY = _Policy()


def read(source: Source) -> Reading:
    """The message with its headers and attachments, as ``mail`` reads them."""
    if source.size_bytes > MAX_BYTES:
        megabytes = source.size_bytes // MEGABYTE
        raise refusal(source.name, f"has {megabytes} MB", "a message below 256 MB", "Save its attachments")
    with source.open() as stream:
        data = stream.read()
    try:
        root = read_compound(data)
    except CompoundError as error:
        raise refusal(source.name, f"is damaged ({error})", "a whole message", "Save it again") from error
    warnings: list[str] = []
    message = _Item(root, 32, "", warnings).message(source, 0)
    yield Facts(title=header(message, "subject"))
    yield from (Facts(warning=warning) for warning in warnings)
    yield from read_message(source, message)


class _Item:
    """The properties of one storage. ``head_bytes``: what stands before the table of the short ones."""

    def __init__(self, storage: Storage, head_bytes: int, charset: str, warnings: list[str]) -> None:
        self.storage, self.warnings = storage, warnings
        self._streams = {name.upper(): data for name, data in storage.streams.items()}
        self._numbers: dict[int, bytes] = {}
        table = self._streams.get(MESSAGE_STREAM.upper(), b"")
        for at in range(head_bytes, len(table) - 15, 16):
            _, number = struct.unpack_from("<HH", table, at)
            self._numbers[number] = table[at + 8 : at + 16]
        self.charset = _charset(self.number(CODE_PAGE)) or charset

    def number(self, key: int) -> int:
        return int.from_bytes(self._numbers.get(key, b"")[:4], "little")

    def time(self, key: int) -> str:
        """A moment (tenths of microseconds since 1601) as mail writes it."""
        ticks = int.from_bytes(self._numbers.get(key, b""), "little")
        try:
            moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
        except OverflowError:
            return ""
        return format_datetime(moment) if ticks else ""

    def raw(self, key: int, kind: str) -> bytes:
        return self._streams.get(f"__SUBSTG1.0_{key:04X}{kind}", b"")

    def text(self, key: int) -> str:
        if data := self.raw(key, STRING):
            return storable(data.decode("utf-16-le", errors="replace")).rstrip("\0")
        data = self.raw(key, OLD_STRING)
        return encoding.decode(data, self.charset or None)[0].rstrip("\0") if data else ""

    def line(self, *keys: int) -> str:
        """The first of these texts that there is, on one line."""
        return next((words for key in keys if (words := " ".join(self.text(key).split()))), "")

    def message(self, source: Source, depth: int) -> EmailMessage:
        message = EmailMessage(policy=POLICY)
        headers = {
            "Subject": self.line(SUBJECT),
            "From": _person(self.line(*SENDER_NAME), self.line(*SENDER_SMTP, *SENDER_ADDRESS)),
            **self._people(),
            "Date": self.time(SENT) or self.time(RECEIVED),
        }
        for name, words in headers.items():
            if words:
                message[name] = words
        message["Content-Type"] = "multipart/mixed"
        message.set_payload([])
        body = EmailMessage(policy=POLICY)
        body["Content-Type"] = "multipart/alternative"
        body.set_payload(list(self._texts(source)))
        message.attach(body)
        for name, storage in sorted(self.storage.storages.items()):
            if name.lower().startswith(ATTACHMENT):
                message.attach(_Item(storage, 8, self.charset, self.warnings)._attachment(source, depth))
        return message

    def _people(self) -> dict[str, str]:
        people: dict[int, list[str]] = {kind: [] for kind in SHOWN_PEOPLE}
        for name, storage in sorted(self.storage.storages.items()):
            if name.lower().startswith(RECIPIENT):
                item = _Item(storage, 8, self.charset, self.warnings)
                kind = item.number(RECIPIENT_KIND)
                people[kind if kind in people else 1].append(
                    _person(item.line(NAME), item.line(SMTP, ADDRESS))
                )
        named = {header: ", ".join(filter(None, people[kind])) for kind, (header, _) in SHOWN_PEOPLE.items()}
        shown = {header: self.line(key).replace("; ", ", ") for header, key in SHOWN_PEOPLE.values()}
        return {header: named[header] or shown[header] for header in named}

    def _texts(self, source: Source) -> Iterator[EmailMessage]:
        """The bodies: plain text and HTML; what is kept as rich text only, as plain text."""
        plain = self.text(BODY).replace("\r\n", "\n")
        html = self.raw(HTML, BINARY)
        if not plain.strip() and not html:
            html = self.text(HTML).encode()
        if not plain.strip() and not html.strip() and (packed := self.raw(RTF, BINARY)):
            plain = self._rich_text(source, packed)
        if plain.strip():
            yield _part("text/plain", plain.encode(), charset="utf-8")
        if html.strip():
            yield _part("text/html", html, charset=_charset(self.number(HTML_CODE_PAGE)))

    def _rich_text(self, source: Source, packed: bytes) -> str:
        try:
            data = plain_rtf(packed)
        except CompressedRtfError as error:
            self.warnings.append(f"the rich text of the message was not read: {error}")
            return ""
        inner = Source("message.rtf", data=data, limits=source.limits, depth=source.depth + 1)
        items = list(load_reader("rtf")(inner))
        self.warnings += [item.warning for item in items if isinstance(item, Facts) and item.warning]
        return "".join(item.text for item in items if isinstance(item, Piece))

    def _attachment(self, source: Source, depth: int) -> EmailMessage:
        name = self.line(FILE_NAME, SHORT_NAME, NAME)
        inner = self.storage.storages.get(f"__substg1.0_{CONTENT:04X}{OBJECT}")
        if inner is None:
            kind = self.line(MIME_TYPE).lower()
            if kind == "multipart/signed":
                return email.message_from_bytes(self.raw(CONTENT, BINARY), policy=default)
            part = _part(
                kind if kind.count("/") == 1 else "application/octet-stream", self.raw(CONTENT, BINARY)
            )
            if content_id := self.line(CONTENT_ID):
                part["Content-ID"] = f"<{content_id}>"
            else:
                part["Content-Disposition"] = "attachment"
        elif MESSAGE_STREAM in inner.streams and depth < MAX_NESTING:
            message = _Item(inner, 24, self.charset, self.warnings).message(source, depth + 1)
            part = EmailMessage(policy=POLICY)
            part["Content-Type"] = "message/rfc822"
            part.set_payload([message])
            name = name or f"{header(message, 'subject')[:100] or 'message'}.eml"
        else:
            part = _part("application/x-ole-object", b"")
        part.set_param("name", name or "attachment", charset="utf-8")
        return part


def _part(kind: str, data: bytes, *, charset: str = "") -> EmailMessage:
    """A part that holds these bytes as they are."""
    part = EmailMessage(policy=POLICY)
    part["Content-Type"] = kind
    if charset:
        part.set_param("charset", charset)
    part.set_payload(data.decode("ascii", "surrogateescape"))
    part["Content-Transfer-Encoding"] = "8bit"
    return part


def _person(name: str, address: str) -> str:
    """A name with the address, where that is one of the Internet and says more."""
    if "@" not in address or address.lower() == name.lower():
        return name
    return f"{name} <{address}>" if name else address


def _charset(page: int) -> str:
    """The name of a code page; nothing for one that is not known, or of UTF-16, which is how strings are."""
    if page in CHARSETS:
        return CHARSETS[page]
    name = f"iso-8859-{page - 28590}" if 28591 <= page <= 28605 else f"cp{page}"
    try:
        return "" if page in (0, 1200, 1201) else codec_named(name)
    except LookupError:
        return ""
