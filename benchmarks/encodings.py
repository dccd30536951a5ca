"""How often the encoding of a short text is found: our detector beside charset-normalizer.

    python benchmarks/encodings.py [--output docs/encodings.md]

The strings were written for this table. ``TUNED`` are those that doubts and weights of
``indexer.readers.encoding`` may be chosen on; ``HELD_OUT`` are only counted. A string counts as right when
it comes out letter for letter; the name of the codec does not matter, since many agree on a text.
"""

import argparse
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from indexer.readers import encoding

Strings = Mapping[str, tuple[str, ...]]

TUNED: Strings = {
    "cp1252": (
        "Größe und Gewicht",
        "Le moulin est fermé l'été.",
        "¿Dónde está la llave?",
        "Över ån går en bro.",
    ),
    "iso8859-15": ("L'œuvre coûte 12 €.", "Büro geöffnet", "Preis: 5 € pro Stück"),
    "mac-roman": ("Le château près de la forêt", "Müller läuft über die Brücke."),
    "cp437": ("Die Tür fällt zu.", "Où est la clé du grenier ?"),
    "cp850": ("Grüße aus Österreich", "São João é amanhã."),
    "cp1250": ("Żółta łódź stoi przy moście.", "Příští zastávka: nádraží"),
    "iso8859-2": ("Kde je klíč od mlýna?", "Święto młyna we wrześniu"),
    "cp852": ("Młyn jest zamknięty.", "Řeka teče pod mostem."),
    "mac-latin2": ("Klucz wisi za drzwiami młyna, obok żółtej łodzi.",),
    "cp1257": ("Šiandien malūnas uždarytas.", "Atslēga karājas aiz durvīm."),
    "cp775": ("Žuvys plaukia upėje.", "Dzirnavas ir slēgtas.", "Kas čia?", "Mėnuo šviečia."),
    "cp1254": ("Değirmen bugün kapalı.", "Anahtar kapının arkasında asılı."),
    "cp857": ("Köprünün altında balıklar yüzüyor.",),
    "iso8859-3": ("La ŝlosilo pendas malantaŭ la pordo.", "Il-mitħna hija magħluqa llum."),
    "cp1251": ("Мельница закрыта.", "Ключ висить за дверима."),
    "koi8-r": ("Мельница закрыта на зиму.", "Где ключ?"),
    "koi8-u": ("Млин зачинено, ключ у сусідів її брата.",),
    "cp866": ("Мельница закрыта.", "Приём заявок до пятницы"),
    "mac-cyrillic": ("Мельница закрыта на ремонт.", "Ключ висит за дверью."),
    "iso8859-5": ("Мельница закрыта.", "Воденицата е затворена днес."),
    "cp1253": ("Ο μύλος είναι κλειστός.", "Πού είναι το κλειδί;"),
    "iso8859-7": ("Το κλειδί κρέμεται πίσω από την πόρτα.",),
    "cp737": ("Ο μύλος είναι κλειστός.", "Καλημέρα σας"),
    "cp1255": ("הטחנה סגורה היום.",),
    "iso8859-8": (
        "שלום עולם",
        "המפתח תלוי מאחורי הדלת.",
    ),
    "cp862": ("הטחנה סגורה היום.", "איפה המפתח?"),
    "cp1256": ("الطاحونة مغلقة اليوم.", "کليد پشت در است."),
    "iso8859-6": ("المفتاح معلق خلف الباب.",),
    "cp874": ("โรงสีปิดวันนี้", "กุญแจอยู่หลังประตู"),
    "cp1258": ("Cối xay hôm nay đóng cửa.",),
    "gb18030": ("磨坊今天关门。", "钥匙在哪里？"),
    "big5": ("磨坊今天關門。", "鑰匙在哪裡？"),
    "cp932": ("水車小屋は休みです。", "鍵はどこですか"),
    "euc_jp": ("水車小屋は今日休みです。",),
    "cp949": ("방앗간은 오늘 쉽니다.", "열쇠가 어디 있어요?"),
    "utf-16-le": ("Mill, Größe 12",),
}
HELD_OUT: Strings = {
    "cp1252": (
        "Straße gesperrt wegen Überflutung",
        "Où sont passés les élèves ?",
        "Año nuevo, niños",
        "Ísinn er þykkur.",
    ),
    "iso8859-15": ("Prix : 30 € par élève", "Kääntäjä söi älyttömästi."),
    "mac-roman": ("Señora, ¿cuándo llega el avión?", "L'hôtel est complet à Noël."),
    "cp437": ("Schöne Äpfel, süße Kirschen", "Mañana será otro día."),
    "cp850": ("Übung für Anfänger", "A lição não é difícil."),
    "cp1250": ("Gdzieś zgubiłem rękawiczkę.", "A könyv az asztalon van, őszi kiadás."),
    "iso8859-2": ("Čtvrtý žák přišel pozdě.", "Košara je polna češenj, žal."),
    "cp852": ("Száz éves tölgyfa őrzi az utat.", "Żeglarze wrócili późno."),
    "mac-latin2": ("Včera večer pršelo a foukal silný vítr.",),
    "cp1257": ("Ąžuolas auga prie kelio.", "Õpetaja jõudis kohale hiljem."),
    "cp775": ("Kur yra mano žiedas?", "Rīt būs saulains laiks."),
    "cp1254": ("Çocuklar bahçede oynuyor.", "Işık söndü, şimdi ne yapacağız?"),
    "cp857": ("Dağın eteğinde küçük bir köy vardı.",),
    "iso8859-3": ("Ĉu vi aĉetis freŝan panon hodiaŭ?", "Ħobż frisk u ġobon tan-nagħaġ."),
    "cp1251": ("Поезд опоздал на час.", "Дъждът спря, слънцето изгря."),
    "koi8-r": ("Дети играют во дворе.", "Сколько стоит билет?"),
    "koi8-u": ("Її сестра живе в Києві біля річки.",),
    "cp866": ("Список товаров на складе", "Сколько стоит билет?"),
    "mac-cyrillic": ("Поезд опоздал на час.", "Вчера шёл сильный дождь."),
    "iso8859-5": ("Погода завтра будет ясной.", "Сестра му живее край морето."),
    "cp1253": ("Τα παιδιά παίζουν στην αυλή.", "Πόσο κάνει το εισιτήριο;"),
    "iso8859-7": ("Ο καιρός αύριο θα είναι καλός.",),
    "cp737": ("Τα παιδιά παίζουν έξω.", "Τιμή καταλόγου"),
    "cp1255": ("הילדים משחקים בחצר.",),
    "iso8859-8": ("כמה עולה כרטיס לרכבת?",),
    "cp862": ("הילדים משחקים בחצר.", "מחיר לפי משקל"),
    "cp1256": ("الأطفال يلعبون في الحديقة.", "فردا هوا آفتابي خواهد بود."),
    "iso8859-6": ("كم ثمن تذكرة القطار؟",),
    "cp874": ("เด็ก ๆ เล่นอยู่ในสวน",),
    "cp1258": ("Bọn trẻ chơi ngoài sân.",),
    "gb18030": ("孩子们在院子里玩。", "票价多少钱？"),
    "big5": ("孩子們在院子裡玩。", "票價多少錢？"),
    "cp932": ("子供たちは庭で遊んでいます。", "切符はいくらですか"),
    "euc_jp": ("切符はいくらですか、教えてください。",),
    "cp949": ("아이들이 마당에서 놀아요.", "표는 얼마예요?"),
    "utf-16-le": ("Где дети? Во дворе.",),
}


def encoded(text: str, codec: str) -> tuple[bytes, str]:
    """The bytes of a text, and the text as the codec can hold it."""
    held = _vietnamese(text) if codec == "cp1258" else text
    return held.encode(codec), held


def _vietnamese(text: str) -> str:
    """Letters with their own shape composed, tones as marks of their own, as Windows-1258 writes them."""
    tones = "\u0300\u0301\u0303\u0309\u0323"
    out = ""
    for char in unicodedata.normalize("NFC", text):
        marks = unicodedata.normalize("NFD", char)
        tone = "".join(mark for mark in marks if mark in tones)
        out += unicodedata.normalize("NFC", "".join(mark for mark in marks if mark not in tones)) + tone
    return out


def count(strings: Strings, decode: Callable[[bytes], str | None]) -> dict[str, list[tuple[str, str | None]]]:
    """Codec -> what came out wrong: the text, and what was read instead."""
    wrong: dict[str, list[tuple[str, str | None]]] = {}
    for codec, texts in strings.items():
        wrong[codec] = []
        for text in texts:
            data, held = encoded(text, codec)
            read = decode(data)
            if read != held:
                wrong[codec].append((held, read))
    return wrong


def ours(data: bytes) -> str:
    return encoding.decode(data)[0]


def normalizer(data: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(data).best()
    return None if best is None else str(best)


def page() -> str:
    """The table as a page."""
    rows, misses = [], []
    totals = {half: [0, 0, 0] for half in ("tuned", "held out")}
    for codec in TUNED:
        cells = [codec]
        for half, strings in (("tuned", TUNED), ("held out", HELD_OUT)):
            texts = {codec: strings[codec]}
            wrong, other = count(texts, ours)[codec], count(texts, normalizer)[codec]
            number = len(strings[codec])
            cells += [f"{number - len(wrong)} of {number}", f"{number - len(other)} of {number}"]
            for place, value in enumerate((number, number - len(wrong), number - len(other))):
                totals[half][place] += value
            misses += [f"| {codec} | {half} | {held} | {read} |" for held, read in wrong]
        rows.append("| " + " | ".join(cells) + " |")
    sums = [f"{right} of {number}" for number, *both in totals.values() for right in both]
    return PAGE.format(
        rows="\n".join(rows), sums=" | ".join(sums), misses="\n".join(misses) or "| none | | | |"
    )


PAGE = """# Encodings of short texts

How many short texts come out letter for letter when nothing states their encoding: the detector of the
library beside `charset-normalizer`. Written by `python benchmarks/encodings.py`; the strings stand there.
Doubts and weights of the detector were chosen on the tuned half only.

| encoding | tuned: ours | charset-normalizer | held out: ours | charset-normalizer |
|---|---|---|---|---|
{rows}
| **all** | {sums} |

## What came out wrong

| encoding | half | text | read as |
|---|---|---|---|
{misses}

Letters come from `tests/golden/readers/make_letters.py`; words, pairs of letters, and the letters of the
languages which that lacks, from `benchmarks/make_frequent_words.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("docs/encodings.md"), help="page to write")
    args = parser.parse_args()
    args.output.write_text(page(), encoding="utf-8")
    print(f"{args.output} written")


if __name__ == "__main__":
    main()
