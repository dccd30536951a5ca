"""Writes the sample files of this folder and ``expected.json``, the text that was put into each.

    PYTHONPATH=../../.. python make.py [CHROMIUM]

Made with reportlab 5.1, pypdf 7.1 and openpyxl 3.1 (development tools only); the PDFs of single scripts are
printed by headless Chromium with the Noto fonts. Texts: article 1 of the Universal Declaration of Human
Rights (public domain) and sentences of our own.
"""

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from tests.support import outlook

HERE = Path(__file__).parent
TEXTS = {
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "en": "All human beings are born free and equal in dignity and rights.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "he": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "km": "មនុស្សទាំងអស់កើតមកមានសេរីភាព និងភាពស្មើគ្នាក្នុងផ្នែកសេចក្ដីថ្លៃថ្នូរនិងសិទ្ធិ។",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "zh-Hant": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
}
ENCODINGS = {
    "ru": ["cp1251", "koi8-r", "iso8859-5"],
    "zh": ["gb18030", "utf-16"],
    "zh-Hant": ["big5"],
    "ja": ["shift_jis", "euc_jp", "iso2022_jp"],
    "ko": ["euc_kr"],
    "ar": ["cp1256", "utf-16-le"],
    "he": ["cp1255"],
    "el": ["cp1253"],
    "th": ["tis-620"],
    "fr": ["cp1252"],
    "pl": ["cp1250", "iso8859-2"],
    "tr": ["cp1254"],
    "hi": ["utf-8", "utf-32-be"],
    "km": ["utf-8-sig"],
}
EXPECTED: dict[str, list[tuple[str, int | None, str | None]]] = {}


def put(name: str, data: bytes, *blocks: tuple[str, int | None, str | None]) -> None:
    (HERE / name).write_bytes(data)
    EXPECTED[name] = list(blocks)


def pack(parts: dict[str, str | bytes], *, stored_first: bool = False) -> bytes:
    """A zip with fixed dates, so that the same command gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (name, data) in enumerate(parts.items()):
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if stored_first and number == 0 else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def make_texts() -> None:
    for language, codecs in ENCODINGS.items():
        for codec in codecs:
            text = f"{TEXTS[language]}\n"
            put(f"{language}.{codec}.txt", text.replace("\n", "\r\n").encode(codec), (text, None, None))
    body = f"# Rights\n\n{TEXTS['en']}\n\n"
    arabic = f"## حقوق\n\n{TEXTS['ar']}\n"
    put("mixed.md", (body + arabic).encode(), (body, None, "Rights"), (arabic, None, "Rights › حقوق"))


def make_markup() -> None:
    page = f"""<!DOCTYPE html><html><head><meta charset="shift_jis"><title>人権</title>
    <style>p {{ color: red }}</style><script>alert("no")</script></head><body><nav>メニュー</nav>
    <h1>第一条</h1><p>{TEXTS["ja"][:13]}<b>{TEXTS["ja"][13:]}</b></p><noscript>no script</noscript>
    <template>hidden</template><table><tr><td>甲</td><td>乙</td></tr></table></body></html>"""
    put(
        "ja.html",
        page.encode("shift_jis"),
        (f"第一条\n{TEXTS['ja']}\n甲\t乙\n", None, "第一条"),
        ("メニュー\n", None, "menus and footers"),
    )
    xhtml = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>x</title></head><body>{}</body></html>"
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    put(
        "hi-th.epub",
        pack(
            {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": f'<container xmlns="{container}"><rootfiles>'
                '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
                "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" '
                'xmlns:dc="http://purl.org/dc/elements/1.1/">'
                "<metadata><dc:title>अधिकार</dc:title></metadata><manifest>"
                '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
                '<item id="a" href="a%20a.xhtml" media-type="application/xhtml+xml"/></manifest>'
                '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
                "OEBPS/a a.xhtml": xhtml.format(f"<h1>एक</h1><p>{TEXTS['hi']}</p>"),
                "OEBPS/b.xhtml": xhtml.format(f"<h1>สอง</h1><p>{TEXTS['th']}</p>"),
            },
            stored_first=True,
        ),
        (f"एक\n{TEXTS['hi']}\n", None, "एक"),
        (f"สอง\n{TEXTS['th']}\n", None, "สอง"),
    )


def make_word() -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'

    def paragraph(text: str, style: str = "") -> str:
        properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        half = len(text) // 2
        runs = [f'<w:r><w:t xml:space="preserve">{part}</w:t></w:r>' for part in (text[:half], text[half:])]
        return f"<w:p>{properties}{''.join(runs)}</w:p>"

    styles = [f'<w:style w:styleId="berschrift{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2)]
    document = [
        paragraph("Права", "berschrift1"),
        paragraph(TEXTS["ru"]),
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>",
        paragraph("Δικαιώματα", "berschrift2"),
        f"<w:tbl><w:tr><w:tc>{paragraph(TEXTS['el'])}</w:tc></w:tr></w:tbl>",
    ]
    put(
        "ru-el.docx",
        pack(
            {
                "[Content_Types].xml": "<Types/>",
                "word/document.xml": f"<w:document {space}><w:body>{''.join(document)}</w:body></w:document>",
                "word/styles.xml": f"<w:styles {space}>{''.join(styles)}</w:styles>",
                "word/footnotes.xml": f"<w:footnotes {space}>{paragraph('Сноска')}</w:footnotes>",
            }
        ),
        (f"Права\n{TEXTS['ru']}\n\n", None, "Права"),
        (f"Δικαιώματα\n{TEXTS['el']}\n", None, "Права › Δικαιώματα"),
        ("Сноска\n", None, "footnotes"),
    )
    office, text = (f"urn:oasis:names:tc:opendocument:xmlns:{kind}:1.0" for kind in ("office", "text"))
    put(
        "km.odt",
        pack(
            {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "content.xml": f'<o:document-content xmlns:o="{office}" xmlns:text="{text}"><o:body><o:text>'
                "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
                f'<text:h text:outline-level="1">សិទ្ធិ</text:h><text:p>{TEXTS["km"]}<text:line-break/>'
                'a<text:s text:c="2"/>b<text:span> c</text:span></text:p></o:text></o:body></o:document-content>',
            },
            stored_first=True,
        ),
        (f"សិទ្ធិ\n{TEXTS['km']}\na  b c\n", None, "សិទ្ធិ"),
    )


def make_slides() -> None:
    base = "http://schemas.openxmlformats.org"
    p, a = f'xmlns:p="{base}/presentationml/2006/main"', f'xmlns:a="{base}/drawingml/2006/main"'
    r = f"{base}/officeDocument/2006/relationships"

    def slide(title: str, text: str) -> str:
        shape = "<p:sp><p:nvPr>{}</p:nvPr><p:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:txBody></p:sp>"
        shapes = shape.format('<p:ph type="title"/>', title) + shape.format("", text)
        return f"<p:sld {p} {a}>{shapes}</p:sld>"

    def links(*targets: tuple[str, str]) -> str:
        rows = [
            f'<Relationship Id="r{n}" Type="{r}/{kind}" Target="{to}"/>'
            for n, (kind, to) in enumerate(targets)
        ]
        return f'<Relationships xmlns="{base}/package/2006/relationships">{"".join(rows)}</Relationships>'

    put(
        "ko-he.pptx",
        pack(
            {
                "[Content_Types].xml": "<Types/>",
                "ppt/presentation.xml": f'<p:presentation {p} xmlns:r="{r}"><p:sldIdLst>'
                '<p:sldId id="257" r:id="r1"/><p:sldId id="256" r:id="r0"/></p:sldIdLst></p:presentation>',
                "ppt/_rels/presentation.xml.rels": links(
                    ("slide", "slides/slide1.xml"), ("slide", "slides/slide2.xml")
                ),
                "ppt/slides/slide1.xml": slide("זכויות", TEXTS["he"]),
                "ppt/slides/slide2.xml": slide("권리", TEXTS["ko"]),
                "ppt/slides/_rels/slide2.xml.rels": links(("notesSlide", "../notesSlides/notes1.xml")),
                "ppt/notesSlides/notes1.xml": slide("1", "메모"),
            }
        ),
        (f"권리\n{TEXTS['ko']}\n", 1, "권리"),
        ("메모\n", 1, "notes"),
        (f"זכויות\n{TEXTS['he']}\n", 2, "זכויות"),
    )


def make_tables() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "数据"
    rows = [["名称", "说明", "数"], ["自由", TEXTS["zh"], 3], [None], ["平等", TEXTS["zh-Hant"], None]]
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    put(
        "zh.xlsx",
        out.getvalue(),
        (f"名称: 自由\n说明: {TEXTS['zh']}\n数: 3\n", 1, "数据 row 2"),
        (f"名称: 平等\n说明: {TEXTS['zh-Hant']}\n", 1, "数据 row 4"),
    )
    put(
        "pl.csv",
        f'id;title;text\r\n1;Prawa;"{TEXTS["pl"]}\r\n; dalej"\r\n2;Równość;Wszyscy są równi.\r\n'.encode(
            "cp1250"
        ),
        (f"Prawa\n{TEXTS['pl']}\n; dalej\nid: 1\n", None, "row 2"),
        ("Równość\nWszyscy są równi.\nid: 2\n", None, "row 3"),
    )
    thai = (f"ก | {TEXTS['th']}\n", None, "row 1")
    put("th.tsv", f"ก\t{TEXTS['th']}\nข\t1\n".encode(), thai, ("ข | 1\n", None, "row 2"))
    records = [
        {"title": "Hak", "text": TEXTS["tr"], "id": "7"},
        {"a": TEXTS["vi"], "b": [{"c": "d"}], "n": 5},
    ]
    wanted = (
        (f"Hak\n{TEXTS['tr']}\nid: 7\n", None, "record 1"),
        (f"a: {TEXTS['vi']}\nb › c: d\nn: 5\n", None, "record 2"),
    )
    put("tr-vi.json", json.dumps(records, indent=1).encode(), *wanted)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    put("tr-vi.jsonl", "".join(lines).encode(), *wanted)


def make_plain_formats() -> None:
    cyrillic = "".join(f"\\'{byte:02x}" for byte in "Права. ".encode("cp1251"))
    arabic = "".join(f"\\u{ord(char)}?" for char in TEXTS["ar"])
    head = r"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0\fcharset204 Arial;}}{\info{\title Rights}}"
    rich = f"{head}\\f0 {cyrillic}\\par {arabic}\\par}}"
    put("ru-ar.rtf", rich.encode(), (f"Права. \n{TEXTS['ar']}\n", None, None))
    cues = (
        f"1\r\n00:00:01,000 --> 00:00:03,000\r\n<i>{TEXTS['he']}</i>\r\n\r\n"
        "2\r\n00:00:30,500 --> 00:00:33,000\r\n{\\an8}שלום\r\nעולם\r\n\r\n"
        "3\r\n00:01:10,000 --> 00:01:12,000\r\nסוף\r\n"
    )
    put(
        "he.srt",
        cues.encode("cp1255"),
        (f"{TEXTS['he']}\nשלום עולם\n", None, "00:00:01"),
        ("סוף\n", None, "00:01:10"),
    )
    captions = f"WEBVTT\n\nNOTE hidden\n\n00:05.000 --> 00:08.000 line:0\n<v 太郎>{TEXTS['ja']}\n"
    put("ja.vtt", captions.encode(), (f"太郎: {TEXTS['ja']}\n", None, "00:00:05"))
    script = (
        "[Script Info]\nTitle: x\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        f"Dialogue: 0,0:01:10.50,0:01:12.00,S,,0,0,0,,{{\\i1}}{TEXTS['pl']}{{\\i0}}\n"
        f"Dialogue: 0,0:00:02.00,0:00:04.00,S,Ada,0,0,0,,{{\\an8}}{TEXTS['fr'][:20]}\\N{TEXTS['fr'][20:]}, et\n"
        "Dialogue: 0,0:00:05.00,0:00:06.00,S,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n"
        "Comment: 0,0:00:07.00,0:00:08.00,S,,0,0,0,,hidden\n"
    )
    put(
        "fr-pl.ass",
        script.encode("utf-8-sig"),
        (f"Ada: {TEXTS['fr'][:20]} {TEXTS['fr'][20:].strip()}, et\n", None, "00:00:02"),
        (f"{TEXTS['pl']}\n", None, "00:01:10"),
    )
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Права человека", "a@example.org", "b@example.org"
    message.set_content(TEXTS["ru"], charset="koi8-r", cte="base64")
    message.add_alternative(f"<p>{TEXTS['ru']}</p>", subtype="html")
    plain = TEXTS["ar"].encode("cp1256")
    message.add_attachment(plain, maintype="text", subtype="plain", filename="حقوق.txt")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0", maintype="image", subtype="png", filename="p.png")
    message.set_boundary("outer")
    next(message.iter_parts()).set_boundary("inner")
    put(
        "ru.eml",
        message.as_bytes(),
        ("Subject: Права человека\nFrom: a@example.org\nTo: b@example.org\n\n", None, None),
        (f"{TEXTS['ru']}\n", None, None),
        ("حقوق.txt\np.png\n", None, "attachments"),
        (TEXTS["ar"], None, "attachment حقوق.txt"),
    )
    put(
        "el-tr.mbox",
        (
            "From a@example.org Sun Feb  1 10:00:00 2026\nFrom: a@example.org\nSubject: Mill\n"
            f"Content-Type: text/plain; charset=utf-8\n\n{TEXTS['el']}\n>From here on\n\n"
            "From b@example.org Mon Feb  2 11:00:00 2026\nDate: Mon, 2 Feb 2026 11:00:00 +0100\n"
            f"Content-Type: text/plain; charset=utf-8\n\n{TEXTS['tr']}\n"
        ).encode(),
        ("From: a@example.org\n\n".join(["Subject: Mill\n", ""]), None, "message 1: Mill"),
        (f"{TEXTS['el']}\nFrom here on\n", None, "message 1: Mill"),
        ("Date: Mon, 2 Feb 2026 11:00:00 +0100\n\n", None, "message 2"),
        (f"{TEXTS['tr']}\n", None, "message 2"),
    )
    event = (
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\nDTSTART:19700101T000000\nEND:VTIMEZONE\nBEGIN:VEVENT\n"
        "DESCRIPTION:" + TEXTS["vi"][:20] + "\n " + TEXTS["vi"][20:] + "\\nHai\\, ba\n"
        "DTSTART;TZID=Asia/Ho_Chi_Minh:20260504T093000\nSUMMARY:Quyền\n"
        'ORGANIZER;CN="An, B":mailto:an@example.org\nBEGIN:VALARM\nDESCRIPTION:Alarm\nEND:VALARM\nEND:VEVENT\n'
        "END:VCALENDAR\n"
    )
    put(
        "vi.ics",
        event.replace("\n", "\r\n").encode(),
        (
            "Quyền\nStart: 2026-05-04 09:30 Asia/Ho_Chi_Minh\nOrganizer: An, B <an@example.org>\n"
            f"{TEXTS['vi']}\nHai, ba\n",
            None,
            "entry 1",
        ),
    )
    members = {
        "a/ru.txt": TEXTS["ru"].encode("cp1251"),
        "b.md": "# B\n",
        "c.bin": b"\0",
        "__MACOSX/._b.md": b"\0",
    }
    put("two.zip", pack(members), (TEXTS["ru"], None, "a/ru.txt"), ("# B\n", None, "b.md B"))


def make_translations() -> None:
    def sides(tag: str, *texts: str) -> str:
        return "".join(f"<{tag}>{text}</{tag}>" for text in texts)

    half = TEXTS["pl"].index(" rodz")
    marked = f"{TEXTS['pl'][:half]}<ph x='1'>&lt;br&gt;</ph>{TEXTS['pl'][half + 1 :]}"
    units = [
        f"<tu><note>Artykuł 1</note><tuv xml:lang='en'><seg>{TEXTS['en']}</seg></tuv>"
        f"<tuv xml:lang='pl'><seg>{marked}</seg></tuv></tu>",
        "<tu><tuv xml:lang='en'><seg>Bell&#7;s &nbsp; &amp; </seg></tuv><tuv><seg>Dzwony</seg></tuv></tu>",
    ]
    memory = (
        f"<?xml version='1.0'?><tmx version='1.4'><header srclang='en'/><body>{''.join(units)}</body></tmx>"
    )
    put(
        "en-pl.tmx",
        memory.encode("utf-16"),
        (f"Artykuł 1\n{TEXTS['en']}\n{TEXTS['pl']}\n", None, "unit 1"),
        ("Bell\x07s &\nDzwony\n", None, "unit 2"),
    )
    job = (
        "<xliff xmlns='urn:oasis:names:tc:xliff:document:2.0' version='2.0' srcLang='fr' trgLang='el'><file id='f'>"
        f"<unit id='u'><segment><source>{TEXTS['fr']}</source><target><pc id='1'>{TEXTS['el']}</pc></target>"
        "</segment></unit></file></xliff>"
    )
    put("fr-el.xlf", job.encode(), (f"{TEXTS['fr']}\n{TEXTS['el']}\n", None, "unit 1"))
    catalogue = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=koi8-r\\n"\n\n#. Article 1\n#: a.c:1\n'
        f'msgid "{TEXTS["en"][:20]}"\n"{TEXTS["en"][20:]}"\nmsgstr "{TEXTS["ru"]}"\n\n'
        '#, fuzzy\nmsgctxt "law"\nmsgid "%d right"\nmsgid_plural "%d rights"\nmsgstr[0] "%d право"\n'
        'msgstr[1] "%d \\"права\\""\n\n#~ msgid "old"\n#~ msgstr "старый"\n'
    )
    put(
        "en-ru.po",
        catalogue.encode("koi8-r"),
        (f"{TEXTS['en']}\n{TEXTS['ru']}\nArticle 1\n", None, "message 1"),
        ('%d right\n%d rights\n%d право\n%d "права"\nlaw\n', None, "message 2"),
    )


def make_captions() -> None:
    first, rest = TEXTS["tr"].split(", ", 1)
    lines = [f"{{1}}{{1}}25.000\n{{25}}{{50}}{{y:i}}{first},|{rest}\n", "{1750}{1800}- Evet|- Hayır\n"]
    put(
        "tr.sub",
        "".join(lines).encode("cp1254"),
        (f"{TEXTS['tr']}\n", None, "00:00:01"),
        ("- Evet\n- Hayır\n", None, "00:01:10"),
    )
    put(
        "pl.sbv",
        f"0:00:01.000,0:00:04.000\n{TEXTS['pl']}\n\n0:00:05.000,0:00:06.000\n>> ADA: 2 < 3\n".encode(),
        (f"{TEXTS['pl']}\n>> ADA: 2 < 3\n", None, "00:00:01"),
    )
    page = (
        '<?xml version="1.0" encoding="utf-8"?><tt:tt xmlns:tt="http://www.w3.org/ns/ttml" '
        'xmlns:m="http://www.w3.org/ns/ttml#metadata" xmlns:s="http://www.w3.org/ns/ttml#styling"><tt:head><tt:metadata>'
        '<m:agent xml:id="a" type="person"><m:name type="full">明</m:name></m:agent></tt:metadata></tt:head><tt:body><tt:div>'
        f'<tt:p begin="00:00:01.000" end="2s" m:agent="a">{TEXTS["ja"][:8]}<tt:br/>{TEXTS["ja"][8:]}</tt:p>'
        f'<tt:p begin="1.5m" end="2m">{TEXTS["km"]} &lt;3</tt:p></tt:div></tt:body></tt:tt>'
    )
    put(
        "ja-km.ttml",
        page.encode(),
        (f"明: {TEXTS['ja']}\n", None, "00:00:01"),
        (f"{TEXTS['km']} <3\n", None, "00:01:30"),
    )


def make_archives() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        for name, codec, language in (("правда/ru.txt", "koi8-r", "ru"), ("el.txt", "utf-8", "el")):
            info = tarfile.TarInfo(name)
            data = f"{TEXTS[language]}\n".encode(codec)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    put(
        "ru-el.tar.xz",
        out.getvalue(),
        (f"{TEXTS['ru']}\n", None, "правда/ru.txt"),
        (f"{TEXTS['el']}\n", None, "el.txt"),
    )
    inner = outlook.message({0x37: "हिन्दी", 0x1000: TEXTS["hi"]}, is_inner=True)
    tree = outlook.message(
        {
            0x37: "자유와 평등",
            0x1000: TEXTS["ko"],
            0x1013: f"<p>{TEXTS['ko']}</p>".encode(),
            0x0C1A: "김영희",
        },
        {0x39: datetime(2026, 5, 4, 8, 30, tzinfo=UTC), 0x3FDE: 65001},
        people=[(1, "Ola Berg", "ola@example.org")],
        attachments=[("계획.csv", "text/csv", "이름,일\n김,글\n".encode()), ("inner.msg", "", inner)],
    )
    put(
        "ko-hi.msg",
        outlook.compound(tree),
        (
            "Subject: 자유와 평등\nFrom: 김영희\nTo: Ola Berg <ola@example.org>\n"
            "Date: Mon, 04 May 2026 08:30:00 +0000\n\n",
            None,
            "headers",
        ),
        (f"{TEXTS['ko']}\n", None, None),
        ("계획.csv\ninner.msg\n", None, "attachments"),
        ("이름: 김\n일: 글\n", None, "attachment 계획.csv row 2"),
        ("Subject: हिन्दी\n\n", None, "attachment inner.msg headers"),
        (f"{TEXTS['hi']}\n", None, "attachment inner.msg"),
    )


def draw(pages: list[list[str]]) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    for number, lines in enumerate(pages, start=1):
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(f"Part {number}", f"p{number}")
        for row, line in enumerate(lines):
            canvas.drawString(72, 760 - 20 * row, line)
        canvas.showPage()
    canvas.setTitle("Human rights")
    canvas.save()
    return out.getvalue()


def make_pdfs(chromium: str) -> None:
    import pypdf

    pages = [f"{TEXTS['en']}\nLine two.\n", f"{TEXTS['fr']}\n"]
    put(
        "en-fr.pdf",
        draw([page.splitlines() for page in pages]),
        (pages[0], 1, "Part 1"),
        (pages[1], 2, "Part 2"),
    )
    put("scanned.pdf", draw([[], []]))
    for name, password in (("locked.pdf", "secret"), ("open-password.pdf", "")):
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(draw([[TEXTS["en"]]])))
        writer.encrypt(password, "owner", algorithm="AES-256")
        out = io.BytesIO()
        writer.write(out)
        put(name, out.getvalue(), *([] if password else [(f"{TEXTS['en']}\n", 1, "Part 1")]))
    for language in ("ar", "he", "hi", "ja", "km", "ko", "ru", "th", "zh"):
        put(f"{language}.pdf", print_page(chromium, language), (f"{TEXTS[language]}\n", 1, None))


def print_page(chromium: str, language: str) -> bytes:
    direction = "rtl" if language in ("ar", "he") else "ltr"
    head = f"<meta charset=utf-8><html lang={language} dir={direction}><title>{language}</title>"
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(f"{head}<p>{TEXTS[language]}", encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command = [
            chromium,
            *options,
            f"--user-data-dir={folder}/user",
            f"--print-to-pdf={printed}",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return printed.read_bytes()


def main() -> None:
    make_texts()
    make_markup()
    make_word()
    make_slides()
    make_tables()
    make_plain_formats()
    make_translations()
    make_captions()
    make_archives()
    make_pdfs(sys.argv[1] if len(sys.argv) > 1 else "chromium")
    rows = [
        f"{json.dumps(name)}: {json.dumps(EXPECTED[name], ensure_ascii=False)}" for name in sorted(EXPECTED)
    ]
    (HERE / "expected.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
