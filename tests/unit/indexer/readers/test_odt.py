"""OpenDocument text in the order in which it is read."""

import pytest

from indexer.readers.odt import read
from tests.support.documents import packed, sections_of, text_of, title_of, warnings_of

SPACES = " ".join(
    f'xmlns:{kind}="urn:oasis:names:tc:opendocument:xmlns:{kind}:1.0"'
    for kind in ("office", "text", "table", "style", "drawing")
)
INFO = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def document(body: str, styles: str = "", automatic: str = "", name: str = "content.xml"):
    content = (
        f"<office:document-content {SPACES} {INFO}><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    parts = {"mimetype": "application/vnd.oasis.opendocument.text", name: content}
    if styles:
        parts["styles.xml"] = f"<office:document-styles {SPACES}>{styles}</office:document-styles>"
    return packed(parts, "a.odt")


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        (
            "Ask <text:a>the <text:span>night</text:span> porter</text:a> for it.",
            "Ask the night porter for it.",
        ),
        ("A <text:span>b <text:span>c</text:span> d</text:span> e.", "A b c d e."),
        ("A<text:span>b</text:span>c<!-- note -->d<?pi x?>e", "Abcde"),
        ("One\n   two <text:span> three</text:span>", "One two three"),
        ("10\u00a0km　<text:s text:c='2'/>x<text:tab/>y", "10\u00a0km　  x\ty"),
        (
            "<text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>とうきょう</text:ruby-text></text:ruby>へ",
            "東京へ",
        ),
        (
            "Seen<office:annotation><dc:creator>Jo</dc:creator><text:p>Why?</text:p></office:annotation> here.",
            "Seen here.",
        ),
    ],
)
def test_text_stands_where_it_is_read(inside: str, shown: str) -> None:
    assert text_of(read(document(f"<text:p>{inside}</text:p>")), None) == f"{shown}\n"


def test_notes_comments_and_margins_stand_once_after_the_text() -> None:
    note = (
        "<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>See page 9.</text:p></text:note-body></text:note>"
    )
    margin = "<style:master-page><style:header><text:p>Draft 7</text:p></style:header></style:master-page>"
    body = f"<text:p>Salt{note} and pepper.</text:p><text:p><office:annotation><text:p>Ask Ann.</text:p></office:annotation>Oil.</text:p>"
    assert sections_of(read(document(body, styles=margin * 2))) == {
        None: "Salt and pepper.\nOil.\n",
        "headers": "Draft 7\n",
        "footnotes": "See page 9.\n",
        "comments": "Ask Ann.\n",
    }


def test_a_table_row_is_one_line_and_a_text_box_follows_its_paragraph() -> None:
    cells = "".join(
        f"<table:table-cell><text:p>{word}</text:p></table:table-cell>" for word in ("Rice", "2 kg")
    )
    table = f"<table:table><table:table-row>{cells}</table:table-row></table:table>"
    box = "<drawing:frame><drawing:text-box><text:p>Boxed.</text:p></drawing:text-box></drawing:frame>"
    body = f"{table}<text:p>Before {box}after.</text:p>"
    assert text_of(read(document(body))) == "Rice\t2 kg\nBefore after.\nBoxed.\n"


def numbered(*levels: tuple[str, str, str, int]) -> str:
    """A list style; each level is its format, what stands before and after it, and how many levels it shows."""
    rows = "".join(
        f"<text:list-level-style-number text:level='{at}' style:num-format='{form}' style:num-prefix='{before}' "
        f"style:num-suffix='{after}' text:display-levels='{shown}'/>"
        for at, (form, before, after, shown) in enumerate(levels, start=1)
    )
    return f"<text:list-style style:name='L'>{rows}</text:list-style>"


def test_automatic_numbers_are_those_that_are_shown() -> None:
    def items(*inside: str, more: str = "") -> str:
        return f"<text:list text:style-name='L'{more}>{''.join(f'<text:list-item>{one}</text:list-item>' for one in inside)}</text:list>"

    inner = items("<text:p>b</text:p>", "<text:p>c</text:p><text:p>also c</text:p>").replace(
        " text:style-name='L'", ""
    )
    body = items(f"<text:p>a</text:p>{inner}", "<text:p>d</text:p>") + "<text:p>between</text:p>"
    body += items("<text:p>e</text:p>", more=" text:continue-numbering='true'") + items("<text:p>f</text:p>")
    outline = "<text:outline-style><text:outline-level-style text:level='1' style:num-format='I'/><text:outline-level-style text:level='2' style:num-format=''/></text:outline-style>"
    body += "<text:h>Nets</text:h><text:h text:outline-level='2'>Old</text:h><text:h>Ropes</text:h>"
    source = document(body, styles=outline, automatic=numbered(("1", "", ".", 1), ("a", "(", ")", 2)))
    assert text_of(read(source)).split("\n") == [
        "1. a", "(1.a) b", "(1.b) c", "also c", "2. d", "between", "3. e", "1. f", "I Nets", "Old", "II Ropes", "",
    ]  # fmt: skip


def test_hidden_and_deleted_text_is_left_out() -> None:
    hidden = "<style:style style:name='{}'><style:text-properties text:display='none'/></style:style>"
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:section text:display='none'><text:p>secret</text:p></text:section>"
        "<text:p text:style-name='H'>secret</text:p><text:p>Seen<text:span text:style-name='T'>secret</text:span>.</text:p>"
    )
    assert text_of(read(document(body, hidden.format("H"), hidden.format("T")))) == "Seen.\n"


def test_an_embedded_object_is_said_and_names_are_compared_leniently() -> None:
    body = "<text:h>Plan</text:h><text:p><drawing:frame><drawing:object/></drawing:frame>Text.</text:p>"
    source = document(body, name="Content.XML")
    assert warnings_of(read(source)) == ["1 embedded objects were not read"]
    assert title_of(read(source)) == "Plan" and text_of(read(source), "Plan") == "Plan\nText.\n"


def test_fields_are_read_and_what_is_said_of_comments_is_not() -> None:
    body = (
        "<text:p>On <text:date>4 May</text:date> <text:creator>Ada</text:creator> wrote <text:title>Mills</text:title>"
        "<text:placeholder>&lt;Name&gt;</text:placeholder>."
        "<office:annotation><dc:creator>Ola</dc:creator><dc:date>2026</dc:date><text:p>Why?</text:p></office:annotation></text:p>"
    )
    assert sections_of(read(document(body))) == {None: "On 4 May Ada wrote Mills.\n", "comments": "Why?\n"}
