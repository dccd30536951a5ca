"""Files of translations as documents; damage costs its unit at most."""

import pytest

from indexer.errors import ReadError
from tests.support.reading import read, text_of, warnings_of


def tmx(*units: str, end: str = "</body></tmx>") -> str:
    sides = "".join(f"<tu><tuv xml:lang='en'><seg>{unit}</seg></tuv></tu>\n" for unit in units)
    return f"<tmx version='1.4'><header srclang='en'/><body>{sides}{end}"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("Tom & Ada", "Tom"),
        ("a &nosuch; b", "a"),
        ("bell&#7;s", "bell"),
        ("bell\x07s", "bell"),
        ("<hi>open", "open"),
        ("x</tuv>", "x"),
        ("2 < 3", "2"),
    ],
)
def test_a_damaged_unit_is_read_as_far_as_possible_and_the_others_whole(damage: str, words: str) -> None:
    data = tmx("First", damage, "Last")
    text = text_of("a.tmx", data)
    assert text.startswith("First\n") and text.endswith("Last\n") and words in text
    assert warnings_of("a.tmx", data) == ["1 unit is damaged, and read as far as possible"]


def test_a_unit_that_does_not_end_does_not_take_the_next_with_it() -> None:
    data = (
        tmx("First").replace("</body></tmx>", "")
        + "<tu><tuv><seg>Second</seg>\n"
        + tmx("Third").partition("<body>")[2]
    )
    assert text_of("a.tmx", data) == "First\nSecond\nThird\n"
    cut = tmx("First", "Second words here")[:-40]
    assert text_of("a.tmx", cut).startswith("First\nSecond w")
    assert warnings_of("a.tmx", cut)


def test_names_of_html_and_comments() -> None:
    assert (
        text_of("a.tmx", tmx("caf&eacute;&nbsp;<!-- <tu> no -->&lt;b&gt;", "<!-- x --> y")) == "café <b>\ny\n"
    )


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("First<ph x='1'>&lt;br/&gt;</ph>second", "First second"),
        ("Press <bpt i='1'>b</bpt>Save<ept i='1'>b</ept>.", "Press Save."),
        ("one<x/>two", "one two"),
        ("第一<x/>第二", "第一第二"),
        ("a <hi>b</hi>c", "a bc"),
    ],
)
def test_a_space_stands_where_words_would_join(inside: str, text: str) -> None:
    assert text_of("a.tmx", tmx(inside)) == f"{text}\n"


def test_xliff_reads_what_is_said_and_not_what_was_proposed() -> None:
    data = (
        "<xliff version='1.2' xmlns='urn:oasis:names:tc:xliff:document:1.2' xmlns:o='x'><file source-language='en'>"
        "<body><group><trans-unit id='1'><source>Weir</source><target>Wehr</target><note>of a river</note>"
        "<alt-trans><target>Damm</target></alt-trans><o:data>1</o:data></trans-unit></group></body></file></xliff>"
    )
    assert text_of("a.xlf", data) == "Weir\nWehr\nof a river\n"
    prefixed = (
        data.replace("xmlns=", "xmlns:q=").replace("<", "<q:").replace("<q:/", "</q:").replace("q:o:", "o:")
    )
    assert text_of("a.xliff", prefixed) == "Weir\nWehr\nof a river\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.tmx", "<html></html>", "is a file of <html>; expected <tmx>"),
        ("a.tmx", "words only", "is not well-formed XML"),
        ("a.tmx", "<tmx><body></body></tmx>", "holds no text in its units"),
        ("a.tmx", "<!DOCTYPE tmx [<!ENTITY a 'b'>]>" + tmx("x"), "declares XML entities"),
        ("a.po", "msgid\n", "has no messages"),
    ],
)
def test_other_files_are_refused(name: str, data: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(name, data)
    assert message in str(caught.value)


def test_long_files_are_read_in_parts() -> None:
    data = tmx(*(f"Sentence {n} " + "word " * (n % 50) for n in range(20_000)))
    assert len(data) > 1 << 20
    pieces, _ = read("a.tmx", data)
    assert len(pieces) == 20_000 and pieces[-1][1] == "unit 20000"
    assert warnings_of("a.tmx", data) == []
