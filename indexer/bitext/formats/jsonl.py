"""JSON lines: an object per pair with ``source``, ``target``, ``score`` and the other fields that are set.

Sentences are exactly as given. ``score`` is null where it is not known. Read are also the names that other
tools use (``table.FIELDS``), and ``{"translation": {"en": …, "fr": …}}`` as data sets have it; fields
without a known name are kept as meta. Every field of a pair is held.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from indexer.bitext.formats.fields import (
    as_text,
    flags_of,
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
from indexer.bitext.formats.lines import iter_lines
from indexer.bitext.formats.saving import replacing
from indexer.bitext.formats.table import FIELDS
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair


def read(path: Path, left_out: LeftOut | None = None) -> Iterator[Pair]:
    """The pairs of a JSON lines file."""
    lines = ((f"{path.name}, row {number}", line) for number, line in iter_lines(path) if line.strip())
    return parsed(lines, _line_pairs, left_out)


def _line_pairs(line: tuple[str, str]) -> Iterator[Pair]:
    where, text = line
    try:
        row = json.loads(text.removeprefix("\ufeff"), strict=False)
    except (ValueError, RecursionError) as error:
        raise read_error(where, f"is not JSON ({error})", "an object per line", "Correct the line") from error
    if not isinstance(row, dict):
        raise read_error(where, f"holds {quote(text)}", "an object with a source and a target", "Correct it")
    yield _pair(row, where)


def write(path: Path, pairs: Iterable[Pair], source_language: str, target_language: str) -> int:
    """Write a JSON lines file and return how many pairs it has."""
    count = 0
    with replacing(path) as (aside,), aside.open("w", encoding="utf-8", newline="\n") as file:
        for pair in pairs:
            file.write(json.dumps(_row(pair), ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def _row(pair: Pair) -> dict[str, Any]:
    row = {"source": pair.source, "target": pair.target, "score": none_if_nan(pair.score)}
    others = {
        "cosine": none_if_nan(pair.cosine),
        "state": None if pair.state == "open" else pair.state,
        "flags": list(pair.flags) or None,
        "source_language": _named(pair.source_language),
        "target_language": _named(pair.target_language),
        "source_origin": pair.source_origin or None,
        "target_origin": pair.target_origin or None,
        "meta": meta_to_object(pair.meta) or None,
    }
    return row | {name: value for name, value in others.items() if value is not None}


def _named(language: str) -> str | None:
    return None if language == UNKNOWN_LANGUAGE else language


def _pair(row: dict[str, Any], where: str) -> Pair:
    named: dict[str, Any] = {}
    rest: list[tuple[str, str]] = []
    translation = row.get("translation")
    if isinstance(translation, dict) and len(translation) == 2:
        (first, named["source"]), (second, named["target"]) = translation.items()
        named |= {"source_language": first, "target_language": second}
    for name, value in row.items():
        field = FIELDS.get(name)
        if name == "translation" and value is translation and "source_language" in named:
            continue
        if field is not None and field not in named:
            named[field] = value
        elif value is not None:
            rest.append((name, as_text(value)))
    for side in ("source", "target"):
        if not isinstance(named.get(side), str):
            seen = f"has the {side} {quote(as_text(named[side]))}" if side in named else f"has no {side}"
            raise read_error(where, seen, "a text", "Correct the row")
    flags = named.get("flags") or []
    return Pair(
        source=named["source"],
        target=named["target"],
        score=_number(named.get("score"), "score", where),
        source_language=language_of(_text(named, "source_language"), where),
        target_language=language_of(_text(named, "target_language"), where),
        cosine=_number(named.get("cosine"), "cosine", where),
        flags=tuple(map(as_text, flags)) if isinstance(flags, list) else flags_of(as_text(flags)),
        state=state_of(_text(named, "state"), where),
        source_origin=_text(named, "source_origin"),
        target_origin=_text(named, "target_origin"),
        meta=(*(meta_of(named["meta"], where) if named.get("meta") else ()), *rest),
    )


def _text(named: dict[str, Any], field: str) -> str:
    value = named.get(field)
    return "" if value is None else as_text(value)


def _number(value: object, field: str, where: str) -> float:
    return number_of("" if value is None else as_text(value), field, where)
