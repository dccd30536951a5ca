"""XML that comes from others and XML that goes to them, for TMX and XLIFF.

Reading is a stream of units, each parsed by itself (``indexer.readers.xml_units``): a damaged one costs
that unit. Entities, external files and the network stay unused; a file that declares entities is refused.
A text of over 10 MB is too, as libxml2 does by default. Inline elements are flattened.

XML cannot hold most control characters, U+FFFE and U+FFFF. They are written as U+FFFD, and the whole text
once more as a JSON string beside it, in ASCII. Reading takes that one if it still belongs to the text.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.bitext.formats.fields import quote, read_error
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.lines import unreadable
from indexer.errors import ExportError
from indexer.readers import xml_units
from indexer.readers.container import local_name as local
from indexer.readers.pieces import Source
from indexer.readers.xml_units import Unit, flat_text, open_units

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["LANG", "SPACE", "exact", "fit", "flat_text", "iter_units", "local", "place", "restored"]

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
SPACE = "{http://www.w3.org/XML/1998/namespace}space"
MAX_TEXT_BYTES = 9_000_000
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def iter_units(
    path: Path, root: str, heads: tuple[str, ...], units: tuple[str, ...], left_out: LeftOut | None
) -> Iterator[Unit]:
    """The root and the heads (without what they hold) and the units of a file (with it), in their order.

    Args:
        path: the file.
        root: the local name of its root.
        heads: local names of elements around units.
        units: local names of units.
        left_out: counts units that are not well-formed, which are passed over.

    Raises:
        ReadError: a unit is not well-formed, and nothing counts it; the file has another root element, or
            declares entities. What stands before the damage is given first.
    """
    try:
        with open_units(Source(path.name, path)) as stream:
            for unit in xml_units.iter_units(stream, path.name, root, heads, units):
                if unit.is_head or not unit.problem:
                    yield unit
                    continue
                error = read_error(
                    f"{path.name}, line {unit.line}",
                    f"is not well-formed XML ({unit.problem})",
                    f"a whole {root.upper()} file",
                    "Save it again from the program that made it",
                )
                if left_out is None:
                    raise error
                left_out.add(error)
    except OSError as error:
        raise unreadable(path, error) from error


def place(path: Path, element: "_Element") -> str:
    """Where an element is, for messages."""
    first = element.getroottree().getroot().get("line") or "1"  # of the unit that was parsed by itself
    return f"{path.name}, line {int(first) + (element.sourceline or 1) - 1}, <{local(element)}>"


def fit(text: str) -> str:
    """The text as XML can hold it.

    Raises:
        ExportError: it is longer than readers of XML accept.
    """
    if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
        raise ExportError(
            f"A text has {len(text):,} characters ({quote(text)}); expected at most "
            f"{MAX_TEXT_BYTES:,} bytes, which readers of XML accept. Leave it out, or write TSV."
        )
    return _UNFIT.sub("\ufffd", text)


def exact(text: str) -> str | None:
    """The text in ASCII, where XML cannot hold it as it is."""
    return json.dumps(text) if _UNFIT.search(text) else None


def restored(text: str, exactly: str | None) -> str:
    """The text that ``fit`` was given, unless somebody changed it since."""
    if exactly is None:
        return text
    try:
        original = json.loads(exactly)
    except (ValueError, RecursionError):
        return text
    return original if isinstance(original, str) and fit(original) == text else text
