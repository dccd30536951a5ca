"""PDF pages in the order in which they are read, with what stands on them and nothing else."""

import pytest

from indexer.errors import ReadError
from indexer.readers import Piece, Source
from indexer.readers.pdf import read
from tests.support.documents import sections_of, text_of, title_of, warnings_of
from tests.support.pdfs import lines, pdf, show, turned

LEFT = [
    "The ferry to the outer isles",
    "leaves from the north quay at",
    "six and takes about an hour",
    "when the wind is fair.",
]
RIGHT = [
    "Bring warm clothes because",
    "the deck is open, and leave",
    "your car on the mainland or",
    "ask the crew for a place.",
]
THIRD = [
    "Dogs are welcome on board",
    "as long as they stay on a",
    "lead and do not disturb the",
    "birds on the cliffs.",
]


def reading(data: bytes):
    return read(Source("a.pdf", data=data))


def page(*operators: str, **more: str) -> str:
    return text_of(reading(pdf("".join(operators), **more)))


def across(*columns: list[str], y: float = 700, gap: float = 160, shift: float = 0) -> str:
    """Columns drawn line by line across the page."""
    drawn = [lines(50 + gap * at, y - shift * at, column) for at, column in enumerate(columns)]
    return "".join("".join(row) for row in zip(*drawn, strict=True))


@pytest.mark.parametrize("shift", [0, 6, -4])
def test_columns_drawn_line_by_line_are_read_one_after_the_other(shift: float) -> None:
    text = page(
        show(50, 750, "About the ferry", size=16),
        across(LEFT, RIGHT, shift=shift),
        show(50, 600, "Signed by the harbour master of the town, for all."),
    )
    assert text.split("\n") == [
        "About the ferry",
        *LEFT,
        *RIGHT,
        "Signed by the harbour master of the town, for all.",
        "",
    ]


def test_three_columns_and_columns_drawn_in_order() -> None:
    assert page(across(LEFT, RIGHT, THIRD)).split("\n") == [*LEFT, *RIGHT, *THIRD, ""]
    assert page(*lines(50, 700, LEFT), *lines(250, 700, RIGHT)).split("\n") == [*LEFT, *RIGHT, ""]


def test_columns_of_right_to_left_writing_begin_at_the_right() -> None:
    right = ["הספינה יוצאת מן הרציף", "הצפוני בשעה שש ומגיעה", "אחרי שעה לאיים שבים"]
    left = ["הביאו בגדים חמים כי", "הסיפון פתוח והרוח", "קרה גם באמצע הקיץ"]
    rows = "".join(
        show(50, 700 - 14 * n, b[::-1], font="U") + show(300, 700 - 14 * n, a[::-1], font="U")
        for n, (a, b) in enumerate(zip(right, left, strict=True))
    )
    assert page(rows).split("\n") == [*right, *left, ""]


def test_a_table_is_read_by_rows() -> None:
    rows = [
        ("Kayak for one", "12 euros an hour"),
        ("Rowing boat for four", "20 euros an hour"),
        ("Sailing boat", "35 euros an hour"),
        ("Raft", "5 euros an hour"),
    ]
    drawn = "".join(show(50, 700 - 14 * n, a) + show(250, 700 - 14 * n, b) for n, (a, b) in enumerate(rows))
    assert page(drawn).split("\n") == [*(f"{a} {b}" for a, b in rows), ""]


@pytest.mark.parametrize(
    ("cap", "first", "meant"),
    [
        ("T", "he nets were dried on the wall", "The nets were dried on the wall"),
        ("Ö", "stlich der Mole liegt der Strand", "Östlich der Mole liegt der Strand"),
    ],
)
def test_an_initial_is_joined_to_its_word_wherever_it_is_drawn(cap: str, first: str, meant: str) -> None:
    for height, place in ((40, 672), (24, 686)):
        initial = show(50, place, cap, size=height)
        left = 50 + height * 0.8
        body = [show(left, 700, first), show(left, 686, "and mended in the winter months")]
        below = show(50, 650, "by the old men.")
        for order in ([initial, *body], [*body, initial], [body[0], initial, body[1]]):
            assert page(*order, below).split("\n") == [
                meant,
                "and mended in the winter months",
                "by the old men.",
                "",
            ]


def test_an_initial_that_is_a_word_keeps_its_space() -> None:
    assert page(show(50, 680, "A", size=30), show(80, 700, "harbour is a place for ships")).startswith(
        "A harbour"
    )


def test_words_cut_at_line_ends_are_joined_as_they_are_written() -> None:
    cut = [
        "A harbour pilot lives in the light-",
        "house. The har-",
        "bour is deep. The well-",
        "known state-of-the-",
        "art crane, built in 2001-",
        "2003 by Bell-",
        "Andersen, is a three-",
        "ton one; co-",
        "operate and re-",
        "sign. INTER-",
        "NATIONAL. Self-",
        "service. Vor-",
        "und Nachteile.",
    ]
    elsewhere = ["The co-operate sign. A three-ton load. Resign now."]
    text = page(*lines(50, 700, cut), *lines(50, 400, elsewhere)).split("\n")
    assert text[0] == (
        "A harbour pilot lives in the lighthouse. The harbour is deep. The well-known state-of-the-art crane, built in 2001-2003 by "
        "Bell-Andersen, is a three-ton one; co-operate and resign. INTERNATIONAL. Self-service. Vor- und Nachteile."
    )


def test_lines_of_chinese_and_japanese_are_joined_and_lists_are_not() -> None:
    wrapped = [
        "海辺の町には古い灯",
        "台があり、夜になると",
        "船を導く光が遠くま",
        "で届きます。毎週土曜",
        "日に見学できます。",
    ]
    assert page(*lines(50, 700, wrapped, font="U")) == "".join(wrapped) + "\n"
    names = ["田中一郎", "佐藤花子", "鈴木次郎"]
    assert page(*lines(50, 700, names, font="U")).split("\n") == [*names, ""]
    heading = show(50, 730, "灯台の案内", font="U", size=18)
    assert page(heading, *lines(50, 700, wrapped, font="U")).split("\n")[0] == "灯台の案内"


def test_vertical_writing_goes_from_right_to_left_and_tier_by_tier() -> None:
    columns = ["海辺の町には古い灯台", "があり、夜になると光", "が遠くまで届きます。"]
    drawn = [show(400 - 16 * n, 700, text, font="V", size=10) for n, text in enumerate(columns)]
    below = [
        show(400 - 16 * n, 560, text, font="V", size=10)
        for n, text in enumerate(["冬には雪が降り、船も", "港で休みます。"])
    ]
    meant = "".join(columns) + "\n" + "冬には雪が降り、船も港で休みます。\n"
    assert page(*drawn, *below) == meant
    assert page(*below[::-1], *drawn[::-1]) == meant


def test_numbers_and_words_in_vertical_writing_stay_in_their_place() -> None:
    upright = show(394, 652, "12", font="U")
    lying = turned(377, 690, "Wi-Fi", "0 -1 1 0", font="U")
    first = show(400, 700, "平成七年", font="V") + upright + show(400, 648, "に開いた駅の前に", font="V")
    second = show(380, 700, "は", font="V") + lying + show(380, 665, "があります。夜も使えます。", font="V")
    assert page(first, second) == "平成七年12に開いた駅の前にはWi-Fiがあります。夜も使えます。\n"
    assert page(second, first) == page(first, second)


@pytest.mark.parametrize(("matrix", "rotate"), [("0 1 -1 0", 90), ("0 -1 1 0", 270), ("-1 0 0 -1", 180)])
def test_turned_pages_are_read_in_every_writing(matrix: str, rotate: int) -> None:
    def row(n: int, text: str) -> str:
        at = {90: (100 + 14 * n, 100), 270: (500 - 14 * n, 700), 180: (500, 100 + 14 * n)}[rotate]
        return turned(*at, text, matrix, font="U")

    text = page(
        row(0, "שלום לכולם"[::-1]), row(1, "تحية للجميع"[::-1]), row(2, "Plain words here"), rotate=rotate
    )
    assert text.split("\n") == ["שלום לכולם", "تحية للجميع", "Plain words here", ""]


def test_text_that_nobody_sees_is_left_out() -> None:
    hidden = show(50, 600, "search engine bait", before="3 Tr")
    outside = show(700, 500, "printer notes") + show(50, 900, "colour bar")
    assert page(show(50, 700, "Seen."), hidden, outside) == "Seen.\n"
    assert page(show(50, 700, "Seen."), show(50, 120, "cut off"), page="/CropBox[0 200 600 800]") == "Seen.\n"


def test_the_recognised_text_of_a_scan_is_kept() -> None:
    image = "<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n0\nendstream"
    strips = "".join(f"q 600 0 0 200 0 {200 * n} cm /I Do Q\n" for n in range(4))
    scan = strips + show(50, 600, "Recognised words.", before="3 Tr")
    data = pdf(
        scan + show(50, 30, "Scanned by the archive"), objects=[image], resources="/XObject<</I 3 0 R>>"
    )
    assert text_of(reading(data)).split("\n")[0] == "Recognised words."
    assert page(show(50, 600, "Recognised words.", before="3 Tr")) == "Recognised words.\n"


def widget(kind: str, rect: str, more: str, name: str) -> str:
    return f"<</Type/Annot/Subtype/Widget/FT/{kind}/T({name})/Rect[{rect}]/F 4{more}>>"


def test_form_fields_stand_after_their_labels_and_comments_beside() -> None:
    objects = [
        widget("Tx", "150 695 300 710", "/V(Ann Bell)", "person"),
        widget("Ch", "150 675 300 690", "/Ff 131072/Opt[(Cod)(Eel)]/V(Eel)", "fish"),
        widget("Btn", "50 655 60 665", "/V/Yes/AS/Yes/AP<</N<</Yes<<>>/Off<<>>>>>>", "agree"),
        widget("Btn", "50 635 60 645", "/V/Off/AS/Off/AP<</N<</Yes<<>>/Off<<>>>>>>", "refuse"),
        widget("Tx", "50 100 300 200", "/V(All of it\\rby noon)", "remarks"),
        widget("Tx", "150 300 300 320", "/Ff 8192/V(secret)", "password"),
        "<</Type/Annot/Subtype/Text/Rect[400 700 420 720]/Contents(Is this right?)>>",
        "<</Type/Annot/Subtype/FreeText/Rect[400 600 420 620]/Contents(Paid.)>>",
        "<</Type/Annot/Subtype/Text/F 2/Rect[400 700 420 720]/Contents(hidden)>>",
    ]
    labels = (
        show(50, 700, "Name:") + show(50, 680, "Fish:") + show(70, 657, "I agree") + show(70, 637, "I refuse")
    )
    kids = " ".join(f"{n} 0 R" for n in range(3, 3 + len(objects)))
    data = pdf(
        labels,
        objects=objects,
        page=f"/Annots[{kids}]",
        catalog=f"/AcroForm<</Fields[{' '.join(kids.split()[:18])}]>>",
    )
    assert sections_of(reading(data)) == {
        None: "Name: Ann Bell\nFish: Eel\n☒ I agree\nI refuse\nremarks: All of it\nby noon\n",
        "comments": "Is this right?\nPaid.\n",
    }


def test_a_form_of_another_kind_is_said() -> None:
    data = pdf(show(50, 700, "Please wait"), catalog="/AcroForm<</Fields[]/XFA(<xdp/>)>>")
    assert any("XFA" in warning for warning in warnings_of(reading(data)))


def test_pages_bear_their_own_numbers() -> None:
    labels = "/PageLabels<</Nums[0<</S/r>>1<</S/D/St 2>>]>>"
    data = pdf(show(50, 700, "Preface."), show(50, 700, "Text."), catalog=labels)
    pieces = [item for item in reading(data) if isinstance(item, Piece)]
    assert [(one.page, one.section) for one in pieces] == [(1, "page i"), (2, None)]


@pytest.mark.parametrize(
    "title",
    [
        "Microsoft Word - Letter 3",
        "untitled",
        "Untitled-1",
        "PowerPoint Presentation",
        "letter.docx",
        "QuarkXPress 4",
    ],
)
def test_titles_that_programs_put_there_are_none(title: str) -> None:
    assert title_of(reading(pdf(show(50, 700, "Text."), info=f"/Title({title})"))) == ""
    assert title_of(reading(pdf(show(50, 700, "Text."), info="/Title(Nets and ropes)"))) == "Nets and ropes"


def test_a_page_without_visible_text_is_said() -> None:
    with pytest.raises(ReadError, match="no text layer on any of its 1 pages"):
        list(reading(pdf("")))
    assert warnings_of(reading(pdf("", show(50, 700, "Text.")))) == ["1 of 2 pages have no text layer"]


def test_a_lone_narrow_sign_is_not_taken_for_one_outside_the_page() -> None:
    page = (
        show(50, 700, "and x")
        + show(73, 704, "2", size=7)
        + show(77, 700, ".")
        + show(50, 650, "i")
        + show(50, 600, "|")
    )
    assert text_of(read(Source("a.pdf", data=pdf(page)))) == "and x2.\ni\n|\n"
    outside = show(50, 700, "shown") + show(700, 650, ".") + show(50, -40, "i")
    assert text_of(read(Source("a.pdf", data=pdf(outside)))) == "shown\n"


def test_a_table_of_words_in_small_letters_is_read_by_rows() -> None:
    """Its cells stand so close that two of them make a column as wide as prose."""
    names = ["fig", "sloe", "apricots", "pear", "medlar", "quince"]
    cells = [[f"{names[(row + at) % 6]} {100 + row * 7 + at}" for at in range(4)] for row in range(8)]
    page = "".join(
        show(x, 700 - 14 * row, cells[row][at])
        for row in range(8)
        for at, x in enumerate((50, 111, 230, 291))
    )
    assert text_of(read(Source("a.pdf", data=pdf(page)))).splitlines() == [" ".join(row) for row in cells]
