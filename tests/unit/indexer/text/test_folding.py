"""The tables of docs/search.md hold, row by row, and folding is a folding."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.search.matching import coverage
from indexer.search.terms import query_terms
from indexer.text import folding
from indexer.text.folding import first_fold, fold, searchable, serbian_in_latin

PAGE = Path(__file__).parents[4] / "docs" / "search.md"


def rows(heading: str) -> list[tuple[str, str, str]]:
    """The rows of the table that begins with ``heading``."""
    lines = PAGE.read_text(encoding="utf-8").split(f"| {heading} |")[1].splitlines()[2:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        what, left, right = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4])
        table.append((what, left, right))
    return table


SAME = rows("What makes no difference")
APART = rows("Not the same")


def share(query: str, text: str) -> float:
    return coverage(query_terms(query), searchable(text))


def test_the_tables_are_there() -> None:
    assert len(SAME) > 30
    assert len(APART) > 5
    assert all(left != right for _, left, right in [*SAME, *APART])


@pytest.mark.parametrize(("left", "right"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_both_spellings_find_each_other(left: str, right: str) -> None:
    assert share(left, right) == pytest.approx(1.0)
    assert share(right, left) == pytest.approx(1.0)


@pytest.mark.parametrize(("left", "right"), [row[1:] for row in APART], ids=[row[0] for row in APART])
def test_what_differs_stays_apart(left: str, right: str) -> None:
    assert share(left, right) < 1.0


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert searchable(text).startswith(fold(text))


def test_every_letter_folds_to_something_that_stays() -> None:
    letters = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    assert [letter for letter in letters if fold(fold(letter)) != fold(letter)] == []


def test_the_first_folding_never_changes() -> None:
    """Golden: stored features of version 1 are asked for in it."""
    assert first_fold("Ärger क़ानून 圖書館 サーバー ١٢") == "arger क़ानून 圖書館 サーバー 12"


def test_russian_is_not_taken_for_serbian() -> None:
    assert serbian_in_latin("Он читает книгу, вода холодная.") == []
    assert serbian_in_latin("Живим у Београду") == ["zivim", "u", "beogradu"]


EVERY_CHARACTER = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def fold_at_length(text: str) -> str:
    """The steps of ``fold`` one after another, whether they are needed or not."""
    folded = folding._INVISIBLE.sub("", first_fold(text))
    folded = folding._FINAL_LONG_MARK.sub("", folded).translate(folding._further())
    return folding._nasal_before_stop().sub(folding._to_anusvara, folded)


def test_a_step_of_folding_is_left_out_only_where_it_does_nothing() -> None:
    for pattern, quick in ((folding._INVISIBLE, folding._MAY_BE_INVISIBLE),):
        assert set(pattern.findall(EVERY_CHARACTER)) <= set(quick.findall(EVERY_CHARACTER))
    for start in range(0, len(EVERY_CHARACTER), 7):
        part = EVERY_CHARACTER[start : start + 7]
        if not part.isascii():
            assert fold(part) == fold_at_length(part)


@given(st.text(), st.text(alphabet="कङ्गमपবম্ବァーサバー漢ľĄäß\u200d\u00ad '’", max_size=30))
def test_folding_is_all_of_its_steps(text: str, scripts: str) -> None:
    both = f"é{text}{scripts}"
    assert fold(both) == fold_at_length(both)
    assert searchable(both, fold(both)) == searchable(both)
