"""Laws of all formats: what is written is read again, whatever the sentences are."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.bitext.formats import FORMATS, read_pairs, write_pairs
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair

ALL_FIELDS = [name for name, form in FORMATS.items() if form.keeps_scores]
TRICKY = [
    "_x0000\x1f",
    "", " ", "  both ends \u3000", "a\tb", "a\nb", "a\r\nb\r", "\n", '"', "'", '""', "'=1", "''=1", "=1+1", "+1",
    "-1", "@x", "\t=1", "=cmd|' /C calc'!A0", "\\n", "\\", "&", "&amp;", "&#10;", "&amp;#10;", "&amp;amp;#9;",
    "&lt;b&gt;", "<seg>", "]]>", "<!--", "&undefined;", "a,b;c|d", "\ufeffmark", "\u200f\u202b\u05d0\u202c\u200e",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937", "e\u0301\u0323", "\u1100\u1161", "\U0001f469\u200d\U0001f680",
    "\U0001f1e6\U0001f1f6", "\u2028", "\u2029", "\x85", "\x0b\x0c\x1c", "\x00", "\x07", "\x1b[0m", "\ufffe\uffff", "\ufffd", "_x0041_",
    "_x005F_x0041_", "_x0041", "_", "null", "NaN", "1", "1.0", "TRUE", "2024-01-01", "{}", "source", "en", "#", "%", "\u00a0",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(TRICKY),
    st.lists(st.sampled_from(TRICKY), min_size=2, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
plain = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12)
numbers = st.one_of(st.just(math.nan), st.floats(allow_nan=False, allow_infinity=False))
keys = st.one_of(
    st.sampled_from(
        [
            "@tuid",
            "@segtype",
            "@creationid",
            "@nothing",
            "note",
            "x-score",
            "x-state",
            "x-flag",
            "x-meta:a",
            "x-domain",
            "source:x-origin",
            "source:@creationid",
            "source:note",
            "target:x-exact",
            "target:note",
            "id",
            "column",
        ]
    ),
    plain,
)
pairs = st.builds(
    Pair,
    source=texts,
    target=texts,
    score=numbers,
    cosine=numbers,
    source_language=st.sampled_from(["en", "zh-Hant-TW", "ar", "sr-Latn", "es-419"]),
    target_language=st.sampled_from(["fr", "he", "zh-Hant", "x-klingon", "en"]),
    flags=st.lists(st.sampled_from(["numbers", "length", "suspicious"]), max_size=3).map(tuple),
    state=st.sampled_from(["open", "accepted", "rejected"]),
    source_origin=plain,
    target_origin=plain,
    meta=st.lists(st.tuples(keys, plain), max_size=4).map(tuple),
)


def comparable(pair: Pair) -> Pair:
    """A pair that equals its copy: NaN does not."""
    return replace(
        pair,
        score=-1e300 if math.isnan(pair.score) else pair.score,
        cosine=-1e300 if math.isnan(pair.cosine) else pair.cosine,
    )


def written_and_read(form: str, given_pairs: list[Pair]) -> list[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pairs.{form}"
        count = write_pairs(path, given_pairs, format=form, source_language="en", target_language="fr")
        assert count == len(given_pairs)
        return list(read_pairs(path, format=form))


@pytest.mark.parametrize("form", ALL_FIELDS)
@settings(max_examples=20)
@given(given_pairs=st.lists(pairs, max_size=4))
@example([Pair(a, b, source_language="en", target_language="fr") for a in TRICKY for b in ("", a)])
def test_every_field_comes_back(form: str, given_pairs: list[Pair]) -> None:
    assert list(map(comparable, written_and_read(form, given_pairs))) == list(map(comparable, given_pairs))


@settings(max_examples=20)
@given(sentences=st.lists(st.tuples(texts, texts), max_size=6))
@example([(a, a) for a in TRICKY])
def test_moses_gives_the_sentences_back(sentences: list[tuple[str, str]]) -> None:
    got = written_and_read("moses", [Pair(*sides) for sides in sentences])
    assert [(pair.source, pair.target) for pair in got] == sentences


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", ["tmx", "xliff", "xlsx"])
def test_import_then_export_keeps_what_both_hold(first: str, second: str) -> None:
    given_pairs = [
        Pair(text, text[::-1], 1.25, "en", "fr", 0.5, ("numbers",), "accepted", "a", "b", (("note", "x"),))
        for text in TRICKY
    ]
    once = written_and_read(first, given_pairs)
    assert list(map(comparable, written_and_read(second, once))) == list(map(comparable, once))


@pytest.mark.parametrize("form", FORMATS)
def test_long_sentences_and_halves_of_characters(form: str) -> None:
    long = "שלום 😀 " * (4_000 if form == "xlsx" else 200_000)
    got = written_and_read(form, [Pair(long, "half \ud83d of one")])
    assert [(pair.source, pair.target) for pair in got] == [(long, "half \ufffd of one")]


@pytest.mark.parametrize("form", ALL_FIELDS)
def test_unknown_languages_become_those_of_the_file_and_numbers_that_are_not_finite_are_left_out(
    form: str,
) -> None:
    got = written_and_read(form, [Pair("a", "b", math.inf, UNKNOWN_LANGUAGE, "PT_br", -math.inf)])
    assert (got[0].source_language, got[0].target_language) == ("en", "pt-BR")
    assert math.isnan(got[0].score)
    assert math.isnan(got[0].cosine)


@pytest.mark.parametrize("form", FORMATS)
def test_no_pairs_are_no_pairs(form: str) -> None:
    assert written_and_read(form, []) == []
