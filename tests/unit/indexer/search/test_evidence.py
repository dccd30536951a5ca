"""The sentence that answers, and words found verbatim."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.search.evidence import (
    Evidence,
    Readable,
    Reader,
    best_sentences,
    is_heading,
)
from indexer.search.matching import contains, coverage, present
from indexer.search.terms import query_terms, reweighted
from indexer.text.folding import fold, searchable

BEES = np.array([1.0, 0.0], dtype=np.float32)
REST = np.array([0.0, 1.0], dtype=np.float32)


def encode_bees(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors that know one thing: whether a text is about bees, in any language."""
    return np.stack([BEES if any(w in t for w in ("bee", "Biene", "蜜蜂")) else REST for t in texts])


BEE_READER = Reader(BEES, encode_bees)


def encode_never(_: Sequence[str]) -> NDArray[np.float32]:
    raise AssertionError("nothing should be encoded")


@pytest.mark.parametrize(
    ("text", "language", "sentence"),
    [
        ("Der Zug fährt um acht. Die Bienen schlafen im Winter nicht. Es regnet.", "de", "Die Bienen"),
        ("火车八点开。蜜蜂冬天不睡觉。下雨了。", "zh", "蜜蜂"),
        ("One. Two. A bee sleeps at night.\n\n", "en", "A bee"),
    ],
)
def test_the_sentence_is_found_across_languages(text: str, language: str, sentence: str) -> None:
    (found,) = best_sentences([Readable(text, language)], query_terms("how do bees sleep"), BEE_READER)
    assert found is not None
    assert text[found.start : found.end].startswith(sentence)
    assert text[found.start : found.end] == text[found.start : found.end].strip()
    assert found.cosine == 1.0


def test_verbatim_words_decide_between_sentences_of_equal_meaning() -> None:
    text = "A bee costs ten euros. A bee costs 1957 pounds. A bee is a bee."
    (found,) = best_sentences([Readable(text, "en")], query_terms("bee 1957"), BEE_READER)
    assert found is not None
    assert "1957" in text[found.start : found.end]


def test_a_single_sentence_is_shown_even_if_it_shares_no_word() -> None:
    assert best_sentences([Readable("  One sentence only. ", "en")], (), None) == [
        Evidence(2, 20, cosine=None, score=0.0)
    ]


def test_texts_without_words_have_no_evidence() -> None:
    assert best_sentences(
        [Readable("--- *** ---\n!!!", "en"), Readable("", "und")], (), Reader(BEES, encode_never)
    ) == [None, None]


def test_passages_beyond_the_bound_are_judged_by_words_alone() -> None:
    text = "The train leaves. The bee sleeps."
    terms = query_terms("train")
    first, second, third = best_sentences(
        [Readable(text, "en"), Readable(text, "en"), Readable("Rain. Snow.", "en")],
        terms,
        BEE_READER,
        max_sentences=3,
    )
    assert first is not None and "bee" in text[first.start : first.end]
    assert second is not None and "train" in text[second.start : second.end]
    assert second.cosine is None
    assert third is None


def test_a_closer_reader_chooses_among_the_best_sentences_of_the_first_hits() -> None:
    text = "A bee sleeps. A bee flies. A bee eats. A bee sings. A bee is wet. The train leaves."
    read: list[str] = []

    def encode_trains(texts: Sequence[str]) -> NDArray[np.float32]:
        read.extend(texts)
        return np.stack([BEES if "sings" in text or "train" in text else REST for text in texts])

    hits = [Readable(text, "en")] * 5
    found = best_sentences(hits, (), BEE_READER, closer=Reader(BEES, encode_trains))
    shown = [text[one.start : one.end] for one in found if one is not None]
    assert shown == ["A bee sings."] + ["A bee sleeps."] * 4  # the first four of the first hit, two of others
    assert read == ["A bee sleeps.", "A bee flies.", "A bee eats.", "A bee sings."] + 2 * [
        "A bee sleeps.",
        "A bee flies.",
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# The bee\n\nA bee sleeps at night. It rains.", ()),
        ("Of bees and beekeeping\n\nA bee sleeps at night. It rains.", ()),
        ("The bee.\n\nA bee sleeps at night. It rains.", ("Garden › The bee.",)),
        ("蜜蜂的生活\n\n蜜蜂晚上睡觉。下雨了。", ()),
    ],
)
def test_a_heading_loses_to_a_sentence_of_equal_meaning(text: str, names: tuple[str, ...]) -> None:
    (found,) = best_sentences([Readable(text, "und", names)], query_terms("sleep"), BEE_READER)
    assert found is not None and found.cosine == 1.0
    assert text[found.start : found.end].startswith(("A bee sleeps", "蜜蜂晚上"))


def test_a_heading_is_shown_where_it_is_all_there_is_or_alone_on_the_subject() -> None:
    for text in ("# The bee\n", "# The bee\n\nThe train leaves. It rains."):
        (found,) = best_sentences([Readable(text, "en")], query_terms("bee"), BEE_READER)
        assert found is not None and text[found.start : found.end] == "# The bee"
    (found,) = best_sentences([Readable("# The bee\n\nIt rains.", "en")], query_terms("bee"), None)
    assert found is not None and found.start == 0


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("Opening hours\nThe room opens at nine.", "Opening hours", True),
        ("It rained.\nOpening hours\n", "Opening hours", True),
        ("The room opens at nine.\nIt is warm.", "The room opens at nine.", False),
        ("He asked: is the room open?\nYes.", "is the room open?", False),
        ("a line of a poem, without an end,\nand one more", "a line of a poem, without an end,", False),
        ("last words of a passage", "last words of a passage", False),
        ("كتب الأطفال\nتفتح المكتبة صباحا.", "كتب الأطفال", True),
        ("图书馆九点开门。\n周五关门。", "图书馆九点开门。", False),
    ],
)
def test_headings_are_told_from_sentences(text: str, line: str, expected: bool) -> None:
    start = text.index(line)
    assert is_heading(text, (start, start + len(line))) is expected


def test_without_a_vector_nothing_is_encoded() -> None:
    text = "The train leaves. The bee sleeps."
    (found,) = best_sentences([Readable(text, "en")], query_terms("train"), None)
    assert found is not None
    assert (found.start, found.end) == (0, 17)


@given(st.lists(st.text(max_size=300), max_size=4), st.text(max_size=60))
def test_evidence_lies_inside_the_text(texts: list[str], query: str) -> None:
    passages = [Readable(text, "und") for text in texts]
    for text, found in zip(texts, best_sentences(passages, query_terms(query), BEE_READER), strict=True):
        if found is not None:
            assert 0 <= found.start < found.end <= len(text)
            assert text[found.start : found.end].strip() == text[found.start : found.end]


@given(st.text(max_size=200))
def test_a_query_covers_itself_and_weights_sum_to_one(query: str) -> None:
    terms = query_terms(query)
    if terms:
        assert sum(term.weight for term in terms) == pytest.approx(1.0)
        assert coverage(terms, searchable(query)) == pytest.approx(1.0)


def test_terms_are_whole_words_in_spaced_and_pairs_in_unspaced_scripts() -> None:
    assert [term.text for term in query_terms("東京タワー")] == ["东京", "京た", "たわ", "わー"]
    assert [term.text for term in query_terms("स्वास्थ्य केंद्र")] == ["स्वास्थ्य", "केंद्र"]
    tram = query_terms("tram")[0]
    assert contains(tram, fold("The Tram, no. 4"))
    assert not contains(tram, fold("a trampoline"))


def test_inflected_forms_count_in_part_and_short_words_do_not() -> None:
    terms = query_terms("avalanche")
    assert coverage(terms, "two avalanches today") == pytest.approx(0.7)
    assert coverage(query_terms("an"), "anchor and anvil") == 0.0
    assert coverage(query_terms("1957"), "in 19571 and 957") == 0.0


def test_reweighted_terms_follow_rarity() -> None:
    terms = reweighted(query_terms("where is Haddad"), {"where": 0.1, "is": 0.0, "haddad": 1.0})
    assert sum(term.weight for term in terms) == pytest.approx(1.0)
    assert coverage(terms, "salim haddad was a bus driver") > 0.85


@pytest.mark.parametrize(
    ("query", "text", "share"),
    [
        ("لقاح", "يجب ألا يأخذوا اللقاح اليوم", 1.0),
        ("للأطفال", "يصاب بعض الأطفال", 1.0),
        ("المكتبة", "في مكتبة المدينة", 1.0),
        ("مكتبة", "ذهب إلى المكتبات", 0.7),
        ("معلم", "وبالمعلمين", 0.7),
        ("تاب", "هذا كتاب", 0.0),
        ("ספרייה", "הם נפגשו בספרייה", 1.0),
        ("הספרייה", "ספרייה חדשה", 1.0),
        ("לכה", "המלכה באה", 0.0),
        ("port", "airport", 0.0),
    ],
)
def test_articles_and_prepositions_that_are_written_on_do_not_hide_a_word(
    query: str, text: str, share: float
) -> None:
    assert coverage(present(query_terms(query), fold(text)), fold(text)) == pytest.approx(share)


@given(
    st.text(alphabet="aé#*=_ \n", max_size=12),
    st.lists(st.text(alphabet="aé#= ›", min_size=1, max_size=6), max_size=2),
)
def test_a_heading_is_one_whether_or_not_its_folding_is_known(line: str, names: list[str]) -> None:
    for span in ((0, len(line)), (0, len(line) // 2)):
        known = fold(line[slice(*span)])
        assert is_heading(line, span, names, known) == is_heading(line, span, names)
