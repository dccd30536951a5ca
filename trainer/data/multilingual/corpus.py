"""Training texts and the pairs between them, in memory, as a recipe describes them.

Kinds of pairs with a text and its translation: ``parallel``, ``everyday`` (short sentences), ``string`` (of
programs) and ``word`` (of dictionaries). A batch holds one kind, so that its negatives are of that kind too.
Others: ``question`` (a question and the passage that answers it), ``title`` (a title and its text),
``section`` (a sentence or title in one language and the section that holds its translation in another, found
by looking for the parallel text inside the passages) and ``cloze`` (a sentence and the passage it is from).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.config import SourceConfig, SourceKind
from trainer.data.multilingual.cloze import cloze_pairs
from trainer.data.multilingual.rows import (
    Parallel,
    Titled,
    is_held_out,
    iter_parallel,
    iter_titled,
    keep_widely_translated,
)

log = logging.getLogger(__name__)

ENGLISH = "en"
# Kinds of sources with a text and its translation in a row; those that are sentences.
TRANSLATED = ("parallel", "everyday", "string", "word")
SENTENCES = ("parallel", "everyday")
ANCHOR_CHARACTERS = 20  # a block is looked up in passages by its first characters
MIN_BLOCK_CHARACTERS = 24
MIN_PASSAGE_CHARACTERS = 80
MIN_QUERY_WORDS = 4  # of the English side, for a held-out section query to say something


class CorpusConfig(Protocol):
    """What of a recipe decides its texts and pairs."""

    @property
    def data(self) -> str: ...
    @property
    def sources(self) -> Sequence[SourceConfig]: ...
    @property
    def held_out_one_in(self) -> int: ...


@dataclass
class Pairs:
    """Pairs of one kind while they are collected: text numbers, and a group (usually the language pair)."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    group: list[str] = field(default_factory=list)

    def add(self, left: int, right: int, group: str) -> None:
        self.left.append(left)
        self.right.append(right)
        self.group.append(group)

    def arrays(self) -> PairTable:
        names, codes = np.unique(np.array(self.group, dtype=object).astype(str), return_inverse=True)
        return PairTable(
            left=np.array(self.left, dtype=np.int32),
            right=np.array(self.right, dtype=np.int32),
            group=codes.astype(np.int32),
            group_names=tuple(names.tolist()),
        )


@dataclass(frozen=True)
class PairTable:
    """Pairs of one kind. ``group`` indexes ``group_names``."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    group: NDArray[np.int32]
    group_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.left)


@dataclass
class Corpus:
    """All texts (each once), the language of each, and training and held-out pairs by kind."""

    texts: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    train: dict[str, Pairs] = field(default_factory=lambda: defaultdict(Pairs))
    held_out: dict[str, Pairs] = field(default_factory=lambda: defaultdict(Pairs))
    rows_used: dict[str, int] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def number(self, text: str, language: str) -> int:
        """The number of a text, new or known. The first language seen stays."""
        known = self._numbers.get(text)
        if known is None:
            known = self._numbers[text] = len(self.texts)
            self.texts.append(text)
            self.languages.append(language)
        return known


def build_corpus(config: CorpusConfig) -> Corpus:
    """Read every source of the recipe, without the rows that it leaves out, and with held-out rows apart."""
    corpus = Corpus()
    blocks = _Blocks()
    root = Path(config.data)
    passages: list[Titled] = []
    for source in config.sources:
        path = root / source.file
        if source.kind in TRANSLATED:
            rows = _parallel_rows(path, source)
            for row in rows:
                _add_translation(corpus, row, source.kind, config)
                if source.kind in SENTENCES:
                    blocks.add(row)
            count = len(rows)
        else:
            titled = [
                row
                for row in iter_titled(path)
                if not source.keep_sources or row.source in source.keep_sources
            ]
            count = len(titled)
            if source.kind == "question":
                for item in titled:
                    _add_question(corpus, item, config)
            else:
                passages.extend(titled)
        corpus.rows_used[source.file] = count
        log.info("%s: %d rows used", source.file, count)
    for item in passages:
        _add_passage(corpus, item, blocks, config)
    for kind, pairs in corpus.train.items():
        log.info("%s: %d training pairs, %d held out", kind, len(pairs.left), len(corpus.held_out[kind].left))
    log.info("%d different texts", len(corpus.texts))
    return corpus


def _parallel_rows(path: Path, source: SourceConfig) -> list[Parallel]:
    rows = list(iter_parallel(path))
    if source.min_languages:
        rows = keep_widely_translated(rows, source.min_languages)
    excluded, only = set(source.exclude_languages), {ENGLISH, *source.only_languages}
    return [
        row
        for row in rows
        if not (languages := {row.left_language, row.right_language}) & excluded
        and (not source.only_languages or languages <= only)
    ]


def _add_translation(corpus: Corpus, row: Parallel, kind: SourceKind, config: CorpusConfig) -> None:
    held_out = is_held_out(row.left, config.held_out_one_in) or is_held_out(row.right, config.held_out_one_in)
    if held_out and row.left_language != ENGLISH:
        return  # the translation of a held-out sentence, or one beside it: neither trained on nor measured
    group = "-".join((row.left_language, row.right_language))
    target = corpus.held_out if held_out else corpus.train
    left = corpus.number(row.left, row.left_language)
    target[kind].add(left, corpus.number(row.right, row.right_language), group)


def _add_question(corpus: Corpus, row: Titled, config: CorpusConfig) -> None:
    group = "-".join((row.language, row.passage_language))
    text = f"{row.title}\n{row.passage}" if row.title else row.passage
    held_out = is_held_out(row.passage, config.held_out_one_in)
    if not held_out and text not in corpus:
        _add_cloze(corpus, text, row.passage_language)
    target = corpus.held_out if held_out else corpus.train
    passage = corpus.number(text, row.passage_language)
    target["question"].add(corpus.number(row.question, row.language), passage, group)


def _add_passage(corpus: Corpus, row: Titled, blocks: _Blocks, config: CorpusConfig) -> None:
    if len(row.passage) < MIN_PASSAGE_CHARACTERS and len(row.passage) < 3 * len(row.title):
        return
    held = {english: is_held_out(english, config.held_out_one_in) for english in blocks.find(row)}
    title_held_out = is_held_out(row.title, config.held_out_one_in)
    if row.passage not in corpus and not title_held_out and True not in held.values():
        _add_cloze(corpus, row.passage, row.language)
    passage = corpus.number(row.passage, row.language)
    if row.title:
        target = corpus.held_out if title_held_out else corpus.train
        target["title"].add(corpus.number(row.title, row.language), passage, row.language)
    if row.language == ENGLISH:
        return
    for english, held_out in held.items():
        if held_out and len(english.split()) < MIN_QUERY_WORDS:
            continue
        target = corpus.held_out if held_out else corpus.train
        target["section"].add(corpus.number(english, ENGLISH), passage, row.language)


def _add_cloze(corpus: Corpus, passage: str, language: str) -> None:
    for sentence, rest in cloze_pairs(passage):
        pair = corpus.number(sentence, language), corpus.number(rest, language)
        corpus.train["cloze"].add(*pair, language)


class _Blocks:
    """Parallel blocks by language, to find the English of what a passage holds."""

    def __init__(self) -> None:
        self._english: dict[str, dict[str, str]] = defaultdict(dict)
        self._anchors: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def add(self, row: Parallel) -> None:
        if row.left_language != ENGLISH:
            return
        for language, text in ((row.right_language, row.right), (ENGLISH, row.left)):
            known = self._english[language]
            if text not in known:
                known[text] = row.left
                if len(text) >= MIN_BLOCK_CHARACTERS:
                    self._anchors[language][text[:ANCHOR_CHARACTERS]].append(text)

    def find(self, row: Titled) -> Iterator[str]:
        """The English of the title and of each block that the passage holds."""
        language, title, passage = row.language, row.title, row.passage
        known = self._english.get(language)
        if known is None:
            return
        title_end = title.rsplit(" - ", 1)[-1]
        for heading in {title, title_end}:
            if heading in known:
                yield known[heading]
        anchors = self._anchors[language]
        position, last = 0, len(passage) - MIN_BLOCK_CHARACTERS
        while position <= last:
            for block in anchors.get(passage[position : position + ANCHOR_CHARACTERS], ()):
                if passage.startswith(block, position):
                    yield known[block]
                    position += len(block) - 1
                    break
            position += 1


def sample_for_tokenizer(corpus: Corpus, count: int, exponent: float, seed: int) -> list[int]:
    """Text numbers, each once, for tokenizer training: a language weighs (its texts) ** exponent."""
    names, codes = np.unique(np.array(corpus.languages), return_inverse=True)
    sizes = np.bincount(codes, minlength=len(names)).astype(np.float64)
    wanted = sizes**exponent / (sizes**exponent).sum() * count
    generator = np.random.default_rng(seed)
    # Each text is kept with the chance that gives its language the wanted number of texts, or all.
    chance = np.minimum(wanted / sizes, 1.0)
    return np.flatnonzero(generator.random(len(codes)) < chance[codes]).tolist()
