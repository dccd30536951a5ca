"""Evaluation sets from the data folder, of text that a recipe never trains on.

Two origins: what the recipe holds out (one text in fifty by its SHA-1), and ``UNSEEN``, whole sources that it
leaves out for their licence, which may be read though not trained on. Rankings: questions and their
paragraphs, titles and their sections. Multi-way sets: a sentence or heading of documentation in one language,
and the sections in other languages that hold its translation. Similarity: the pairs of
``is_held_out(first text, SIMILARITY_ONE_IN)``; a recipe that trains on similarity data must leave these out.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import logging
import lzma
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from research.builtin.blocks import multiway_set
from research.builtin.leaks import Leak, find_leaks
from research.builtin.sets import Leaks, Multiway, Ranking, Sets
from trainer.config import SourceConfig
from trainer.data.multilingual.corpus import Corpus, build_corpus
from trainer.data.multilingual.rows import is_held_out, iter_titled
from trainer.errors import DataError
from trainer.evaluation.tatoeba import iter_tatoeba
from trainer.stages.static.recipe import StaticConfig

log = logging.getLogger(__name__)

VERSION = 1  # of the sets: raise when the same data would give others
DECISIVE = (
    "file",
    "kind",
    "min_languages",
    "exclude_languages",
    "only_languages",
    "keep_sources",
)  # of a source, for its rows
MIN_QUERIES = 20
MAX_QUERIES = 500
MAX_PASSAGES = 2_000
MAX_ANSWERS = 3  # a title of more sections than these says too little
MIN_TITLE_BYTES = 12  # two words of Latin, four characters of Chinese
SIMILARITY_ONE_IN = 5
UNSEEN_ONE_IN = 2
SIMILARITY_FILES = ("similarity/stsb-multi-mt.tsv.xz", "similarity/sts-other.tsv.xz")

UNSEEN = (
    SourceConfig(
        "parallel/documentation-ruby-lang.tsv.xz", "parallel", "not stated", "ruby/www.ruby-lang.org"
    ),
    SourceConfig("passages/ruby-lang.jsonl.xz", "passage", "not stated", "ruby/www.ruby-lang.org"),
    SourceConfig(
        "qa/squad-style-small.jsonl.xz",
        "question",
        "CC BY-NC-SA 4.0, GPL-3.0",
        "ParsiNLU, PersianQA",
        keep_sources=("persiannlp/parsinlu", "sajjjadayobi/PersianQA"),
    ),
)


@dataclass
class _Part:
    """One corpus to draw from, and the texts that training uses of it (none of an unseen one)."""

    name: str
    corpus: Corpus
    passages: dict[str, list[tuple[str, str]]]  # language -> (title, text)
    trained: set[int] = field(default_factory=set)


def sets_fingerprint(config: StaticConfig) -> str:
    """16 hex digits of what decides the sets: the rows of the recipe and its rule for holding out."""
    rows = [[getattr(source, name) for name in DECISIVE] for source in config.sources]
    values = [VERSION, config.held_out_one_in, rows]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def build_sets(config: StaticConfig, tatoeba: Path | None = None) -> Sets:
    """All sets of a recipe; ``config.data`` is the folder with the training files.

    Reads every training row once (minutes, and about 1 KB of memory per row).

    Raises:
        DataError: a file of the recipe is missing or damaged.
    """
    parts = _parts(config)
    rankings = [*_questions(parts), *_titles(parts)]
    multiway = [
        result
        for part, one_in in zip(parts, (config.held_out_one_in, 1), strict=False)
        if (result := multiway_set(part.name, part.corpus, part.passages, one_in)) is not None
    ]
    similarity = _similarity(Path(config.data))
    sentences = {} if tatoeba is None else {name: pair for name, *pair in iter_tatoeba(tatoeba)}
    known = parts[0]
    log.info("looking for leaks in %d training texts", len(known.trained))
    verdicts = _Verdicts(rankings, multiway, similarity, sentences)
    verdicts.judge(known.corpus.texts[number] for number in known.trained)
    used = {known.corpus.texts[number] for number in known.trained}
    return Sets(
        fingerprint=sets_fingerprint(config),
        rankings=[ranking for ranking in verdicts.rankings() if len(ranking.queries) >= MIN_QUERIES],
        multiway=[_with_seen(item, used) for item in verdicts.multiway()],
        similarity=verdicts.similarity(),
        tatoeba_leaks=verdicts.tatoeba(),
        leaks=verdicts.counts,
        training_texts=len(known.trained),
    )


def _parts(config: StaticConfig) -> list[_Part]:
    gc.disable()  # millions of live strings: each collection would walk them all
    try:
        root = Path(config.data)
        corpus = build_corpus(config)
        trained = {n for pairs in corpus.train.values() for side in (pairs.left, pairs.right) for n in side}
        parts = [_Part("documentation", corpus, _passages(root, config.sources), trained)]
        left = {source.file for source in config.sources if not source.keep_sources}
        unseen = tuple(item for item in UNSEEN if item.file not in left and (root / item.file).is_file())
        if unseen:
            apart = dataclasses.replace(config, sources=unseen, held_out_one_in=UNSEEN_ONE_IN)
            parts.append(_Part("unseen site", build_corpus(apart), _passages(root, unseen)))
        return parts
    finally:
        gc.enable()


def _passages(root: Path, sources: Sequence[SourceConfig]) -> dict[str, list[tuple[str, str]]]:
    result: dict[str, dict[str, str]] = defaultdict(dict)
    for source in sources:
        if source.kind == "passage":
            for row in iter_titled(root / source.file):
                if not source.keep_sources or row.source in source.keep_sources:
                    result[row.language].setdefault(row.passage, row.title)
    return {
        language: [(title, text) for text, title in sorted(own.items(), key=lambda item: _order(item[0]))]
        for language, own in result.items()
    }


def _questions(parts: Sequence[_Part]) -> Iterator[Ranking]:
    """Held-out questions by pair of languages, among all paragraphs of the passage language."""
    pools: dict[str, dict[str, None]] = defaultdict(dict)
    asked: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part in parts:
        texts = part.corpus.texts
        for pairs in (part.corpus.held_out["question"], part.corpus.train["question"]):
            for right, group in zip(pairs.right, pairs.group, strict=True):
                pools[_languages(group)[1]][texts[right]] = None
        held_out = part.corpus.held_out["question"]
        for left, right, group in zip(held_out.left, held_out.right, held_out.group, strict=True):
            asked[_languages(group)][texts[left]].add(texts[right])
    for (language, passage_language), queries in sorted(asked.items()):
        yield from _ranking("question", language, passage_language, queries, list(pools[passage_language]))


def _titles(parts: Sequence[_Part]) -> Iterator[Ranking]:
    """Held-out titles by language, among the sections of that language, which do not hold the title."""
    pools: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part in parts:
        one_in = UNSEEN_ONE_IN if part.name == "unseen site" else 0
        held_out = _held_out_titles(part)
        for language, passages in part.passages.items():
            by_title: dict[str, set[str]] = defaultdict(set)
            for title, text in passages:
                by_title[title].add(text)
                pools[language].append(text)
            for title, answers in by_title.items():
                chosen = is_held_out(title, one_in) if one_in else (language, title) in held_out
                if chosen and len(answers) <= MAX_ANSWERS and len(title.encode()) >= MIN_TITLE_BYTES:
                    asked[language][title] |= answers
    for language, queries in sorted(asked.items()):
        yield from _ranking("title", language, language, queries, pools[language])


def _held_out_titles(part: _Part) -> set[tuple[str, str]]:
    pairs = part.corpus.held_out["title"]
    return {
        (language, part.corpus.texts[left])
        for left, language in zip(pairs.left, pairs.group, strict=True)
        if left not in part.trained
    }


def _ranking(
    kind: str,
    language: str,
    passage_language: str,
    queries: Mapping[str, set[str]],
    pool: Sequence[str],
) -> Iterator[Ranking]:
    chosen = sorted(queries, key=_order)[:MAX_QUERIES]
    answers = sorted({text for query in chosen for text in queries[query]}, key=_order)
    others = sorted(set(pool) - set(answers), key=_order)
    passages = [*answers, *others[: max(0, MAX_PASSAGES - len(answers))]]
    numbers = {text: number for number, text in enumerate(passages)}
    relevant = [sorted(numbers[text] for text in queries[query]) for query in chosen]
    if len(chosen) >= MIN_QUERIES:
        yield Ranking(kind, language, passage_language, chosen, relevant, passages)


def _similarity(root: Path) -> dict[str, list[tuple[str, str, float]]]:
    result: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for name in SIMILARITY_FILES:
        path = root / name
        if not path.is_file():
            continue
        with lzma.open(path, "rt", encoding="utf8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    language, left, right, score = line.rstrip("\n").split("\t")
                    if is_held_out(left, SIMILARITY_ONE_IN):
                        result[f"{language} ({path.name.split('.')[0]})"].append((left, right, float(score)))
                except ValueError as error:
                    raise DataError(
                        f"{path}:{number} is not a pair with a score ({error}); expected language, two texts "
                        "and a number between tabs. Correct the row."
                    ) from error
    return dict(result)


class _Verdicts:
    """Every evaluated text with its verdict, and the sets without what leaks."""

    def __init__(
        self,
        rankings: Sequence[Ranking],
        multiway: Sequence[Multiway],
        similarity: Mapping[str, list[tuple[str, str, float]]],
        sentences: Mapping[str, Sequence[Sequence[str]]],
    ) -> None:
        self._rankings, self._multiway = rankings, multiway
        self._similarity, self._sentences = similarity, sentences
        self._leak: dict[str, Leak] = {}
        self.counts: dict[str, Leaks] = {}

    def judge(self, trained: Iterator[str]) -> None:
        texts: dict[str, None] = {}
        for ranking in self._rankings:
            texts.update(dict.fromkeys(ranking.queries))
            if ranking.kind == "question":
                texts.update(dict.fromkeys(ranking.passages[n] for item in ranking.relevant for n in item))
        for multiway in self._multiway:
            texts.update(dict.fromkeys(query.text for query in multiway.queries))
        for rows in self._similarity.values():
            texts.update(dict.fromkeys(text for left, right, _ in rows for text in (left, right)))
        for sides in self._sentences.values():
            texts.update(dict.fromkeys(text for side in sides for text in side))
        self._leak = dict(zip(texts, find_leaks(list(texts), trained), strict=True))

    def _kept(self, name: str, items: Sequence[Sequence[str]], *, drop: bool = True) -> list[int]:
        """Numbers of the items none of whose texts leak; counted under ``name``."""
        worst = [min((self._leak[text] for text in texts), key=_severity) for texts in items]
        kept = [number for number, leak in enumerate(worst) if leak is Leak.NONE]
        before = self.counts.get(name, Leaks(0, 0, 0, 0))
        self.counts[name] = Leaks(
            before.checked + len(items),
            before.exact + sum(leak is Leak.EXACT for leak in worst),
            before.near + sum(leak is Leak.NEAR for leak in worst),
            before.dropped + (len(items) - len(kept) if drop else 0),
        )
        return kept

    def rankings(self) -> Iterator[Ranking]:
        for item in self._rankings:
            with_answers = item.kind == "question"
            items = [
                [query, *(item.passages[n] for n in relevant if with_answers)]
                for query, relevant in zip(item.queries, item.relevant, strict=True)
            ]
            kept = self._kept(f"{item.kind}s", items)
            yield dataclasses.replace(
                item,
                queries=[item.queries[number] for number in kept],
                relevant=[item.relevant[number] for number in kept],
            )

    def multiway(self) -> Iterator[Multiway]:
        for item in self._multiway:
            kept = self._kept(item.name, [[query.text] for query in item.queries])
            yield dataclasses.replace(item, queries=[item.queries[number] for number in kept])

    def similarity(self) -> dict[str, list[tuple[str, str, float]]]:
        return {
            name: [rows[number] for number in self._kept("similarity", [row[:2] for row in rows])]
            for name, rows in self._similarity.items()
        }

    def tatoeba(self) -> dict[str, list[int]]:
        leaking = {}
        for language, sides in self._sentences.items():
            items = list(zip(*sides, strict=True))
            clean = set(self._kept("Tatoeba", items, drop=False))
            leaking[language] = [number for number in range(len(items)) if number not in clean]
        return leaking


def _severity(leak: Leak) -> int:
    return {Leak.EXACT: 0, Leak.NEAR: 1, Leak.NONE: 2}[leak]


def _with_seen(one: Multiway, used: set[str]) -> Multiway:
    answers = {number for query in one.queries for number in query.relevant}
    return dataclasses.replace(one, seen=sum(one.passages[number] in used for number in answers))


def _languages(group: str) -> tuple[str, str]:
    """``zh-Hant-zh-Hant`` → two codes: the parts in the middle belong by their number of dashes."""
    parts = group.split("-")
    for cut in range(1, len(parts)):
        left, right = parts[:cut], parts[cut:]
        if all(len(half) == 1 or (len(half) == 2 and half[1][:1].isupper()) for half in (left, right)):
            return "-".join(left), "-".join(right)
    raise DataError(f"{group!r} is not a pair of languages. Expected two codes with a dash between them.")


def _order(text: str) -> str:
    """An order that says nothing about the text and is the same everywhere."""
    return hashlib.sha1(text.encode("utf8", "replace"), usedforsecurity=False).hexdigest()
