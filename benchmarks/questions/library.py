"""The documents that the questions of this folder are asked of: sections of manuals, each in one language.

    python benchmarks/questions/library.py FOLDER

Reads the sections of translated manuals (``train/passages`` of the data folder, which is not part of the
repository) and picks about 400, balanced over the languages. A manual exists in many languages, and a section
is picked in one of them: no document is a translation of another, so a question in another language has to be
understood to find its answer. Nothing is random: the same data give the same documents, and
``passages.jsonl`` names them by their keys. Asking the questions and judging the answers is left to others.

How a section is known in two languages: the files hold the articles one after another, each in all its
languages, sorted by their codes. Languages in which an article has equally many sections, whose lengths rise
and fall together, have the same sections in the same order.
"""

import argparse
import hashlib
import itertools
import json
import lzma
import math
import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = Path(os.environ.get("ME5_BENCH_DATA", "bench-data"))
"""Where the data are."""
FILES = ("documentation", "ruby-lang")
"""Of ``train/passages``; documentation-mt is left out: a machine translated it."""
LEFT_OUT_SOURCES = frozenset({"progit/progit2"})  # not for commercial use
LEFT_OUT_LANGUAGES = frozenset({"pcm", "sa"})  # Pidgin is written much like English; Sanskrit we cannot check
ENGLISH_ANYWHERE = frozenset({"github/opensource.guide", "privacyguides/i18n"})  # not sorted among the codes
SAME_TITLES_EVERYWHERE = frozenset({"cncf/glossary"})  # "Problem it addresses", for every term

PER_LANGUAGE = 12
PER_LANGUAGE_AND_ARTICLE = 3
CHARACTERS = range(120, 1501)
MIN_CORRELATION = 0.85  # of the lengths of sections; articles cut differently lie far below
_OTHER_SCRIPTS_LIST = "ar be bg bn el fa he hi hy ja ko ru ta uk ur zh zh-Hant"
OTHER_SCRIPTS = frozenset(_OTHER_SCRIPTS_LIST.split())
_ENGLISH_LIST = "the of and to in is that for with your you this are on be or as it can by"
ENGLISH_WORDS = frozenset(_ENGLISH_LIST.split())


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text below it, in a language (BCP-47)."""

    language: str
    title: str
    text: str

    @property
    def key(self) -> str:
        """A name that stays as long as the words do."""
        return hashlib.sha256("\n".join((self.language, self.title, self.text)).encode()).hexdigest()[:12]


Subject = Mapping[str, Section]
"""A section in the languages it is translated into."""


@dataclass(frozen=True, slots=True)
class Article:
    """A page of a manual: its sections by language."""

    source: str
    sections: Mapping[str, Sequence[Section]]


def write_documents(folder: Path, data: Path = DATA) -> dict[str, Path]:
    """Write one text file per document, the title as its first line; give the files by key.

    Raises:
        FileNotFoundError: the data are not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for section in choose_documents(data):
        paths[section.key] = folder / f"{section.key}.txt"
        paths[section.key].write_text(f"{section.title}\n\n{section.text}\n", encoding="utf-8")
    return paths


def choose_documents(data: Path = DATA) -> list[Section]:
    """The documents of the library; those that questions are asked of are among them.

    Raises:
        FileNotFoundError: the data are not there.
    """
    documents: list[Section] = []
    taken: Counter[str] = Counter()
    taken_of_article: Counter[tuple[int, str]] = Counter()
    candidates, supply = candidates_in_turn(read_articles(data))
    for number, subject in candidates:
        free = [
            language
            for language in subject
            if taken[language] < PER_LANGUAGE
            and taken_of_article[number, language] < PER_LANGUAGE_AND_ARTICLE
        ]
        if free:
            language = min(free, key=lambda each: (taken[each], supply[each], each))
            taken[language] += 1
            taken_of_article[number, language] += 1
            documents.append(subject[language])
    missing = {question["document"] for question in read_questions()} - {each.key for each in documents}
    assert not missing, f"Questions are asked of documents that are no longer chosen: {sorted(missing)}"
    return documents


def candidates_in_turn(articles: Sequence[Article]) -> tuple[list[tuple[int, Subject]], Counter[str]]:
    """Subjects with the number of their article, a manual's in turn, and how many there are by language."""
    repeated = repeated_sections(articles)
    alignments = [alignments_of(article, repeated) for article in articles]
    supply = Counter(
        language for each in alignments for subjects in each for subject in subjects for language in subject
    )

    def scarcest(subjects: Sequence[Subject]) -> int:
        return min(supply[language] for subject in subjects for language in subject)

    by_source: dict[str, list[tuple[str, int, Subject]]] = defaultdict(list)
    for number, article in enumerate(articles):
        # Of an article one alignment: two of them hold the same sections, cut differently.
        for subject in min(alignments[number], key=scarcest, default=()):
            digest = min(section.key for section in subject.values())  # an order that mixes the articles
            by_source[article.source].append((digest, number, subject))
    sources = [sorted(group, key=lambda each: each[0]) for _, group in sorted(by_source.items())]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*sources))
    return [(number, subject) for _, number, subject in filter(None, in_turn)], supply


def read_questions() -> list[dict[str, str]]:
    """The questions that a document answers."""
    lines = (HERE / "passages.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def read_articles(data: Path) -> list[Article]:
    """The articles of the manuals, in the order of the files.

    An article ends where a language comes again or the codes stop rising.

    Raises:
        FileNotFoundError: the data are not there.
    """
    articles = []
    for name in FILES:
        sections: dict[str, Sequence[Section]] = {}
        last_source, last_code = "", ""
        rows = (row for row in iter_rows(data, name) if not is_unsorted(row))
        for (source, language), group in itertools.groupby(rows, lambda row: (row["source"], row["lang"])):
            code = language.removesuffix("-Hant")  # Chinese in two scripts, the order of which varies
            if sections and (source != last_source or language in sections or code < last_code):
                articles.append(Article(last_source, sections))
                sections = {}
            last_source, last_code = source, code
            sections[language] = [Section(language, row["title"], row["text"]) for row in group]
        articles.append(Article(last_source, sections))
    return [article for article in articles if article.source not in LEFT_OUT_SOURCES]


def is_unsorted(row: Mapping[str, str]) -> bool:
    """Whether a row is English of a manual that keeps English at no fixed place among the codes."""
    return row["lang"] == "en" and row["source"] in ENGLISH_ANYWHERE


def iter_rows(data: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of a file of passages.

    Raises:
        FileNotFoundError: the file is not there.
    """
    path = ROOT / data / "train" / "passages" / f"{name}.jsonl.xz"
    if not path.is_file():
        raise FileNotFoundError(
            f"No file {path}. The documents are made from the passages of the data folder, which is not "
            f"part of the repository. Give the folder that holds train/passages."
        )
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def repeated_sections(articles: Sequence[Article]) -> set[Section]:
    """Sections that come again in another article: so their text begins, or three articles have the title."""
    places: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, article in enumerate(articles):
        for section in itertools.chain.from_iterable(article.sections.values()):
            places[beginning(section)].add(number)
            places[section.language, section.title].add(number)
    return {
        section
        for article in articles
        for section in itertools.chain.from_iterable(article.sections.values())
        if len(places[beginning(section)]) > 1
        or (article.source not in SAME_TITLES_EVERYWHERE and len(places[section.language, section.title]) > 2)
    }


def beginning(section: Section) -> tuple[str, str, str]:
    """The first 50 letters; numbers and signs do not make a text another one."""
    return ("begins", section.language, re.sub(r"[\W\d_]+", "", section.text[:300].casefold())[:50])


def alignments_of(article: Article, repeated: set[Section]) -> list[list[Subject]]:
    """The subjects of an article, once for each group of languages that cut it alike.

    Subjects hold only sections fit to be documents; those that are repeated elsewhere are left out.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for language, sections in article.sections.items():
        groups[len(sections)].append(language)
    alignments: list[list[Subject]] = []
    for languages in groups.values():
        aligned = alike([article.sections[language] for language in languages])
        subjects: list[Subject] = [
            {section.language: section for section in versions if is_fit(section)}
            for versions in zip(*aligned, strict=True)
            if repeated.isdisjoint(versions)
        ]
        if len(aligned) > 1 and any(subjects):
            alignments.append([subject for subject in subjects if subject])
    return alignments


def alike(versions: Sequence[Sequence[Section]]) -> list[Sequence[Section]]:
    """The versions whose sections are as long, beside each other, as those of the others on average."""
    if len(versions) < 2 or len(versions[0]) < 4:
        return list(versions)
    lengths = [[math.log(len(section.text) + 20) for section in sections] for sections in versions]
    kept = []
    for number, sections in enumerate(versions):
        others = [
            statistics.median(column)
            for column in zip(*(lengths[:number] + lengths[number + 1 :]), strict=True)
        ]
        constant = min(len(set(lengths[number])), len(set(others))) == 1
        if not constant and statistics.correlation(lengths[number], others) >= MIN_CORRELATION:
            kept.append(sections)
    return kept


def is_fit(section: Section) -> bool:
    """Whether a section is prose of the right length in its language: manuals hold code and English, too."""
    text = section.text
    if len(text) not in CHARACTERS or section.language in LEFT_OUT_LANGUAGES:
        return False
    if len(re.findall(r"[{}\[\]()<>=_|\\/#$*`~+@]", text)) > len(text) / 40:
        return False
    if section.language in OTHER_SCRIPTS:
        return len(re.findall("[A-Za-z]", text)) < len(re.findall(r"[^\W\d_]", text)) / 4
    words = re.findall(r"\w+", text.casefold())
    return section.language == "en" or sum(word in ENGLISH_WORDS for word in words) < len(words) / 8


def main(argv: Sequence[str] | None = None) -> int:
    """Write the documents and say how many there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write the documents")
    parser.add_argument("--data", type=Path, default=DATA, help=f"the data folder (default {DATA})")
    arguments = parser.parse_args(argv)
    print(f"{len(write_documents(arguments.folder, arguments.data))} documents in {arguments.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
