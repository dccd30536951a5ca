import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexer.text.language import detect, detect_many, refine
from indexer.types import LanguageGuess

ROOT = Path(__file__).resolve().parents[4]

TEXTS = {
    "en": "The library opens at nine in the morning and closes late.",
    "de": "Die Bibliothek öffnet um neun Uhr morgens und schließt spät.",
    "fr": "La bibliothèque ouvre à neuf heures du matin.",
    "vi": "Thư viện mở cửa lúc chín giờ sáng.",
    "ru": "Библиотека открывается в девять часов утра.",
    "uk": "Бібліотека відкривається о дев'ятій годині ранку.",
    "ar": "تفتح المكتبة في الساعة التاسعة صباحا.",
    "fa": "کتابخانه ساعت نه صبح باز می‌شود.",
    "ur": "لائبریری صبح نو بجے کھلتی ہے۔",
    "he": "הספרייה נפתחת בתשע בבוקר.",
    "yi": "די ביבליאָטעק איז אָפֿן אין דער פֿרי און נישט שפּעט.",
    "hi": "पुस्तकालय सुबह नौ बजे खुलता है।",
    "bn": "গ্রন্থাগার সকাল নয়টায় খোলে।",
    "as": "পুথিভঁৰালটো ৰাতিপুৱা খোলে।",
    "th": "ห้องสมุดเปิดเก้าโมงเช้า",
    "lo": "ຫ້ອງສະໝຸດເປີດເກົ້າໂມງ",
    "km": "បណ្ណាល័យបើកម៉ោងប្រាំបួន",
    "my": "စာကြည့်တိုက်ကို ဖွင့်သည်။",
    "ka": "ბიბლიოთეკა იხსნება დილით.",
    "hy": "Գրադարանը բացվում է առավոտյան։",
    "el": "Η βιβλιοθήκη ανοίγει στις εννέα.",
    "am": "ቤተ መጻሕፍቱ ጠዋት ይከፈታል አሉ።",
    "ko": "도서관은 아침 아홉 시에 문을 엽니다.",
    "ja": "図書館は朝九時に開きます。",
    "zh": "图书馆早上九点开门，欢迎大家来读书。",
    "zh-Hant": "圖書館早上九點開門，歡迎大家來讀書。",
    "yue": "我哋喺圖書館睇緊書，佢冇嚟。",
    "ta": "நூலகம் காலை ஒன்பது மணிக்கு திறக்கும்.",
}


@pytest.mark.parametrize(("language", "text"), TEXTS.items())
def test_a_plain_sentence_is_recognised(language: str, text: str) -> None:
    guess = detect(text)
    assert guess.language == language
    assert 0.3 <= guess.confidence <= 1


@pytest.mark.parametrize(
    ("language", "script"),
    [
        ("zh", "Hans"),
        ("zh-Hant", "Hant"),
        ("ja", "Jpan"),
        ("ko", "Kore"),
        ("ru", "Cyrl"),
        ("en", "Latn"),
        ("fa", "Arab"),
    ],
)
def test_scripts_are_iso_15924(language: str, script: str) -> None:
    assert detect(TEXTS[language]).script == script


@pytest.mark.parametrize("text", ["", "   ", "12345 !?", "https://example.org/a", "😀😀", "\ud800"])
def test_nothing_to_read_is_undetermined(text: str) -> None:
    assert detect(text) == LanguageGuess("und", "Zyyy", 0.0)


def test_foreign_terms_do_not_decide() -> None:
    assert detect("ใช้ Docker Compose และ Kubernetes เพื่อเริ่มระบบ").language == "th"
    assert detect("Установите пакет docker compose командой apt install.").language == "ru"


def test_serbian_in_latin_script_is_told_by_its_ekavian_words() -> None:
    assert detect("Predsednik je u sredu posetio mesto i razgovarao sa susedima o vremenu.").language == "sr"
    ijekavian = "Predsjednik je u srijedu posjetio mjesto i razgovarao sa susjedima o vremenu."
    assert detect(ijekavian).language in ("bs", "hr")


def test_threads_and_batches_agree_with_single_calls() -> None:
    texts = list(TEXTS.values())
    singles = [detect(text) for text in texts]
    assert detect_many(texts) == singles
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detect, texts)) == singles


def guess(language: str, confidence: float, script: str = "Latn") -> LanguageGuess:
    return LanguageGuess(language, script, confidence)


def test_the_document_corrects_short_and_unsure_chunks() -> None:
    long = "x" * 200
    guesses = [guess("da", 0.99), guess("nb", 0.6), guess("und", 0.1), guess("da", 0.99)]
    refined = refine(guesses, [long, "Ja, det er godt.", "OK", long])
    assert [one.language for one in refined] == ["da"] * 4
    assert refined[0] is guesses[0]


def test_a_sure_long_chunk_in_another_language_or_script_stays() -> None:
    long = "x" * 200
    guesses = [guess("de", 0.99), guess("fr", 0.99), guess("und", 0.1, "Cyrl"), guess("und", 0.0, "Zyyy")]
    assert refine(guesses, [long, long, "да", "123"]) == guesses


def test_refine_without_sure_chunks_changes_nothing() -> None:
    guesses = [guess("nb", 0.5), guess("da", 0.6)]
    assert refine(guesses, ["a", "b"]) == guesses
    assert refine([], []) == []


UNSURE = ("la casa", "pan de")
SURE = "Der Hafenmeister verlangt drei Mark für eine Nacht im Hafen der alten Stadt."


def test_the_second_opinion_on_one_query_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    import langdetect

    expected = detect(SURE)
    detect(UNSURE[0])  # everything is loaded
    asked, go_on = threading.Event(), threading.Event()
    real = langdetect.detect_langs

    def slowly(text: str) -> object:
        if text == UNSURE[0]:
            asked.set()
            assert go_on.wait(60)
        return real(text)

    monkeypatch.setattr(langdetect, "detect_langs", slowly)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(detect, UNSURE[0])
        try:
            assert asked.wait(60)
            assert threads.submit(detect, SURE).result(20) == expected
            assert threads.submit(detect, UNSURE[1]).result(20).script == "Latn"  # a second opinion, too
            assert not first.done()
        finally:
            go_on.set()
        assert first.result(20).script == "Latn"


def test_threads_that_come_first_together_load_once_and_agree() -> None:
    code = (
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from indexer.text.language import detect, detector\n"
        "loaded = []\n"
        "for name in ('_load_identifier', '_load_langdetect'):\n"
        "    real = getattr(detector, name)\n"
        "    setattr(detector, name, lambda real=real, name=name: loaded.append(name) or real())\n"
        "start = threading.Barrier(8)\n"
        "def ask(n):\n"
        "    start.wait()\n"
        "    return [repr(detect(text)) for text in ('la casa', 'pan de', 'no me', 'Ja, det er godt.')]\n"
        "with ThreadPoolExecutor(8) as threads:\n"
        "    answers = list(threads.map(ask, range(8)))\n"
        "assert answers == [answers[0]] * 8, answers\n"
        "assert sorted(loaded) == ['_load_identifier', '_load_langdetect'], loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize(
    "text",
    [
        "aap kaise hain", "kya aap mujhe bata sakte hain", "tumhara naam kya hai", "main ghar ja raha hoon",
        "marhaba kayfa haluk", "shukran jazilan ya akhi", "al-maktaba maftuha yawm al-ithnayn", "3arabi kteer 7elo",
    ],
)  # fmt: skip
def test_hindi_and_arabic_in_latin_letters_are_nobody_elses(text: str) -> None:
    assert detect(text).language == "und"


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("ﻛﺘﺎﺏ", {"ar", "und"}),
        ("ﻣﻜﺘﺒﺔ ﺍﻟﻤﺪﻳﻨﺔ", {"ar", "und"}),
        ("Ｔｈｅ　ｌｉｂｒａｒｙ　ｏｐｅｎｓ　ａｔ　ｎｉｎｅ", {"en"}),
        ("ＡＢＣ", {"und"}),
        ("ﾄｼｮｶﾝ", {"ja"}),
        ("שּׁלוֹם", {"he"}),
    ],
)
def test_presentation_forms_and_full_width_are_read_as_what_they_stand_for(
    text: str, languages: set[str]
) -> None:
    assert detect(text).language in languages


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Mera peremees läks koju ja magab nüüd", "et"),
        ("Chakula hiki ni kizuri sana, asante mama", "sw"),
        ("Der Kar ist mein, und wir haben ihn gern", "de"),
    ],
)
def test_languages_that_share_words_with_romanised_ones_stay(text: str, language: str) -> None:
    assert detect(text).language == language
