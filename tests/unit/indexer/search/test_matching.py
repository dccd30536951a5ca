"""The quick look at a text decides as the slow one does."""

import json
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.matching import _credit, _stands_alone, coverage
from indexer.search.terms import SPACED, query_terms
from indexer.text.folding import fold, searchable

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[4] / "benchmarks" / "words.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
LETTERS = st.text(alphabet="ab1é-#+ 東ไ\u0301가", max_size=12)


def test_no_term_counts_that_the_quick_look_leaves_out() -> None:
    """Every query against the texts of others, too: most of their words are nearly there or not at all."""
    texts = [(searchable(row["text"]), row["language"]) for row in ROWS]
    counted = 0
    for place, row in enumerate(ROWS):
        terms = query_terms(row["query"])
        for text, language in texts[place : place + 12]:
            slowly = sum(term.weight * _credit(term, text, language) for term in terms)
            assert coverage(terms, text, language) == slowly
            counted += slowly > 0
    assert counted > len(ROWS) / 2


@given(st.text(alphabet="ab1é가", min_size=1, max_size=4), LETTERS, st.booleans())
def test_a_word_stands_alone_between_other_letters_only(word: str, text: str, whole: bool) -> None:
    word, text = fold(word), fold(text)
    after = rf"(?!{SPACED}|[#+])" if whole else ""  # c is not in c++
    expected = regex.search(rf"(?V1)(?<!{SPACED}){regex.escape(word)}{after}", text) is not None
    found = _stands_alone(word, text, whole=whole)
    if "#" in text or "+" in text:  # which names have marks is a rule of its own
        assert found or not expected
    else:
        assert found == expected


@pytest.mark.parametrize(("text", "expected"), [("c is old", 1.0), ("c++ is old", 0.0), ("c# or c", 1.0)])
def test_a_short_word_is_not_the_beginning_of_a_name_with_marks(text: str, expected: float) -> None:
    assert coverage(query_terms("c"), text, "en") == expected
