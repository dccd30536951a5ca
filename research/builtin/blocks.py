"""Multi-way retrieval sets: held-out sentences and headings, and the sections that hold them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from research.builtin.sets import Asked, Multiway
from trainer.data.multilingual.corpus import Corpus
from trainer.data.multilingual.rows import is_held_out

LANGUAGES = 20
MAX_SOURCES = 900  # English texts, those with most translations first
MAX_PASSAGES = 1_500  # of a language
MIN_WORDS = 4  # of the English text, for a query to say something
MAX_CHARACTERS = 200  # of the English text: a query, not a paragraph
MIN_BLOCK_CHARACTERS = 12
ANCHOR = 12
MAX_HOLDING = 3  # a text that more sections of a language hold is boilerplate
MIN_REST = 1.5  # a section is at least so many times as long as the block, or finding it is mere translation
MIN_ANSWERED = 20  # English texts that sections of a language answer, for the language to take part
ENGLISH = "en"

Passages = Mapping[str, Sequence[tuple[str, str]]]
Held = dict[str, dict[str, list[int]]]


def multiway_set(name: str, corpus: Corpus, passages: Passages, one_in: int) -> Multiway | None:
    """The set of one corpus; None where fewer than two languages can take part.

    Args:
        name: of the set.
        corpus: its held-out parallel pairs give the queries.
        passages: language → (title, text).
        one_in: English texts are taken that are held out one in so many, all with 1: where only a translation
            is held out, the other languages of the text were trained on.
    """
    message = _held_out(corpus, one_in)  # English text -> language -> its translations
    holding: Held = {language: _holding(message, language, passage) for language, passage in passages.items()}
    answered = {
        language: sum(1 <= len(result) <= MAX_HOLDING for result in own.values())
        for language, own in holding.items()
    }
    weight = Counter(corpus.languages)
    able = [language for language, count in answered.items() if count >= MIN_ANSWERED]
    languages = sorted(sorted(able, key=lambda item: (-weight[item], item))[:LANGUAGES])
    if len(languages) < 2:
        return None
    return _assemble(name, message, {item: holding[item] for item in languages}, passages)


def _held_out(corpus: Corpus, one_in: int) -> dict[str, dict[str, list[str]]]:
    pairs = corpus.held_out["parallel"]
    message: dict[str, dict[str, list[str]]] = {}
    for left, right, group in zip(pairs.left, pairs.right, pairs.group, strict=True):
        english = corpus.texts[left]
        if (
            group.startswith(f"{ENGLISH}-")
            and len(english) <= MAX_CHARACTERS
            and len(english.split()) >= MIN_WORDS
            and is_held_out(english, one_in)
        ):
            by_language = message.setdefault(english, {ENGLISH: [english]})
            by_language.setdefault(group.removeprefix(f"{ENGLISH}-"), []).append(corpus.texts[right])
    return message


def _holding(
    said: Mapping[str, Mapping[str, Sequence[str]]], language: str, passages: Sequence[tuple[str, str]]
) -> dict[str, list[int]]:
    """English text → numbers of the passages whose title or text holds a translation of it."""
    blocks: dict[str, list[str]] = defaultdict(list)  # translation -> English texts
    for english, by_language in said.items():
        for text in by_language.get(language, ()):
            if len(text) >= MIN_BLOCK_CHARACTERS or len(text.encode()) >= 2 * MIN_BLOCK_CHARACTERS:
                blocks[text].append(english)
    anchors: dict[str, list[str]] = defaultdict(list)
    for text in blocks:
        anchors[text[:ANCHOR]].append(text)
    result: dict[str, set[int]] = defaultdict(set)
    for number, (title, text) in enumerate(passages):
        headings = {title, title.rsplit(" - ", 1)[-1]} & blocks.keys()
        for block in (*headings, *_inside(text, anchors)):
            if block in headings or len(text) >= MIN_REST * len(block):
                for english in blocks[block]:
                    result[english].add(number)
    return {english: sorted(numbers) for english, numbers in result.items()}


def _inside(text: str, anchors: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for position in range(len(text)):
        for block in anchors.get(text[position : position + ANCHOR], ()):
            if text.startswith(block, position):
                yield block


def _assemble(
    name: str, said: Mapping[str, Mapping[str, Sequence[str]]], holding: Held, passages: Passages
) -> Multiway:
    clear = {
        english: {language: own[english] for language, own in holding.items() if english in own}
        for english in said
    }
    clear = {
        english: result
        for english, result in clear.items()
        if len(result) >= 2 and all(len(numbers) <= MAX_HOLDING for numbers in result.values())
    }
    sources = sorted(clear, key=lambda item: (-len(clear[item]) * len(said[item]), _order(item)))[
        :MAX_SOURCES
    ]
    number_of: dict[tuple[str, int], int] = {}
    texts: list[str] = []
    languages: list[str] = []
    for language in sorted(holding):
        answers = sorted({number for item in sources for number in clear[item].get(language, ())})
        taken = set(answers)
        rest = [number for number in range(len(passages[language])) if number not in taken]
        for number in (*answers, *rest[: max(0, MAX_PASSAGES - len(answers))]):
            number_of[language, number] = len(texts)
            texts.append(passages[language][number][1])
            languages.append(language)
    queries = []
    for source, english in enumerate(sources):
        relevant = [number_of[language, n] for language, own in clear[english].items() for n in own]
        queries += [
            Asked(language, said[english][language][0], source, relevant)
            for language in sorted(holding)
            if language in said[english]
        ]
    return Multiway(name, queries, texts, languages)


def _order(text: str) -> str:
    return hashlib.sha1(text.encode("utf8", "replace"), usedforsecurity=False).hexdigest()
