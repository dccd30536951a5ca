"""Which sentences are mined, and under which name the others are counted."""

from dataclasses import replace
from pathlib import Path

from indexer.bitext.filters import duplicate_key, filter_side, is_foreign, side_language
from indexer.bitext.values import MiningSettings, Sentence
from indexer.text.language.tags import are_confusable

GERMAN = [
    "Der Hafen wurde vor über hundert Jahren gebaut.",
    "Am Abend gehen die Leute am Ufer spazieren.",
    "Die Bibliothek öffnet morgens um neun Uhr.",
    "Im Winter liegt der Schnee meterhoch vor der Tür.",
]
SETTINGS = MiningSettings()


def sentences(*texts: str, language: str = "und") -> list[Sentence]:
    return [Sentence(text, language) for text in texts]


def test_each_objection_is_counted_under_its_name() -> None:
    odd = [
        "ab",
        "x" * 2_000,
        "12 + 34 = 46 (!!) 78",
        "Библиотека открывается утром",
        "The library opens its doors every morning at nine o'clock.",
        GERMAN[0].upper() + "!",
        "Gr\ufffd\ufffde aus M\ufffdnchen",
    ]
    found = filter_side(sentences(*GERMAN * 1, *odd), SETTINGS)
    assert found.kept.tolist() == [0, 1, 2, 3]
    assert found.language == "de"
    assert found.dropped == {
        "too short": 1, "too long": 1, "letters": 1, "script": 1, "language": 1, "duplicate": 1, "encoding": 1,
    }  # fmt: skip


def test_filters_can_be_turned_off() -> None:
    loose = replace(SETTINGS, check_language=False, drop_duplicates=False, min_letters=0.0, min_characters=1)
    texts = [*GERMAN, GERMAN[0], "The library opens every morning at nine.", "1234"]
    assert len(filter_side(sentences(*texts), loose).kept) == len(texts)


def test_short_and_doubtful_sentences_stay() -> None:
    assert not is_foreign("OK!", "de") and not is_foreign("Hotel Astoria", "de")
    assert is_foreign("The library opens its doors every morning at nine o'clock.", "de")
    assert not is_foreign("The library opens its doors every morning at nine o'clock.", "und")


def test_relatives_are_not_foreign() -> None:
    assert are_confusable("hr", "sr") and are_confusable("zh", "zh-Hant") and are_confusable("nb", "da")
    assert not are_confusable("de", "en")


def test_the_language_of_a_side_is_given_or_that_of_the_most() -> None:
    assert side_language(sentences(*GERMAN, "The library opens its doors at nine.")) == "de"
    assert side_language(sentences("Hm", "OK", language="nds")) == "nds"
    assert side_language(sentences("1", "2")) == "und"


def test_japanese_is_one_script() -> None:
    texts = ["図書館は朝九時に開きます。", "ありがとうございます", "コーヒーをください", "東京都渋谷区"]
    assert len(filter_side(sentences(*texts), replace(SETTINGS, check_language=False)).kept) == 4


def test_duplicates_differ_in_case_width_and_punctuation_only() -> None:
    assert duplicate_key("Hello,  World!") == duplicate_key("ｈｅｌｌｏ world")
    assert duplicate_key("?!") != duplicate_key("!!") and duplicate_key("কি") != duplicate_key("ক")


def test_the_outcome_is_kept_for_the_same_sentences_only(tmp_path: Path) -> None:
    looked = []
    for texts in (GERMAN, GERMAN, GERMAN[:3]):
        filter_side(sentences(*texts), SETTINGS, kept_in=tmp_path / "source", each=looked.append)
    assert len(looked) == 2
    (tmp_path / "source.filtered.npz").write_bytes(b"broken")
    again = filter_side(sentences(*GERMAN), SETTINGS, kept_in=tmp_path / "source")
    assert again.kept.tolist() == [0, 1, 2, 3] and again.language == "de"
