"""MicroDVD, MPL2, SubViewer, YouTube's sbv and Timed Text: times, speakers, styles, lines that roll up."""

import pytest

from indexer.errors import ReadError
from tests.support.reading import read, text_of, warnings_of


def ttml(body: str, *, head: str = "", root: str = "", prefix: str = "") -> str:
    space = f'xmlns{":" + prefix if prefix else ""}="http://www.w3.org/ns/ttml"'
    p = f"{prefix}:" if prefix else ""
    names = f'{space} xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xmlns:tts="http://www.w3.org/ns/ttml#styling"'
    names += ' xmlns:ttp="http://www.w3.org/ns/ttml#parameter" xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt"'
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<{p}tt {names} {root}><{p}head>{head}</{p}head>'
        f"<{p}body><{p}div>{body}</{p}div></{p}body></{p}tt>"
    )


def test_frames_are_counted_by_the_rate_that_is_stated() -> None:
    lines = "{1500}{1550}The weir|is closed\n{3100}{3150}The mill\n"
    assert read("a.sub", lines)[0] == [("The weir is closed\n", "00:01:00"), ("The mill\n", "00:02:04")]
    slow = "{1}{1}10.000\n" + lines
    assert [section for _, section in read("a.sub", slow)[0]] == ["00:02:30", "00:05:10"]
    assert text_of("a.sub", "{100}{150}1984\n") == "1984\n"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{y:i}{c:$0000ff}Lift {it}|/slowly", "Lift {it} slowly"),
        ("- Lift it!|- I do", "- Lift it!\n- I do"),
        (">> Lift it!|>> I do", ">> Lift it!\n>> I do"),
        ("if a < b|<i>or</i> <3", "if a < b or <3"),
        ("{Y:b}Salt &amp; oil and/or more", "Salt & oil and/or more"),
    ],
)
def test_codes_go_and_words_stay(line: str, text: str) -> None:
    assert text_of("a.sub", f"{{DEFAULT}}{{}}{{C:$ffffff}}\n{{10}}{{20}}{line}\n") == f"{text}\n"


def test_tenths_of_seconds_and_times_above_the_text() -> None:
    assert read("a.sub", "[600][620]The weir|/is closed\n")[0] == [("The weir is closed\n", "00:01:00")]
    viewer = (
        "[INFORMATION]\n[TITLE]Mills\n[END INFORMATION]\n[SUBTITLE]\n[COLF]&HFFFFFF,[SIZE]18\n"
        "00:01:00.50,00:01:02.00\nThe weir[br]is closed\n\n00:02:10.00,00:02:12.00\nThe mill\n"
    )
    assert read("a.sub", viewer)[0] == [("The weir is closed\n", "00:01:00"), ("The mill\n", "00:02:10")]


def test_youtube_captions() -> None:
    sbv = "0:00:01.000,0:00:02.900\n>> ADA: we oil\nthe gate\n\n0:00:03.000,0:00:04.000\n>> ADA: we oil\nthe gate\n>> OLA: I lift\n"
    assert text_of("a.sbv", sbv) == ">> ADA: we oil the gate\n>> OLA: I lift\n"
    assert text_of("a.sbv", "0:00:01.000,0:00:02.000\n1,984 sacks\n\n0:00:03.000,0:00:04.000\na < b\n") == (
        "1,984 sacks\na < b\n"
    )


def test_captions_of_every_kind_that_roll_up_are_read_once() -> None:
    words = ["we oil the gate", "then we lift it", "and the water runs"]
    shown = [words[max(0, n - 1) : n + 1] for n in range(3)]
    sub = "".join(f"{{{n * 25}}}{{{n * 25 + 24}}}{'|'.join(lines)}\n" for n, lines in enumerate(shown))
    sbv = "".join(
        f"0:00:0{n}.000,0:00:0{n}.990\n" + "\n".join(lines) + "\n\n" for n, lines in enumerate(shown)
    )
    xml = ttml(
        "".join(f'<p begin="{n}s" end="{n}.99s">{"<br/>".join(lines)}</p>' for n, lines in enumerate(shown))
    )
    for name, data in (("a.sub", sub), ("a.sbv", sbv), ("a.ttml", xml)):
        assert text_of(name, data) == "\n".join(words) + "\n"


def test_pictures_of_subtitles_are_named() -> None:
    with pytest.raises(ReadError, match="pictures of subtitles"):
        read("a.sub", b"\0\0\1\xba\x44\0" + bytes(range(256)) * 9)
    with pytest.raises(ReadError, match="has no cues"):
        read("a.sub", "only words\n")


@pytest.mark.parametrize(
    ("begin", "root", "section"),
    [
        ("00:01:10.500", "", "00:01:10"),
        ("01:00:00:15", 'ttp:frameRate="15"', "01:00:01"),
        ("70.5s", "", "00:01:10"),
        ("70500ms", "", "00:01:10"),
        ("1.5m", "", "00:01:30"),
        ("1h", "", "01:00:00"),
        ("2400f", 'ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"', "00:01:40"),
        ("700000000t", 'ttp:tickRate="10000000"', "00:01:10"),
        ("nonsense", "", "00:00:00"),
        ("00:01:10.500", 'ttp:frameRate="0" ttp:tickRate="x"', "00:01:10"),
    ],
)
def test_times_of_timed_text(begin: str, root: str, section: str) -> None:
    assert read("a.ttml", ttml(f'<p begin="{begin}" dur="2s">The mill</p>', root=root))[0] == [
        ("The mill\n", section)
    ]


def test_times_add_to_those_around_and_may_stand_inside() -> None:
    body = '<div begin="60s"><p><span begin="10s">The </span><span begin="11s">mill</span></p></div>'
    assert read("a.dfxp", ttml(body))[0] == [("The mill\n", "00:01:10")]


@pytest.mark.parametrize("prefix", ["", "tt", "x"])
def test_text_spans_breaks_and_speakers(prefix: str) -> None:
    p = f"{prefix}:" if prefix else ""
    head = (
        '<metadata xmlns=""/><ttm:agent xml:id="a" type="person"><ttm:name type="full">Ada Brook</ttm:name></ttm:agent>'
        '<ttm:agent xml:id="o" type="person"><ttm:name type="full">Ola</ttm:name></ttm:agent>'
    )
    body = (
        f'<{p}p begin="1s" end="2s" ttm:agent="a">Lift\n   <{p}span tts:color="red">i</{p}span>t!<{p}br/>Now &lt;b&gt; &amp; c</{p}p>'
        f'<{p}p begin="3s" end="4s">- I do<{p}br/>- what I can</{p}p>'
        f'<{p}p begin="5s" end="6s"><{p}span ttm:agent="o">Yes</{p}span> <{p}span ttm:agent="a">No</{p}span></{p}p>'
        f'<{p}p begin="7s" end="8s"> </{p}p>'
    )
    assert text_of("a.itt", ttml(body, head=head, prefix=prefix)) == (
        "Ada Brook: Lift it! Now <b> & c\n- I do\n- what I can\nOla: Yes\nAda Brook: No\n"
    )


def test_readings_and_hidden_parts_are_left_out() -> None:
    head = '<styling><style xml:id="r" tts:ruby="text"/></styling>'
    body = (
        '<p begin="1s"><span tts:ruby="container"><span tts:ruby="base">水車</span><span style="r">すいしゃ</span></span>小屋'
        '<span tts:display="none">gone</span><metadata><ttm:desc>note</ttm:desc></metadata></p>'
    )
    assert text_of("a.ttml", ttml(body, head=head)) == "水車小屋\n"


def test_pictures_and_damage_are_told() -> None:
    body = '<p begin="1s">The mill</p><div smpte:backgroundImage="#x"/>'
    assert warnings_of("a.ttml", ttml(body)) == ["1 cues are pictures and were not read"]
    broken = ttml('<p begin="1s">Salt & oil</p><p begin="2s">The mill</p>')
    assert "The mill" in text_of("a.ttml", broken)
    assert "read as far as possible" in warnings_of("a.ttml", broken)[0]
    with pytest.raises(ReadError, match="declares XML entities"):
        read("a.ttml", '<!DOCTYPE tt [<!ENTITY a "b">]><tt><body><p>&a;</p></body></tt>')
    with pytest.raises(ReadError, match="; expected "):
        read("a.ttml", "no xml at all")
    with pytest.raises(ReadError, match="; expected "):
        read("a.ttml", b"\xff\xfe")


def test_timed_text_in_other_encodings_and_namespaces() -> None:
    old = '<?xml version="1.0" encoding="windows-1251"?><tt xmlns="http://www.w3.org/2006/10/ttaf1"><body><div><p begin="0:0:1">Мельница</p></div></body></tt>'
    assert text_of("a.dfxp", old.encode("cp1251")) == "Мельница\n"
    assert text_of("a.dfxp", old.replace("windows-1251", "utf-16").encode("utf-16")) == "Мельница\n"
