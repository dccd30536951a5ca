"""Which parts of a message are its text, and which are attached to it.

Every text part is read. Of alternatives that say the same, one is; which one is seen from what they hold, so
that a note such as "your program shows no HTML" does not stand for the message.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message, MIMEPart

from indexer.readers import encoding
from indexer.readers.html import read_markup
from indexer.readers.invitations import invitation_text
from indexer.readers.mail_headers import decoded, header
from indexer.readers.pieces import Facts, Headings, Piece, Reading

MAX_NESTING = 50
SUFFIX_OF = {
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/json": ".json",
    "application/epub+zip": ".epub",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/gtar": ".tar",
    "application/ttml+xml": ".ttml",
    "application/vnd.ms-outlook": ".msg",
    "application/x-7z-compressed": ".7z",
    "application/x-gtar": ".tar",
    "application/x-subrip": ".srt",
    "application/x-tar": ".tar",
    "application/zip": ".zip",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/rtf": ".rtf",
    "text/tab-separated-values": ".tsv",
}
UNREAD_TEXT = frozenset({"text/x-amp-html", "text/css", "text/javascript", "text/x-vcard", "text/vcard"})
SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
COVERED = 0.7  # share of the words of one alternative that the other has too
STUB_WORDS = 40
_WORD = re.compile(r"\w+")
_REST = re.compile(r"<[^>]*>|https?:\S+")


@dataclass(frozen=True)
class Text:
    """A part that is read in its place: what its reader gave. ``is_extra``: no other part says the same."""

    items: tuple[Piece | Facts, ...]
    is_extra: bool = False


@dataclass(frozen=True)
class Attachment:
    """A part that is a document of its own."""

    name: str
    part: MIMEPart


def parts_of(message: MIMEPart) -> Iterator[Text | Attachment]:
    """The text parts and attachments of a message, in their order."""
    yield from _Walk().parts(message, 0)


class _Walk:
    def __init__(self) -> None:
        self._number = 0

    def parts(self, part: MIMEPart, depth: int) -> Iterator[Text | Attachment]:
        kind = part.get_content_type()
        if kind.startswith("multipart/") and part.is_multipart():
            inner = [item for item in part.iter_parts() if isinstance(item, MIMEPart)]
            if depth > MAX_NESTING:
                yield Text((Facts(warning=f"parts of the message are nested over {MAX_NESTING} deep"),))
            elif kind == "multipart/alternative":
                yield from _chosen([list(self.parts(item, depth + 1)) for item in inner])
            else:
                for place, entry in enumerate(inner):
                    if kind != "multipart/related" or place == 0 or not _is_resource(entry):
                        yield from self.parts(entry, depth + 1)
            return
        self._number += 1
        if kind in ("message/delivery-status", "text/rfc822-headers"):
            yield Text((Piece(_report(part)),))
        elif kind in SIGNATURES or (kind in UNREAD_TEXT and part.get_filename() is None):
            return
        elif kind.startswith("text/") and part.get_filename() is None and not part.is_attachment():
            yield Text(tuple(_read(part, kind)), is_extra=kind == "text/calendar")
        elif not _is_shown_picture(part):
            yield Attachment(_name(part, kind, self._number), part)


def _chosen(alternatives: list[list[Text | Attachment]]) -> Iterator[Text | Attachment]:
    """Those of the alternatives that say what no other does; usually one, the plainest that says all."""
    kept: list[tuple[list[Text], list[str]]] = []
    others: list[Text | Attachment] = []
    for alternative in alternatives:
        texts = [part for part in alternative if isinstance(part, Text) and not part.is_extra]
        others += [part for part in alternative if part not in texts]
        words = _words(texts)
        if not words or any(_says_all(known, words) for _, known in kept):
            continue
        kept = [(known_texts, known) for known_texts, known in kept if not _says_all(words, known)]
        kept.append((texts, words))
    for texts, _ in kept:
        yield from texts
    yield from others


def _words(texts: list[Text]) -> list[str]:
    """The words of parts; of scripts without spaces the characters."""
    text = "\n".join(item.text for part in texts for item in part.items if isinstance(item, Piece))
    words = _WORD.findall(_REST.sub(" ", text).lower())
    return [part for word in words for part in (word if word[0] >= "\u0e00" else [word])]


def _says_all(words: list[str], others: list[str]) -> bool:
    """Whether one text says what another does, or the other is but a note."""
    wanted = set(others)
    is_note = len(others) < min(STUB_WORDS, len(words))
    return len(wanted & set(words)) >= COVERED * len(wanted) or is_note


def _read(part: MIMEPart, kind: str) -> Reading:
    data = payload(part)
    declared = part.get_content_charset()
    if kind in ("text/html", "application/xhtml+xml"):
        text, codec = encoding.decode(data, declared or encoding.declared_charset(data))
        yield Facts(encoding=codec)
        yield from (item for item in read_markup(text, Headings()) if isinstance(item, Piece) or item.warning)
        return
    text, codec = encoding.decode(data, declared)
    yield Facts(encoding=codec)
    if kind == "text/calendar":
        text = invitation_text(text)
    elif kind in ("text/enriched", "text/richtext"):
        text = _REST.sub("", text.replace("<<", "<"))
    if text.strip():
        yield Piece(text.rstrip("\n") + "\n")


def _report(part: MIMEPart) -> str:
    """A note about delivery: groups of headers, one a line."""
    blocks = part.get_payload()
    if not isinstance(blocks, list):
        return encoding.decode(payload(part), part.get_content_charset())[0]
    lines = [
        f"{name}: {header(block, name)}\n"
        for block in blocks
        if isinstance(block, Message)
        for name in dict.fromkeys(block.keys())
    ]
    return "".join(lines)


def _is_resource(part: MIMEPart) -> bool:
    """Whether a part belongs to a page: a picture, a style sheet, a frame."""
    return part.get("content-id") is not None or part.get("content-location") is not None


def _is_shown_picture(part: MIMEPart) -> bool:
    is_picture = part.get_content_maintype() == "image"
    return is_picture and part.get("content-id") is not None and not part.is_attachment()


def _name(part: MIMEPart, kind: str, number: int) -> str:
    """The file name of an attachment, with the suffix of its type where it has none."""
    named = decoded(part.get_filename() or "")
    name = " ".join(named.replace("/", "_").replace("\\", "_").split())[-200:]
    suffix = SUFFIX_OF.get(kind, "")
    if not name:
        start = "message" if kind == "message/rfc822" else "part"
        return f"{start} {number}{suffix}" if suffix else f"part {number} ({kind})"
    return name if "." in name else name + suffix


def payload(part: MIMEPart) -> bytes:
    """The bytes of a part, whatever its transfer encoding."""
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
