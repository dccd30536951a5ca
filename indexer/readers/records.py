"""JSON and JSON lines: one piece per record, streamed; also arrays of records and records back to back."""

import json
import re
from collections.abc import Iterator
from typing import TextIO

from indexer.readers import encoding
from indexer.readers.pieces import Facts, Piece, Reading, Source, refusal
from indexer.readers.tables import TEXT_NAMES, TITLE_NAMES

READ_CHARS = 1 << 20
MAX_RECORD_CHARS = 64 << 20
BETWEEN = re.compile(r"[\s,]*")
SPACE = re.compile(r"\s*")
RECORD_LISTS = ("data", "records", "documents", "items", "rows", "results", "passages")
MAX_STRAY_LINES = 5


def read_lines(source: Source) -> Reading:
    """One record per line. A line that is no JSON is skipped with a warning, unless it is the first."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    bad: list[int] = []
    number = 0
    with encoding.open_text(source, codec) as stream:
        for line_number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                if number == 0:
                    raise refusal(
                        source.name,
                        f"line {line_number} is not JSON ({error})",
                        "one JSON record per line",
                        "Fix the line, or rename the file to its real format",
                    ) from error
                bad.append(line_number)
                continue
            number += 1
            if text := record_text(value):
                yield Piece(text, section=f"record {number}")
    if bad:
        shown = ", ".join(map(str, bad[:MAX_STRAY_LINES])) + (", …" if len(bad) > MAX_STRAY_LINES else "")
        yield Facts(warning=f"{len(bad)} lines are not JSON and were skipped ({shown})")


def read_json(source: Source) -> Reading:
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        try:
            for number, (value, alone) in enumerate(_with_alone(_iter_values(source, stream)), start=1):
                inner = _inner_records(value) if alone else None
                if inner is not None:
                    title = value.get("title") if isinstance(value, dict) else None
                    yield Facts(title=title if isinstance(title, str) else "")
                    for place, record in enumerate(inner, start=1):
                        if text := record_text(record):
                            yield Piece(text, section=f"record {place}")
                elif text := record_text(value):
                    yield Piece(text, section=f"record {number}")
        except RecursionError as error:
            raise refusal(source.name, "is nested too deeply", "JSON records", "Flatten it") from error


def record_text(value: object) -> str:
    """Title and text fields when there is a text field, else every string inside; ends in a newline."""
    if isinstance(value, dict):
        named = {
            str(key).lower(): item for key, item in value.items() if isinstance(item, str) and item.strip()
        }
        if any(key in named for key in TEXT_NAMES):
            order = [key for key in named if key in TITLE_NAMES] + [key for key in named if key in TEXT_NAMES]
            return "".join(named[key].strip() + "\n" for key in order)
    return "".join(text.strip() + "\n" for text in _strings(value) if text.strip())


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _inner_records(value: object) -> list[object] | None:
    """The list of records inside a single object, under one of the usual names or as its only list."""
    if not isinstance(value, dict):
        return None
    lists = {
        str(key): item
        for key, item in value.items()
        if isinstance(item, list) and item and isinstance(item[0], dict)
    }
    for name in RECORD_LISTS:
        if name in lists:
            return lists[name]
    return next(iter(lists.values())) if len(lists) == 1 else None


def _with_alone(values: Iterator[object]) -> Iterator[tuple[object, bool]]:
    """Each value, and whether it is the only one."""
    first = next(values, None)
    if first is None:
        return
    second = next(values, None)
    yield first, second is None
    if second is not None:
        yield second, False
        yield from ((value, False) for value in values)


def _iter_values(source: Source, stream: TextIO) -> Iterator[object]:
    """The items of a top-level array, or the values of a file that has several, without loading it whole."""
    decoder = json.JSONDecoder()
    text, at, ended, wanted = stream.read(READ_CHARS), 0, False, READ_CHARS
    at = SPACE.match(text).end()  # type: ignore[union-attr]
    in_array = text.startswith("[", at)
    at += in_array
    while True:
        at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if in_array and text.startswith("]", at):
            return
        value, end, problem = None, at, ""
        if at < len(text):
            try:
                value, end = decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                problem = str(error)
        # a number or word that touches the end of what was read may go on
        if end > at and (ended or end < len(text)):
            yield value
            at = end
            continue
        if ended:
            if problem or in_array:
                raise refusal(
                    source.name,
                    f"is not valid JSON ({problem or 'the array does not end'})",
                    "an array of records or one object",
                    "Repair it, or rename it to .txt",
                )
            return
        if len(text) - at > MAX_RECORD_CHARS:
            raise refusal(
                source.name,
                f"has a record over {MAX_RECORD_CHARS >> 20} million characters or broken JSON ({problem})",
                "smaller records",
                "Write one record per line (.jsonl)",
            )
        # twice as much each time, so that a long record is not parsed again and again
        wanted = max(READ_CHARS, len(text) - at)
        part = stream.read(wanted)
        ended = not part
        text, at = text[at:] + part, 0
