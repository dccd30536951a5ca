"""Rows of cells to pairs and back, for TSV, CSV and XLSX.

A first row that names a source and a target column is a header; columns may then come in any order, and
those without a known name are kept as meta. A first row of two different language codes is a header too.
Without a header the columns are source, target and score; or score, source and target, as LASER writes
them, when the first cell is a number and the third is none; or number, source, number and target, as
Tatoeba writes them. A third column that is no number is kept as meta.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from indexer.bitext.formats.fields import (
    COLUMNS,
    flags_of,
    flags_to_text,
    language_of,
    meta_of,
    meta_to_object,
    none_if_nan,
    number_of,
    quote,
    read_error,
    state_of,
)
from indexer.bitext.formats.left_out import LeftOut, parsed
from indexer.bitext.values import Pair
from indexer.text.language.tags import language_tag

ALIASES = {
    "source": "src source_text source_sentence source_segment sentence1 text1",
    "target": "trg tgt target_text target_sentence target_segment sentence2 text2 translation",
    "score": "margin margin_score",
    "cosine": "similarity cosine_similarity",
    "state": "",
    "flags": "",
    "source_language": "source_lang src_lang",
    "target_language": "target_lang trg_lang tgt_lang",
    "source_origin": "source_file",
    "target_origin": "target_file",
    "meta": "",
}
FIELDS = {name: field for field, names in ALIASES.items() for name in (field, *names.split())}
"""Column name -> field of the pair."""
_CODE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?")
_SPACE = re.compile(r"[\s-]+")

Cell = str | float | None


def cells_of(pair: Pair) -> list[Cell]:
    """The cells of a row, in the order of ``COLUMNS``; None for a number that is not known."""
    meta = json.dumps(meta_to_object(pair.meta), ensure_ascii=False) if pair.meta else ""
    return [
        pair.source,
        pair.target,
        none_if_nan(pair.score),
        none_if_nan(pair.cosine),
        pair.state,
        flags_to_text(pair.flags),
        pair.source_language,
        pair.target_language,
        pair.source_origin,
        pair.target_origin,
        meta,
    ]


def pairs_of(
    name: str,
    rows: Iterable[tuple[int, Sequence[str]]],
    *,
    restore: Callable[[str], str] = str,
    decimal_comma: bool = False,
    left_out: LeftOut | None = None,
) -> Iterator[Pair]:
    """The pairs in the rows of a file; rows without any text are passed over.

    Args:
        name: of the file, for messages.
        rows: their numbers and cells.
        restore: what undoes the escaping of ``write_pairs``; used only under the header that it writes.
        decimal_comma: whether ``1,08`` is a number.
        left_out: counts rows that cannot be read, which are passed over.

    Raises:
        ReadError: a row has too many or too few cells, or one that is not what its column says.
    """
    rows = ((number, cells) for number, cells in rows if any(cells))
    first = next(rows, None)
    if first is None:
        return
    header = _Header(first[1])

    def parse(row: tuple[int, Sequence[str]]) -> Iterator[Pair]:
        number, cells = row
        where = f"{name}, row {number}"
        if len(cells) <= max(header.places["source"], header.places["target"]):
            raise read_error(where, f"has {_counted(len(cells))}", "a source and a target", "Correct the row")
        if len(cells) > len(header.names) and header.is_row and any(cells[len(header.names) :]):
            raise read_error(
                where,
                f"has {_counted(len(cells))}",
                f"{len(header.names)} as in the header",
                "Correct the row; a separator inside a sentence may have cut it",
            )
        bare = [restore(cell) for cell in cells] if header.is_ours else cells
        yield _pair(bare, header, where, decimal_comma)

    yield from parsed(rows if header.is_row else chain([first], rows), parse, left_out)


class _Header:
    """Which column holds what. ``is_row`` says whether the first row is a header, not a pair."""

    def __init__(self, first: Sequence[str]) -> None:
        self.names = [cell.strip() for cell in first]
        self.is_row = True
        self.is_ours = tuple(self.names) == COLUMNS
        self.languages: tuple[str, str] | None = None
        self.places = _fields(self.names)
        if "source" in self.places and "target" in self.places:
            return
        if codes := _language_codes(self.names):
            self.languages = codes
            self.places |= {"source": 0, "target": 1}
            return
        self.is_row = False
        self.places = _usual_places(self.names)


def _usual_places(cells: Sequence[str]) -> dict[str, int]:
    """Where the fields are in a table without a header, told by its first row."""
    numbers = [_is_number(cell) for cell in cells[:4]]
    if numbers == [True, False, True, False]:
        return {"source": 1, "target": 3}
    if numbers[:3] == [True, False, False]:
        return {"score": 0, "source": 1, "target": 2}
    has_score = len(cells) < 3 or numbers[2] or not cells[2].strip()
    return {"source": 0, "target": 1} | ({"score": 2} if has_score else {})


def names_sides(cells: Iterable[str]) -> bool:
    """Whether the cells are a header that names the source and the target."""
    return {"source", "target"} <= _fields(cells).keys()


def _fields(names: Iterable[str]) -> dict[str, int]:
    """Field -> place of the first column that is named so."""
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        field = FIELDS.get(_SPACE.sub("_", name.strip().casefold()))
        if field is not None:
            places.setdefault(field, place)
    return places


def _pair(cells: Sequence[str], header: _Header, where: str, decimal_comma: bool) -> Pair:
    def cell(field: str) -> str:
        place = header.places.get(field)
        return cells[place] if place is not None and place < len(cells) else ""

    def number(field: str) -> float:
        text = cell(field)
        return number_of(text.replace(",", ".") if decimal_comma else text, field, where)

    source_language, target_language = header.languages or (
        language_of(cell("source_language"), where),
        language_of(cell("target_language"), where),
    )
    return Pair(
        source=cell("source"),
        target=cell("target"),
        score=number("score"),
        source_language=source_language,
        target_language=target_language,
        cosine=number("cosine"),
        flags=flags_of(cell("flags")),
        state=state_of(cell("state"), where),
        source_origin=cell("source_origin"),
        target_origin=cell("target_origin"),
        meta=(*_meta(cell("meta"), where), *_others(cells, header)),
    )


def _meta(text: str, where: str) -> tuple[tuple[str, str], ...]:
    if not text.strip():
        return ()
    try:
        return meta_of(json.loads(text), where)
    except (ValueError, RecursionError) as error:
        raise read_error(
            where, f"has the meta {quote(text)}", "a JSON object", "Correct it, or leave it empty"
        ) from error


def _others(cells: Sequence[str], header: _Header) -> Iterator[tuple[str, str]]:
    known = set(header.places.values())
    for place, cell in enumerate(cells):
        if place not in known and cell:
            named = header.is_row and place < len(header.names) and header.names[place]
            yield (header.names[place] if named else f"column {place + 1}"), cell


def _language_codes(names: Sequence[str]) -> tuple[str, str] | None:
    if len(names) < 2 or names[0] == names[1] or not all(_CODE.fullmatch(name) for name in names[:2]):
        return None
    if len(names) > 2 and not all(_SPACE.sub("_", name.casefold()) in FIELDS for name in names[2:]):
        return None
    first, second = language_tag(names[0]), language_tag(names[1])
    return (first, second) if first and second else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counted(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"
