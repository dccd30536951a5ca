"""Where sentences come from: files of any format the library reads, lines, collections, files of pairs.

Text files, also packed with gz, xz or bz2, may hold one sentence per line; whether they do is seen from their
first lines unless it is said. Everything else is cut into sentences by rules (``indexer.text.segmentation``)
or by another segmenter. Offsets count characters of the extracted text.
"""

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from indexer.bitext.formats import read_pairs
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.moses import is_side
from indexer.bitext.segmenters import Segmenter
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair, Sentence
from indexer.errors import ReadError
from indexer.readers import SUFFIXES, Source, encoding
from indexer.readers.worker import read_file
from indexer.text.language.tags import language_tag
from indexer.text.segmentation import sentence_spans

if TYPE_CHECKING:
    from indexer.catalog import Catalog

Item = TypeVar("Item")

TEXT_SUFFIXES = frozenset({"", ".txt", ".text"})
TWO_SIDED = frozenset({"tmx", "xliff", "po"})
"""Types of files that hold both sides, and so are no side."""
PACKED = frozenset({".gz", ".xz", ".bz2"})
MAX_TEXT_BYTES = 4 * 1024**3
_READ_BYTES = 1 << 20
_SAMPLE_LINES = 400
_JOINED_LINES = 0.3  # share of lines that go on in the next one, from which a text is prose
_SENTENCES_A_LINE = 1.5
_LINES_WITHOUT_END = 8  # lines per sentence found; running text has one to three
_PENDING_CHARACTERS = 1 << 20  # text held before it is cut into sentences


def read_sentences(
    path: Path,
    *,
    language: str = UNKNOWN_LANGUAGE,
    lines: bool | None = None,
    segment: Segmenter = sentence_spans,
    cancelled: Callable[[], bool] | None = None,
) -> list[Sentence]:
    """The sentences of one file, in order, with their offsets.

    Args:
        path: any format of ``indexer.readers.SUFFIXES``; plain text also packed, without a suffix, or with a
            language for one (``corpus.de``).
        language: of the file, if known.
        lines: whether each line of a plain text is a sentence; None looks at the file.
        segment: cuts running text.
        cancelled: asked while the file is read.

    Raises:
        ReadError: the file is missing, damaged, or of no format known here.
    """
    path = Path(path)
    if not path.is_file():
        seen = "is a folder" if path.is_dir() else "is not there"
        raise ReadError(f"{path} {seen}; expected a file with sentences. Check the path.")
    packing = path.suffix.lower() if path.suffix.lower() in PACKED else ""
    inner = Path(path.stem).suffix.lower() if packing else path.suffix.lower()
    if inner not in SUFFIXES and _is_side_of_two(path, packing):
        named = language_tag(inner[1:]) or UNKNOWN_LANGUAGE  # corpus.de, as collections of corpora name it
        language, inner = named if language == UNKNOWN_LANGUAGE else language, ""
    if inner in TEXT_SUFFIXES:
        return list(_plain(path, packing, language, lines, segment))
    if packing or inner not in SUFFIXES:
        known = ", ".join(sorted({*SUFFIXES, *(f".txt{one}" for one in PACKED)}))
        raise ReadError(f"{path.name} has no format that is read here; expected one of {known}. Convert it.")
    with read_file(path, cancelled=cancelled) as reading:
        return list(_segmented((block.text for block in reading), path.name, language, segment))


def collection_sentences(
    catalog: "Catalog", collection: str, language: str, *, segment: Segmenter = sentence_spans
) -> Iterator[Sentence]:
    """The sentences of a collection's passages in one language, in reading order.

    Raises:
        CollectionError: there is no such collection.
    """
    known = catalog.collections.get(collection)
    for document_id, path, _, generation in catalog.passages.iter_titles(known.id):
        reached = 0
        for chunk in catalog.passages.iter_document(document_id, generation):
            if chunk.language != language:
                continue
            for start, end in segment(chunk.text, language):
                if chunk.start + start < reached:
                    continue  # passages may overlap
                reached = chunk.start + end
                yield from _sentence(chunk.text, (start, end), chunk.start, path, language)


def read_sides(path: Path, left_out: LeftOut | None = None) -> list[Pair]:
    """The pairs of a file that holds both sides, for scoring them again.

    Args:
        path: the file, or the prefix of two.
        left_out: counts units that are damaged or have an empty side.

    Raises:
        ReadError: the file is missing, or nothing in it can be read.
    """
    left_out = LeftOut() if left_out is None else left_out
    pairs = list(read_pairs(path, left_out=left_out))
    if not pairs and left_out.reasons:
        raise ReadError(left_out.reasons[0])
    return pairs


def draw(items: Sequence[Item], count: int | None, seed: int) -> list[Item]:
    """So many of the items at random, in their order; all of them for None or where there are fewer."""
    if count is None or count >= len(items):
        return list(items)
    return [items[place] for place in sorted(random.Random(seed).sample(range(len(items)), count))]


def files_below(folder: Path) -> list[Path]:
    """The files of a folder that sentences can be read from, at any depth, in the order of their paths."""
    found = []
    for path in sorted(folder.rglob("*")):
        inner = Path(path.stem) if path.suffix.lower() in PACKED else path
        suffix = inner.suffix.lower()
        is_known = suffix in TEXT_SUFFIXES or SUFFIXES.get(suffix, "tmx") not in TWO_SIDED
        is_known = is_known and not path.name.startswith(".")
        if is_known and path.is_file():
            found.append(path)
    return found


def is_line_per_sentence(text: str) -> bool:
    """Whether a text looks like one sentence per line, from its first lines."""
    shown = text.splitlines()[:_SAMPLE_LINES]
    filled = [line for line in shown if line.strip()]
    if len(filled) < 2:
        return False
    sample = "\n".join(shown)
    spans = sentence_spans(sample)
    if len(spans) * _LINES_WITHOUT_END < len(filled):
        return True  # neither marks nor capitals: only the lines part the sentences
    joined = sum(len(sample[start:end].split("\n")) - 1 for start, end in _trimmed(sample, spans))
    return joined <= _JOINED_LINES * len(filled) and len(spans) + joined <= _SENTENCES_A_LINE * len(filled)


def _is_side_of_two(path: Path, packing: str) -> bool:
    """Whether a file is named by its language, with another of that kind beside it: corpus.de, corpus.en."""

    def bare(other: Path) -> Path:
        return Path(other.name.removesuffix(packing))

    return is_side(bare(path)) and any(
        other.name != path.name and bare(other).stem == bare(path).stem and is_side(bare(other))
        for other in path.parent.iterdir()
    )


def _plain(
    path: Path, packing: str, language: str, lines: bool | None, segment: Segmenter
) -> Iterator[Sentence]:
    data = _unpacked(path, packing)
    if not data:
        return
    codec = encoding.detect_source(Source(path.name, data=data))
    if lines is None:
        head = data[: 64 * _SAMPLE_LINES * 4].decode(codec, errors="replace").replace("\r\n", "\n")
        lines = is_line_per_sentence(head)
    if not lines:
        text = data.decode(codec, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        yield from _segmented([text.removeprefix("\ufeff")], path.name, language, segment)
        return
    offset = 0
    for line in _decoded_lines(data, codec):
        yield from _sentence(line, (0, len(line)), offset, path.name, language)
        offset += len(line) + 1


def _decoded_lines(data: bytes, codec: str) -> Iterator[str]:
    """Lines of a text. In a file that is UTF-8 as a whole, a line that is not is read by itself: files that
    were put together from several sources have lines in several encodings.
    """
    if not codec.startswith(("utf-8", "ascii")):
        text = data.decode(codec, errors="replace").removeprefix("\ufeff")
        text = text if "\n" in text else text.replace("\r", "\n")  # a lone one inside a line ends no line
        yield from text.replace("\r\n", "\n").split("\n")
        return
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    for raw in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = raw.removesuffix(b"\r")
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            yield line.decode(_line_codec(line), errors="replace")


def _line_codec(line: bytes) -> str:
    found = encoding.detect(line)
    return "cp1252" if found in ("utf-8", "utf-8-sig") and not _mostly_utf8(line) else found


def _mostly_utf8(line: bytes) -> bool:
    decoded = line.decode("utf-8", errors="replace")
    return decoded.count("\ufffd") * 4 < sum(not char.isascii() for char in decoded)


def _unpacked(path: Path, packing: str) -> bytes:
    """The bytes of a file, unpacked if needed, within the limit."""
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    parts: list[bytes] = []
    size = 0
    try:
        with openers.get(packing, open)(path, "rb") as stream:
            while part := stream.read(_READ_BYTES):
                parts.append(part)
                size += len(part)
                if size > MAX_TEXT_BYTES:
                    raise ReadError(
                        f"{path.name} holds more than {MAX_TEXT_BYTES >> 30} GiB of text; expected a smaller "
                        "file. Split it."
                    )
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ReadError(
            f"{path.name} cannot be read ({error}); expected a readable{' ' + packing if packing else ''} "
            "file. Check it, or download it again."
        ) from error
    return b"".join(parts)


def _segmented(texts: Iterable[str], origin: str, language: str, segment: Segmenter) -> Iterator[Sentence]:
    """Sentences of a text that comes in parts; no more than some megabytes of it are held."""
    known = None if language == UNKNOWN_LANGUAGE else language
    pending, offset = "", 0
    for text in texts:
        pending += text
        if len(pending) < _PENDING_CHARACTERS:
            continue
        spans = segment(pending, known)[:-1]  # the last one may go on
        for start, end in spans:
            yield from _sentence(pending, (start, end), offset, origin, language)
        if spans:
            pending, offset = pending[spans[-1][1] :], offset + spans[-1][1]
    for start, end in segment(pending, known):
        yield from _sentence(pending, (start, end), offset, origin, language)


def _sentence(
    text: str, span: tuple[int, int], offset: int, origin: str, language: str
) -> Iterator[Sentence]:
    """The span without white space around it, as a sentence on one line; nothing if it is blank."""
    for first, last in _trimmed(text, [span]):
        words = " ".join(text[first:last].replace("\u00ad", "").split())
        yield Sentence(words, language, origin, offset + first, offset + last)


def _trimmed(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in spans:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped:
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(stripped)
