"""Training pairs out of a collection: texts that belong together because their author put them so.

Kinds (the constructions of arXiv:2402.05672, table 1, and of the inverse cloze task, arXiv:1906.00300):

- ``title``: a heading or title, and the passage that follows it;
- ``neighbours``: two passages that follow each other in one section, in one language;
- ``sentence``: the first sentence of a passage, and the rest of it.

Documents are read in the order of their paths and passages in reading order, so the same collection gives
the same file. Memory does not grow with the collection: what was given out already is remembered in a table
of fixed size, which takes one pair in some thousands for a repetition when there are millions.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from indexer.errors import QueryError
from indexer.text.segmentation import sentence_spans
from indexer.types import Chunk
from me5 import atomic

if TYPE_CHECKING:
    from indexer.catalog import Catalog

PairKind = Literal["title", "neighbours", "sentence"]
KINDS: tuple[PairKind, ...] = get_args(PairKind)
ALL = "all"

MAX_REPEATS = 3
"""A heading that more documents have than this says nothing about any of them."""

# Bytes of letters, so that scripts with fewer and richer signs need fewer of them.
_MIN_QUERY = 8
_MIN_PASSAGE = 40
_MIN_LETTERS = 0.5  # share of letters among what is no space: file names made of numbers have fewer
_MAX_QUERY_BYTES = 600
_SEEN_BITS = 1 << 27
_HEADING_END = re.compile(r"[ \t]*(?:[.:|–—-]+\s|[\r\n])\s*")


@dataclass(frozen=True)
class TrainingPair:
    """A row of the file. ``title`` belongs to the passage; empty where it would give the answer away."""

    query: str
    passage: str
    title: str
    language: str
    kind: PairKind


@dataclass(frozen=True)
class PairReport:
    """How many pairs of each kind were written, and how many candidates were left out as boilerplate."""

    out: Path
    counts: Mapping[str, int]
    left_out: int

    @property
    def total(self) -> int:
        """All pairs."""
        return sum(self.counts.values())


def write_pairs(
    catalog: "Catalog", collection: str, out: Path, *, kind: str = ALL, max_repeats: int = MAX_REPEATS
) -> PairReport:
    """Write the pairs of a collection as jsonl; the file appears only when it is complete.

    Args:
        catalog: knows the texts.
        collection: name or id.
        out: the file; replaced if it exists.
        kind: one of ``KINDS``, or ``all``.
        max_repeats: documents that may share a heading before it counts as boilerplate.

    Raises:
        CollectionError: there is no such collection.
        QueryError: an unknown kind.
    """
    known = catalog.collections.get(collection)
    pairs = CollectionPairs(catalog, known.id, kinds_of(kind), max_repeats)
    out.parent.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(map(str, pairs.kinds), 0)
    with atomic.replacing(out) as aside, aside.open("w", encoding="utf-8") as file:
        for pair in pairs:
            file.write(json.dumps(vars(pair), ensure_ascii=False) + "\n")
            counts[pair.kind] += 1
    return PairReport(out, counts, pairs.left_out)


def kinds_of(kind: str) -> tuple[PairKind, ...]:
    """The kinds behind a word.

    Raises:
        QueryError: no kind has that name.
    """
    if kind == ALL:
        return KINDS
    for item in KINDS:
        if item == kind:
            return (item,)
    raise QueryError(f"Unknown kind of pairs {kind!r}; expected {', '.join(KINDS)} or {ALL}. Choose one.")


class CollectionPairs:
    """Iterates over the pairs of a collection; ``left_out`` counts candidates that were boilerplate."""

    def __init__(
        self,
        catalog: "Catalog",
        collection_id: str,
        kinds: Sequence[PairKind] = KINDS,
        max_repeats: int = MAX_REPEATS,
    ) -> None:
        self.kinds = tuple(kinds)
        self.left_out = 0
        self._catalog, self._collection_id, self._max_repeats = catalog, collection_id, max_repeats

    def __iter__(self) -> Iterator[TrainingPair]:
        self.left_out = 0
        seen = _Seen()
        boilerplate: set[str] = set()
        if "title" in self.kinds:
            boilerplate = self._catalog.passages.repeated_titles(self._collection_id, self._max_repeats)
            boilerplate |= self._catalog.passages.repeated_sections(self._collection_id, self._max_repeats)
        for document_id, _, title, generation in self._catalog.passages.iter_titles(self._collection_id):
            chunks = self._catalog.passages.iter_document(document_id, generation)
            for pair in _document_pairs(title, chunks, self.kinds):
                is_boilerplate = pair.kind == "title" and pair.query in boilerplate
                if is_boilerplate or not _is_pair(pair) or not seen.add_pair(pair):
                    self.left_out += 1
                else:
                    yield pair


def _document_pairs(title: str, chunks: Iterator[Chunk], kinds: Sequence[PairKind]) -> Iterator[TrainingPair]:
    """Candidates of one document, in reading order."""
    heading: str | None = None
    before: Chunk | None = None  # the passage before, unless it has a partner already
    for chunk in chunks:
        text = chunk.text.strip()
        own = chunk.section or ""
        if "title" in kinds and chunk.ordinal == 0 and title:
            yield _titled(title, text, "", chunk.language)
        if "title" in kinds and own and own not in (heading, title):
            yield _titled(own, text, title, chunk.language)
        heading = own
        if "sentence" in kinds and (parts := _first_and_rest(text, chunk.language)):
            yield TrainingPair(parts[0], parts[1], title, chunk.language, "sentence")
        if "neighbours" in kinds:
            if before is not None and (before.section, before.language) == (chunk.section, chunk.language):
                yield TrainingPair(before.text.strip(), text, title, chunk.language, "neighbours")
                before = None
            else:
                before = chunk


def _titled(heading: str, text: str, title: str, language: str) -> TrainingPair:
    """A heading with its passage, which must not begin with it: copying is nothing to learn."""
    rest = text.lstrip("# \t")
    if rest.casefold().startswith(heading.casefold()):
        after = _HEADING_END.match(rest, len(heading))
        rest = rest[after.end() :] if after else rest  # else a sentence that begins with these words
    return TrainingPair(heading.strip(), rest, "" if title == heading else title, language, "title")


def _first_and_rest(text: str, language: str) -> tuple[str, str] | None:
    spans = sentence_spans(text, language)
    if len(spans) < 2:
        return None
    return text[: spans[0][1]].strip(), text[spans[0][1] :].strip()


def _is_pair(pair: TrainingPair) -> bool:
    """Whether both sides say something, and not the same."""
    if pair.kind in ("title", "sentence"):
        if len(pair.query.encode()) > _MAX_QUERY_BYTES or not _is_worded(pair.query):
            return False
    elif _letters(pair.query) < _MIN_PASSAGE:
        return False
    return (
        _letters(pair.query) >= _MIN_QUERY
        and _letters(pair.passage) >= _MIN_PASSAGE
        and pair.query.casefold() != pair.passage.casefold()
    )


def _letters(text: str) -> int:
    return len("".join(char for char in text if char.isalpha()).encode())


def _is_worded(text: str) -> bool:
    chars = [char for char in text if not char.isspace()]
    return sum(char.isalpha() for char in chars) >= _MIN_LETTERS * len(chars)


@dataclass
class _Seen:
    """Texts that were given out: a Bloom filter, 16 MB whatever it holds."""

    bits: "np.ndarray[tuple[int], np.dtype[np.uint8]]" = field(
        default_factory=lambda: np.zeros(_SEEN_BITS // 8, dtype=np.uint8)
    )

    def add_pair(self, pair: TrainingPair) -> bool:
        """Remember a pair; False when its query or its passage was there before in a pair of that kind."""
        keys = [f"{pair.kind}\0q\0{pair.query}", f"{pair.kind}\0p\0{pair.passage}"]
        places = [_places(key) for key in keys]
        if any(all(self._has(place) for place in item) for item in places):
            return False
        for place in (place for item in places for place in item):
            self.bits[place >> 3] |= np.uint8(1 << (place & 7))
        return True

    def _has(self, place: int) -> bool:
        return bool(self.bits[place >> 3] & (1 << (place & 7)))


def _places(key: str) -> list[int]:
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).digest()
    return [int.from_bytes(digest[start : start + 4], "big") % _SEEN_BITS for start in range(0, 16, 4)]
