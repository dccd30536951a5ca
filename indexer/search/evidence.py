"""Why a passage answers a query: the sentence that matches best, and the query's words found verbatim.

The sentence is chosen by meaning (query and sentence vectors), so it is found across languages too; words
that occur verbatim only tip the balance. Ranking is left to ``search``, sentence limits to ``segmentation``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import numpy as np
import regex
from numpy.typing import NDArray

from indexer.search.matching import coverage, present, searchable_text
from indexer.search.terms import UNSPACED, WORD, Term
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
_AROUND_NAMES = " #*_="
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
    cut = [_sentences(passage.text, passage.language, passage.names) for passage in passages]
    read = _readable_whole(cut, max_sentences) if reader is not None else 0
    texts = [text for sentences in cut[:read] for text in sentences.texts]
    cosines = iter([] if reader is None else reader.cosines(texts))
    judged = [
        _judge(passage, sentences, terms, list(islice(cosines, len(sentences.spans))) if row < read else None)
        for row, (passage, sentences) in enumerate(zip(passages, cut, strict=True))
    ]
    shown = [item.best() for item in judged]
    if closer is not None:
        for row, best in _read_closely(closer, passages, terms, judged).items():
            first = shown[row]
            if best is not None and first is not None:
                shown[row] = replace(best, cosine=first.cosine)
    return shown


@dataclass(frozen=True)
class _Sentences:
    """What a passage is, whatever is asked: its sentences, and which of them are headings."""

    spans: tuple[tuple[int, int], ...]
    texts: tuple[str, ...]
    searchable: tuple[str, ...]
    headings: tuple[bool, ...]

    def only(self, rows: Sequence[int]) -> "_Sentences":
        """Some of the sentences."""
        return _Sentences(
            tuple(self.spans[row] for row in rows),
            tuple(self.texts[row] for row in rows),
            tuple(self.searchable[row] for row in rows),
            tuple(self.headings[row] for row in rows),
        )


@dataclass(frozen=True)
class _Judged:
    """The sentences of a passage with their scores; without cosines where words alone were looked at."""

    sentences: _Sentences
    cosines: Sequence[float] | None
    scores: Sequence[float]

    def best(self) -> Evidence | None:
        """The sentence to show, if any."""
        scores = self.scores
        if not scores:
            return None
        row = scores.index(max(scores))
        if self.cosines is None and scores[row] == 0 and len(scores) > 1:
            return None
        start, end = self.sentences.spans[row]
        return Evidence(start, end, None if self.cosines is None else max(self.cosines), scores[row])


def _readable_whole(cut: Sequence[_Sentences], room: int) -> int:
    """How many passages are read, all sentences of each."""
    for row, sentences in enumerate(cut):
        if len(sentences.spans) > room and row > 0:  # the first is always read
            return row  # not the next shorter one: whether a passage is read must not depend on later ones
        room -= len(sentences.spans)
    return len(cut)


def _read_closely(
    closer: Reader, passages: Sequence[Readable], terms: Sequence[Term], judged: Sequence[_Judged]
) -> dict[int, Evidence | None]:
    """The best of the best few sentences of each of the first passages, where there are several."""
    several: dict[int, _Sentences] = {}
    for row, (keep, item) in enumerate(zip(_READ_CLOSELY, judged, strict=False)):
        few = sorted(range(len(item.scores)), key=lambda place: -item.scores[place])[:keep]
        if len(few) > 1:
            several[row] = item.sentences.only(sorted(few))
    cosines = iter(closer.cosines([text for sentences in several.values() for text in sentences.texts]))
    return {
        row: _judge(passages[row], sentences, terms, list(islice(cosines, len(sentences.spans)))).best()
        for row, sentences in several.items()
    }


def _judge(
    passage: Readable, sentences: _Sentences, terms: Sequence[Term], cosines: Sequence[float] | None
) -> _Judged:
    here = present(terms, searchable_text(passage.text)) if terms else []
    zeros = [0.0] * len(sentences.spans)
    meaning, words = cosines or zeros, zeros
    if here:
        words = [
            LEXICAL_SHARE * coverage(here, sentence, passage.language) for sentence in sentences.searchable
        ]
    scores = [cosine + gain for cosine, gain in zip(meaning, words, strict=True)]
    if any(sentences.headings) and not all(sentences.headings):  # where all are headings, none is
        cost = 0.0 if cosines is None else HEADING_COST
        for row, is_title in enumerate(sentences.headings):
            if is_title:
                scores[row] = meaning[row] + words[row] * 0.9 - cost
    return _Judged(sentences, cosines, scores)


def is_heading(
    text: str, span: tuple[int, int], names: Sequence[str] = (), folded: str | None = None
) -> bool:
    """Whether a sentence of ``text`` is a heading: marked, a name of the passage, or a short open line.

    Args:
        text: the passage.
        span: of the sentence, without white space around it.
        names: title and section of the passage; parts of a section are joined by ›.
        folded: the sentence, folded, where it is known.
    """
    start, end = span
    line = text[start:end]
    if _HEADING_MARK.match(line):
        return True
    if names:
        whole, stripped = _folded(tuple(names))
        may_be_name = folded is None or folded.strip(_AROUND_NAMES) in stripped
        if may_be_name and fold(line.strip(_AROUND_NAMES)) in whole:
            return True
    longest = _MAX_HEADING // 2 if UNSPACED.search(line) else _MAX_HEADING
    before, after = text[:start].rstrip(" \t"), text[end:].lstrip(" \t")
    stands_alone = (not before or before[-1] in "\r\n") and after[:1] in ("\r", "\n")
    return stands_alone and len(line) <= longest and not _SENTENCE_END.search(line)


@lru_cache(maxsize=2048)
def _folded(names: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a passage as headings repeat them, whole and in parts; and these without marks around."""
    whole = frozenset(fold(part.strip()) for name in names for part in (name, *name.split("›")))
    return whole, frozenset(name.strip(_AROUND_NAMES) for name in whole)


@lru_cache(maxsize=4096)
def _sentences(text: str, language: str, names: tuple[str, ...]) -> _Sentences:
    spans = candidate_spans(text, language)
    texts = [text[start:end] for start, end in spans]
    folded = [fold(sentence) for sentence in texts]
    return _Sentences(
        tuple(spans),
        tuple(texts),
        tuple(searchable(sentence, again) for sentence, again in zip(texts, folded, strict=True)),
        tuple(is_heading(text, span, names, again) for span, again in zip(spans, folded, strict=True)),
    )


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
