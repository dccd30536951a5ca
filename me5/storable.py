"""Text that every database takes: lone surrogates have no form in UTF-8, and PostgreSQL has no NUL.

They are replaced sign for sign, so that lengths and offsets stay.
"""

import re

REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """``text`` with U+FFFD for every lone surrogate."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def storable(text: str) -> str:
    """``text`` with U+FFFD for every lone surrogate and every NUL."""
    return replace_surrogates(text).replace("\0", REPLACEMENT)
