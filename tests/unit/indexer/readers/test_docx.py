"""Word documents as Word shows them."""

import pytest

from indexer.readers import Source, sniff
from indexer.readers.docx import read
from tests.support.documents import packed, sections_of, text_of, title_of, warnings_of

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
SPACES = (
    f'xmlns:w="{W}" xmlns:r="{R}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:v="urn:v" xmlns:o="urn:o"'
)


def related(*targets: tuple[str, str], kind: str = R) -> str:
    rows = "".join(
        f'<Relationship Id="r{n}" Type="{kind}/{name}" Target="{to}"/>'
        for n, (name, to) in enumerate(targets)
    )
    return f'<Relationships xmlns="{RELATIONS}">{rows}</Relationships>'


def p(
    text: str = "",
    *,
    style: str = "",
    number: tuple[int, int] | None = None,
    mark: str = "",
    run: str = "",
    raw: str = "",
) -> str:
    numbers = (
        f'<w:numPr><w:ilvl w:val="{number[1]}"/><w:numId w:val="{number[0]}"/></w:numPr>' if number else ""
    )
    styled = f'<w:pStyle w:val="{style}"/>' if style else ""
    marked = f"<w:rPr>{mark}</w:rPr>" if mark else ""
    own = f'<w:r><w:rPr>{run}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>' if text else ""
    return f"<w:p><w:pPr>{styled}{numbers}{marked}</w:pPr>{own}{raw}</w:p>"


def part(name: str, inside: str) -> str:
    return f"<w:{name} {SPACES}>{inside}</w:{name}>"


def document(body: str, relations: str = "", **parts: str | bytes) -> Source:
    """A document; ``parts`` are further parts of its folder by their name, with ``_`` for the dot."""
    members: dict[str, str | bytes] = {
        "_rels/.rels": related(("officeDocument", "word/document.xml")),
        "word/document.xml": part("document", f"<w:body>{body}</w:body>"),
    }
    if relations:
        members["word/_rels/document.xml.rels"] = relations
    return packed(
        members | {f"word/{name.replace('_', '.')}": data for name, data in parts.items()}, "a.docx"
    )


def shown(body: str) -> str:
    return text_of(read(document(body)))


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<w:r><w:t>a</w:t></w:r><w:hyperlink><w:r><w:t>b</w:t></w:r></w:hyperlink><w:r><w:t>c</w:t></w:r>", "abc"),
        ("<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>", "new"),
        ("<w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t>here</w:t></w:r></w:moveTo>", "here"),
        ("<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:r><w:t>seen</w:t></w:r>", "seen"),
        ('<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>seen</w:t></w:r>', "seen"),
        (
            "<w:r><w:ruby><w:rt><w:r><w:t>きょうと</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>京都</w:t></w:r></w:rubyBase></w:ruby></w:r>",
            "京都",
        ),
        ('<w:r><w:t>to</w:t><w:sym w:font="Wingdings" w:char="F0E0"/><w:sym w:font="Symbol" w:char="F061"/></w:r>', "to→α"),
        ('<w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>\uf061\uf0ae</w:t></w:r>', "α→"),
        ("<w:r><w:t>non</w:t><w:noBreakHyphen/><w:t>stop</w:t><w:softHyphen/><w:t>ped</w:t></w:r>", "non‑stopped"),
        ("<w:r><w:t>a</w:t></w:r><!-- x --><w:r><w:t>b<?p?>c</w:t></w:r>", "abc"),
        (
            '<w:r><w:fldChar><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="red"/><w:listEntry w:val="blue"/>'
            "</w:ddList></w:ffData></w:fldChar></w:r>",
            "blue",
        ),
        (
            "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent><w:r><w:t>Click here</w:t></w:r></w:sdtContent></w:sdt>"
            "<w:r><w:t>x</w:t></w:r>",
            "x",
        ),
    ],
)  # fmt: skip
def test_a_paragraph_is_what_is_shown(inside: str, text: str) -> None:
    assert shown(p(raw=inside)) == f"{text}\n"


def test_paragraphs_whose_end_was_deleted_are_one() -> None:
    assert shown(p("One", mark="<w:del/>") + p(" line.") + p("Last", mark="<w:del/>")) == "One line.\nLast\n"
    assert (
        shown(p("End", mark="<w:del/>") + "<w:tbl><w:tr><w:tc>" + p("cell") + "</w:tc></w:tr></w:tbl>")
        == "End\ncell\n"
    )


def test_text_hidden_by_a_style_is_left_out() -> None:
    hidden = "<w:rPr><w:vanish/></w:rPr>"
    styles = part(
        "styles",
        f'<w:style w:type="paragraph" w:styleId="P"><w:name w:val="p"/>{hidden}</w:style>'
        '<w:style w:type="paragraph" w:styleId="Q"><w:name w:val="q"/><w:basedOn w:val="P"/></w:style>'
        f'<w:style w:type="character" w:styleId="C"><w:name w:val="c"/>{hidden}</w:style>',
    )
    body = p("a", style="P") + p("b", style="Q") + p("c", run='<w:rStyle w:val="C"/>') + p("d")
    body += p("e", style="P", run='<w:vanish w:val="false"/>')
    source = document(body, related(("styles", "styles.xml")), styles_xml=styles)
    assert text_of(read(source)).split() == ["d", "e"]


def level(at: int, form: str, text: str, more: str = "") -> str:
    return f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'


CHAPTER = '<w:pStyle w:val="Chapter"/>'
NUMBERING = part(
    "numbering",
    '<w:abstractNum w:abstractNumId="0">'
    + level(0, "upperRoman", "Article %1", '<w:suff w:val="space"/>')
    + level(1, "decimal", "%1.%2", "<w:isLgl/>")
    + level(2, "lowerLetter", "(%3)", '<w:lvlRestart w:val="1"/>')
    + "</w:abstractNum>"
    + f'<w:abstractNum w:abstractNumId="1">{level(0, "bullet", "•")}{level(1, "decimal", "%2)")}</w:abstractNum>'
    + f'<w:abstractNum w:abstractNumId="2">{level(0, "chineseCounting", "第%1章", CHAPTER)}</w:abstractNum>'
    + '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    + '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>'
    + '<w:num w:numId="4"><w:abstractNumId w:val="2"/></w:num>',
)


def test_automatic_numbers_are_those_that_word_shows() -> None:
    style = '<w:style w:type="paragraph" w:styleId="Chapter"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr></w:style>'
    paragraphs = [
        ("Scope", (1, 0)), ("all", (1, 1)), ("part", (1, 2)), ("some", (1, 1)), ("more", (1, 2)), ("", (1, 0)),
        ("Rent", (1, 0)), ("due", (1, 1)), ("kept", (1, 2)), ("dot", (2, 0)), ("inner", (2, 1)), ("Fifth", (3, 0)), ("Sixth", (3, 0)),
        ("none", (0, 0)),
    ]  # fmt: skip
    body = "".join(p(text, number=number) for text, number in paragraphs)
    body += p("始", style="Chapter") + p("終", style="Chapter")
    source = document(
        body,
        related(("numbering", "numbering.xml"), ("styles", "styles.xml")),
        numbering_xml=NUMBERING,
        styles_xml=part("styles", style),
    )
    assert text_of(read(source)).split("\n") == [
        "Article I Scope", "1.1 all", "(a) part", "1.2 some", "(b) more", "", "Article III Rent", "3.1 due", "(a) kept",
        "dot", "1) inner", "Article V Fifth", "Article VI Sixth", "none", "第一章 始", "第二章 終", "",
    ]  # fmt: skip
    assert [s for s in sections_of(read(source)) if s] == ["第一章 始", "第二章 終"]


def test_what_stands_beside_comes_once() -> None:
    choice = f"<mc:Choice><w:drawing><wps:txbx><w:txbxContent>{p('In a box.')}</w:txbxContent></wps:txbx></w:drawing></mc:Choice>"
    fallback = f"<mc:Fallback><w:pict><v:textbox><w:txbxContent>{p('In a box.')}</w:txbxContent></v:textbox></w:pict></mc:Fallback>"
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    cut = '<w:del><w:r><w:footnoteReference w:id="3"/></w:r></w:del>'
    body = p(
        "Before ",
        raw=f"<w:r><mc:AlternateContent>{choice}{fallback}</mc:AlternateContent></w:r><w:r><w:t>after.</w:t></w:r>{note}{cut}",
    )
    relations = related(
        ("header", "header1.xml"),
        ("header", "header2.xml"),
        ("footer", "footer1.xml"),
        ("footnotes", "notes.xml"),
        ("comments", "comments.xml"),
    )
    notes = "".join(
        f'<w:footnote w:id="{n}"{kind}>{p(text)}</w:footnote>'
        for n, kind, text in ((0, ' w:type="separator"', "-"), (2, "", "A note."), (3, "", "Deleted note."))
    )
    source = document(
        body,
        relations,
        header1_xml=part("hdr", p("File 12-B")),
        header2_xml=part("hdr", p("File 12-B")),
        footer1_xml=part("ftr", p("Confidential")),
        notes_xml=part("footnotes", notes),
        comments_xml=part("comments", f'<w:comment w:id="0">{p("Really?")}</w:comment>'),
    )
    assert sections_of(read(source)) == {
        None: "Before after.\nIn a box.\n",
        "headers": "File 12-B\n",
        "footers": "Confidential\n",
        "footnotes": "A note.\n",
        "comments": "Really?\n",
    }


def test_a_table_row_is_one_line_and_a_deleted_row_none() -> None:
    def row(*cells: str, properties: str = "") -> str:
        return f"<w:tr>{properties}{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"

    long = p("A long paragraph. " * 40) + p("Another one. " * 40)
    rows = (
        row(p("Tea"), p("3") + p("cups"))
        + row(p("x"), properties="<w:trPr><w:del/></w:trPr>")
        + row(p("Side"), long)
    )
    lines = shown(f"<w:tbl>{rows}</w:tbl>").split("\n")
    assert lines[0] == "Tea\t3 cups"
    assert lines[1] == "Side" and lines[2].startswith("A long") and lines[3].startswith("Another")


def test_the_main_part_is_found_by_its_relation_and_names_leniently() -> None:
    body = part("document", f"<w:body>{p('Found.')}</w:body>")
    for main, named in (
        ("word/document2.xml", "/word/document2.xml"),
        ("Word\\Document.xml", "word/document.xml"),
        ("word/re\u0301sume\u0301.xml", "word/r%C3%A9sum%C3%A9.xml"),
        ("text/main.xml", "text/main.xml"),
    ):
        source = packed(
            {
                "_RELS/.rels": related(("officeDocument", named)),
                main: body,
                "[Content_Types].xml": "<Types/>",
            },
            "a.docx",
        )
        file_type, reading = sniff.read(source)
        assert (file_type, text_of(reading)) == ("docx", "Found.\n")


def test_strict_documents_are_read() -> None:
    kind = "http://purl.oclc.org/ooxml/officeDocument/relationships"
    strict = {
        "_rels/.rels": related(("officeDocument", "word/document.xml"), kind=kind),
        "word/document.xml": part("document", f"<w:body>{p('Strict.', number=(1, 0))}</w:body>"),
        "word/_rels/document.xml.rels": related(("header", "h.xml"), ("numbering", "n.xml"), kind=kind),
        "word/h.xml": part("hdr", p("Top")),
        "word/n.xml": NUMBERING,
    }
    source = packed({name: data.replace(W, STRICT) for name, data in strict.items()}, "a.docx")
    assert sections_of(read(source)) == {None: "Article I Strict.\n", "headers": "Top\n"}


def test_inserted_documents_are_read_where_they_stand() -> None:
    web = "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n--x\nContent-Type: text/html; charset=utf-8\n\n<p>From mail.</p>\n--x--\n"
    inner = document(p("From Word.")).data
    kinds = [
        ("h.html", b"<html><body><p>From a page.</p></body></html>"),
        ("r.rtf", b"{\\rtf1 From RTF.\\par}"),
        ("d.docx", inner),
        ("m.mht", web.encode()),
        ("b.bin", b"\0\1\2"),
    ]
    body = p("First.") + "".join(f'<w:altChunk r:id="r{n}"/>' for n in range(len(kinds) + 1)) + p("Last.")
    source = document(
        body,
        related(*(("aFChunk", name) for name, _ in kinds)),
        **{name.replace(".", "_"): data for name, data in kinds},
    )
    assert text_of(read(source)).split("\n") == [
        "First.",
        "From a page.",
        "From RTF.",
        "From Word.",
        "From mail.",
        "Last.",
        "",
    ]
    assert [w.split(";")[0] for w in warnings_of(read(source))] == [
        "inserted document b.bin was not read: b.bin is of a kind that is not read here",
        "an inserted document is missing and was not read",
    ]


def test_an_inserted_web_archive_is_read_as_mail_is() -> None:
    """Every text part, the alternative that says all, and what is said of them."""
    web = (
        "MIME-Version: 1.0\nSubject: x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n"
        "Content-Type: multipart/alternative; boundary=y\n\n--y\nContent-Type: text/plain\n\nNo HTML here.\n--y\n"
        "Content-Type: text/html; charset=koi8-r\n\n<frameset><frame src='f.html'></frameset><p>Мельница стоит у пруда, и вода бежит.</p>\n"
        "--y--\n--x\nContent-Type: text/plain; charset=koi8-r\n\nВторая часть.\n--x\n"
        "Content-Type: image/png; name=p.png\n\n\n--x--\n"
    )
    source = document('<w:altChunk r:id="r0"/>', related(("aFChunk", "m.mht")), m_mht=web.encode("koi8-r"))
    assert text_of(read(source)) == "Мельница стоит у пруда, и вода бежит.\nВторая часть.\np.png\n"
    assert [said.split(" ")[0] for said in warnings_of(read(source))] == ["the", "attachment"]


def test_diagrams_are_read_and_objects_said() -> None:
    relids = '<w:r><w:drawing><a:graphic><dgm:relIds r:dm="r{}"/></a:graphic></w:drawing></w:r>'
    ole = "<w:r><w:object><o:OLEObject/></w:object></w:r>"
    points = "".join(
        f"<dgm:pt{kind}><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>"
        for kind, text in (("", "Plan"), ("", "Build"), (' type="pres"', "layout"))
    )
    source = document(
        p("Cycle:", raw=relids.format(0) + relids.format(7) + ole),
        related(("diagramData", "data1.xml")),
        data1_xml=f"<dgm:dataModel {SPACES}>{points}</dgm:dataModel>",
    )
    assert sections_of(read(source)) == {None: "Cycle:\n", "diagrams": "Plan\nBuild\n"}
    assert warnings_of(read(source)) == [
        "a diagram is missing and was not read",
        "1 embedded objects were not read",
    ]


def test_a_program_s_title_gives_way_to_the_heading() -> None:
    core = '<c:p xmlns:c="urn:c" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{}</dc:title></c:p>'
    source = document(p("Real", style="Heading1"))
    for stated, title in (("Microsoft Word - x1", "Real"), ("Untitled", "Real"), ("Stated", "Stated")):
        parts = {
            "word/document.xml": part("document", f"<w:body>{p('Real', style='Heading1')}</w:body>"),
            "docProps/core.xml": core.format(stated),
        }
        assert title_of(read(packed(parts, source.name))) == title
