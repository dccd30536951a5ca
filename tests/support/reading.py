"""Reading data that stands in a test, in this process."""

from indexer.readers import Facts, Piece, Source, sniff
from indexer.readers.cleaning import clean

Block = tuple[str, str | None]


def read(name: str, data: str | bytes) -> tuple[list[Block], list[Facts]]:
    """Texts with their sections, and what was said, as the reader process hands them on."""
    raw = data.encode() if isinstance(data, str) else data
    items = list(sniff.read(Source(name, data=raw))[1])
    pieces = [(clean(item.text), item.section) for item in items if isinstance(item, Piece)]
    return pieces, [item for item in items if isinstance(item, Facts)]


def text_of(name: str, data: str | bytes) -> str:
    return "".join(text for text, _ in read(name, data)[0])


def warnings_of(name: str, data: str | bytes) -> list[str]:
    return [facts.warning for facts in read(name, data)[1] if facts.warning]
