"""Cut extracted text into chunks: whole sentences, measured in the tokens of the model that will read them.

The text streams through in windows of some 64 KB, so that memory does not grow with the document:

1. blocks with the same page and section are joined into runs; a chunk never leaves its run;
2. the sentences of a window are tokenised once, in one batch; those longer than a chunk are cut into
   pieces at a clause mark, a space, or else between two graphemes;
3. pieces are packed greedily up to the target;
4. a finished chunk whose tokens may exceed the limit of the model is counted again as the encoder will
   see it (prefix, title and special tokens included, one batch per window) and halved until it fits.

Joining sentences changes their tokens only around the seams, so the sum of their counts and a slack per
seam bounds the true count; only chunks above that bound, or with a seam inside a word, are counted again.

Chunks cover the text in order and without gaps. White space between two runs goes to the later one, at
the end of a document to the last chunk. Exception: a document of only white space gives no chunks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from indexer.errors import ChunkingError
from indexer.text.language import UNKNOWN, detect
from indexer.text.segmentation import sentence_spans
from indexer.types import Block, Chunk
from me5.prefixes import Role

_WINDOW = 65_536  # characters worked on at a time
_MAX_CHARS_PER_TOKEN = 16  # keeps chunks readable where a tokenizer swallows a long run as one token
_MIN_TEXT_TOKENS = 8  # fewer tokens than this beside prefix and title make no sense as a chunk
_COUNT_SLACK = 2  # tokens by which a joined text usually exceeds the sum of its sentences, at most
# Tokens by which a part may need more inside a chunk than it needed alone, at most:
_SPACED_SLACK = 8  # after white space: a glued space, the mark of a word, a prefix dropped at the start
_UNSPACED_SLACK = 32  # between sentences without white space: a piece of usual tokenizers on either side
_UNBOUNDED_SLACK = 1 << 30  # within a word, where a tokenizer may have read it as one unknown piece
_CLAUSE_END = re.compile(r"[,;:،؛、，；：–—)\]」』]\s+|[、，；：」』》]|[ฯๆ།]\s*|\n\s*")
_MAYBE_ORDINAL = re.compile(r"\w[ \xa0]\d{1,2}\. \w")
_SPACE_END = re.compile(r"\s+")
_GRAPHEME = regex.compile(r"\X")
_GRAPHEME_LOOK_BACK = 64
_GRAPHEME_LOOK_AHEAD = 16
_CONTEXT = 200  # characters on either side of a number, for its language

_RunKey = tuple[int | None, str | None]


class TokenCounter(Protocol):
    """What chunking needs to know about a model; ``me5.Encoder`` fits."""

    @property
    def max_tokens(self) -> int: ...

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]: ...

    def overhead_tokens(self, role: Role, title: str = "") -> int: ...

    def count_tokens(
        self, texts: Sequence[str], role: Role = Role.PASSAGE, titles: Sequence[str] | None = None
    ) -> list[int]: ...


@dataclass(frozen=True)
class ChunkSettings:
    """Sizes in tokens of the model, with prefix, title and special tokens counted.

    Attributes:
        target_tokens: size aimed at; chunks end at the last sentence that fits.
        max_tokens: size never exceeded; None for the limit of the model.
        overlap_tokens: repeat up to this many tokens of whole sentences from the chunk before.
    """

    target_tokens: int = 160
    max_tokens: int | None = None
    overlap_tokens: int = 0

    def __post_init__(self) -> None:
        if self.target_tokens < 1 or (self.max_tokens is not None and self.max_tokens < 1):
            raise ChunkingError(
                f"Chunk sizes must be positive, got target {self.target_tokens} and maximum "
                f"{self.max_tokens}. Give sizes of at least 32 tokens."
            )
        if not 0 <= self.overlap_tokens < self.target_tokens:
            raise ChunkingError(
                f"The overlap must be at least 0 and below the target of {self.target_tokens} tokens, "
                f"got {self.overlap_tokens}. Lower the overlap or raise the target."
            )


def fit_title(title: str, tokens: TokenCounter, settings: ChunkSettings | None = None) -> str:
    """``title``, cut so that prefix and title leave at least half of a chunk for the text."""
    settings = settings or ChunkSettings()
    room = min(settings.target_tokens, _limit(tokens, settings)) // 2
    if not title or tokens.overhead_tokens(Role.PASSAGE, title) <= room:
        return title
    keep = max(room - tokens.overhead_tokens(Role.PASSAGE, ""), 0)
    while keep > 0:
        spans = tokens.token_spans([title[: _MAX_CHARS_PER_TOKEN * keep]])[0]
        end = int(spans[min(keep, len(spans)) - 1][1]) if len(spans) else 0
        cut = title[:end].rstrip()
        if tokens.overhead_tokens(Role.PASSAGE, cut) <= room:
            return cut
        keep -= max(keep // 8, 1)
    return ""


def iter_chunks(
    blocks: Iterable[Block], tokens: TokenCounter, settings: ChunkSettings | None = None, *, title: str = ""
) -> Iterator[Chunk]:
    """Chunks of a document in order, yielded while its blocks still arrive.

    Args:
        blocks: consecutive blocks; each starts where the one before ended.
        tokens: the model that will encode the chunks.
        settings: sizes; the default aims at 160 tokens.
        title: what the encoder will be given as title of every chunk.

    Returns:
        Chunks with ``text == extracted_text[start:end]``. No chunk has more tokens than the encoder reads.
        ``token_count`` is as counted when the text was cut; the encoder's count may differ by a few.
        Language fields are left at their defaults.

    Raises:
        ChunkingError: prefix and title leave no room for text (cut the title with ``fit_title``).
    """
    return _Chunker(tokens, settings or ChunkSettings(), title).chunks(blocks)


def _limit(tokens: TokenCounter, settings: ChunkSettings) -> int:
    return min(settings.max_tokens or tokens.max_tokens, tokens.max_tokens)


@dataclass
class _Run:
    """Consecutive text of one page and section; offsets into the extracted text."""

    start: int
    end: int
    key: _RunKey


@dataclass(frozen=True)
class _Piece:
    """A sentence or a part of one, never larger than a chunk. White space alone counts no ``chars``.

    ``slack``: how many tokens more it may need inside a chunk.
    """

    start: int
    end: int
    tokens: int
    slack: int
    chars: int
    key: _RunKey


class _Chunker:
    """The state of one pass over a document; memory is bounded by the window."""

    def __init__(self, tokens: TokenCounter, settings: ChunkSettings, title: str) -> None:
        limit = _limit(tokens, settings)
        overhead = tokens.overhead_tokens(Role.PASSAGE, title)
        if limit - overhead < _MIN_TEXT_TOKENS:
            raise ChunkingError(
                f"Prefix and title take {overhead} of {limit} tokens; at least {_MIN_TEXT_TOKENS} must be "
                f"left for the text. Shorten the title (fit_title) or raise max_tokens."
            )
        wanted = max(settings.target_tokens - overhead, settings.target_tokens // 2)
        room = limit - overhead
        self._tokens = tokens
        self._title = title
        self._limit = limit
        self._overhead = overhead
        self._budget = min(wanted, max(room - _COUNT_SLACK, _MIN_TEXT_TOKENS))
        self._max_chars = self._budget * _MAX_CHARS_PER_TOKEN
        self._overlap = min(settings.overlap_tokens, self._budget - 1)
        self._text = ""  # what may still be needed, from the open group on
        self._base = 0  # offset of _text in the document
        self._runs: list[_Run] = []  # text not yet cut into pieces
        self._group: list[_Piece] = []  # the open chunk
        self._ordinal = 0

    def chunks(self, blocks: Iterable[Block]) -> Iterator[Chunk]:
        parts: list[str] = []
        waiting = 0
        first = True
        for block in blocks:
            if first:
                self._base, first = block.start, False
            for offset in range(0, len(block.text), _WINDOW):
                part = block.text[offset : offset + _WINDOW]
                self._extend_runs(block, offset, len(part))
                parts.append(part)
                waiting += len(part)
                if waiting >= _WINDOW:
                    self._text += "".join(parts)
                    parts, waiting = [], 0
                    yield from self._work(final=False)
        self._text += "".join(parts)
        yield from self._work(final=True)

    def _extend_runs(self, block: Block, offset: int, length: int) -> None:
        start, key = block.start + offset, (block.page, block.section)
        if self._runs and self._runs[-1].key == key:
            self._runs[-1].end = start + length
        else:
            self._runs.append(_Run(start, start + length, key))

    def _slice(self, start: int, end: int) -> str:
        return self._text[start - self._base : end - self._base]

    def _work(self, *, final: bool) -> Iterator[Chunk]:
        """Turn the waiting runs into pieces, pack them, yield what is finished, forget its text."""
        groups: list[list[_Piece]] = []
        for piece in self._pieces(self._take_sentences(final)):
            self._pack(piece, groups)
        if final and self._group:
            groups.append(self._group)
        yield from self._verified(groups)
        keep = self._group[0].start if self._group else None
        if keep is None:
            keep = self._runs[0].start if self._runs else self._base + len(self._text)
        self._text = self._text[keep - self._base :]
        self._base = keep

    def _take_sentences(self, final: bool) -> list[tuple[int, int, _RunKey]]:
        """Sentences of the waiting runs; the last one waits for more text unless it is ``final``."""
        runs = self._without_blank_runs(final)
        sentences: list[tuple[int, int, _RunKey]] = []
        self._runs = []
        for number, run in enumerate(runs):
            text = self._slice(run.start, run.end)
            spans = sentence_spans(text, _language_of_ordinals(text))
            if number == len(runs) - 1 and not final:
                held_from = spans[-1][0] if len(spans) > 1 else 0
                if len(text) - held_from > _WINDOW // 2 and not text[held_from:].isspace():
                    held_from = _best_cut(text, held_from, len(text) - _GRAPHEME_LOOK_AHEAD)
                spans = [(start, min(end, held_from)) for start, end in spans if start < held_from]
                self._runs = [_Run(run.start + held_from, run.end, run.key)]
            sentences.extend((run.start + start, run.start + end, run.key) for start, end in spans)
        return sentences

    def _without_blank_runs(self, final: bool) -> list[_Run]:
        """Give runs of white space to the run after them, the last one to the open chunk."""
        runs: list[_Run] = []
        blank_from: int | None = None
        for run in self._runs:
            if self._slice(run.start, run.end).isspace():
                blank_from = run.start if blank_from is None else blank_from
                continue
            runs.append(_Run(run.start if blank_from is None else blank_from, run.end, run.key))
            blank_from = None
        if blank_from is not None:
            end = self._runs[-1].end
            if not final:
                runs.append(_Run(blank_from, end, self._runs[-1].key))
            elif runs:
                runs[-1].end = end
            elif self._group:
                runs.append(_Run(blank_from, end, self._group[-1].key))
        return runs

    def _pieces(self, sentences: Sequence[tuple[int, int, _RunKey]]) -> Iterator[_Piece]:
        texts = [self._slice(start, end) for start, end, _ in sentences]
        all_spans = self._tokens.token_spans(texts) if texts else []
        for (start, end, key), text, spans in zip(sentences, texts, all_spans, strict=True):
            if len(spans) <= self._budget and len(text) <= self._max_chars:
                slack = _SPACED_SLACK if text[-1].isspace() else _UNSPACED_SLACK
                yield _Piece(start, end, len(spans), slack, _non_blank_characters(text), key)
                continue
            for first, last, count in _cut_long(text, spans, self._budget, self._max_chars):
                slack = _slack_of_part(text, first, last)
                yield _Piece(
                    start + first, start + last, count, slack, _non_blank_characters(text[first:last]), key
                )

    def _pack(self, piece: _Piece, groups: list[list[_Piece]]) -> None:
        """Put ``piece`` into the open chunk, or close that and open the next."""
        if self._group and (self._group[0].key != piece.key or not self._has_room(self._group, piece)):
            groups.append(self._group)
            self._group = self._overlapping(self._group, piece)
        self._group.append(piece)

    def _has_room(self, group: Sequence[_Piece], piece: _Piece) -> bool:
        tokens = sum(member.tokens for member in group) + piece.tokens
        return tokens <= self._budget and sum(m.chars for m in group) + piece.chars <= self._max_chars

    def _overlapping(self, group: Sequence[_Piece], piece: _Piece) -> list[_Piece]:
        """The last sentences of ``group`` that the chunk of ``piece`` repeats."""
        if group[0].key != piece.key:
            return []
        kept: list[_Piece] = []
        for member in reversed(group[1:]):
            candidate = [member, *kept]
            if sum(item.tokens for item in candidate) > self._overlap or not self._has_room(candidate, piece):
                break
            kept = candidate
        # Pieces that meet inside a word may count more tokens together than one by one.
        while kept and self._span_count(kept) > self._overlap:
            kept = kept[1:]
        return kept

    def _span_count(self, group: Sequence[_Piece]) -> int:
        return len(self._tokens.token_spans([self._slice(group[0].start, group[-1].end)])[0])

    def _verified(self, groups: Sequence[Sequence[_Piece]]) -> Iterator[Chunk]:
        """Chunks of the groups, none above the limit as the encoder counts."""
        counts = self._counts_of(groups)
        for group, count in zip(groups, counts, strict=True):
            seams = [piece.start for piece in group[1:]]
            for first, last, tokens in self._shrunk(group[0].start, group[-1].end, seams, count):
                page, section = group[0].key
                text = self._slice(first, last)
                yield Chunk(self._ordinal, first, last, text, page, section, token_count=tokens)
                self._ordinal += 1

    def _counts_of(self, groups: Sequence[Sequence[_Piece]]) -> list[int]:
        """Tokens of each group; exact where the sum of its pieces does not show that it fits."""
        counts = [self._overhead + sum(piece.tokens for piece in group) for group in groups]
        doubtful = [
            number
            for number, group in enumerate(groups)
            if counts[number] + _SPACED_SLACK + sum(piece.slack for piece in group) > self._limit
        ]
        texts = [self._slice(groups[number][0].start, groups[number][-1].end) for number in doubtful]
        for number, count in zip(doubtful, self._count(texts), strict=True):
            counts[number] = count
        return counts

    def _shrunk(self, start: int, end: int, seams: Sequence[int], count: int) -> list[tuple[int, int, int]]:
        """Spans with token counts for start..end, halved (at a sentence if possible) until each fits."""
        if count <= self._limit or end - start < 2:
            return [(start, end, count)]
        middle = (start + end) // 2
        if seams:
            cut = min(seams, key=lambda seam: abs(seam - middle))
        else:
            cut = start + _best_cut(self._slice(start, end), 0, max(middle - start, 1))
        halves = [(start, cut), (cut, end)]
        counts = self._count([self._slice(first, last) for first, last in halves])
        result: list[tuple[int, int, int]] = []
        for (first, last), tokens in zip(halves, counts, strict=True):
            result.extend(self._shrunk(first, last, [s for s in seams if first < s < last], tokens))
        return result

    def _count(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        titles = [self._title] * len(texts) if self._title else None
        return self._tokens.count_tokens(texts, Role.PASSAGE, titles)


def _language_of_ordinals(text: str) -> str | None:
    """The language of ``text`` where it matters for its sentences: "3. Oktober" or the end of one."""
    if not (match := _MAYBE_ORDINAL.search(text)):
        return None
    guess = detect(text[max(match.start() - _CONTEXT, 0) : match.end() + _CONTEXT])
    return None if guess.language == UNKNOWN else guess.language


def _non_blank_characters(text: str) -> int:
    return 0 if text.isspace() else len(text)


def _slack_of_part(text: str, start: int, end: int) -> int:
    """The slack of a part of a sentence: bounded only where both its ends lie at white space."""
    starts_spaced = start == 0 or text[start - 1].isspace()
    if starts_spaced and (end == len(text) or text[end - 1].isspace()):
        return _SPACED_SLACK if text[end - 1].isspace() else _UNSPACED_SLACK
    return _UNBOUNDED_SLACK


def _cut_long(
    text: str, spans: NDArray[np.int32], budget: int, max_chars: int
) -> Iterator[tuple[int, int, int]]:
    """Cut ``text`` into parts of at most ``budget`` tokens and ``max_chars``: (start, end, tokens) each."""
    starts = np.maximum.accumulate(spans[:, 0]) if len(spans) else np.zeros(0, dtype=np.int32)
    position, token = 0, 0
    while position < len(text):
        beyond = token + budget
        end = int(starts[beyond]) if beyond < len(starts) else len(text)
        end = min(end, position + max_chars)
        if end < len(text):
            end = _best_cut(text, position, max(end, position + 1))
        next_token = int(np.searchsorted(starts, end, side="left")) if end < len(text) else len(starts)
        yield position, end, next_token - token
        position, token = end, next_token


def _best_cut(text: str, start: int, end: int) -> int:
    """The best place to cut in the second half of start..end: clause, space, else grapheme boundary."""
    middle = start + (end - start) // 2
    for pattern in (_CLAUSE_END, _SPACE_END):
        last = 0
        for match in pattern.finditer(text, middle, end):
            last = match.end()
        if last > start:
            return last
    return _grapheme_boundary(text, start, end)


def _grapheme_boundary(text: str, start: int, end: int) -> int:
    """The last grapheme boundary at or before ``end`` and after ``start``; ``end`` when there is none."""
    if end >= len(text):
        return len(text)
    look_from = max(start, end - _GRAPHEME_LOOK_BACK)
    best = 0
    for match in _GRAPHEME.finditer(text, look_from, min(len(text), end + _GRAPHEME_LOOK_AHEAD)):
        if match.start() > end:
            break
        best = match.start()
    return best if best > start else end
