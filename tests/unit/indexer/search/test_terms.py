"""Words inside words, codes, and names with marks."""

import json
from collections import Counter
from pathlib import Path

import pytest

from indexer.search.confidence import TermStatistics
from indexer.search.matching import coverage, present
from indexer.search.search import _informed
from indexer.search.terms import query_terms
from indexer.text.folding import fold, searchable

ROWS = Path(__file__).parents[4] / "benchmarks" / "words.jsonl"


def share(query: str, text: str, language: str) -> float:
    terms = query_terms(query)
    looked_up = searchable(text)
    assert coverage(terms, looked_up, language) == coverage(present(terms, looked_up), looked_up, language)
    return coverage(terms, looked_up, language)


def test_words_inside_words_are_found_and_near_misses_are_not() -> None:
    """The bounds are those of benchmarks/words.md, a little looser."""
    right: Counter[bool] = Counter()
    every: Counter[bool] = Counter()
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        every[row["is_there"]] += 1
        is_likely = share(row["query"], row["text"], row["language"]) >= 0.6
        right[row["is_there"]] += is_likely == row["is_there"]
    assert right[True] >= 0.93 * every[True]
    assert right[False] >= 0.9 * every[False]


@pytest.mark.parametrize(
    ("query", "text", "language", "expected"),
    [
        ("도서관", "국립중앙도서관은", "ko", 0.7),
        ("도서관", "도서관은", "ko", 1.0),
        ("도서관에서", "도서관으로", "ko", 1.0),
        ("기차", "전기차는", "ko", 0.0),
        ("Gebühr", "Prüfungsgebühren", "de", 0.7),
        ("Gebuehr", "Prüfungsgebühren", "de", 0.7),
        ("Haus", "Rathaus", "de", 0.45),
        ("Raum", "Traum", "de", 0.0),
        ("ration", "operation", "en", 0.0),
        ("national", "international", "en", 0.7),
        ("станция", "электростанции", "ru", 0.7),
    ],
)
def test_parts_count_by_language_and_length(query: str, text: str, language: str, expected: float) -> None:
    assert share(query, text, language) == pytest.approx(expected)


def test_letters_inside_many_words_of_a_collection_mean_nothing_there() -> None:
    texts = [fold(f"Verfassungsrecht {number}, Ordnungsrechte") for number in range(40)]
    frequent = TermStatistics(len(texts), {}, texts)
    rare = TermStatistics(len(texts), {}, texts[:1])
    (common,) = _informed(query_terms("rechte"), frequent)
    (meant,) = _informed(query_terms("rechte"), rare)
    assert coverage([common], fold("Ordnungsrechte"), "de") == 0.0
    assert coverage([meant], fold("Ordnungsrechte"), "de") == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("C#", "written in C#, mostly", 1.0),
        ("C#", "written in C", 0.0),
        ("C", "C++ and C#", 0.0),
        ("C", "plain C.", 1.0),
        ("c++", "C++20? no: C++", 1.0),
        (".NET", "on .NET 8", 1.0),
        (".NET", "ASP.NET", 1.0),
        (".NET", "a fishing net", 0.0),
        ("notepad++", "Notepad++", 1.0),
        ("A+B", "a+b", 1.0),
        ("ZQ-4471", "zq4471", 1.0),
        ("ZQ4471", "ZQ 4471-B", 1.0),
        ("ZQ-4471", "ZQ-44712", 0.0),
        ("1,000", "1.000 km", 1.0),
        ("2119", "RFC2119는", 1.0),
        ("3.14", "3.141", 0.0),
    ],
)
def test_codes_and_names_count_as_they_are(query: str, text: str, expected: float) -> None:
    assert share(query, text, "und") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("query", "specific"),
    [
        ("ZQ-4471", True), ("K7-B9", True), ("in 1957", True), ("10:30", True), ("A380", True),
        ("COVID-19", False), ("H2O", False), ("MP3", False), ("12 eggs", False), ("a-b-c", False),
    ],
)  # fmt: skip
def test_codes_that_say_much_are_told_from_names_with_a_digit(query: str, specific: bool) -> None:
    assert any(term.is_specific for term in query_terms(query)) == specific
