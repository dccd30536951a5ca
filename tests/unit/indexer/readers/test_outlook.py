"""Messages of Outlook: their properties, recipients, attachments, and damage."""

from datetime import UTC, datetime

import pytest

from indexer.errors import ReadError
from indexer.readers.compressed_rtf import CompressedRtfError, plain_rtf
from tests.support.outlook import compound, message
from tests.support.reading import read, text_of, warnings_of

SUBJECT, BODY, HTML, RTF, SENDER, SMTP = 0x37, 0x1000, 0x1013, 0x1009, 0x0C1A, 0x5D01
MOMENT = datetime(2026, 5, 4, 8, 30, tzinfo=UTC)
# the two examples of MS-OXRTFCP
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
)
REPEATED = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def test_headers_text_and_attachments() -> None:
    tree = message(
        {
            SUBJECT: "Weir\r\n gate",
            BODY: "The weir is\r\nrepaired.\r\n",
            SENDER: "Ada Brook",
            SMTP: "ada@example.org",
        },
        {0x0039: MOMENT},
        people=[
            (1, "Ola", "ola@example.org"),
            (2, "李", "li@example.org"),
            (1, "x@example.org", "x@example.org"),
        ],
        attachments=[
            ("plan ü.csv", "text/csv", b"Day,Work\nMon,gate\n"),
            ("photo.png", "image/png", b"\x89PNG\r\n"),
        ],
    )
    blocks, facts = read("a.msg", compound(tree))
    assert facts[0].title == "Weir gate"
    assert blocks == [
        (
            "Subject: Weir gate\nFrom: Ada Brook <ada@example.org>\nTo: Ola <ola@example.org>, x@example.org\n"
            "Cc: 李 <li@example.org>\nDate: Mon, 04 May 2026 08:30:00 +0000\n\n",
            "headers",
        ),
        ("The weir is\nrepaired.\n", None),
        ("plan ü.csv\nphoto.png\n", "attachments"),
        ("Day: Mon\nWork: gate\n", "attachment plan ü.csv row 2"),
    ]
    assert "photo.png looks like binary data" in warnings_of("a.msg", compound(tree))[0]


def test_a_message_is_known_without_its_suffix() -> None:
    data = compound(message({BODY: "Plain."}))
    assert text_of("mail", data) == text_of("a.doc", data) == "Plain.\n"


@pytest.mark.parametrize(
    ("page", "codec", "text"),
    [
        (1251, "cp1251", "Плотину починят во вторник."),
        (932, "cp932", "水車小屋は火曜日に修理されます。"),
        (1255, "cp1255", "הטחנה תתוקן ביום שלישי."),
        (0, "cp1250", "Młyn zostanie naprawiony we wtorek, proszę przyjść później."),
        (99999, "cp1253", "Ο μύλος θα επισκευαστεί την Τρίτη."),
    ],
)
def test_strings_in_a_code_page(page: int, codec: str, text: str) -> None:
    tree = message({SUBJECT: text, BODY: text}, {0x3FFD: page}, page=codec)
    assert text_of("a.msg", compound(tree)) == f"Subject: {text}\n\n{text}\n"


def test_html_in_its_code_page_and_text_that_is_a_note() -> None:
    html = "<p>Плотину починят во вторник, мельница закрыта до полудня, приходите после.</p>"
    tree = message({BODY: "This message needs HTML.", HTML: html.encode("koi8-r")}, {0x3FDE: 20866})
    assert text_of("a.msg", compound(tree)) == f"{html[3:-4]}\n"


def test_rich_text_alone_is_read() -> None:
    assert plain_rtf(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert plain_rtf(REPEATED) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert text_of("a.msg", compound(message({SUBJECT: "x", RTF: HELLO}))).endswith("\n\nhello world\n")
    stored = b"\x15\0\0\0\x09\0\0\0MELA\0\0\0\0{\\rtf1 a}"
    assert plain_rtf(stored) == b"{\\rtf1 a}"
    bad = message({SUBJECT: "x", RTF: b"\0" * 40})
    assert "packed in a way that is not known" in warnings_of("a.msg", compound(bad))[0]
    with pytest.raises(CompressedRtfError, match="ends too early"):
        plain_rtf(b"LZFu")


def test_attached_messages_and_other_objects() -> None:
    inner = message(
        {SUBJECT: "Inner", BODY: "About the pond."},
        attachments=[("deep.msg", "", message({BODY: "Deeper still."}, is_inner=True))],
        is_inner=True,
    )
    tree = message({BODY: "Outer."}, attachments=[("in.msg", "", inner), ("chart", "", {"CONTENTS": b"x"})])
    blocks, _ = read("a.msg", compound(tree))
    assert ("About the pond.\n", "attachment in.msg") in blocks
    assert ("Deeper still.\n", "attachment in.msg attachment deep.msg") in blocks
    said = warnings_of("a.msg", compound(tree))
    assert said[0].startswith("attachment not read: chart")


def test_long_streams_and_many_of_them() -> None:
    text = "".join(f"Sentence {n} of many.\r\n" for n in range(9_000))
    tree = message({BODY: text}, people=[(1, f"Name {n}", f"{n}@example.org") for n in range(300)])
    found = text_of("a.msg", compound(tree))
    assert found.endswith(text.replace("\r\n", "\n")) and "Name 49" in found and "and 250 more" in found


def test_damage_is_told() -> None:
    data = compound(message({SUBJECT: "Weir", BODY: "The weir is repaired. " * 400}))
    for size in (600, len(data) // 2, len(data) - 512):
        with pytest.raises(ReadError, match=r"; expected "):
            read("a.msg", data[:size])
    circle = bytearray(data)
    table = int.from_bytes(data[76:80], "little")
    circle[(table + 1) * 512 : (table + 1) * 512 + 4] = bytes(4)  # the first chain leads to itself
    with pytest.raises(ReadError, match="runs in a circle or out of the file"):
        read("a.msg", bytes(circle))


def test_other_compound_files_are_named_for_what_they_are() -> None:
    with pytest.raises(ReadError, match=r"Office 97-2003 document \(doc, xls, ppt\)"):
        read("a.doc", compound({"WordDocument": b"x" * 5000}))
