"""Which Unicode script a character or a text is written in, as ISO 15924 codes.

Table driven (``data/scripts.txt``) and vectorised: a text of a few hundred characters takes some
microseconds. Characters that many scripts share (digits, punctuation, spaces, combining marks) count
for none: ``Zyyy``. Which *language* a script points to is the business of ``indexer.text.language``.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COMMON = "Zyyy"
_TABLE_SIZE = 0x32000
_TABLE_FILE = Path(__file__).parent / "data" / "scripts.txt"


def script_of(char: str) -> str:
    """The script of one character, ``Zyyy`` when it belongs to none in particular."""
    names, table = _table()
    code = ord(char)
    return names[table[code]] if code < _TABLE_SIZE else COMMON


def script_counts(text: str) -> dict[str, int]:
    """How many characters of ``text`` each script has, most frequent first, shared characters left out."""
    names, table = _table()
    counts = np.bincount(table[_code_points(text)], minlength=len(names))
    counts[0] = 0
    result = np.flatnonzero(counts)
    order = result[np.argsort(-counts[result], kind="stable")]
    return {names[i]: int(counts[i]) for i in order}


def dominant_script(text: str) -> str:
    """The script with the most characters in ``text``; ``Zyyy`` when there is none."""
    return next(iter(script_counts(text)), COMMON)


def _code_points(text: str) -> NDArray[np.uint32]:
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    return np.where(codes < _TABLE_SIZE, codes, 0)


@cache
def _table() -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """Script names, and for each code point the index of its script; index 0 is ``Zyyy``."""
    names = [COMMON]
    table = np.zeros(_TABLE_SIZE, dtype=np.uint8)
    for line in _TABLE_FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, *ranges = line.split()
        for span in ranges:
            first, _, last = span.partition("-")
            table[int(first, 16) : int(last or first, 16) + 1] = len(names)
        names.append(name)
    table.setflags(write=False)
    return tuple(names), table
