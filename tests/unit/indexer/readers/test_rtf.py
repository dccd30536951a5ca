"""Rich text: what is shown, in the order in which it stands."""

import pytest

from indexer.readers import Piece, Source
from indexer.readers.rtf import read
from tests.support.documents import sections_of, text_of, title_of, warnings_of

HEAD = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 Symbol;}{\f4\fcharset134 SimSun;}}"


def rich(body: str, head: str = HEAD) -> Source:
    return Source("a.rtf", data=(head + body + "}").encode("latin-1"))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"One\par Two\par", "One\nTwo\n"),
        (r"A {\deleted gone} b {\v secret}c\v x\v0 d\deleted y\deleted0 e", "A  b cde\n"),
        (r"Kept {\deleted end\par}of line\par", "Kept of line\n"),
        (r"{\*\unknown lost}seen{\*\generator x;}", "seen\n"),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt the link}} here", "the link here\n"),
        (r"\f1 \'cf\'f0\'e0\'e2\'e0 {\f2 \'93\'fa\'96\'7b} {\f4 \'d6\'d0}", "Права 日本 中\n"),
        (r"\u1055?\u1088\'3f\uc0\u1072 x{\uc2\u8364 ab}c", "Прах€c\n".replace("х", "x")),
        (r"\u-10179?\u-8704? \u-4064?", "😀  \n"),
        (r"{\f3 \'61\'b7}\emdash\lquote x\rquote\~y\_z\-w", "α•—‘x’\u00a0y\u2011zw\n"),
        (r"{\listtext\pard 1.\tab}First\par{\pntext 2)\tab}Second", "1.\tFirst\n2)\tSecond\n"),
        (r"{\upr{plain}{\*\ud{\u1055?}}}!", "П!\n"),
        (r"a{\pict 0123}b{\*\bkmkstart x}c\bin3 }}}d", "abcd\n"),
        (r"\trowd\intbl Tea\cell two\par cups\cell\row\pard After", "Tea\ttwo cups\nAfter\n"),
        (r"Before {\shp{\*\shpinst{\sp{\sn x}{\sv y}}{\shptxt In a box.\par}}{\shprslt copy}}after.\par Next", "Before after.\nIn a box.\nNext\n"),
        ("over\r\n two lines\\\nnext", "over two lines\nnext\n"),
        (r"{\mvf away}{\mvt here}", "here\n"),
    ],
)  # fmt: skip
def test_text_is_what_is_shown(body: str, text: str) -> None:
    assert text_of(read(rich(body))) == text


def test_notes_comments_and_margins_come_once_after_the_text() -> None:
    body = (
        r"{\header Draft\par}{\headerf Draft\par}{\footer Page {\field{\*\fldinst PAGE}{\fldrslt 1}}\par}"
        r"Salt{\super\chftn{\footnote\pard See {\i page} 9.}} and{\*\atnid AB}{\*\annotation{\*\atndate 1}Really?} oil{\footnote\ftnalt The end.}.\par"
    )
    assert sections_of(read(rich(body))) == {
        None: "Salt and oil.\n",
        "headers": "Draft\n",
        "footers": "Page 1\n",
        "footnotes": "See page 9.\n",
        "comments": "Really?\n",
        "endnotes": "The end.\n",
    }


def test_title_headings_and_objects() -> None:
    body = r"{\info{\title Nets \u38?ropes}{\author Ann}}\pard\outlinelevel0 Knots\par\pard Text.{\object{\*\objdata 01}{\result shown}}\par"
    assert title_of(read(rich(body))) == "Nets &ropes"
    assert sections_of(read(rich(body))) == {"Knots": "Knots\nText.shown\n"}
    assert warnings_of(read(rich(body))) == ["1 embedded objects were not read"]
    assert title_of(read(rich(r"{\info{\title Microsoft Word - x}}Text.\par"))) == ""


@pytest.mark.parametrize(
    "body",
    [
        "}" * 50 + "x",
        "{" * 20_000,
        r"\u",
        r"\'zz",
        "\\",
        r"\bin99999999 x",
        r"{\fonttbl{\f0",
        r"\u-99999?",
        r"\ansicpg99999 \'e4",
    ],
)
def test_damage_is_no_error(body: str) -> None:
    assert isinstance(text_of(read(rich(body))), str)


def test_entries_for_an_index_or_a_table_of_contents_are_left_out() -> None:
    body = rb"{\rtf1 The mill{\xe mills}{\tc Chapter one\tcl1}{\tcn none} stands{\xe pond{\rxe page}}.\par}"
    (piece,) = (item for item in read(Source("a.rtf", data=body)) if isinstance(item, Piece))
    assert piece.text == "The mill stands.\n"
