"""Words and escaping of the page."""

from datetime import UTC, datetime, timedelta

import pytest

from ui import formatting as fmt


def test_text_of_documents_is_escaped_for_content_and_attributes() -> None:
    hostile = """<script>alert("1")</script>' onmouseover='x\0"""
    escaped = fmt.text(hostile)
    assert not set("<>\"'\0") & set(escaped)


def test_isolated_text_keeps_its_direction_to_itself() -> None:
    assert fmt.isolated("مرفأ <1>") == "<bdi>مرفأ &lt;1&gt;</bdi>"


def test_unknown_language_gets_no_lang_attribute() -> None:
    assert fmt.lang_attribute("und") == ""
    assert fmt.lang_attribute("ar") == ' lang="ar"'
    assert '"><' not in fmt.lang_attribute('"><b>')


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 B"),
        (812, "812 B"),
        (3_400, "3.4 kB"),
        (999_600, "1.0 MB"),
        (52_000_000, "52 MB"),
        (2e15, "2000 TB"),
    ],
)
def test_sizes_carry_units(size_bytes: int, words: str) -> None:
    assert fmt.size(int(size_bytes)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (42, "about 40 seconds"),
        (58, "about a minute"),
        (185, "about 3 minutes"),
        (3700, "about an hour"),
        (7300, "about 2 hours"),
        (200_000, "about 2 days"),
    ],
)
def test_durations_are_human(seconds: float, words: str) -> None:
    assert fmt.duration(seconds) == words


def test_numbers_and_plurals() -> None:
    assert fmt.counted(1, "passage") == "1 passage"
    assert fmt.counted(12408, "passage") == "12\u202f408 passages"
    assert fmt.counted(2, "weak match", "weak matches") == "2 weak matches"


def test_recent_moments_are_relative_and_old_ones_are_dates() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert fmt.when(now - timedelta(seconds=5), now) == "just now"
    assert fmt.when(now - timedelta(minutes=5), now) == "5 minutes ago"
    assert fmt.when(now - timedelta(days=30), now) == "2026-10-22"
    assert fmt.when(datetime(2026, 11, 21, 11, 59, 30), now) == "just now"  # naive moments are UTC


def test_place_names_page_and_section() -> None:
    assert fmt.place(12, None) == "p. 12"
    assert fmt.place(None, "Opening hours") == "§ Opening hours"
    assert fmt.place(None, None) == ""
    assert len(fmt.place(None, "x" * 500)) < 70


def test_languages_are_listed_by_frequency() -> None:
    assert fmt.languages({"de": 1, "th": 9, "xx-YY": 2, "fr": 1}) == "Thai, xx-YY, German + 1"


def test_evidence_is_marked_between_escaped_texts() -> None:
    assert fmt.marked("a<b> c. d", (1, 7)) == "a<mark>&lt;b&gt; c.</mark> d"


@pytest.mark.parametrize("evidence", [(50, 90), (-5, 0), (3, 1), (1, 2)])
def test_evidence_outside_the_passage_or_blank_marks_nothing(evidence: tuple[int, int]) -> None:
    assert "<mark>" not in fmt.marked("a b", evidence)


def test_blanks_around_the_evidence_are_not_marked() -> None:
    assert fmt.marked("One. Two. ", (4, 10)) == "One. <mark>Two.</mark> "


@pytest.mark.parametrize("evidence", [None, (0, 8), (900, 960), (1990, 2000), (0, 2000)])
def test_excerpt_keeps_the_beginning_of_the_evidence(evidence: tuple[int, int] | None) -> None:
    passage = "lorem ip " * 222 + "ab"
    cut, shifted = fmt.excerpt(passage, evidence)
    assert len(cut) < 700
    if evidence is None:
        assert shifted is None
    else:
        assert shifted is not None
        marked = cut[slice(*shifted)]
        assert marked and passage[slice(*evidence)].startswith(marked)


def test_excerpt_of_a_short_passage_is_the_passage() -> None:
    assert fmt.excerpt("short", (0, 5)) == ("short", (0, 5))


def test_excerpt_works_without_blanks() -> None:
    cut, _ = fmt.excerpt("面包" * 1000, None)
    assert cut.endswith("…") and len(cut) < 450


def test_long_paths_show_their_end() -> None:
    assert fmt.short_path("/home/ana/docs/harbours/mill.pdf") == "…/harbours/mill.pdf"
    assert fmt.short_path("harbours/mill.pdf") == "harbours/mill.pdf"
