"""Why a passage answers a query: the sentence that matches best, and the query's words found verbatim.

The sentence is chosen by meaning (query and sentence vectors), so it is found across languages too; words
that occur verbatim only tip the balance. Ranking is left to ``search``, sentence limits to ``segmentation``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import regex
from numpy.typing import NDArray

from indexer.search.terms import UNSPACED, WORD, Term, coverage, present, searchable_text
from indexer.text.folding import fold, searchable
from indexer.text.segmentation import sentence_spans

MAX_SENTENCES_PER_PASSAGE = 16
LEXICAL_SHARE = 0.25
"""How far verbatim words can outweigh meaning: a sentence with every query word gains this much cosine."""

HEADING_COST = 0.15
"""Cosine that a heading loses: it names what a question names, but the sentence below it answers."""

_READ_CLOSELY = (4, 2, 2)
"""Sentences of the first hits among which a better model chooses: some 200 tokens."""

_MAX_HEADING = 80  # characters; half of it where a character is a syllable or word
_HEADING_MARK = regex.compile(r"#{1,6}\s|={2,6}\s")
_SENTENCE_END = regex.compile(r"[\p{Sentence_Terminal}…‥:;,、，；：।॥།።][\p{Pe}\p{Pf}\p{Po}]*$")

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Evidence:
    """The sentence of a passage to show.

    Attributes:
        start, end: where it stands in the passage.
        cosine: the highest of any sentence of the passage, by the first reader; None where it was judged by
            words alone.
        score: of the sentence shown, words found verbatim included.
    """

    start: int
    end: int
    cosine: float | None
    score: float


@dataclass(frozen=True)
class Readable:
    """A passage to find evidence in; ``names`` are its title and section, which a heading line repeats."""

    text: str
    language: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """A question as one model sees it: its vector [D] of unit length, and texts to unit vectors [N, D]."""

    query_vector: NDArray[np.float32]
    encode: Encode

    def cosines(self, texts: Sequence[str]) -> list[float]:
        """How near each text is to the question."""
        if not texts:
            return []
        # The last digits of a matrix product depend on the number of rows.
        rounded: list[float] = np.round(self.encode(texts) @ self.query_vector, 5).tolist()
        return rounded


def best_sentences(
    passages: Sequence[Readable],
    terms: Sequence[Term],
    reader: Reader | None,
    *,
    max_sentences: int = 160,
    closer: Reader | None = None,
) -> list[Evidence | None]:
    """For each passage, its best sentence.

    Args:
        passages: the hits, best first.
        terms: of the query.
        reader: what compares sentences with the question; None to judge by words alone.
        max_sentences: bound on what is read; passages beyond it, but for the first, are judged by words
            alone.
        closer: a better, slower model that chooses among the best sentences of the first hits.

    Returns:
        Per passage a sentence without surrounding white space; None for a text without letters or digits,
        or one that is judged by words alone and shares none.
    """
    spans = [_spans(passage.text, passage.language) for passage in passages]
    room = max_sentences if reader is not None else 0
    read = []  # (passage, span) of every sentence that is compared
    for row, candidates in enumerate(spans):
        if len(candidates) > room and row > 0:  # the first is always read
            break  # not the next shorter one: whether a passage is read must not depend on later ones
        read += [(row, span) for span in candidates]
        room -= len(candidates)
    cosines = {} if reader is None else _compare(reader, passages, read)
    judged = [
        _judge(passage, candidates, terms, [cosines.get((row, span)) for span in candidates])
        for row, (passage, candidates) in enumerate(zip(passages, spans, strict=True))
    ]
    shown = [_best(candidates) for candidates in judged]
    if closer is not None:
        for row, best in _read_closely(closer, passages, terms, judged).items():
            first = shown[row]
            if best is not None and first is not None:
                shown[row] = replace(best, cosine=first.cosine)
    return shown


def _compare(
    reader: Reader, passages: Sequence[Readable], read: Sequence[tuple[int, tuple[int, int]]]
) -> dict[tuple[int, tuple[int, int]], float]:
    cosines = reader.cosines([passages[row].text[slice(*span)] for row, span in read])
    return dict(zip(read, cosines, strict=True))


def _read_closely(
    closer: Reader,
    passages: Sequence[Readable],
    terms: Sequence[Term],
    judged: Sequence[list[Evidence]],
) -> dict[int, Evidence | None]:
    """The best of the best few sentences of each of the first passages, where there are several."""
    few = [
        sorted((one.start, one.end) for one in sorted(candidates, key=lambda one: -one.score)[:keep])
        for keep, candidates in zip(_READ_CLOSELY, judged, strict=False)
    ]
    several = {row: spans for row, spans in enumerate(few) if len(spans) > 1}
    cosines = _compare(closer, passages, [(row, span) for row, spans in several.items() for span in spans])
    return {
        row: _best(_judge(passages[row], spans, terms, [cosines[row, span] for span in spans]))
        for row, spans in several.items()
    }


@lru_cache(maxsize=8192)
def _searchable_sentence(sentence: str) -> str:
    return searchable(sentence)


def _judge(
    passage: Readable,
    spans: Sequence[tuple[int, int]],
    terms: Sequence[Term],
    cosines: Sequence[float | None],
) -> list[Evidence]:
    text = passage.text
    here = present(terms, searchable_text(text)) if terms else []
    headings = _headings(text, tuple(spans), passage.names)
    candidates = []
    for (start, end), cosine, is_title in zip(spans, cosines, headings, strict=True):
        words = 0.0
        if here:
            words = LEXICAL_SHARE * coverage(here, _searchable_sentence(text[start:end]), passage.language)
        if is_title:
            words *= 0.9
        cost = HEADING_COST if is_title and cosine is not None else 0.0
        candidates.append(Evidence(start, end, cosine, (cosine or 0.0) + words - cost))
    return candidates


def _best(candidates: Sequence[Evidence]) -> Evidence | None:
    best = max(candidates, key=lambda one: one.score, default=None)
    if best is None or (best.cosine is None and best.score == 0 and len(candidates) > 1):
        return None
    cosines = [one.cosine for one in candidates if one.cosine is not None]
    return replace(best, cosine=max(cosines, default=None))


def is_heading(text: str, span: tuple[int, int], names: Sequence[str] = ()) -> bool:
    """Whether a sentence of ``text`` is a heading: marked, a name of the passage, or a short open line.

    Args:
        text: the passage.
        span: of the sentence, without white space around it.
        names: title and section of the passage; parts of a section are joined by ›.
    """
    start, end = span
    line = text[start:end]
    if _HEADING_MARK.match(line):
        return True
    if names:
        plain = fold(line.strip(" #*_="))
        if any(plain == fold(part.strip()) for name in names for part in (name, *name.split("›"))):
            return True
    longest = _MAX_HEADING // 2 if UNSPACED.search(line) else _MAX_HEADING
    before, after = text[:start].rstrip(" \t"), text[end:].lstrip(" \t")
    stands_alone = (not before or before[-1] in "\r\n") and after[:1] in ("\r", "\n")
    return stands_alone and len(line) <= longest and not _SENTENCE_END.search(line)


@lru_cache(maxsize=2048)
def _headings(text: str, spans: tuple[tuple[int, int], ...], names: tuple[str, ...]) -> tuple[bool, ...]:
    """Which sentences are headings; none where all are."""
    headings = tuple(is_heading(text, span, names) for span in spans)
    return (False,) * len(spans) if all(headings) else headings


@lru_cache(maxsize=2048)
def _spans(text: str, language: str) -> tuple[tuple[int, int], ...]:
    return tuple(candidate_spans(text, language))


def candidate_spans(text: str, language: str) -> list[tuple[int, int]]:
    """Sentences trimmed of white space, without those that hold no word; the first few of a long passage."""
    spans = []
    for start, end in sentence_spans(text, None if language == "und" else language):
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        last = first + len(piece.strip())
        if WORD.search(text, first, last):
            spans.append((first, last))
    return spans[:MAX_SENTENCES_PER_PASSAGE]
