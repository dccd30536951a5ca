"""Mail: which part is the text, headers as words, charsets, attachments, boxes, invitations."""

from email.message import EmailMessage

import pytest

from tests.support.reading import read, text_of, warnings_of

HEAD = b"From: Ada Brook <ada@example.org>\nTo: Ola Berg <ola@example.org>\nSubject: Weir\nDate: 4 May 2026\n"
REAL = "The weir gate is repaired on Tuesday and the mill pond stays empty until noon."


def message(*parts: tuple[str, str], kind: str = "alternative") -> bytes:
    """A message with parts of the given types."""
    blocks = [
        f"--cut\nContent-Type: {type_}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n".encode()
        for type_, text in parts
    ]
    head = HEAD + f"MIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=cut\n\n".encode()
    return head + b"".join(blocks) + b"--cut--\n"


def body_of(data: bytes) -> str:
    return text_of("a.eml", data).partition("\n\n")[2]


@pytest.mark.parametrize(
    "stub",
    [
        "",
        " \u00a0 ",
        "Please view this mail in a browser: https://example.org/a",
        "Dies ist eine HTML-Nachricht.",
    ],
)
def test_an_empty_or_stub_text_does_not_hide_the_message(stub: str) -> None:
    data = message(("text/plain", stub), ("text/html", f"<p>{REAL}</p>"))
    assert body_of(data) == f"{REAL}\n"


def test_of_two_that_say_the_same_the_plain_one_is_read() -> None:
    html = f"<p>{REAL}</p><img src=x><p>Ada</p>"
    assert body_of(message(("text/plain", f"{REAL}\n\nAda"), ("text/html", html))) == f"{REAL}\n\nAda\n"
    wrapped = "水車小屋は火曜日に\n修理されます。"
    data = message(("text/plain", wrapped), ("text/html", "<p>水車小屋は火曜日に修理されます。</p>"))
    assert body_of(data) == f"{wrapped}\n"


def test_an_html_part_that_says_more_is_read_and_one_that_says_less_is_not() -> None:
    more = f"<p>{REAL}</p><p>Bring boots, a lamp and the long ladder from the barn, and call me before.</p>"
    assert "ladder" in body_of(message(("text/plain", REAL), ("text/html", more)))
    assert body_of(message(("text/plain", REAL), ("text/html", "<p>View online</p>"))) == f"{REAL}\n"


def test_alternatives_that_say_different_things_are_both_read() -> None:
    first, second = (" ".join(f"{word}{n}" for n in range(60)) for word in ("alder", "birch"))
    text = body_of(message(("text/plain", first), ("text/html", f"<p>{second}</p>")))
    assert first in text and second in text


def test_every_text_part_is_read_in_its_order() -> None:
    parts = (("text/plain", "First"), ("text/html", "<p>Second</p>"), ("text/plain", "List footer"))
    assert body_of(message(*parts, kind="mixed")) == "First\nSecond\nList footer\n"


def test_headers_are_shown_and_their_words_decoded() -> None:
    assert text_of("a.eml", HEAD + b"\nHi\n") == (
        "Subject: Weir\nFrom: Ada Brook <ada@example.org>\nTo: Ola Berg <ola@example.org>\n"
        "Date: 4 May 2026\n\nHi\n"
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"=?utf-8?q?M=C3=BChle?= am Bach", "Mühle am Bach"),
        (b"=?utf-8?b?TcO8?= =?utf-8?b?aGxl?=", "Mühle"),
        (b"=?utf-8?q?M=C3?=\n =?utf-8?q?=BChle?=", "Mühle"),
        (b"=?iso-8859-8-i?b?5OXx6w==?=", "הוסכ"),
        (b"=?no-such-charset?q?plain?=", "plain"),
        ("Mühle am Bach".encode(), "Mühle am Bach"),
        ("Мельница у ручья".encode("koi8-r"), "Мельница у ручья"),
        (b"=?utf-8?b?=C3=28?=", ""),
        (b"a =?utf-8?q?b?=\n\tc", "a b c"),
    ],
)
def test_subjects_in_any_encoding(raw: bytes, words: str) -> None:
    data = b"Subject: " + raw + b"\nContent-Type: text/plain; charset=koi8-r\n\nHi\n"
    title = next(facts.title for facts in read("a.eml", data)[1])
    assert title == words or not words


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-2022-kr", "물레방아는 화요일에 고칩니다."),
        ("iso-2022-jp", "水車小屋は火曜日に修理されます。"),
        ("hz", "磨坊星期二修理。"),
        ("utf-7", "Die Mühle wird am Dienstag repariert – für alle."),
        ("gb2312", "磨坊星期二修理。"),
        ("koi8-r", "Мельница"),
        ("iso-8859-3", "La muelejo ĉe la rivereto"),
        ("windows-1257", "Malūnas prie upelio"),
    ],
)
def test_the_declared_charset_is_asked_first(charset: str, text: str) -> None:
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n".encode()
    assert body_of(head + text.encode(charset)) == f"{text}\n"


def test_an_invitation_is_read_in_words() -> None:
    event = (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Weir inspection\nDTSTART:20260504T073000Z\nLOCATION:Mill\\, north "
        "side\nATTENDEE;CN=Ola Berg;ROLE=REQ:mailto:ola@example.org\nEND:VEVENT\nEND:VCALENDAR"
    )
    data = message(("text/plain", REAL), ("text/calendar", event))
    assert body_of(data) == (
        f"{REAL}\nWeir inspection\nStart: 2026-05-04 07:30 UTC\nLocation: Mill, north side\n"
        "Attendee: Ola Berg <ola@example.org>\n"
    )


def test_parts_that_cannot_be_read_are_named() -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    mail.set_content("Hi")
    mail.add_attachment(
        b"\x78\x9f\x3e\x22", maintype="application", subtype="ms-tnef", filename="winmail.dat"
    )
    mail.add_attachment(b"\x00\x01", maintype="application", subtype="x-odd")
    mail.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="table")
    data = mail.as_bytes()
    assert warnings_of("a.eml", data) == [
        "attachment winmail.dat was not read: it is Outlook's own packing (TNEF)",
        "attachment not read: part 3 (application/x-odd) has the suffix '(none)', which is not read; expected "
        "one of: " + known_suffixes() + ". Convert it to one of these.",
    ]
    assert "table.csv" in text_of("a.eml", data)


def known_suffixes() -> str:
    from indexer.readers import SUFFIXES

    return " ".join(sorted(suffix.lstrip(".") for suffix in SUFFIXES))


def test_a_message_that_is_attached_is_read_with_its_headers() -> None:
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "Inner", "eve@example.org"
    inner.set_content("Forwarded words")
    outer = EmailMessage()
    outer["Subject"] = "Outer"
    outer.set_content("See below")
    outer.add_attachment(inner)
    text = text_of("a.eml", outer.as_bytes())
    assert "Forwarded words" in text and "From: eve@example.org" in text


def test_a_saved_page_is_read_without_its_resources() -> None:
    data = (
        b"From: <Saved by Blink>\nSubject: Mill\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/related; type="text/html"; boundary="cut"\n\n'
        b"--cut\nContent-Type: text/html\nContent-Location: https://example.org/\n\n<p>Rye flour</p>\n"
        b"--cut\nContent-Type: text/css\nContent-Location: cid:1\n\np { color: red }\n--cut--\n"
    )
    assert "Rye flour" in text_of("a.mhtml", data) and "color" not in text_of("a.mhtml", data)


def test_a_box_is_found_by_its_first_line_and_its_messages_told_apart() -> None:
    one = (
        b"From a@x Mon Feb  2 11:00:00 2026\nSubject: One\n\nFirst\nFrom here on no new one.\n>From there\n\n"
    )
    two = b"From b@x Mon Feb  2 11:00:00 2026\nSubject: Two\n\nSecond\n"
    for name in ("a.mbox", "a.eml", "Inbox"):
        pieces, _ = read(name, one + two)
        assert [section for _, section in pieces] == [
            "message 1: One › headers", "message 1: One", "message 2: Two › headers", "message 2: Two",
        ]  # fmt: skip
        assert pieces[1][0] == "First\nFrom here on no new one.\nFrom there\n"
    assert read("a.txt", b"From noon on we rest.\n")[0] == [("From noon on we rest.\n", None)]


def test_many_recipients_are_counted() -> None:
    people = ", ".join(f"p{n}@example.org" for n in range(80)).encode()
    text = text_of("a.eml", b"Subject: x\nTo: " + people + b"\n\nHi\n")
    assert "p49@example.org and 30 more" in text
