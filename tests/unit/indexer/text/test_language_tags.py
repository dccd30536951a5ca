"""Tags of languages: the language in them, relatives, names."""

import pytest

from indexer.text.language.names import language_name
from indexer.text.language.tags import are_closest, are_confusable, language_tag, primary_language


@pytest.mark.parametrize(
    ("tag", "language"), [("de", "de"), ("zh-Hant-TW", "zh"), ("sr-Latn", "sr"), ("und", "und"), ("", "")]
)
def test_a_tag_has_one_language(tag: str, language: str) -> None:
    assert primary_language(tag) == language


@pytest.mark.parametrize("text", ["EN_us", "zh_HANT-tw", "de", "x-Own", "en-x-A"])
def test_a_spelled_tag_stays_as_it_is(text: str) -> None:
    tag = language_tag(text)
    assert tag is not None and language_tag(tag) == tag and tag.lower() == text.lower().replace("_", "-")


def test_relatives_are_mutual_and_every_language_is_its_own() -> None:
    codes = ("de", "en", "hr", "sr", "sr-Latn", "nb", "da", "zh", "zh-Hant", "yue", "pt", "pt-BR", "gl", "es")
    for one in codes:
        assert are_confusable(one, one)
        for other in codes:
            assert are_confusable(one, other) == are_confusable(other, one)
            assert are_closest(one, other) == are_closest(other, one)
    assert are_confusable("pt", "pt-BR") and are_confusable("hr", "sr-Latn")
    assert not are_confusable("de", "en") and not are_closest("ca", "es")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("de", "German"), ("deu", "German"), ("pt-BR", "Portuguese"), ("bn", "Bengali"), ("ben", "Bengali"),
        ("zh-Hant", "Chinese (traditional)"), ("zh-Hant-HK", "Chinese"), ("und", "unknown language"),
        ("nds", "Low German"), ("xx", "xx"), ("", ""),
    ],
)  # fmt: skip
def test_a_code_has_one_english_name(code: str, name: str) -> None:
    assert language_name(code) == name
