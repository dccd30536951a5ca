"""Store names as folder and collection names: reversible, safe on every file system.

Lower-case ASCII letters, digits and ``-`` stay; every other byte of the UTF-8 text becomes ``_`` and
two hex digits. Names that differ only in case stay different on case-blind file systems.
"""

import re

from indexer.errors import StoreError

MAX_ENCODED = 180
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_DEVICES = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$")


def encode_name(name: str) -> str:
    """A folder name for ``name``.

    Raises:
        StoreError: the name is empty or too long.
    """
    encoded = "".join(chr(byte) if byte in _SAFE else f"_{byte:02x}" for byte in name.encode("utf-8"))
    if _DEVICES.match(encoded):  # folders that Windows does not allow
        encoded = f"_{ord(encoded[0]):02x}{encoded[1:]}"
    if not 1 <= len(encoded) <= MAX_ENCODED:
        raise StoreError(
            f"Store name {name[:40]!r} takes {len(encoded)} characters on disk; expected 1 to {MAX_ENCODED}. "
            "Choose a shorter name."
        )
    return encoded


def decode_name(encoded: str) -> str | None:
    """The name behind a folder name, or None for a folder that is not ours."""
    try:
        raw = re.sub(r"_([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), encoded).encode("latin-1")
        name = raw.decode("utf-8")
        return name if encode_name(name) == encoded else None
    except (UnicodeError, StoreError):
        return None
