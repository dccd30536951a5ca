import pytest

from indexer.text.unicode_scripts import COMMON, dominant_script, script_counts, script_of


@pytest.mark.parametrize(
    ("char", "script"),
    [("a", "Latn"), ("ж", "Cyrl"), ("ω", "Grek"), ("ก", "Thai"), ("東", "Hani"), ("の", "Hira"), ("ア", "Kana"),
     ("한", "Hang"), ("ש", "Hebr"), ("ع", "Arab"), ("क", "Deva"), ("ក", "Khmr"), ("မ", "Mymr"), ("አ", "Ethi"),
     ("1", COMMON), (" ", COMMON), ("。", COMMON), ("😀", COMMON), ("\U0010ffff", COMMON)],
)  # fmt: skip
def test_script_of_a_character(char: str, script: str) -> None:
    assert script_of(char) == script


def test_counts_are_sorted_and_leave_shared_characters_out() -> None:
    assert list(script_counts("東京 is 1 big city!").items()) == [("Latn", 9), ("Hani", 2)]


@pytest.mark.parametrize("text", ["", "123 !?", "\ud800"])
def test_text_without_letters_has_no_script(text: str) -> None:
    assert script_counts(text) == {}
    assert dominant_script(text) == COMMON
