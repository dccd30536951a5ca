"""Lines of right-to-left text are put into logical order by position."""

from pathlib import Path

import pytest

from indexer.readers import pdf_glyphs
from indexer.readers.pdf_glyphs import Stretch
from indexer.readers.pdf_layout import (
    Run,
    _in_file_order,
    _lines,
    _right_to_left,
    _right_to_left_runs,
    line_text,
)
from indexer.readers.pdf_order import Line
from tests.support.pdfs import lines, pdf, show, turned
from tests.support.reading import read, text_of


def visual(text: str) -> list[Run]:
    """One run per character, placed from left to right as given."""
    return [Run(char, 5.0 * at, 5.0 * at + 4, 700.0, 10.0) for at, char in enumerate(text)]


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("םולש", "שלום"),
        ("2026 תנש", "שנת 2026"),
        ("3.14 אוה יאפ", "פאי הוא 3.14"),
        ("PDF ץבוק", "קובץ PDF"),
    ],
)
def test_a_visual_line_becomes_logical(seen: str, meant: str) -> None:
    assert _right_to_left(visual(seen)) == meant
    assert _right_to_left(visual(seen)[::-1]) == meant, "the order in the file does not matter"


def test_a_latin_line_on_the_same_page_stays() -> None:
    assert _right_to_left(visual("plain words")) == "plain words"


def test_runs_are_separated_by_gaps() -> None:
    runs = [Run("אב", 30, 40, 700, 10, True), Run("12", 22, 29, 700, 10), Run("גד", 5, 15, 700, 10, True)]
    assert _right_to_left_runs(runs) == "אב12 גד"


def test_digits_set_one_by_one_are_one_number() -> None:
    runs = [Run("שנת", 40, 60, 700, 12, True), Run("2", 27, 32, 700, 12), Run("1 ", 20, 23.5, 700, 12)]
    assert _right_to_left_runs(runs) == "שנת 12"


def test_lines_follow_the_baseline_and_small_shifts_stay_in_line() -> None:
    runs = [Run("ก", 0, 5, 700, 10), Run("้", 5, 5, 703, 10), Run("ข", 0, 5, 688, 10)]
    assert [len(line) for line in _lines(runs)] == [2, 1]
    assert _in_file_order(runs, has_spaces=False) == "ก้\nข"
    assert _in_file_order([Run("a", 0, 5, 7, 10), Run("b", 9, 12, 7, 10)], has_spaces=False) == "a b"
    assert _in_file_order([Run("a", 0, 5, 7, 10), Run("b", 9, 12, 7, 10)], has_spaces=True) == "ab"


@pytest.mark.parametrize("name", ["en-fr", "ru", "ja", "ar", "th", "made"])
def test_words_are_placed_as_their_letters_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places of whole words are asked for; letter by letter it is the same text."""
    made = pdf(
        "".join(lines(50, 700, ["Weir (a) H2O state-of-the-art", "x y zz Mill \u00e9t\u00e9"]))
        + show(50, 600, "Wide", before="9 Tc") + show(50, 500, "Tall") + show(72, 503, "up", size=6)
        + show(50, 400, "left") + show(300, 400, "right") + turned(500, 500, "Turned words", "0 1 -1 0")
        + show(50, 300, "hidden", before="3 Tr")
    )  # fmt: skip
    golden = Path(__file__).parents[3] / "golden" / "readers"
    data = made if name == "made" else (golden / f"{name}.pdf").read_bytes()
    by_words = read("a.pdf", data)
    monkeypatch.setattr(pdf_glyphs, "TOKEN", pdf_glyphs.CHARACTER)
    assert read("a.pdf", data) == by_words
    assert name != "made" or "left right" in text_of("a.pdf", data)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_letters_drawn_one_by_one_make_words_and_spaces_where_gaps_are(is_reversed: bool) -> None:
    """As some programs write turned Hebrew: each letter where it belongs, the last one of the line first."""

    def letter(char: str, left: float) -> Stretch:
        one = Stretch([(char, left, left + 5)], left, left + 5, 700, 10, top=708, bottom=698)
        one.settle()
        return one

    for text in ("כל בני האדם", "and x2"):
        step = 5 if text.isascii() else -5
        stretches = [letter(char, 300 + step * at) for at, char in enumerate(text) if char != " "]
        if text.isascii() or not is_reversed:
            assert line_text(Line(stretches)) == text
        else:
            assert line_text(Line(stretches[::-1])) == text
