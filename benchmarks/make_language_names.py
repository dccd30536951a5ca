"""Make indexer/text/data/language_names.txt: what languages are called in English and in themselves.

    python benchmarks/make_language_names.py [--output indexer/text/data/language_names.txt]

Asks ICU (libicuuc, Unicode License V3; the names are those of CLDR) about every language with a code of two
letters, and those of three letters that have a name of their own. A line: code, three-letter code, names.
"""

import argparse
import ctypes
import ctypes.util
from pathlib import Path

_OUTPUT = Path(__file__).parents[1] / "indexer" / "text" / "data" / "language_names.txt"
_ROOM = 200  # UTF-16 units of a name
_SAME_NAME = ("ceb", "fil")  # in English and in the language
_SCRIPTS = ("zh-Hans", "zh-Hant")


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=_OUTPUT)
    output = parser.parse_args().output
    icu = _Icu()
    lines = []
    for code in [*icu.languages(), *_SCRIPTS]:
        english, own = icu.name(code, "en"), icu.name(code, code)
        if english in ("", code) or (
            code not in _SAME_NAME and len(code) == len("deu") and own in (english, code)
        ):
            continue
        names = dict.fromkeys([english, own])
        lines.append("\t".join([code, icu.three_letters(code), *names]))
    header = (
        f"# Language code, three-letter code, English name, own name; from ICU {icu.version} (CLDR)\n"
        "# (Unicode License V3, unicode.org/license.txt). Made by benchmarks/make_language_names.py.\n"
    )
    output.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} languages: {output}")


class _Icu:
    """The few functions of libicuuc that are needed."""

    def __init__(self) -> None:
        path = ctypes.util.find_library("icuuc")
        if path is None:
            raise SystemExit("libicuuc was not found. Install ICU (Debian: libicu-dev) to make the table.")
        self.version = path.rsplit(".", 1)[-1]
        self._library = ctypes.CDLL(path)

    def languages(self) -> list[str]:
        """The codes ICU knows."""
        listed = self._function("uloc_getISOLanguages")
        listed.restype = ctypes.POINTER(ctypes.c_char_p)
        codes, found = [], listed()
        for code in found:
            if code is None:
                return sorted(codes)
            codes.append(code.decode())
        return codes

    def name(self, code: str, inside: str) -> str:
        """What a language is called in another."""
        buffer, error = (ctypes.c_uint16 * _ROOM)(), ctypes.c_int(0)
        shown = self._function("uloc_getDisplayName")
        count = shown(code.encode(), inside.encode(), buffer, _ROOM, ctypes.byref(error))
        return bytes(buffer)[: 2 * count].decode("utf-16-le") if error.value <= 0 else ""

    def three_letters(self, code: str) -> str:
        """The code of ISO 639-3."""
        given = self._function("uloc_getISO3Language")
        given.restype = ctypes.c_char_p
        return str(given(code.encode()).decode())

    def _function(self, name: str) -> "ctypes._NamedFuncPointer":
        return getattr(self._library, f"{name}_{self.version}")


if __name__ == "__main__":
    main()
