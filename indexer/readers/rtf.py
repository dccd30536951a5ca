"""Rich text: paragraphs in order, table rows on one line, then headers, footers, notes and comments.

Left out: deleted and hidden text, fields' codes, pictures. Said: embedded objects.
"""

import re
from dataclasses import dataclass, field, replace

from indexer.readers.flow import Flow, aside, row_lines
from indexer.readers.pieces import MEGABYTE, Facts, Reading, Source, refusal
from indexer.readers.rtf_codes import (
    ASIDES,
    BOXES,
    BREAKS,
    CHARACTERS,
    CHARSETS,
    KNOWN,
    MACHINES,
    NO_TEXT,
    SYMBOLS,
    codec_of_page,
)
from indexer.readers.stated_title import real_title
from indexer.readers.symbols import symbol_of

MAX_BYTES = 128 * MEGABYTE
MAX_DEPTH = 10_000
CELL = "\x1f"
TOKEN = re.compile(
    rb"\\(?:([A-Za-z]{1,32})(-?[0-9]{1,10})?[ ]?|'([0-9A-Fa-f]{2})|([^A-Za-z]))"
    rb"|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)",
    re.DOTALL,
)
Line = tuple[str, int | None]


@dataclass
class Output:
    """Lines of one place: the text itself, or what stands beside it; ``pending`` is not yet a line."""

    lines: list[Line] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    boxes: list["Output"] = field(default_factory=list)  # text boxes follow the line they are anchored in

    def end_line(self, level: int | None = None) -> None:
        self._add([(line, level) for line in "".join(self.pending).replace(CELL, "\t").split("\n")])

    def end_row(self) -> None:
        cells = "".join(self.pending).removesuffix(CELL).split(CELL)
        self._add([(line, None) for line in row_lines([cell.split("\n") for cell in cells])])

    def _add(self, lines: list[Line]) -> None:
        self.lines += lines
        self.pending.clear()
        boxes, self.boxes = self.boxes, []
        for box in boxes:
            self.lines += box.finish()

    def finish(self) -> list[Line]:
        if "".join(self.pending).strip() or self.boxes:
            self.end_line()
        return self.lines


@dataclass(frozen=True)
class State:
    """What holds inside the current group."""

    output: Output
    is_skipped: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    is_font_table: bool = False
    skip_after_unicode: int = 1
    font: int = -1
    in_table: bool = False
    level: int | None = None


@dataclass
class Font:
    charset: int = -1
    page: int = 0
    name: str = ""


def read(source: Source) -> Reading:
    if source.size_bytes > MAX_BYTES:
        raise refusal(
            source.name, f"has {source.size_bytes // MEGABYTE} MB", "RTF below 128 MB", "Save it as docx"
        )
    with source.open() as stream:
        parser = _Parser(stream.read())
    title = real_title("".join(line for line, _ in parser.title.finish()))
    yield Facts(title=title)
    flow = Flow(title)
    for line, level in parser.main.finish():
        yield from flow.add(line, level)
    yield from flow.flush()
    for section, output in parser.asides.items():
        yield from aside((line for line, _ in output.finish()), section)
    if parser.objects:
        yield Facts(warning=f"{parser.objects} embedded objects were not read")


class _Parser:
    """One pass over the file; damage loses at most the group in which it is."""

    def __init__(self, data: bytes) -> None:
        self.main, self.title = Output(), Output()
        self.asides: dict[str, Output] = {}
        self.objects = 0
        self._fonts: dict[int, Font] = {}
        self._codec = "cp1252"
        self._default_font = -1
        self._state = State(self.main)
        self._stack: list[State] = []
        self._bytes = bytearray()
        self._to_skip = 0  # characters that stand for a Unicode character before them
        self._is_optional = False  # after \*
        self._high = 0  # first half of a character beyond the basic plane
        self._parse(data)
        self._flush()

    def _parse(self, data: bytes) -> None:
        position = 0
        while match := TOKEN.search(data, position):  # what is no token is passed over
            position = match.end()
            word, number, code, sign, brace, text = match.groups()
            if brace:
                self._flush()
                self._open() if brace == b"{" else self._close()
            elif word:
                position += self._word(word.decode(), int(number) if number else None)
            elif code:
                self._put(bytes.fromhex(code.decode()))
            elif sign:
                self._sign(sign.decode("latin-1"))
            elif text:
                self._put(text)

    def _open(self) -> None:
        if len(self._stack) < MAX_DEPTH:
            self._stack.append(self._state)
            self._is_optional, self._to_skip = False, 0

    def _close(self) -> None:
        if not self._stack:
            return
        closed, self._state = self._state, self._stack.pop()
        self._to_skip, self._is_optional = 0, False
        if closed.output is not self._state.output and closed.output.pending:
            closed.output.end_line()

    def _word(self, word: str, number: int | None) -> int:
        """Act on a control word; how many bytes after it belong to it."""
        if word == "bin":
            return max(number or 0, 0)
        if word == "u":
            self._unicode(number or 0)
            return 0
        self._flush()
        if self._to_skip and word in CHARACTERS:
            self._to_skip -= 1
        elif word in CHARACTERS:
            self._emit(CHARACTERS[word])
        elif not self._destination(word):
            self._property(word, number)
        self._is_optional = False
        return 0

    def _destination(self, word: str) -> bool:
        """Whether ``word`` says what its group is."""
        state = self._state
        if word == "fonttbl":
            self._state = replace(state, is_font_table=True, is_skipped=True)
        elif word == "info" or word in NO_TEXT:
            self.objects += word == "objdata" and not state.is_skipped
            self._state = replace(state, is_skipped=True)
        elif word == "title" and len(self._stack) > 1:
            self._state = replace(state, output=self.title, is_skipped=False)
        elif (section := ASIDES.get(word)) and not state.is_skipped:
            output = self.asides.setdefault(section, Output())
            self._state = State(output, font=state.font, skip_after_unicode=state.skip_after_unicode)
        elif word in BOXES and not state.is_skipped:
            box = Output()
            state.output.boxes.append(box)
            self._state = State(box, font=state.font, skip_after_unicode=state.skip_after_unicode)
        elif word == "upr":  # the same text twice; the second copy is the better one
            self._state = replace(state, is_skipped=True)
        elif word == "ud":
            before = self._stack[-2] if len(self._stack) > 1 else state
            self._state = replace(state, is_skipped=before.is_skipped)
        elif self._is_optional and word not in KNOWN:
            self._state = replace(state, is_skipped=True)
        else:
            return word in KNOWN
        return True

    def _property(self, word: str, number: int | None) -> None:
        state, is_on = self._state, number != 0
        if word in BREAKS:
            self._break()
        elif word in ("cell", "nestcell"):
            self._emit(CELL if word == "cell" else " ", anyway=True)
        elif word in ("row", "nestrow"):
            self._end_row(is_inner=word == "nestrow")
        elif word == "plain":
            self._state = replace(state, is_hidden=False, is_deleted=False, font=self._default_font)
        elif word == "v":
            self._state = replace(state, is_hidden=is_on)
        elif word in ("deleted", "mvf"):
            self._state = replace(state, is_deleted=is_on)
        elif word == "uc":
            self._state = replace(state, skip_after_unicode=max(number or 0, 0))
        elif word == "f":
            self._state = replace(state, font=number or 0)
        elif word in ("pard", "intbl"):
            level = None if word == "pard" else state.level
            self._state = replace(state, in_table=word == "intbl", level=level)
        elif word == "outlinelevel":
            self._state = replace(state, level=(number or 0) + 1 if 0 <= (number or 0) < 9 else None)
        elif word == "ftnalt" and state.output is self.asides.get("footnotes"):
            self._state = replace(state, output=self.asides.setdefault("endnotes", Output()))
        elif word == "deff":
            self._default_font = number or 0
            self._state = replace(state, font=self._default_font)
        elif word == "ansicpg":
            self._codec = codec_of_page(number or 1252)
        elif word in MACHINES:
            self._codec = MACHINES[word]
        elif state.is_font_table and word in ("fcharset", "cpg"):
            font = self._fonts.setdefault(state.font, Font())
            setattr(font, "charset" if word == "fcharset" else "page", number or 0)

    def _sign(self, sign: str) -> None:
        if sign == "*":
            self._flush()
            self._is_optional = True
        elif self._to_skip:
            self._to_skip -= 1
        elif sign in CHARACTERS:
            self._flush()
            self._emit(CHARACTERS[sign])
        elif sign in BREAKS:
            self._flush()
            self._break()

    def _put(self, data: bytes) -> None:
        """Bytes of text, in the code page of the font."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._bytes += data[skipped:]

    def _unicode(self, number: int) -> None:
        self._flush()
        number %= 0x10000
        self._to_skip = self._state.skip_after_unicode
        if 0xD800 <= number < 0xDC00:
            self._high = number
            return
        if 0xDC00 <= number < 0xE000 and self._high:
            number = 0x10000 + ((self._high - 0xD800) << 10) + number - 0xDC00
        self._high = 0
        if 0xE000 <= number <= 0xF8FF:
            font = self._fonts.get(self._state.font, Font())
            self._emit(symbol_of(font.name, number) or chr(number))
        else:
            self._emit("\ufffd" if 0xD800 <= number < 0xE000 else chr(number))

    def _flush(self) -> None:
        """Decode the bytes gathered so far."""
        if not self._bytes:
            return
        data, self._bytes = bytes(self._bytes), bytearray()
        font = self._fonts.setdefault(self._state.font, Font())
        if self._state.is_font_table:
            font.name = (font.name + data.decode("latin-1")).partition(";")[0]
        elif font.charset == SYMBOLS and font.name:
            self._emit(
                "".join(symbol_of(font.name, 0xF000 + byte) if byte > 0x20 else chr(byte) for byte in data)
            )
        else:
            codec = codec_of_page(font.page) if font.page else CHARSETS.get(font.charset, self._codec)
            self._emit(data.decode(codec, "replace"))

    def _emit(self, text: str, *, anyway: bool = False) -> None:
        state = self._state
        if not state.is_skipped and (anyway or not (state.is_hidden or state.is_deleted)):
            state.output.pending.append(text)

    def _break(self) -> None:
        state = self._state
        if state.is_skipped or state.is_deleted or (state.is_hidden and not state.output.pending):
            return
        if state.in_table:
            state.output.pending.append("\n")
        else:
            state.output.end_line(state.level)

    def _end_row(self, *, is_inner: bool) -> None:
        state = self._state
        if state.is_skipped or state.is_deleted:
            return
        if is_inner:
            state.output.pending.append("\n")
        else:
            state.output.end_row()
