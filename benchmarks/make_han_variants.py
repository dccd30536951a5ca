"""Make indexer/text/data/han_variants.txt: the simplified form of each traditional Chinese character.

    python benchmarks/make_han_variants.py [--output indexer/text/data/han_variants.txt]

Asks the transform ``Hant-Hans`` of ICU (libicui18n, Unicode License V3), whose rules were made from Unihan,
Unicode's database of Chinese characters, for every ideograph of the Basic Multilingual Plane.
"""

import argparse
import ctypes
import ctypes.util
from collections.abc import Callable
from pathlib import Path

_OUTPUT = Path(__file__).parents[1] / "indexer" / "text" / "data" / "han_variants.txt"
_RANGES = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000))
_ROOM = 16  # UTF-16 units of an answer
_PAIRS_PER_LINE = 24


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    output = parser.parse_args().output
    simplify, version = open_transform("Hant-Hans")
    pairs = []
    for code in (code for span in _RANGES for code in span):
        simple = simplify(chr(code))
        if simple != chr(code) and len(simple) == 1:
            pairs.append(chr(code) + simple)
    lines = [" ".join(pairs[at : at + _PAIRS_PER_LINE]) for at in range(0, len(pairs), _PAIRS_PER_LINE)]
    header = (
        f"# Traditional and simplified Chinese characters, from the transform Hant-Hans of ICU {version}\n"
        "# (Unicode License V3, unicode.org/license.txt). Made by benchmarks/make_han_variants.py.\n"
    )
    output.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(pairs)} characters: {output}")


def open_transform(name: str) -> tuple[Callable[[str], str], str]:
    """An ICU transform of single characters, and the major version of ICU.

    Raises:
        SystemExit: libicui18n is not installed, or does not know the transform.
    """
    path = ctypes.util.find_library("icui18n")
    if path is None:
        raise SystemExit("libicui18n was not found. Install ICU (Debian: libicu-dev) to make the table.")
    version = path.rsplit(".", 1)[-1]
    icu = ctypes.CDLL(path)
    error = ctypes.c_int(0)
    identifier, length = _utf16(name)
    open_by_id = getattr(icu, f"utrans_openU_{version}")
    open_by_id.restype = ctypes.c_void_p
    transform = ctypes.c_void_p(open_by_id(identifier, length, 0, None, 0, None, ctypes.byref(error)))
    if error.value > 0 or not transform.value:
        raise SystemExit(f"ICU {version} has no transform {name} (error {error.value}).")
    apply = getattr(icu, f"utrans_transUChars_{version}")

    def transformed(text: str) -> str:
        units, count = _utf16(text)
        buffer = (ctypes.c_uint16 * _ROOM)(*units[:count])
        end, limit, failure = ctypes.c_int32(count), ctypes.c_int32(count), ctypes.c_int(0)
        apply(
            transform, buffer, ctypes.byref(end), _ROOM, 0, ctypes.byref(limit), ctypes.byref(failure)
        )  # fmt: skip
        return bytes(buffer)[: 2 * end.value].decode("utf-16-le")

    return transformed, version


def _utf16(text: str) -> tuple["ctypes.Array[ctypes.c_uint16]", int]:
    data = text.encode("utf-16-le")
    units = [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]
    return (ctypes.c_uint16 * len(units))(*units), len(units)


if __name__ == "__main__":
    main()
