"""Encodings are told apart on real sentences; binary data is refused."""

import codecs
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from indexer.errors import ReadError
from indexer.readers import Source
from indexer.readers.charsets import declared_codec
from indexer.readers.encoding import LEGACY, declared_charset, decode, detect, detect_source, open_text

BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "encodings.py"
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


MIXED = ("Die Mühle am Fluß\n", "Öffnungszeiten: täglich\n", "plain ascii\n", "Schlüssel für Gäste\n")


@pytest.mark.parametrize(
    ("lines", "other"),
    [
        (MIXED, "cp1252"),
        (("Ключ от мельницы\n", "Мельница закрыта на зиму.\n", "x\n", "Погода будет ясной.\n"), "cp1251"),
        (("Młyn jest zamknięty.\n", "Żółta łódź stoi przy moście.\n", "a\n", "Święto młyna\n"), "cp1250"),
        (("水車小屋は休みです。\n", "鍵はどこですか\n", "a\n", "子供たちは庭で遊んでいます。\n"), "cp932"),
    ],
)
@pytest.mark.parametrize("pattern", ["uo-o", "ou-o", "oo-u", "uu-o", "Uo-o"])
def test_each_line_of_a_mixed_file_is_read_by_itself(
    lines: tuple[str, ...], other: str, pattern: str
) -> None:
    codecs_of = {"u": "utf-8", "U": "utf-8-sig", "o": other, "-": "ascii"}
    data = b"".join(line.encode(codecs_of[kind]) for line, kind in zip(lines, pattern, strict=True))
    assert decode(data)[0] == "".join(lines)
    source = Source("a.txt", data=data * 50 if pattern != "Uo-o" else data)
    with open_text(source, detect_source(source)) as stream:
        assert stream.read().removeprefix("\ufeff").startswith("".join(lines))


def test_a_mixed_file_is_the_same_however_it_is_cut() -> None:
    data = "".join(MIXED).encode() + "".join(MIXED).encode("cp1252")
    codec = detect(data)
    assert codec == "utf-8-or-cp1252"
    for size in (1, 2, 7, 64):
        decoder = codecs.getincrementaldecoder(codec)()
        parts = [decoder.decode(data[at : at + size]) for at in range(0, len(data), size)]
        assert "".join([*parts, decoder.decode(b"", final=True)]) == "".join(MIXED) * 2


def test_a_long_line_without_end_is_read_in_parts() -> None:
    data = b"Gr\xc3\xb6\xc3\x9fe\n" + "Größe über alles ".encode("cp1252") * 200_000
    source = Source("a.txt", data=data)
    with open_text(source, "utf-8-or-cp1252") as stream:
        text = stream.read(3_000_000)
    assert text.startswith("Größe\nGröße über") and "\ufffd" not in text


def test_texts_that_look_like_utf8_by_chance_are_not_mixed() -> None:
    lines = ["磨坊今天关门。", "钥匙在哪里？", "孩子们在院子里玩。"] * 30
    data = "\n".join([*lines, "联系", "谩骂"]).encode("gb18030")
    assert detect(data) == "gb18030"


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ISO-8859-8-I", "iso8859-8"),
        ("x-sjis", "cp932"),
        ("windows-31J", "cp932"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("ibm850", "cp850"),
        ("dos-862", "cp862"),
        ("latin3", "iso8859-3"),
        ("us-ascii", None),
        ("utf-8", None),
        ("unknown-8bit", None),
    ],
)
def test_declared_names(label: str, codec: str | None) -> None:
    assert declared_codec(b"\xe0\xe1", label) == codec


def test_a_declared_encoding_in_ascii_is_asked_before_everything_else() -> None:
    for codec in ("iso2022_kr", "hz", "utf-7"):
        data = "방앗간" if codec == "iso2022_kr" else "磨坊"
        assert decode(data.encode(codec), codec)[0] == data
    assert detect(b"plain", "iso-2022-kr") == "iso2022_kr"
    assert detect("방앗간은 오늘 쉽니다.".encode("iso2022_kr")) == "iso2022_kr"
    assert detect(b"1 +AOQ- 2") == "utf-8"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("encodings", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("half", ["TUNED", "HELD_OUT"])
def test_of_60_short_texts_at_least_57_come_out_letter_for_letter(half: str) -> None:
    module = benchmark()
    strings = getattr(module, half)
    number = sum(map(len, strings.values()))
    wrong = [miss for misses in module.count(strings, module.ours).values() for miss in misses]
    assert number >= 60
    assert len(wrong) <= number * 3 / 60, wrong


def test_no_string_is_tuned_on_and_held_out() -> None:
    module = benchmark()
    tuned, held = (
        {text for texts in half.values() for text in texts} for half in (module.TUNED, module.HELD_OUT)
    )
    assert not tuned & held
