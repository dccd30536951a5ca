"""Workbooks as spreadsheet programs show them, and what stands beside their cells."""

from datetime import datetime

import pytest

from indexer.readers import Piece, Source
from indexer.readers.workbook import open_workbook
from indexer.readers.xlsx import read
from tests.support.documents import packed, sections_of, title_of, warnings_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_R = "http://purl.oclc.org/ooxml/officeDocument/relationships"
DRAWING = (
    'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    f'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:r="{R}"'
)


def related(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="r{n}" Type="{R}/{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(targets)
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>'


def workbook(
    rows: str,
    *,
    strict: bool = False,
    state: str = "",
    settings: str = "",
    sheet_links: str = "",
    **parts: str,
) -> Source:
    """A workbook of one sheet with styles 0 General, 1 00000, 2 0.0%, 3 dd/mm/yyyy, 4 #,##0.00 [$€-2]."""
    codes = ["00000", "0.0%", "dd/mm/yyyy", "#,##0.00 [$€-2]"]
    formats = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(codes))
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 164, 165, 166, 167))
    strings = "<si><t>Tea</t></si><si><r><t>Gr</t></r><r><t>een</t></r></si><si><t>緑茶</t><rPh><t>りょくちゃ</t></rPh></si>"
    members = {
        "_rels/.rels": related(("officeDocument", "xl/book.xml")),
        "xl/book.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{R}">{settings}<sheets><sheet name="Stock" {state} r:id="r0"/>'
        '<sheet name="Secret" state="hidden" r:id="r1"/></sheets></workbook>',
        "xl/_rels/book.xml.rels": related(
            ("worksheet", "sheets/s1.xml"),
            ("worksheet", "sheets/s2.xml"),
            ("styles", "styles.xml"),
            ("sharedStrings", "strings.xml"),
        ),
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>',
        "xl/strings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/sheets/s1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/sheets/s2.xml": f'<worksheet xmlns="{MAIN}"><sheetData><row><c t="inlineStr"><is><t>secret</t></is></c></row></sheetData></worksheet>',
        "xl/sheets/_rels/s1.xml.rels": sheet_links or related(),
    } | {f"xl/{name.replace('_xml', '.xml')}": data for name, data in parts.items()}
    if strict:
        members = {name: data.replace(MAIN, STRICT).replace(R, STRICT_R) for name, data in members.items()}
    return packed(members, "a.xlsx")


ROW = (
    '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2" s="1"><v>42</v></c><c r="C2" s="2"><v>0.125</v></c>'
    '<c r="D2" s="3"><v>45356</v></c><c r="F2" s="4"><v>1234.5</v></c><c r="G2" t="b"><v>1</v></c></row>'
)


@pytest.mark.parametrize("strict", [False, True])
def test_cells_are_shown_in_their_formats(strict: bool) -> None:
    pieces = [item for item in read(workbook(ROW, strict=strict)) if isinstance(item, Piece)]
    assert [(piece.text, piece.page, piece.section) for piece in pieces] == [
        ("Green | 00042 | 12.5% | 05/03/2024 (2024-03-05) | 1,234.50 € | TRUE\n", 1, "Stock row 2")
    ]


def test_the_first_row_names_the_columns_and_no_column_is_lost() -> None:
    def row(*values: str) -> str:
        return (
            "<row>" + "".join(f'<c t="inlineStr"><is><t>{value}</t></is></c>' for value in values) + "</row>"
        )

    rows = (
        row("No.2", "title", "Text", "Price")
        + row("7", "Oars", "Two oars of ash.", "12")
        + row("", "Rope", "", "3", "spare")
    )
    assert sections_of(read(workbook(rows))) == {
        "Stock row 2": "Oars\nTwo oars of ash.\nNo.2: 7\nPrice: 12\n",
        "Stock row 3": "Rope\nPrice: 3\nspare\n",
    }
    titled = row("Prices of the year") + row("Boat", "Price") + row("Raft", "5")
    assert sections_of(read(workbook(titled))) == {
        "Stock row 1": "Prices of the year\n",
        "Stock row 3": "Boat: Raft\nPrice: 5\n",
    }
    assert sections_of(read(workbook(row("Boat", "Price")))) == {"Stock row 1": "Boat | Price\n"}
    assert sections_of(read(workbook(row("Ann", "Ann") + row("b", "c")))) == {
        "Stock row 1": "Ann | Ann\n",
        "Stock row 2": "b | c\n",
    }


def test_values_are_there_unformatted_too() -> None:
    with open_workbook(workbook(ROW)) as book:
        (number, cells), *_ = book.rows(book.sheets[0])
        assert number == 2 and [cell.value for cell in cells] == [
            "Green",
            42,
            0.125,
            45356,
            None,
            1234.5,
            True,
        ]
        assert book.moment(cells[3]) == datetime(2024, 3, 5) and book.moment(cells[1]) is None


def test_readings_are_left_out_and_escapes_undone() -> None:
    source = workbook(
        '<row><c t="s"><v>2</v></c><c t="str"><v>a_x0009_b_x005F_x0009_</v></c><c t="inlineStr"><is><t>in</t></is></c></row>'
    )
    assert sections_of(read(source)) == {"Stock row 1": "緑茶 | a\tb_x0009_ | in\n"}


def test_formulas_without_a_value_and_hidden_sheets_are_said() -> None:
    source = workbook(
        '<row><c t="s"><v>0</v></c><c><f>1+1</f></c><c><f>A1</f></c><c t="str"><f>""</f><v></v></c></row>'
    )
    assert sections_of(read(source)) == {"Stock row 1": "Tea\n"}
    assert warnings_of(read(source)) == [
        "1 hidden sheets were left out",
        "2 formulas have no stored value: open the workbook in a spreadsheet program and save it",
    ]


def test_text_boxes_charts_and_comments_are_read() -> None:
    box = "<xdr:sp><xdr:txBody><a:p><a:r><a:t>Keep cool.</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
    chart = (
        '<xdr:graphicFrame><a:graphic><c:chart r:id="r0"/><c:chart r:id="r9"/></a:graphic></xdr:graphicFrame>'
    )
    title = "<c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    names = "<c:cat><c:strRef><c:strCache><c:pt><c:v>May</c:v></c:pt></c:strCache></c:strRef></c:cat>"
    comment = (
        '<authors><author>Ann</author><author>tc=1</author></authors><commentList><comment authorId="0"><text><r><t>Ann:</t></r>'
        '<r><t>\nOut of stock?</t></r></text></comment><comment authorId="1"><text><t>[Threaded comment]</t></text></comment></commentList>'
    )
    source = workbook(
        ROW,
        sheet_links=related(
            ("drawing", "../d.xml"), ("comments", "../c.xml"), ("threadedComment", "../t.xml")
        ),
        d_xml=f"<xdr:wsDr {DRAWING}>{box}{chart}</xdr:wsDr>",
        c_xml=f'<comments xmlns="{MAIN}">{comment}</comments>',
        t_xml='<ThreadedComments xmlns="urn:t"><threadedComment><text>Order more.</text></threadedComment></ThreadedComments>',
        chart_xml=f"<c:chartSpace {DRAWING}><c:chart>{title}{names}</c:chart></c:chartSpace>",
        **{"_rels/d.xml.rels": related(("chart", "chart.xml"))},
    )
    found = sections_of(read(source))
    assert found["Stock drawings"] == "Keep cool.\nSales\nMay\n"
    assert found["Stock comments"] == "Out of stock?\nOrder more.\n"
    assert warnings_of(read(source))[0] == "a chart is missing and was not read"


def test_dates_of_strict_files_are_shown_in_their_format() -> None:
    source = workbook(
        '<row><c t="d" s="3"><v>2024-03-05T00:00:00</v></c><c t="d"><v>2024-03-05T18:30:00Z</v></c><c t="d"><v>soon</v></c></row>',
        strict=True,
    )
    assert sections_of(read(source)) == {
        "Stock row 1": "05/03/2024 (2024-03-05) | 2024-03-05 18:30:00 | soon\n"
    }


def test_the_calendar_of_1904() -> None:
    source = workbook('<row><c s="3"><v>0</v></c></row>', settings='<workbookPr date1904="1"/>')
    assert sections_of(read(source)) == {"Stock row 1": "01/01/1904 (1904-01-01)\n"}
    assert title_of(read(source)) == ""
