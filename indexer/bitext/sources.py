"""Where sentences come from: files of any format the library reads, lines, collections, files of pairs.

Text files, also packed with gz, xz or bz2, may hold one sentence per line; whether they do is seen from their
first lines unless it is said. Everything else is cut into sentences by rules (``indexer.text.segmentation``)
or by another segmenter. Offsets count characters of the extracted text.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from indexer.bitext.formats import FORMATS, read_pairs
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.moses import is_side, prefixes_in
from indexer.bitext.formats.packing import OPENERS, UNREADABLE, bare, open_bytes, packing_of
from indexer.bitext.segmenters import Segmenter
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair, Sentence
from indexer.errors import ReadError
from indexer.readers import SUFFIXES, Source, encoding
from indexer.readers.worker import read_file
from indexer.text.language.names import is_language
from indexer.text.language.tags import language_tag
from indexer.text.segmentation import sentence_spans

if TYPE_CHECKING:
    from indexer.catalog import Catalog

Item = TypeVar("Item")

TEXT_SUFFIXES = frozenset({"", ".txt", ".text"})
TWO_SIDED = frozenset({"tmx", "xliff", "po"})
"""Types of files that hold both sides, and so are no side."""
PAIR_SUFFIXES = frozenset(
    suffix for form in FORMATS.values() for suffix in form.suffixes if suffix != ".moses"
)
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
    packing, inner = packing_of(path), bare(path).suffix.lower()
    if inner not in SUFFIXES and _is_named_by_language(path):
        named = language_tag(inner[1:]) or UNKNOWN_LANGUAGE  # corpus.de, as collections of corpora name it
        language, inner = named if language == UNKNOWN_LANGUAGE else language, ""
    if inner in TEXT_SUFFIXES:
        return list(_plain(path, language, lines, segment))
    if packing or inner not in SUFFIXES:
        known = ", ".join(sorted({*SUFFIXES, *(f".txt{opener}" for opener in OPENERS)}))
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
    """The pairs of a file that holds both sides, for scoring them again; of a folder, those of all its files.

    Args:
        path: the file, the prefix of two, or a folder; files there that differ in their language
            (``corpus.de``, ``corpus.en``, also packed) are two sides.
        left_out: counts units that are damaged or have an empty side, and files that cannot be read.

    Raises:
        ReadError: the file is missing, or nothing in it can be read.
    """
    left_out = LeftOut() if left_out is None else left_out
    if path.is_dir():
        return _pairs_below(path, left_out)
    pairs = list(read_pairs(path, left_out=left_out))
    if not pairs and left_out.reasons:
        raise ReadError(left_out.reasons[0])
    return pairs


def _pairs_below(folder: Path, left_out: LeftOut) -> list[Pair]:
    """The pairs of a folder, at any depth, in the order of the names."""
    pairs: list[Pair] = []
    result = 0
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    for place in folders:
        files = [
            path
            for path in place.iterdir()
            if bare(path).suffix.lower() in PAIR_SUFFIXES and path.is_file() and not path.name.startswith(".")
        ]
        for path in sorted([*files, *prefixes_in(place)]):
            result += 1
            try:
                pairs += list(read_pairs(path, left_out=left_out, format=None if path in files else "moses"))
            except ReadError as error:
                left_out.add(error)
    if not result or (not pairs and left_out.reasons):
        seen = left_out.reasons[0] if left_out.reasons else f"{folder} holds no pairs"
        raise ReadError(
            seen if result else f"{seen}; expected two files such as corpus.de and corpus.en, or .tmx."
        )
    return pairs


def draw(items: Sequence[Item], count: int | None, seed: int) -> list[Item]:
    """So many of the items at random, in their order; all of them for None or where there are fewer."""
    if count is None or count >= len(items):
        return list(items)
    return [items[place] for place in sorted(random.Random(seed).sample(range(len(items)), count))]


def files_below(folder: Path) -> list[Path]:
    """The files of a folder that sentences can be read from, at any depth, in the order of their paths."""
    results = []
    for path in sorted(folder.rglob("*")):
        suffix = bare(path).suffix.lower()
        is_known = suffix in TEXT_SUFFIXES or SUFFIXES.get(suffix, "tmx") not in TWO_SIDED
        if is_known and not path.name.startswith(".") and path.is_file():
            results.append(path)
    return results


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


def _is_named_by_language(path: Path) -> bool:
    """Whether a file is one side of a corpus, such as corpus.de: by its name, or by another one beside it."""
    return is_side(path) and (
        is_language(bare(path).suffix[1:])
        or any(
            bare(other).name != bare(path).name and bare(other).stem == bare(path).stem and is_side(other)
            for other in path.parent.iterdir()
        )
    )


def _plain(path: Path, language: str, lines: bool | None, segment: Segmenter) -> Iterator[Sentence]:
    data = _unpacked(path)
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
    result = encoding.detect(line)
    return "cp1252" if result in ("utf-8", "utf-8-sig") and not _mostly_utf8(line) else result


def _mostly_utf8(line: bytes) -> bool:
    decoded = line.decode("utf-8", errors="replace")
    return decoded.count("\ufffd") * 4 < sum(not char.isascii() for char in decoded)


def _unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked if needed, within the limit."""
    parts: list[bytes] = []
    size = 0
    try:
        with open_bytes(path) as stream:
            while part := stream.read(_READ_BYTES):
                parts.append(part)
                size += len(part)
                if size > MAX_TEXT_BYTES:
                    raise ReadError(
                        f"{path.name} holds more than {MAX_TEXT_BYTES >> 30} GiB of text; expected a smaller "
                        "file. Split it."
                    )
    except UNREADABLE as error:
        packing = packing_of(path)
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
