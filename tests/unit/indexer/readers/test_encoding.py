"""Encodings are told apart on real sentences; binary data is refused."""

import json
from pathlib import Path

import pytest

from indexer.errors import ReadError
from indexer.readers import Source
from indexer.readers.encoding import LEGACY, declared_charset, decode, detect, detect_source

GOLDEN = Path(__file__).parents[3] / "golden" / "readers"
SENTENCES = {
    "cp1251": [
        "Завтра утром мы поедем в город.",
        "Ми живемо у великому місті біля річки.",
        "ВНИМАНИЕ! ВХОД ЗАПРЕЩЁН.",
    ],
    "koi8-r": ["Завтра утром мы поедем в город.", "Она читает интересную книгу."],
    "koi8-u": ["Ми живемо у великому місті біля річки, і це дуже гарно. Їжа її смачна, є що згадати."],
    "iso8859-5": ["Завтра утром мы поедем в город.", "Она читает интересную книгу."],
    "cp866": ["Завтра утром мы поедем в город, потому что там живёт моя сестра."],
    "gb18030": ["今天的天气很好，我们一起去公园吧。", "图书馆在学校的后面。"],
    "big5": ["今天的天氣很好，我們一起去公園吧。", "圖書館在學校的後面。"],
    "shift_jis": ["明日の朝、電車で東京へ行きます。", "カタカナとひらがなが混ざった文章です。"],
    "euc_jp": ["明日の朝、電車で東京へ行きます。", "カタカナとひらがなが混ざった文章です。"],
    "iso2022_jp": ["明日の朝、電車で東京へ行きます。"],
    "euc_kr": ["내일 아침에 우리는 서울에 갑니다.", "도서관은 학교 뒤에 있습니다."],
    "cp1256": ["سنذهب غدا صباحا إلى المدينة القديمة.", "المكتبة خلف المدرسة."],
    "iso8859-6": ["سنذهب غدا صباحا إلى المدينة القديمة."],
    "cp1255": ["מחר בבוקר ניסע אל העיר העתיקה.", "הספרייה נמצאת מאחורי בית הספר."],
    "cp1253": ["Αύριο το πρωί θα πάμε στην πόλη.", "Η βιβλιοθήκη είναι πίσω από το σχολείο."],
    "cp1254": [
        "Yarın sabah şehre gideceğiz, hava güneşli olacakmış.",
        "Kütüphane okulun arkasındadır, çünkü orası ışıklı.",
    ],
    "cp874": ["พรุ่งนี้เช้าเราจะไปในเมือง", "ห้องสมุดอยู่หลังโรงเรียน"],
    "cp1250": [
        "Jutro rano pojedziemy do miasta, żeby kupić książkę.",
        "Příští týden půjdeme na dlouhou procházku.",
    ],
    "iso8859-2": ["Jutro rano pojedziemy do miasta, żeby kupić świeże książki i ćwiczyć."],
    "cp1252": [
        "Où êtes-vous allés hier soir ?",
        "Die Straße führt über die Brücke.",
        "El niño comió una manzana.",
    ],
    "cp1257": ["Rytoj rytą važiuosime į miestą, nes ten gyvena mūsų draugė."],
    "cp1258": ["Ngày mai chúng ta se đi vào thành phô.".replace("à", "a\u0300")],
    "utf-16-le": ["Hello there", "今天的天气很好，我们一起去公园吧"],
    "utf-16-be": ["Hello there", "Завтра утром мы поедем в город."],
    "utf-32-le": ["Hello there", "Завтра утром мы поедем в город."],
    "utf-8": ["naïve", "今", "plain ascii"],
}
CASES = [(codec, sentence) for codec, sentences in SENTENCES.items() for sentence in sentences]


@pytest.mark.parametrize(("codec", "sentence"), CASES)
def test_a_sentence_is_read_back(codec: str, sentence: str) -> None:
    data = sentence.encode(codec, errors="replace")
    assert decode(data)[0] == data.decode(codec)


@pytest.mark.parametrize("codec", sorted(LEGACY))
def test_every_candidate_is_a_codec_with_languages(codec: str) -> None:
    assert b"abc".decode(codec) == "abc"
    assert LEGACY[codec][1].split()


def test_a_declared_charset_is_believed_only_if_it_decodes() -> None:
    data = "Ёлка é".encode("cp1251", errors="replace")
    assert detect(data, "koi8-r") == "koi8-r"
    assert detect(data, "no-such-charset") != "no-such-charset"
    assert detect("Строка".encode(), "koi8-r") == "utf-8"
    assert detect("Hä".encode("latin-1"), "iso-8859-1") == "cp1252"


def test_charsets_are_found_where_markup_declares_them() -> None:
    assert declared_charset(b'<meta charset="Shift_JIS">') == "Shift_JIS"
    assert (
        declared_charset(b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">')
        == "windows-1251"
    )
    assert declared_charset(b'<?xml version="1.0" encoding="koi8-r"?>') == "koi8-r"
    assert declared_charset(b"<p>none</p>") is None


def test_utf8_with_one_broken_byte_stays_utf8() -> None:
    text = "Это длинный текст на русском языке, в котором испорчен один байт. " * 20
    data = (text + "|" + text).encode().replace(b"|", b"\xff")
    assert detect(data) == "utf-8"
    assert decode(data)[0].count("\ufffd") == 1


def test_the_telling_bytes_may_come_late() -> None:
    data = b"All of this is ASCII.\n" * 60_000 + "Завтра утром мы поедем в город.".encode("cp1251")
    assert detect_source(Source("a.txt", data=data)) == "cp1251"


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 8, b"\0\1\2\3" * 500, b"text\x01\x02\x03\x04\x05\x06\x0e" * 9]
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(ReadError, match=r"looks like binary data .* expected text"):
        detect_source(Source("a.txt", data=data))


def test_golden_texts_are_stored_in_the_encoding_of_their_name() -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
    texts = {name: blocks[0][0] for name, blocks in expected.items() if name.endswith(".txt")}
    assert len(texts) >= 15
    for name, text in texts.items():
        codec = name.split(".")[1]
        assert (GOLDEN / name).read_bytes().decode(codec).replace("\r\n", "\n") == text
