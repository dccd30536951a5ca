"""The headers of a message as words: encoded words, raw bytes in old encodings, long lists of people."""

import base64
import binascii
import quopri
import re
from email.message import Message
from itertools import groupby

from indexer.readers import encoding

SHOWN = ("Subject", "From", "To", "Cc", "Bcc", "Date")
MAX_PEOPLE = 50
MAX_CHARS = 10_000
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_GAP = re.compile(r"(\?=)\s+(?==\?)")


def header(message: Message, name: str) -> str:
    """The words of a header on one line, or nothing."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    try:
        text = raw[: 4 * MAX_CHARS]
        if not text.isascii():  # bytes that are in no header, but for some programs
            text, _ = encoding.decode(text.encode("utf-8", "surrogateescape"), message.get_content_charset())
        return " ".join(decoded(text).split())[:MAX_CHARS]
    except (LookupError, ValueError):
        return ""


def headers(message: Message) -> str:
    """The headers that a reader is shown, one a line."""
    lines = []
    for name in SHOWN:
        if words := header(message, name):
            people = words.split(", ") if name in ("To", "Cc", "Bcc") else []
            if len(people) > MAX_PEOPLE:
                words = ", ".join(people[:MAX_PEOPLE]) + f" and {len(people) - MAX_PEOPLE} more"
            lines.append(f"{name}: {words}\n")
    return "".join(lines)


def decoded(text: str) -> str:
    """A header with its encoded words (RFC 2047) as words.

    Neighbours in one charset are decoded together, because some programs cut in the middle of a character.
    """
    words = list(_WORD.finditer(text := _GAP.sub(r"\1", text)))
    parts, end = [], 0
    for _, group in groupby(enumerate(words), lambda item: _run(words, item[0])):
        run = [word for _, word in group]
        parts.append(text[end : run[0].start()])
        data = b"".join(_bytes(word[2], word[3]) for word in run)
        parts.append(encoding.decode(data, run[0][1].partition("*")[0])[0])
        end = run[-1].end()
    return "".join(parts) + text[end:]


def _run(words: list[re.Match[str]], place: int) -> int:
    """The first of the words that stand together with this one."""
    while place and words[place - 1].end() == words[place].start():
        if words[place - 1][1].lower() != words[place][1].lower():
            break
        place -= 1
    return place


def _bytes(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if kind in "qQ":
        return quopri.decodestring(data, header=True)
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return data
