"""What no text needs, whatever its format: signs that databases refuse, soft hyphens, codes of terminals."""

import re

from me5.storable import storable

# a line that ends in a soft hyphen goes on in its last word
_SOFT_HYPHEN = re.compile("\u00ad+(?:[ \t]*\r?\n[ \t]*(?=\\w))?")
_TERMINAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # titles, links
    r"|\x1b[PX^_][^\x1b\n]*\x1b\\"
    r"|\x1b[ -/]*[0-~]"
)
_OVERSTRUCK = re.compile(r"(.)\x08\1|_\x08(?=.)")  # bold and underlined, as manuals are printed


def clean(text: str) -> str:
    """``text`` without soft hyphens and codes of terminals; NUL and lone surrogates become U+FFFD."""
    if "\x1b" in text or "\x08" in text:
        text = _OVERSTRUCK.sub(r"\1", _TERMINAL.sub("", text))
    if not text.isascii() and "\u00ad" in text:
        text = _SOFT_HYPHEN.sub("", text)
    return storable(text)
