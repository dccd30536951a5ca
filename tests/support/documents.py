"""Documents in containers, made for one test each."""

import io
import zipfile
from collections.abc import Mapping

from indexer.readers import Facts, Piece, Reading, Source


def packed(parts: Mapping[str, str | bytes], name: str) -> Source:
    """A zip container of these parts, as a file called ``name``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in parts.items():
            archive.writestr(member, data)
    return Source(name, data=out.getvalue())


def text_of(reading: Reading, section: str | None = "*") -> str:
    """All text, or that of one section."""
    return "".join(
        item.text for item in reading if isinstance(item, Piece) and section in ("*", item.section)
    )


def sections_of(reading: Reading) -> dict[str | None, str]:
    """Section -> its text."""
    found: dict[str | None, str] = {}
    for item in reading:
        if isinstance(item, Piece):
            found[item.section] = found.get(item.section, "") + item.text
    return found


def warnings_of(reading: Reading) -> list[str]:
    return [item.warning for item in reading if isinstance(item, Facts) and item.warning]


def title_of(reading: Reading) -> str:
    """The first title that is stated."""
    return next((item.title for item in reading if isinstance(item, Facts) and item.title), "")
