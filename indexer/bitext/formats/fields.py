"""The fields of a pair as texts and numbers, and back, for the formats that name them."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import get_args

from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair, State
from indexer.errors import ExportError, ReadError
from indexer.text.language.tags import language_tag
from me5.storable import replace_surrogates

COLUMNS = (
    "source", "target", "score", "cosine", "state", "flags", "source_language", "target_language",
    "source_origin", "target_origin", "meta",
)  # fmt: skip
"""Names of the fields, in the order in which tables have them."""
STATES: tuple[State, ...] = get_args(State)


def prepared(pairs: Iterable[Pair], source_language: str, target_language: str) -> Iterator[Pair]:
    """Pairs as every format can hold them, with the languages filled in.

    Raises:
        ExportError: a language or a state is none.
    """
    for number, pair in enumerate(pairs, start=1):
        if pair.state not in STATES:
            raise ExportError(
                f"Pair {number} has the state {pair.state!r}; expected {', '.join(STATES)}. Set one of them."
            )
        yield replace(
            pair,
            source=replace_surrogates(pair.source),
            target=replace_surrogates(pair.target),
            score=_finite(pair.score),
            cosine=_finite(pair.cosine),
            source_language=_language(pair.source_language, source_language, number),
            target_language=_language(pair.target_language, target_language, number),
            flags=tuple(map(replace_surrogates, pair.flags)),
            source_origin=replace_surrogates(pair.source_origin),
            target_origin=replace_surrogates(pair.target_origin),
            meta=tuple((replace_surrogates(key), replace_surrogates(value)) for key, value in pair.meta),
        )


def number_of(text: str, field: str, where: str) -> float:
    """A number, NaN for an empty text or for what is not finite.

    Raises:
        ReadError: it is no number; ``where`` names the file and the place.
    """
    if not (text := text.strip()):
        return math.nan
    try:
        return _finite(float(text))
    except ValueError as error:
        raise read_error(
            where, f"has the {field} {quote(text)}", "a number", "Correct it, or leave it empty"
        ) from error


def state_of(text: str, where: str) -> State:
    """A state; an empty text is ``open``.

    Raises:
        ReadError: there is no such state.
    """
    state = text.strip().casefold() or "open"
    if state not in STATES:
        raise read_error(where, f"has the state {quote(text)}", ", ".join(STATES), "Set one of them")
    return state


def language_of(text: str, where: str) -> str:
    """A language tag; an empty text is ``und``.

    Raises:
        ReadError: it is no language tag.
    """
    tag = language_tag(text) if text.strip() else UNKNOWN_LANGUAGE
    if tag is None:
        raise read_error(
            where, f"has the language {quote(text)}", "a tag such as en or zh-Hant", "Correct it"
        )
    return tag


def none_if_nan(value: float) -> float | None:
    """The number, or None where it is not known."""
    return None if math.isnan(value) else value


def flags_to_text(flags: Iterable[str]) -> str:
    """Flags in one cell."""
    return ",".join(flags)


def flags_of(text: str) -> tuple[str, ...]:
    """Flags out of one cell."""
    return tuple(flag for part in text.split(",") if (flag := part.strip()))


def meta_to_object(meta: Iterable[tuple[str, str]]) -> dict[str, str] | list[list[str]]:
    """An object, or a list of keys with their values where a key is there twice."""
    pairs = list(meta)
    result = dict(pairs)
    return result if len(result) == len(pairs) else [list(pair) for pair in pairs]


def meta_of(value: object, where: str) -> tuple[tuple[str, str], ...]:
    """The reverse of ``meta_to_object``.

    Raises:
        ReadError: it is neither an object nor a list of pairs.
    """
    items = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(i, (list, tuple)) and len(i) == 2 for i in items):
        raise read_error(
            where, "has meta that names no values", "a JSON object", "Correct it, or leave it empty"
        )
    return tuple((as_text(key), as_text(item)) for key, item in items)


def as_text(value: object) -> str:
    """A JSON value as a text: itself where it is one."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_error(where: str, seen: str, expected: str, remedy: str) -> ReadError:
    """The error for a place in a file; ``where`` is such as ``pairs.tsv, row 7``."""
    return ReadError(f"{where} {seen}; expected {expected}. {remedy}.")


def quote(text: str, limit: int = 40) -> str:
    """A text from a file as it may stand in a message: on one line, not long."""
    return repr(text if len(text) <= limit else text[:limit] + "…")


def _finite(value: float) -> float:
    value = float(value)  # a NumPy number would be written with its type
    return value if math.isfinite(value) else math.nan


def _language(own: str, usual: str, number: int) -> str:
    if own in ("", UNKNOWN_LANGUAGE):
        return usual
    if (tag := language_tag(own)) is None:
        raise ExportError(
            f"Pair {number} has the language {quote(own)}; expected a tag such as en or zh-Hant. Correct it."
        )
    return tag
