"""Calendar files and invitations (iCalendar, RFC 5545): each entry as lines of words."""

import re

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal

ENTRIES = frozenset({"VEVENT", "VTODO", "VJOURNAL"})
LABELS = {
    "SUMMARY": "",
    "DTSTART": "Start: ",
    "DTEND": "End: ",
    "DUE": "Due: ",
    "LOCATION": "Location: ",
    "ORGANIZER": "Organizer: ",
    "ATTENDEE": "Attendee: ",
    "STATUS": "Status: ",
    "CATEGORIES": "Categories: ",
    "CONTACT": "Contact: ",
    "URL": "URL: ",
    "COMMENT": "",
    "DESCRIPTION": "",
}
"""What is read of an entry, in this order."""
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"([A-Za-z0-9-]+)((?:;[^:;=]+=(?:\"[^\"]*\"|[^:;\"]*))*):(.*)")
_NAMED = re.compile(r";CN=(?:\"([^\"]*)\"|([^:;]*))", re.IGNORECASE)
_ZONE = re.compile(r";TZID=\"?([^:;\"]*)", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d*(Z?))?")
_ESCAPE = re.compile(r"\\([\\;,nN:])")


def read(source: Source) -> Reading:
    """A calendar file, one piece per entry."""
    with source.open() as stream:
        text, codec = encoding.decode(stream.read())
    yield Facts(encoding=codec)
    entries = _entries(text)
    if not entries:
        raise refusal(
            source.name, "has no calendar entries", "lines such as BEGIN:VEVENT", "Rename it to .txt"
        )
    for number, entry in enumerate(entries, start=1):
        if words := _words(entry):
            yield Piece(words, section=f"entry {number}")


def invitation_text(text: str) -> str:
    """The words of all entries; the text itself where there are none."""
    entries = _entries(text)
    return "\n".join(filter(None, map(_words, entries))) if entries else text


def _entries(text: str) -> list[list[tuple[str, str]]]:
    """The lines of each entry as names and values; those of alarms inside are left out."""
    entries: list[list[tuple[str, str]]] = []
    inside: list[str] = []
    for line in _FOLD.sub("", text).splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        name, about, value = match[1].upper(), match[2], match[3].strip()
        if name == "BEGIN":
            inside.append(value.upper())
            if value.upper() in ENTRIES:
                entries.append([])
        elif name == "END" and inside:
            inside.pop()
        elif inside and inside[-1] in ENTRIES and name in LABELS and value:
            entries[-1].append((name, _value(name, about, value)))
    return entries


def _words(entry: list[tuple[str, str]]) -> str:
    return "".join(
        f"{label}{value}\n" for wanted, label in LABELS.items() for name, value in entry if name == wanted
    )


def _value(name: str, about: str, value: str) -> str:
    if name in ("ORGANIZER", "ATTENDEE"):
        address = re.sub("^mailto:", "", value, flags=re.IGNORECASE)
        named = _NAMED.search(about)
        words = (named[1] or named[2] or "").strip() if named else ""
        return f"{words} <{address}>" if words and words != address else address
    if result := name in ("DTSTART", "DTEND", "DUE") and _TIME.fullmatch(value):
        day = "-".join(result.group(1, 2, 3))
        zone = "UTC" if result[6] else (zoned[1] if (zoned := _ZONE.search(about)) else "")
        return f"{day} {result[4]}:{result[5]} {zone}".strip() if result[4] else day
    return _ESCAPE.sub(lambda mark: "\n" if mark[1] in "nN" else mark[1], value).strip()
