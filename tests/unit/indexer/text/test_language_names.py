"""Languages are understood as people write them."""

import pytest

from indexer.errors import QueryError
from indexer.text.language.names import is_plain, language_name, languages_named

PRESENT = ("de", "en", "ja", "nb", "nn", "pt", "sr", "tl", "und", "zh", "zh-Hant")


@pytest.mark.parametrize(
    ("word", "codes"),
    [
        ("de", ["de"]),
        ("DE", ["de"]),
        ("de-AT", ["de"]),
        ("de_CH", ["de"]),
        ("deu", ["de"]),
        ("ger", ["de"]),
        ("German", ["de"]),
        ("deutsch", ["de"]),
        ("  Deutsch ", ["de"]),
        ("pt-BR", ["pt"]),
        ("Português", ["pt"]),
        ("portugues", ["pt"]),
        ("no", ["nb", "nn"]),
        ("norsk", ["nb", "nn"]),
        ("Norwegian", ["nb", "nn"]),
        ("Bokmål", ["nb"]),
        ("nob", ["nb"]),
        ("sr-Latn", ["sr"]),
        ("српски", ["sr"]),
        ("日本語", ["ja"]),
        ("zh-TW", ["zh-Hant"]),
        ("zh-hant-HK", ["zh-Hant"]),
        ("zh-CN", ["zh"]),
        ("zh", ["zh"]),
        ("Chinese", ["zh", "zh-Hant"]),
        ("中文", ["zh", "zh-Hant"]),
        ("Traditional Chinese", ["zh-Hant"]),
        ("Chinese (simplified)", ["zh"]),
        ("fil", ["tl"]),
        ("Filipino", ["tl"]),
        ("und", ["und"]),
        ("unknown", ["und"]),
        ("French", ["fr"]),
        ("fr-CA", ["fr"]),
        ("iw", ["he"]),
    ],
)
def test_a_language_is_understood(word: str, codes: list[str]) -> None:
    assert list(languages_named([word], PRESENT)) == codes


def test_several_words_give_each_code_once() -> None:
    assert languages_named(["German", "de", "no", "nn"], PRESENT) == ("de", "nb", "nn")


@pytest.mark.parametrize("word", ["xx", "Klingonese", "", "de'; drop", "🙂", "x" * 500])
def test_a_word_that_is_no_language_is_refused_with_those_that_are_there(word: str) -> None:
    with pytest.raises(QueryError, match=r"Unknown language .*de \(German\).*zh-Hant \(Chinese") as caught:
        languages_named([word], PRESENT)
    assert len(str(caught.value)) < 600
    assert "und" not in str(caught.value).split("collection:")[1].split(".")[0].split(", ")


def test_codes_that_mean_themselves_need_no_look_at_the_collection() -> None:
    assert all(is_plain(code) for code in ("de", "und", "ckb"))
    assert not any(is_plain(word) for word in ("DE", "German", "no", "zh", "zh-Hant", "xx", "pt-BR"))
    assert language_name("pt-BR") == "Portuguese"
