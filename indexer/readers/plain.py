"""Plain text and Markdown, streamed: the pieces joined are the decoded file, nothing lost or added.

Only line breaks inside wrapped Chinese and Japanese sentences are left out: they would cut words in two.
"""

import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice

from indexer.readers import encoding
from indexer.readers.cjk import unwrap
from indexer.readers.pieces import Facts, Headings, Piece, Reading, Source
from indexer.readers.stated_title import real_title

BLOCK_CHARS = 1 << 16
# best place to cut first: paragraph, line, sentence, word
CUTS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?…؟۔।॥։።]['\"”’»)\]]*\s|[。！？｡]['\"”’」』）]*"),
    re.compile(r"\s"),
)
HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$")
UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
FENCED = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
MAX_FRONT_LINES = 100
FRONT_KEY = re.compile(r"[\w.\"'-]+\s*[:=]")
FRONT_TITLE = re.compile(r"title\s*[:=]\s*(.*[^\W_].*)", re.IGNORECASE)


def cut_point(text: str, limit: int) -> int:
    """Where to end a block of at most ``limit`` characters, after the best boundary in its second half."""
    for pattern in CUTS:
        result = 0
        for match in pattern.finditer(text, limit // 2, limit):
            result = match.end()
        if result:
            return result
    while limit > 1 and unicodedata.category(text[limit]).startswith("M"):
        limit -= 1  # a mark stays with its letter
    return limit


def iter_blocks(text: str, limit: int = BLOCK_CHARS) -> Iterator[str]:
    """Cut ``text`` into blocks of at most ``limit`` characters; joined they are ``text``."""
    start = 0
    while len(text) - start > limit:
        end = start + cut_point(text[start : start + limit + 1], limit)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def read_text(source: Source) -> Reading:
    """Stream any text file, also one of a gigabyte or of a single line."""
    guess = encoding.detect_source(source)
    yield Facts(encoding=guess)
    with encoding.open_text(source, guess) as stream:
        pending, broken = "", 0
        while part := stream.read(BLOCK_CHARS):
            pending += part
            broken += part.count("\ufffd")
            while len(pending) > BLOCK_CHARS:
                end = cut_point(pending, BLOCK_CHARS)
                yield Piece(unwrap(pending[:end]))
                pending = pending[end:]
        if pending:
            yield Piece(unwrap(pending))
    if broken:
        counted = "1 character" if broken == 1 else f"{broken} characters"
        yield Facts(warning=f"{counted} could not be read as {guess}, and stand there as \ufffd")


def read_markdown(source: Source) -> Reading:
    """Like plain text, cut at headings, which become the section. Fenced code is left alone.

    Data before the text, between lines of ``---`` or ``+++``, holds no headings but may state the title.
    """
    guess = encoding.detect_source(source)
    yield Facts(encoding=guess)
    headings, buffer, fence, titled = Headings(), io.StringIO(), "", False
    previous = ""
    with encoding.open_text(source, guess) as stream:
        lines = iter(partial(stream.readline, BLOCK_CHARS), "")
        start = list(islice(lines, MAX_FRONT_LINES))
        front = start[: _front_matter(start)]
        stated = next(filter(None, map(FRONT_TITLE.match, front)), None)
        if stated and (title := real_title(stated[1].strip().strip("\"'"))):
            titled = True
            yield Facts(title=title)
        buffer.writelines(front)
        for line in chain(start[len(front) :], lines):
            heading = None if fence else _heading(line, previous)
            if opened := FENCE.match(line):
                mark = opened[1]
                if not fence:
                    fence = mark
                elif mark.startswith(fence):
                    fence = ""
            if heading:
                level, title, spans_previous = heading
                text = buffer.getvalue()
                kept = len(text) - len(previous) if spans_previous else len(text)
                yield from _cut(text[:kept], headings.section)
                buffer = io.StringIO()
                buffer.write(text[kept:])
                headings.enter(level, title)
                if not titled:
                    titled = True
                    yield Facts(title=title)
            elif buffer.tell() > BLOCK_CHARS:
                yield from _cut(buffer.getvalue(), headings.section)
                buffer, previous = io.StringIO(), ""
            buffer.write(line)
            previous = line
    yield from _cut(buffer.getvalue(), headings.section)


def _front_matter(lines: Sequence[str]) -> int:
    """How many of the first lines are data about the page, as site generators have it."""
    mark = lines[0].strip() if lines else ""
    if mark not in ("---", "+++") or len(lines) < 2 or not FRONT_KEY.match(lines[1]):
        return 0
    return next((n for n, line in enumerate(lines[1:], start=2) if line.strip() == mark), 0)


def _heading(line: str, previous: str) -> tuple[int, str, bool] | None:
    """Level, title, and whether the heading is the line before (underlined)."""
    if match := HEADING.match(line.rstrip("\n")):
        return len(match[1]), match[2], False
    underlined = UNDERLINE.match(line.rstrip("\n"))
    if underlined and previous.strip() and previous[0] not in "#>-*+|=`~ \t" and len(previous) < 200:
        return (1 if underlined[1][0] == "=" else 2), previous.strip(), True
    return None


def _cut(text: str, section: str | None) -> Iterator[Piece]:
    if not FENCED.search(text):
        text = unwrap(text)
    return (Piece(part, section=section) for part in iter_blocks(text))
