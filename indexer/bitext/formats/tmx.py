"""TMX 1.4b, the exchange format of translation memories (LISA OSCAR, 26 April 2005).

A pair is a ``tu`` with a ``tuv`` for each side. Properties of ours are ``x-score``, ``x-cosine``, ``x-state``
and ``x-flag`` of the unit and ``x-origin`` of a side. All else that a unit says is meta: attributes as
``@tuid``, notes as ``note``, properties by their type, those of a side with ``source:`` or ``target:`` in
front; it is written to the same places again, or as properties ``x-meta:…`` if its order does not allow that.

The source side is the variant in the language that ``srclang`` names, else the first; each other variant
makes a pair with it. A variant that states no language is in that of ``srclang``, unless another one is; else
it is not known. Units with one variant are passed over. White space is kept as it is in the file.
Inline elements and characters that XML cannot hold: ``markup``. Every field is held.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.bitext.formats import markup
from indexer.bitext.formats.fields import language_of, none_if_nan, number_of, read_error, state_of
from indexer.bitext.formats.left_out import LeftOut, parsed
from indexer.bitext.formats.saving import replacing
from indexer.bitext.values import Pair
from indexer.text.language.tags import language_tag, primary_language

if TYPE_CHECKING:
    from lxml.etree import _Element

TOOL, VERSION = "me5-search", "1"
DOCTYPE = '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'
OURS = frozenset({"x-score", "x-cosine", "x-state", "x-flag", "x-origin", "x-exact"})
OTHER = "x-meta:"
_SHARED = (
    "o-encoding datatype usagecount lastusagedate creationtool creationtoolversion creationdate creationid "
    "changedate o-tmf changeid"
)
UNIT_ATTRIBUTES = frozenset(f"tuid segtype {_SHARED}".split())
SIDE_ATTRIBUTES = frozenset(_SHARED.split())
SEGMENT_TYPES = frozenset({"block", "paragraph", "sentence", "phrase"})
SIDES = ("source:", "target:")

Meta = tuple[tuple[str, str], ...]


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of a TMX file.

    Raises:
        ReadError: it is damaged; says at which line and element.
    """
    return parsed(_units(path, left_out), lambda unit: _pairs(path, *unit), left_out)


def _units(path: Path, left_out: LeftOut | None) -> Iterator[tuple["_Element", str]]:
    """Each unit with the language of its source side."""
    header_language = ""
    for unit in markup.iter_units(path, "tmx", ("header",), ("tu",), left_out):
        if unit.element is None or unit.name == "tmx":
            continue
        if unit.name == "header":
            header_language = unit.element.get("srclang", "")
        else:
            yield unit.element, unit.element.get("srclang", header_language)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write a TMX file and return how many pairs it has."""
    from lxml import etree

    header = {
        "creationtool": TOOL, "creationtoolversion": VERSION, "segtype": "sentence", "o-tmf": TOOL,
        "adminlang": "en", "srclang": source_language, "datatype": "plaintext",
    }  # fmt: skip
    count = 0
    with replacing(path) as (aside,), aside.open("wb") as file:
        with etree.xmlfile(file, encoding="utf-8") as xml:
            xml.write_declaration()
            xml.write_doctype(DOCTYPE)
            with xml.element("tmx", version="1.4"):
                xml.write("\n", etree.Element("header", header), "\n")
                with xml.element("body"):
                    xml.write("\n")
                    for pair in pairs:
                        xml.write(_unit(pair, source_language), pretty_print=True)
                        count += 1
                xml.write("\n")
        file.write(b"\n")
    return count


def _pairs(path: Path, unit: "_Element", source_language: str) -> Iterator[Pair]:
    sides = [child for child in unit if markup.local(child) == "tuv"]
    if len(sides) < 2:
        return
    languages = _languages(path, sides, source_language)
    wanted = source_language.strip().lower().replace("_", "-")
    at = _first(languages, wanted)
    of_unit = _said(unit)
    own, meta = _ours(of_unit)
    where = markup.place(path, unit)
    source, source_own, source_meta = _side(path, sides[at])
    for place, side in enumerate(sides):
        if place == at:
            continue
        target, target_own, target_meta = _side(path, side)
        yield Pair(
            source=source,
            target=target,
            score=number_of(own.get("x-score", ""), "score", where),
            source_language=languages[at],
            target_language=languages[place],
            cosine=number_of(own.get("x-cosine", ""), "cosine", where),
            flags=tuple(value for key, value in of_unit if key == "x-flag"),
            state=state_of(own.get("x-state", ""), where),
            source_origin=source_own.get("x-origin", ""),
            target_origin=target_own.get("x-origin", ""),
            meta=(
                *meta,
                *((SIDES[0] + key, value) for key, value in source_meta),
                *((SIDES[1] + key, value) for key, value in target_meta),
            ),
        )


def _languages(path: Path, sides: list["_Element"], usual: str) -> list[str]:
    """The language of each side; the one that states none is in the usual language, if no other side is."""
    stated = [side.get(markup.LANG) or side.get("lang") or "" for side in sides]  # the latter before 1.4
    languages = [
        language_of(text, markup.place(path, side)) for text, side in zip(stated, sides, strict=True)
    ]
    source = language_tag(usual) if usual.strip() not in ("", "*all*") else None
    is_taken = source is not None and any(
        primary_language(language) == primary_language(source) for language in languages
    )
    if source is not None and not is_taken and "" in stated:
        languages[stated.index("")] = source
    return languages


def _first(languages: list[str], wanted: str) -> int:
    """The place of the language, or of one that differs in its region only, or 0."""
    lowered = [language.lower() for language in languages]
    if wanted in lowered:
        return lowered.index(wanted)
    bare = [primary_language(language) for language in lowered]
    return bare.index(primary_language(wanted)) if primary_language(wanted) in bare else 0


def _side(path: Path, side: "_Element") -> tuple[str, dict[str, str], Meta]:
    segment = next((child for child in side if markup.local(child) == "seg"), None)
    if segment is None:
        raise read_error(markup.place(path, side), "has no <seg>", "a sentence in each <tuv>", "Add it")
    own, meta = _ours(_said(side))
    return markup.restored(markup.flat_text(segment), own.get("x-exact")), own, meta


def _said(element: "_Element") -> Meta:
    """Attributes, properties and notes of a unit or side, in their order."""
    skipped = (markup.LANG, "lang", "srclang")
    results = [(f"@{name}", value) for name, value in element.items() if name not in skipped]
    for child in element:
        if (name := markup.local(child)) in ("prop", "note"):
            results.append((name if name == "note" else child.get("type", ""), child.text or ""))
    return tuple(results)


def _ours(said: Meta) -> tuple[dict[str, str], Meta]:
    """What is ours, the first of each, and the rest."""
    own: dict[str, str] = {}
    rest = []
    for key, value in said:
        if key == "x-flag":
            continue
        if key in OURS and key not in own:
            own[key] = value
        else:
            rest.append((key.removeprefix(OTHER), value))
    return own, tuple(rest)


def _unit(pair: Pair, usual_language: str) -> "_Element":
    from lxml import etree

    unit = etree.Element("tu")
    if pair.source_language != usual_language:
        unit.set("srclang", pair.source_language)
    for key, number in (("x-score", pair.score), ("x-cosine", pair.cosine)):
        if none_if_nan(number) is not None:
            _property(unit, key, repr(number))
    _property(unit, "x-state", pair.state)
    for flag in pair.flags:
        _property(unit, "x-flag", flag)
    is_placed = _is_in_order(pair.meta)
    if is_placed:
        _add(unit, [item for item in pair.meta if not item[0].startswith(SIDES)], UNIT_ATTRIBUTES)
    else:
        for key, value in pair.meta:
            _property(unit, OTHER + key, value)
    for prefix, language, origin, text in (
        (SIDES[0], pair.source_language, pair.source_origin, pair.source),
        (SIDES[1], pair.target_language, pair.target_origin, pair.target),
    ):
        side = etree.SubElement(unit, "tuv", {markup.LANG: language})
        if origin:
            _property(side, "x-origin", origin)
        if (exactly := markup.exact(text)) is not None:
            _property(side, "x-exact", exactly)
        if is_placed:
            own = [(key[len(prefix) :], value) for key, value in pair.meta if key.startswith(prefix)]
            _add(side, own, SIDE_ATTRIBUTES)
        etree.SubElement(side, "seg").text = markup.fit(text)
    return unit


def _is_in_order(meta: Meta) -> bool:
    """Whether reading the places that meta belongs to gives it in the same order."""
    stages = []
    for key, value in meta:
        side = SIDES.index(key[:7]) + 1 if key.startswith(SIDES) else 0
        bare = key[7:] if side else key
        attributes = SIDE_ATTRIBUTES if side else UNIT_ATTRIBUTES
        is_attribute = _is_attribute(bare, value, attributes)
        stages.append((side, not is_attribute, bare if is_attribute else ""))
    attributes_once = [stage for stage in stages if not stage[1]]
    order = [stage[:2] for stage in stages]
    return order == sorted(order) and len(set(attributes_once)) == len(attributes_once)


def _is_attribute(key: str, value: str, attributes: frozenset[str]) -> bool:
    return key[:1] == "@" and key[1:] in attributes and (key != "@segtype" or value in SEGMENT_TYPES)


def _add(element: "_Element", meta: list[tuple[str, str]], attributes: frozenset[str]) -> None:
    from lxml import etree

    for key, value in meta:
        if _is_attribute(key, value, attributes):
            element.set(key[1:], markup.fit(value))
        elif key == "note":
            etree.SubElement(element, "note").text = markup.fit(value)
        else:
            is_taken = key in OURS or key.startswith((OTHER, "@", *SIDES))
            _property(element, OTHER + key if is_taken else key, value)


def _property(element: "_Element", key: str, value: str) -> None:
    from lxml import etree

    etree.SubElement(element, "prop", {"type": markup.fit(key)}).text = markup.fit(value)
