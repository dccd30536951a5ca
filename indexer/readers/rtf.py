"""Rich text through striprtf."""

import re

from indexer.readers.pieces import MEGABYTE, Facts, Piece, Reading, Source, refusal

MAX_BYTES = 128 * MEGABYTE
TITLE = re.compile(r"\{\\title\s([^{}]*)\}")


def read(source: Source) -> Reading:
    from striprtf.striprtf import rtf_to_text

    if source.size_bytes > MAX_BYTES:
        raise refusal(
            source.name, f"has {source.size_bytes // MEGABYTE} MB", "RTF below 128 MB", "Save it as docx"
        )
    with source.open() as stream:
        data = stream.read()
    # RTF is ASCII; bytes above are text of the code page that it names
    raw = re.sub(rb"[\x80-\xff]", lambda byte: b"\\'%02x" % byte[0][0], data).decode("ascii")
    try:
        found = TITLE.search(raw[: 1 << 16])
        yield Facts(
            title=_paired(rtf_to_text("{\\rtf1 " + found[1] + "}", errors="replace")).strip() if found else ""
        )
        text = _paired(rtf_to_text(raw, errors="replace"))
    except (ValueError, LookupError, TypeError) as error:
        raise refusal(
            source.name, f"is damaged RTF ({type(error).__name__}: {error})", "a whole file", "Save it again"
        ) from error
    if text.strip():
        yield Piece(text.replace("\r\n", "\n").rstrip("\n") + "\n")


def _paired(text: str) -> str:
    """Characters beyond the basic plane come as two halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
