"""E-books: chapters are found whatever form their names have, and a missing one is said."""

import unicodedata

import pytest

from indexer.errors import ReadError
from indexer.readers import Source
from indexer.readers.epub import read
from tests.support.documents import packed, text_of, warnings_of

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>'


def book(listed: list[str], held: dict[str, str], spine: str = "") -> Source:
    items = "".join(
        f'<item id="c{n}" href="{href}" media-type="application/xhtml+xml"/>' for n, href in enumerate(listed)
    )
    spine = spine or "".join(f'<itemref idref="c{n}"/>' for n in range(len(listed)))
    package = f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}<item id="p" href="p.svg" media-type="image/svg+xml"/></manifest><spine>{spine}</spine></package>'
    pages = {name: f"<html><body><p>{text}</p></body></html>" for name, text in held.items()}
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "O/b.opf": package,
            **pages,
        },
        "b.epub",
    )


@pytest.mark.parametrize(
    ("listed", "held"),
    [
        ("caf%C3%A9.xhtml", "O/" + unicodedata.normalize("NFD", "café.xhtml")),
        (unicodedata.normalize("NFD", "caf\u00e9.xhtml"), "O/caf\u00e9.xhtml"),
        ("Text/One.xhtml", "O/text/ONE.XHTML"),
        ("Text/One.xhtml#start", "O\\Text\\One.xhtml"),
        ("a b.xhtml", "O/a%20b.xhtml"),
        ("ガ.xhtml", "O/" + unicodedata.normalize("NFD", "ガ.xhtml")),
    ],
)
def test_a_chapter_is_found_by_its_name_in_any_form(listed: str, held: str) -> None:
    source = book([listed], {held: "Words."})
    assert text_of(read(source)) == "Words.\n" and not warnings_of(read(source))


def test_exact_names_come_first() -> None:
    source = book(["a.xhtml", "A.xhtml"], {"O/A.xhtml": "Large.", "O/a.xhtml": "Small."})
    assert text_of(read(source)) == "Small.\nLarge.\n"


def test_a_missing_chapter_is_a_warning_and_a_picture_is_none() -> None:
    spine = '<itemref idref="c0"/><itemref idref="p"/><itemref idref="c1"/><itemref idref="c9"/>'
    source = book(["a.xhtml", "gone.xhtml"], {"O/a.xhtml": "Here."}, spine)
    assert text_of(read(source)) == "Here.\n"
    assert warnings_of(read(source)) == [
        "chapter O/gone.xhtml is listed but missing",
        "chapter c9 (not in the list of files) is listed but missing",
    ]


def test_a_book_without_any_of_its_chapters_does_not_hold_no_text() -> None:
    with pytest.raises(ReadError, match="holds none of the 1 chapters that it lists"):
        list(read(book(["gone.xhtml"], {})))


def test_readings_above_the_words_are_left_out() -> None:
    ruby = "<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>と<ruby><rb>仮名</rb><rtc><rt>かな</rt></rtc></ruby>。"
    assert text_of(read(book(["a.xhtml"], {"O/a.xhtml": ruby}))) == "漢字と仮名。\n"


def test_what_is_said_of_a_chapter_is_said_of_the_book() -> None:
    source = book(["a.xhtml", "b.xhtml"], {"O/a.xhtml": "Here.", "O/b.xhtml": "<div>" * 3000 + "Deep"})
    assert text_of(read(source)) == "Here.\n"
    said = warnings_of(read(source))
    assert said == [
        "chapter O/b.xhtml: the page is nested too deeply: what stands deepest in it was not read"
    ]
