"""Slides are read as they are seen."""

import pytest

from indexer.readers import Source
from indexer.readers.pptx import read
from tests.support.documents import packed, sections_of, text_of, title_of, warnings_of

BASE = "http://schemas.openxmlformats.org"
R = f"{BASE}/officeDocument/2006/relationships"
SPACES = (
    f'xmlns:p="{BASE}/presentationml/2006/main" xmlns:a="{BASE}/drawingml/2006/main" xmlns:r="{R}" '
    f'xmlns:mc="{BASE}/markup-compatibility/2006" xmlns:c="{BASE}/drawingml/2006/chart" xmlns:dgm="{BASE}/drawingml/2006/diagram"'
)


def related(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="r{n}" Type="{R}/{kind}" Target="{to}"/>' for n, (kind, to) in enumerate(targets)
    )
    return f'<Relationships xmlns="{BASE}/package/2006/relationships">{rows}</Relationships>'


def text(*lines: str) -> str:
    return "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)


def place(x: int, y: int, cx: int = 100, cy: int = 40) -> str:
    return f'<a:xfrm><a:off x="{x}" y="{y}"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm>'


def shape(body: str, at: str = "", kind: str = "", index: str = "") -> str:
    holder = f'<p:ph type="{kind}" idx="{index}"/>' if kind or index else ""
    return f"<p:sp><p:nvSpPr><p:nvPr>{holder}</p:nvPr></p:nvSpPr><p:spPr>{at}</p:spPr><p:txBody>{body}</p:txBody></p:sp>"


def deck(*slides: str, links: str = "", strict: bool = False, **parts: str) -> Source:
    count = len(slides)
    ids = "".join(f'<p:sldId id="{256 + n}" r:id="r{n}"/>' for n in range(count))
    members = {
        "_rels/.rels": related(("officeDocument", "ppt/deck.xml")),
        "ppt/deck.xml": f"<p:presentation {SPACES}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/deck.xml.rels": related(*(("slide", f"slides/s{n}.xml") for n in range(count))),
    }
    for n, shapes in enumerate(slides):
        members[f"ppt/slides/s{n}.xml"] = (
            f"<p:sld {SPACES}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
        if links:
            members[f"ppt/slides/_rels/s{n}.xml.rels"] = links
    members |= {f"ppt/{name.replace('_xml', '.xml')}": data for name, data in parts.items()}
    if strict:
        members = {
            name: data.replace(BASE, "http://purl.oclc.org/ooxml").replace("/2006", "")
            for name, data in members.items()
        }
    return packed(members, "a.pptx")


@pytest.mark.parametrize("strict", [False, True])
def test_shapes_are_read_from_top_to_bottom_and_left_to_right(strict: bool) -> None:
    shapes = (
        shape(text("four"), place(0, 200)) + shape(text("three"), place(200, 105)) + shape(text("two"), place(0, 100))
        + shape(text("Title"), place(0, 300), "title")
    )  # fmt: skip
    assert text_of(read(deck(shapes, strict=strict)), "Title").split() == ["Title", "two", "three", "four"]


def test_a_row_goes_from_right_to_left_where_the_writing_does() -> None:
    shapes = (
        shape(text("שני"), place(0, 0))
        + shape(text("ראשון"), place(200, 0))
        + shape(text("שלישי"), place(200, 90))
    )
    assert text_of(read(deck(shapes))).split() == ["ראשון", "שני", "שלישי"]


def test_a_group_stands_where_it_lies_and_its_own_coordinates_count_inside() -> None:
    frame = '<a:xfrm><a:off x="0" y="100"/><a:ext cx="100" cy="100"/><a:chOff x="0" y="0"/><a:chExt cx="1000" cy="1000"/></a:xfrm>'
    group = f"<p:grpSp><p:grpSpPr>{frame}</p:grpSpPr>{shape(text('inner 2'), place(0, 900, 9, 9))}{shape(text('inner 1'), place(0, 10, 9, 9))}</p:grpSp>"
    shapes = shape(text("below"), place(0, 300)) + group + shape(text("above"), place(0, 10))
    assert text_of(read(deck(shapes))).split("\n") == ["above", "inner 1", "inner 2", "below", ""]


def test_a_placeholder_lies_where_its_layout_or_master_says() -> None:
    layout = f"<p:sldLayout {SPACES}>{shape(text('Click'), place(0, 500), 'body', '7')}</p:sldLayout>"
    master = f"<p:sldMaster {SPACES}>{shape(text('Click'), place(0, 50), 'body', '1')}</p:sldMaster>"
    shapes = (
        shape(text("low"), "", "body", "7")
        + shape(text("high"), "", "subTitle", "3")
        + shape(text("middle"), place(0, 200))
    )
    source = deck(
        shapes,
        links=related(("slideLayout", "../l.xml")),
        l_xml=layout,
        m_xml=master,
        **{"_rels/l.xml.rels": related(("slideMaster", "m.xml"))},
    )
    assert text_of(read(source)).split() == ["high", "middle", "low"]


def test_tables_charts_and_diagrams_are_read() -> None:
    row = "<a:tr><a:tc><a:txBody>{}</a:txBody></a:tc><a:tc><a:txBody>{}</a:txBody></a:tc></a:tr>"
    table = f"<p:graphicFrame>{place(0, 0).replace('a:xfrm', 'p:xfrm')}<a:tbl>{row.format(text('Port'), text('Berths'))}{row.format(text('Bergen'), text('40'))}</a:tbl></p:graphicFrame>"
    chart = '<p:graphicFrame><c:chart r:id="r0"/></p:graphicFrame>'
    diagram = '<p:graphicFrame><dgm:relIds r:dm="r1" r:lo="r9"/></p:graphicFrame><p:graphicFrame><p:oleObj/></p:graphicFrame>'
    tx = "<c:tx><c:strRef><c:strCache><c:pt><c:v>Tons</c:v></c:pt></c:strCache></c:strRef></c:tx>"
    source = deck(
        table + chart + diagram,
        links=related(("chart", "../c.xml"), ("diagramData", "../d.xml")),
        c_xml=f"<c:chartSpace {SPACES}><c:title><c:tx><c:rich>{text('Catch')}</c:rich></c:tx></c:title><c:ser>{tx}</c:ser></c:chartSpace>",
        d_xml=f"<dgm:dataModel {SPACES}><dgm:pt><dgm:t>{text('Unload')}</dgm:t></dgm:pt></dgm:dataModel>",
    )
    assert text_of(read(source)).split("\n") == ["Port\tBerths", "Bergen\t40", "Catch", "Tons", "Unload", ""]
    assert warnings_of(read(source)) == ["slide 1: an embedded object was not read"]


def test_notes_comments_and_footers() -> None:
    number = '<a:p><a:fld type="slidenum"><a:t>1</a:t></a:fld></a:p>'
    slide = (
        shape(text("Body"), place(0, 0))
        + shape(text("Harbour Co."), place(0, 9), "ftr", "11")
        + shape(number, place(0, 9), "sldNum", "12")
        + shape(text("1/2/24"), "", "dt", "10")
    )
    notes = f"<p:notes {SPACES}><p:spTree>{shape(text('Say hello.'), '', 'body', '1')}{shape(number)}</p:spTree></p:notes>"
    source = deck(
        slide,
        slide,
        links=related(("notesSlide", "../n.xml"), ("comments", "../k.xml")),
        n_xml=notes,
        k_xml=f"<p:cmLst {SPACES}><p:cm><p:text>Shorter?</p:text></p:cm></p:cmLst>",
    )
    assert sections_of(read(source)) == {
        None: "Body\nHarbour Co.\nBody\n",
        "notes": "Say hello.\n" * 2,
        "comments": "Shorter?\n" * 2,
    }


def test_one_copy_of_alternatives_is_read() -> None:
    both = f"<mc:AlternateContent><mc:Choice>{shape(text('New'))}</mc:Choice><mc:Fallback>{shape(text('Old'))}</mc:Fallback></mc:AlternateContent>"
    empty = f"<mc:AlternateContent><mc:Choice><p:sp/></mc:Choice><mc:Fallback>{shape(text('Only'))}</mc:Fallback></mc:AlternateContent>"
    assert text_of(read(deck(both + empty))).split() == ["New", "Only"]


def test_the_first_slide_s_title_names_the_deck() -> None:
    assert title_of(read(deck(shape(text("Nets", "and ropes"), "", "ctrTitle")))) == "Nets and ropes"
