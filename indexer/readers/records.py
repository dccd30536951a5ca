"""JSON and JSON lines: one piece per record, streamed, each value with its key.

Read are arrays of records, records back to back, one record per line or over several lines, and one object
with a list of records in it. Comments and commas too many are passed over. A record that cannot be read
costs that record, if others can.
"""

import json
import re
from collections.abc import Iterator
from typing import TextIO

from indexer.readers import encoding
from indexer.readers.pieces import SECTION_SEPARATOR, Facts, Piece, Reading, Source, refusal
from indexer.readers.tables import BARE_NAMES

READ_CHARS = 1 << 20
MAX_RECORD_CHARS = 64 << 20
MAX_RECORD_LINES = 10_000
RECORD_LISTS = ("data", "records", "documents", "items", "rows", "results", "passages")
MAX_STRAY_LINES = 5
_STRING = r'("(?:[^"\\]|\\.)*")'
_COMMENT = r"//[^\n]*(?:\n|\Z)|/\*.*?\*/"
_BETWEEN = re.compile(rf"(?:[\s,\x1e\ufeff]|{_COMMENT}|#[^\n]*(?:\n|\Z))*", re.DOTALL)
_RELAXED = re.compile(rf"{_STRING}|{_COMMENT}|^[ \t]*#[^\n]*$", re.DOTALL | re.MULTILINE)
_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_NEXT = re.compile(r"\n(?=[ \t]*[{\[])|(?<=\})[\s,]*(?=\{)")
_PICTURE = re.compile(r"data:[\w/+.-]+;base64,")
_DAMAGED = object()
MAX_DAMAGED = 1000
MAX_ITEM_CHARS = 80  # of the items of a list that stand on one line
MAX_NUMBERS = 32  # in a list; more are a vector


class _Number(str):
    """A number as it is written."""


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_Number, strict=False)


def read_lines(source: Source) -> Reading:
    """One record per line, or over several lines. A damaged one is read as plain text, unless all are."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    number = 0
    damaged: list[tuple[int, str]] = []
    with encoding.open_text(source, codec) as stream:
        for line_number, text, value in _line_values(stream):
            if value is _DAMAGED:
                damaged.append((line_number, text[:MAX_RECORD_CHARS]))
                continue
            number += 1
            if words := _words(value, source):
                yield Piece(words, section=f"record {number}")
    if not damaged:
        return
    if number == 0:
        raise refusal(
            source.name,
            f"line {damaged[0][0]} is not JSON",
            "one JSON record per line",
            "Fix the line, or rename the file to its real format",
        )
    for line_number, text in damaged:
        yield Piece(text.strip() + "\n", section=f"line {line_number}")
    shown = ", ".join(str(line) for line, _ in damaged[:MAX_STRAY_LINES])
    more = ", …" if len(damaged) > MAX_STRAY_LINES else ""
    yield Facts(warning=f"{len(damaged)} lines are not JSON and were read as plain text ({shown}{more})")


def read_json(source: Source) -> Reading:
    """An array of records, several values, or one object, whose list of records is read one by one."""
    codec = encoding.detect_source(source)
    yield Facts(encoding=codec)
    with encoding.open_text(source, codec) as stream:
        values = _Values(source, stream)
        try:
            for number, (value, is_alone) in enumerate(_with_alone(values), start=1):
                if is_alone and isinstance(value, dict):
                    yield from _only_object(value)
                elif words := record_text(value):
                    yield Piece(words, section=f"record {number}")
        except RecursionError as error:
            raise refusal(source.name, "is nested too deeply", "JSON records", "Flatten it") from error
    for text in filter(str.strip, values.damaged):
        yield Piece(text.strip() + "\n", section="damaged")
    if values.damaged:
        places = "1 place" if len(values.damaged) == 1 else f"{len(values.damaged)} places"
        problem = f"the file is not valid JSON in {places} ({values.problem})"
        yield Facts(warning=f"{problem}; what stands there was read as plain text")


def record_text(value: object) -> str:
    """A line ``key: value`` for each value inside, ending in a newline.

    Titles and texts come first, without their keys. Left out are nulls, pictures and vectors.
    """
    lines: tuple[list[str], list[str], list[str]] = ([], [], [])
    for path, words in _values_in(value, ()):
        key = path[0].lower() if len(path) == 1 else ""
        rank = next((rank for rank, bare in enumerate(BARE_NAMES) if key in bare), 2)
        label = SECTION_SEPARATOR.join(path)
        lines[rank].append(f"{label}: {words}\n" if label and rank == 2 else f"{words}\n")
    return "".join(line for group in lines for line in group)


def _values_in(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values_in(item, (*path, " ".join(str(key).split())) if str(key).strip() else path)
    elif isinstance(value, list):
        if all(isinstance(item, str | bool) and len(str(item)) <= MAX_ITEM_CHARS for item in value):
            items = [words for item in value if (words := _scalar(item))]
            is_vector = len(value) > MAX_NUMBERS and all(isinstance(item, _Number) for item in value)
            if items and not is_vector:
                yield path, ", ".join(items)
            return
        for item in value:
            yield from _values_in(item, path)
    elif words := _scalar(value):
        yield path, words


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    words = str(value).strip()
    return "" if _PICTURE.match(words) else words


def _words(value: object, source: Source) -> str:
    try:
        return record_text(value)
    except RecursionError as error:
        raise refusal(source.name, "is nested too deeply", "JSON records", "Flatten it") from error


def _only_object(value: dict[str, object]) -> Reading:
    """The one object of a file: what it says itself, then the records in it."""
    title = value.get("title")
    yield Facts(title=title if isinstance(title, str) else "")
    key = _record_list(value)
    if key is None and len(value) > 1 and all(isinstance(item, dict) for item in value.values()):
        for name, item in value.items():
            if words := record_text({name: item}):
                yield Piece(words, section=name)
        return
    own = {name: item for name, item in value.items() if name != key}
    if words := record_text(own):
        yield Piece(words)
    records = value[key] if key is not None else []
    assert isinstance(records, list)
    for number, record in enumerate(records, start=1):
        if words := record_text(record if key in RECORD_LISTS else {str(key): record}):
            yield Piece(words, section=f"record {number}")


def _record_list(value: dict[str, object]) -> str | None:
    """The key of the list of records inside an object: one of the usual names, or the only such list."""
    lists = [
        key for key, item in value.items() if isinstance(item, list) and item and isinstance(item[0], dict)
    ]
    usual = next((name for name in RECORD_LISTS if name in lists), None)
    return usual or (lists[0] if len(lists) == 1 else None)


def _with_alone(values: Iterator[object]) -> Iterator[tuple[object, bool]]:
    """Each value, and whether it is the only one."""
    first = next(values, _DAMAGED)
    if first is _DAMAGED:
        return
    second = next(values, _DAMAGED)
    yield first, second is _DAMAGED
    if second is not _DAMAGED:
        yield second, False
        yield from ((value, False) for value in values)


def _line_values(stream: TextIO) -> Iterator[tuple[int, str, object]]:
    """Line number, text and value of each record; the value of one that is not JSON is ``_DAMAGED``."""
    pending: list[str] = []
    began = 0
    for number, line in enumerate(stream, start=1):
        if pending:
            starts_anew = line.startswith("{")
            if not starts_anew:
                pending.append(line)
            if line[:1] in ("}", "]"):
                value = _value("".join(pending))
                if value is not _DAMAGED:
                    yield began, "", value
                    pending = []
                    continue
            if not starts_anew and len(pending) < MAX_RECORD_LINES:
                continue
            yield began, "".join(pending), _DAMAGED
            pending = []
            if not starts_anew:
                continue
        text = line.strip().strip("\ufeff\x1e").removesuffix(",")
        if text in ("", "[", "]") or text.startswith(("#", "//")):
            continue
        value = _value(text)
        if value is _DAMAGED and line.lstrip("\ufeff\x1e").startswith(("{", "[")):
            pending, began = [line], number
        else:
            yield number, line, value
    if pending:
        yield began, "".join(pending), _DAMAGED


def _value(text: str) -> object:
    try:
        return _whole(text)
    except (ValueError, RecursionError):
        pass
    try:
        return _whole(_strict(text))
    except (ValueError, RecursionError):
        return _DAMAGED


def _whole(text: str) -> object:
    value, end = _DECODER.raw_decode(text, _between(text, 0))
    if text[end:].strip(" \t\r\n,"):
        raise ValueError("more follows")
    return value


def _strict(text: str) -> str:
    """JSON without comments and without commas that nothing follows."""
    return _COMMA.sub(lambda result: result[1] or "", _RELAXED.sub(lambda result: result[1] or " ", text))


def _between(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    return match.end() if match else at


class _Values:
    """The items of a top-level array, or the values of a file that has several, without loading it whole.

    ``damaged`` are the parts that are not JSON, ``problem`` says what the first of them lacks.
    """

    def __init__(self, source: Source, stream: TextIO) -> None:
        self._source, self._stream = source, stream
        self._text, self._at, self._is_ended = "", 0, False
        self._in_array = self._is_strict = False
        self._count = 0
        self.damaged: list[str] = []
        self.problem = ""
        self._read_on(READ_CHARS)
        self._at = _between(self._text, 0)
        if self._text.startswith("[", self._at):
            self._in_array = True
            self._at += 1

    def __iter__(self) -> "Iterator[object]":
        return self

    def __next__(self) -> object:
        while True:
            self._at = _between(self._text, self._at)
            if self._in_array and self._text.startswith("]", self._at):
                self._in_array = False
                self._at += 1
                continue
            value, end, error = self._decoded()
            # a number or word that touches the end of what was read may go on
            if error is None and end > self._at and (self._is_ended or end < len(self._text)):
                self._at = end
                self._count += 1
                return value
            if not self._is_ended and not self._is_certain(error):
                self._read_on(max(READ_CHARS, len(self._text) - self._at))
                continue
            if error is None:
                break
            self._repair(str(error))
        if self._in_array:
            self._damage("", "the array does not end")
        raise StopIteration

    def _decoded(self) -> tuple[object, int, json.JSONDecodeError | None]:
        if self._at >= len(self._text):
            return None, self._at, None
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            return None, self._at, error
        return value, end, None

    def _is_certain(self, error: json.JSONDecodeError | None) -> bool:
        """Whether more text cannot mend what is wrong."""
        if error is None:
            return False
        if len(self._text) - self._at > MAX_RECORD_CHARS:
            return True
        return error.pos < len(self._text) - 64 and not error.msg.startswith("Unterminated string")

    def _read_on(self, chars: int) -> None:
        # twice as much each time, so that a long record is not parsed again and again
        part = self._stream.read(chars)
        self._is_ended = not part
        self._text, self._at = self._text[self._at :] + part, 0

    def _repair(self, problem: str) -> None:
        """Look at the rest without comments; if that was done, pass on to the next record."""
        if not self._is_strict:
            self._is_strict = True
            if not self._is_ended:
                self._read_on(MAX_RECORD_CHARS)
            if len(self._text) <= 2 * MAX_RECORD_CHARS:
                self._text, self._at = _strict(self._text[self._at :]), 0
            return
        match = _NEXT.search(self._text, self._at + 1)
        end = match.end() if match and len(self.damaged) < MAX_DAMAGED else len(self._text)
        self._damage(self._text[self._at : end], problem)
        self._at = end

    def _damage(self, text: str, problem: str) -> None:
        self.problem = self.problem or problem
        if not self._count:
            raise refusal(
                self._source.name,
                f"is not valid JSON ({self.problem})",
                "an array of records or one object",
                "Repair it, or rename it to .txt",
            )
        self.damaged.append(text)
