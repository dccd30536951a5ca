"""What is flagged in a pair, across digits, scripts and conventions."""

from dataclasses import replace

import pytest

from indexer.bitext.checking import check_pairs, expected_ratio, flags_of, is_copy, same_numbers, usual_ratios
from indexer.bitext.values import MiningSettings, Pair


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        ("In 1894 there were 1,000 ships.", "1894 waren es 1.000 Schiffe.", True),
        ("It costs 3.5 francs.", "Es kostet 3,5 Franken.", True),
        ("1 000 personnes", "1000 people", True),
        ("في عام ١٩٩٤ كان هناك ١٬٠٠٠ شخص", "In 1994 there were 1,000 people", True),
        ("१५ अगस्त १९४७", "15 August 1947", True),
        ("She has 3 cats.", "Sie hat drei Katzen.", True),
        ("Er kam um 5.30 Uhr.", "He came at 5:30.", True),
        ("Es waren 45 Schiffe.", "There were many ships.", False),
        ("In 1894 it was built.", "Es wurde 1895 gebaut.", False),
        ("Kein Wort", "no word", True),
    ],
)
def test_numbers(source: str, target: str, same: bool) -> None:
    assert same_numbers(source, target) is same
    assert same_numbers(target, source) is same


@pytest.mark.parametrize(
    ("source", "target", "flag"),
    [
        ("Siehe https://example.org/a.", "See https://example.org/a", None),
        ("Siehe https://example.org/a.", "See there.", "urls"),
        ("Mail an a.b@example.org!", "Write to a.b@example.org.", None),
        ("Mail an a.b@example.org!", "Write to c@example.org.", "emails"),
        ("Reset all to default!", "reset all to default", "copy"),
        ("Der Hafen ist alt und groß.", "The harbour is old and big.", None),
    ],
)
def test_flags(source: str, target: str, flag: str | None) -> None:
    assert flags_of(Pair(source, target), {}, 3.0) == ([flag] if flag else [])


def test_a_near_copy_is_a_copy_and_a_cognate_is_not() -> None:
    assert is_copy(
        "The quick brown fox jumps over the lazy dog", "The quick brown fox jumped over the lazy dog"
    )
    assert not is_copy("Hotel", "Hostel") and not is_copy("Die Kathedrale", "The cathedral")


def pairs_of(sources: list[str], targets: list[str]) -> list[Pair]:
    return [Pair(one, other, 1.0) for one, other in zip(sources, targets, strict=True)]


def test_the_length_ratio_is_that_of_the_languages() -> None:
    """A fixed ratio would drop all of Chinese; what is usual comes from the pairs."""
    chinese = ["图" * 12 + chr(0x4E00 + number) for number in range(40)]
    english = ["a library of many things and words in it " + str(number) * 2 for number in range(40)]
    pairs = pairs_of(chinese, english)
    usual = usual_ratios(pairs)
    assert 1.5 < expected_ratio(usual, "und", "und") < 3
    kept, dropped = check_pairs(pairs, MiningSettings(length_ratio=2.0, drop=("length",)))
    assert len(kept) == 40 and not dropped
    odd = Pair("图" * 60, "short", 0.9)
    kept, dropped = check_pairs([*pairs, odd], MiningSettings(length_ratio=2.0, drop=("length",)))
    assert len(kept) == 40 and dropped == {"length": 1}


def test_flags_drop_or_stay_by_option_and_suspicion_never_drops() -> None:
    pairs = [Pair("same words here", "same words here", 9.0), Pair("Es waren 45.", "There were 46.", 1.2)]
    kept, dropped = check_pairs(pairs, MiningSettings(drop=()), max_score=2.0)
    assert [pair.flags for pair in kept] == [("copy", "suspicious"), ("numbers",)] and not dropped
    kept, dropped = check_pairs(
        pairs, replace(MiningSettings(), drop=("suspicious", "numbers")), max_score=2.0
    )
    assert [pair.score for pair in kept] == [9.0] and dropped == {"numbers": 1}


def test_of_near_duplicates_the_best_stays() -> None:
    pairs = [
        Pair("Seite 1 von 20", "Page 1 of 20", 1.5),
        Pair("Seite 2 von 20!", "page 2 of 20", 1.4),
        Pair("Seite 2 von 20", "Something else", 1.3),
    ]
    kept, dropped = check_pairs(pairs, MiningSettings())
    assert [pair.score for pair in kept] == [1.5, 1.3] and dropped == {"near-duplicate": 1}
