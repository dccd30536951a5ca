"""The questions for tuning search: well formed, in another language than the answer, halves alike."""

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.questions import library
from benchmarks.questions.library import HERE, Section

PASSAGES = library.read_questions()
OFF_TOPIC = [json.loads(line) for line in (HERE / "off_topic.jsonl").read_text("utf-8").splitlines()]
needs_data = pytest.mark.skipif(
    not (library.ROOT / library.DATA / "train" / "passages").is_dir(), reason="the data are not there"
)


def test_there_are_enough_questions_in_enough_languages() -> None:
    assert len(PASSAGES) >= 72
    assert len({question["language"] for question in PASSAGES}) >= 20
    assert len({question["document_language"] for question in PASSAGES}) >= 20
    assert len(OFF_TOPIC) >= 30
    assert len({question["language"] for question in OFF_TOPIC}) >= 15


def test_fields_are_as_promised() -> None:
    fields = {"id", "question", "language", "split"}
    assert all(question.keys() == fields | {"document", "document_language"} for question in PASSAGES)
    assert all(question.keys() == fields for question in OFF_TOPIC)
    for question in (*PASSAGES, *OFF_TOPIC):
        assert all(value and value == value.strip() for value in question.values()), question
        assert unicodedata.is_normalized("NFC", question["question"]), question
        assert question["split"] in {"tune", "held"}


@pytest.mark.parametrize("name", ["id", "question"])
def test_nothing_comes_twice(name: str) -> None:
    values = [question[name] for question in (*PASSAGES, *OFF_TOPIC)]
    assert len(set(values)) == len(values)


def test_a_document_answers_one_question_in_another_language() -> None:
    documents = [question["document"] for question in PASSAGES]
    assert len(set(documents)) == len(documents)
    for question in PASSAGES:
        assert question["language"] != question["document_language"].split("-")[0], question


@pytest.mark.parametrize("questions", [PASSAGES, OFF_TOPIC], ids=["passages", "off topic"])
def test_both_halves_hold_as_many_questions_of_each_language(questions: list[dict[str, str]]) -> None:
    counts = Counter((question["language"], question["split"]) for question in questions)
    for language in {question["language"] for question in questions}:
        assert counts[language, "tune"] == counts[language, "held"], language


def test_both_halves_ask_of_about_as_many_documents_of_each_language() -> None:
    counts = Counter((question["document_language"], question["split"]) for question in PASSAGES)
    for language in {question["document_language"] for question in PASSAGES}:
        assert abs(counts[language, "tune"] - counts[language, "held"]) <= 1, language


def test_without_the_data_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"documentation\.jsonl\.xz.*Give the folder"):
        library.write_documents(tmp_path / "documents", tmp_path)


def test_only_versions_cut_alike_are_aligned() -> None:
    def version(language: str, *lengths: int) -> list[Section]:
        return [Section(language, f"{number}", "x" * length) for number, length in enumerate(lengths)]

    first, second = version("de", 100, 400, 150, 800, 300), version("fr", 130, 470, 160, 900, 330)
    third, shifted = version("pl", 110, 420, 150, 840, 310), version("it", 400, 150, 800, 300, 100)
    assert library.alike([first, second, third]) == [first, second, third]
    assert library.alike([first, second, shifted, third]) == [first, second, third]


@pytest.fixture(scope="module")
def documents() -> dict[str, Section]:
    """The documents of the library by key."""
    return {section.key: section for section in library.choose_documents()}


@needs_data
def test_the_library_is_balanced_over_many_languages(documents: dict[str, Section]) -> None:
    assert 350 <= len(documents) <= 450
    languages = Counter(section.language for section in documents.values())
    assert len(languages) >= 30
    assert max(languages.values()) <= library.PER_LANGUAGE
    assert all(len(section.text) in library.CHARACTERS for section in documents.values())


@needs_data
def test_questions_name_documents_of_the_library_and_their_languages(documents: dict[str, Section]) -> None:
    for question in PASSAGES:
        assert documents[question["document"]].language == question["document_language"], question


@needs_data
def test_documents_are_written_the_same_every_time(documents: dict[str, Section], tmp_path: Path) -> None:
    paths = library.write_documents(tmp_path)
    assert list(paths) == list(documents)
    for key, section in documents.items():
        assert paths[key].read_text("utf-8") == f"{section.title}\n\n{section.text}\n"


@needs_data
def test_no_document_is_a_translation_of_another(documents: dict[str, Section]) -> None:
    places = {}
    for number, article in enumerate(library.read_articles(library.DATA)):
        for sections in article.sections.values():
            for place, section in enumerate(sections):
                places[section.key] = (number, place, len(sections))
    chosen = [places[key] for key in documents]
    assert len({(number, place) for number, place, _ in chosen}) == len(chosen), "a section in two languages"
    cuts = {(number, sections) for number, _, sections in chosen}
    assert len(cuts) == len({number for number, _ in cuts}), "an article cut in two ways"
