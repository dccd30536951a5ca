"""TMX 1.4b: valid against its document type, readable for others, and safe to read."""

import importlib.util
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from indexer.bitext.formats import markup, read_pairs, write_pairs
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.values import Pair
from indexer.errors import ExportError, ReadError

DTD = Path(__file__).with_name("data") / "tmx14.dtd"
HEADER = (
    '<header creationtool="t" creationtoolversion="1" segtype="sentence" o-tmf="t" adminlang="en" '
    'srclang="{srclang}" datatype="plaintext"/>'
)
PAIRS = [
    Pair(
        "  =Hello & <b>\n",
        "שלום\u200f",
        1.0600000619888306,
        "en",
        "he",
        0.9,
        ("numbers", "length"),
        "accepted",
        "a.txt",
        "b.txt",
    ),
    Pair(
        "bell \x07",
        "",
        meta=(("@tuid", "7"), ("note", "seen"), ("x-domain", "law"), ("target:@creationid", "me")),
    ),
    Pair(
        "你好",
        "hi",
        source_language="zh-hant",
        target_language="EN_gb",
        state="rejected",
        meta=(("z", "1"), ("@tuid", "2")),
    ),
]


def tmx(body: str, srclang: str = "en", start: str = "") -> str:
    return f'{start}<tmx version="1.4">{HEADER.format(srclang=srclang)}<body>{body}</body></tmx>'


def unit(*sides: tuple[str, str], within: str = "") -> str:
    return (
        f"<tu>{within}"
        + "".join(f'<tuv xml:lang="{lang}"><seg>{seg}</seg></tuv>' for lang, seg in sides)
        + "</tu>"
    )


def read(folder: Path, content: str | bytes) -> list[Pair]:
    path = folder / "memory.tmx"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_pairs(path))


def is_valid(path: Path) -> bool:
    with DTD.open() as file:
        dtd = etree.DTD(file)
    valid = dtd.validate(etree.parse(path))
    assert valid or dtd.error_log
    return bool(valid)


def test_the_output_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tmx"
    assert write_pairs(path, PAIRS, source_language="en", target_language="fr") == 3
    assert is_valid(path)
    root = etree.parse(path).getroot()
    header, units = root.find("header"), root.findall("body/tu")
    assert header is not None
    assert (header.get("srclang"), header.get("datatype"), header.get("creationtool")) == (
        "en",
        "plaintext",
        "me5-search",
    )
    said = [(prop.get("type"), prop.text) for prop in units[0].findall("prop")]
    assert said == [
        ("x-score", "1.0600000619888306"),
        ("x-cosine", "0.9"),
        ("x-state", "accepted"),
        ("x-flag", "numbers"),
        ("x-flag", "length"),
    ]
    assert [side.get(markup.LANG) for side in units[2].findall("tuv")] == ["zh-Hant", "en-GB"]
    assert units[2].get("srclang") == "zh-Hant"
    assert (units[1].get("tuid"), units[1].findtext("note")) == ("7", "seen")


def test_an_invalid_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tmx"
    path.write_text(tmx("<tu><note>no side</note></tu>"))
    assert not is_valid(path)
    path.write_text(tmx(unit(("en", "a"), ("fr", "b"))))
    assert is_valid(path)


keys = st.one_of(
    st.sampled_from(
        ["@tuid", "@segtype", "@x", "note", "x-score", "source:@changeid", "target:@tuid", "source:note"]
    ),
    st.text(max_size=5),
)


@settings(max_examples=25)
@given(
    meta=st.lists(st.tuples(keys, st.one_of(st.just("block"), st.text(max_size=5))), max_size=5),
    text=st.text(max_size=9),
)
def test_no_meta_or_text_makes_it_invalid(meta: list[tuple[str, str]], text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tmx"
        write_pairs(
            path,
            [Pair(text, text, flags=(text,), source_origin=text, meta=tuple(meta))],
            source_language="en",
            target_language="fr",
        )
        assert is_valid(path)


@pytest.mark.skipif(importlib.util.find_spec("PythonTmx") is None, reason="python-tmx is not installed")
def test_another_library_reads_it(tmp_path: Path) -> None:
    import PythonTmx

    path = tmp_path / "pairs.tmx"
    write_pairs(path, PAIRS, source_language="en", target_language="fr")
    memory = PythonTmx.from_element(etree.parse(path).getroot())
    assert memory.header.srclang == "en"
    sides = [[(side.lang, "".join(side.content)) for side in each.tuvs] for each in memory.tus]
    assert sides[0] == [("en", "  =Hello & <b>\n"), ("he", "שלום\u200f")]
    assert sides[2] == [("zh-Hant", "你好"), ("en-GB", "hi")]
    assert ("x-score", "1.0600000619888306") in [(prop.type, prop.text) for prop in memory.tus[0].props]


def test_what_xml_cannot_hold_is_shown_as_a_replacement_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tmx"
    write_pairs(path, [Pair("bell \x07", "ok")], source_language="en", target_language="fr")
    content = path.read_text(encoding="utf-8")
    assert "<seg>bell \ufffd</seg>" in content
    assert next(read_pairs(path)).source == "bell \x07"
    path.write_text(content.replace("<seg>bell \ufffd</seg>", "<seg>corrected</seg>"), encoding="utf-8")
    assert next(read_pairs(path)).source == "corrected"


def test_too_long_for_readers_of_xml_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tmx"
    path.write_text("old")
    with pytest.raises(ExportError, match="readers of XML"):
        write_pairs(path, [Pair("a" * 9_000_001, "b")], source_language="en", target_language="fr")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_inline_codes_go_and_marked_text_stays(tmp_path: Path) -> None:
    content = unit(
        (
            "en",
            'Press <bpt i="1">&lt;b&gt;</bpt>Save<ept i="1">&lt;/b&gt;</ept> <hi type="term">the <ph>{0}<sub>alt</sub></ph>file</hi>'
            '<it pos="end">x</it><!-- no --> now<ph type="lb"/>and <ut>z</ut>then',
        ),
        ("fr", "Oui"),
    )
    assert read(tmp_path, tmx(content))[0].source == "Press Save the file now\nand then"


def test_the_source_is_the_side_that_srclang_names_and_each_other_side_a_target(tmp_path: Path) -> None:
    body = unit(("fr", "F"), ("EN_us", "E"), ("de", "D")) + unit(("en-GB", "only one"))
    got = read(tmp_path, tmx(body, srclang="en-US"))
    assert [(p.source_language, p.source, p.target_language, p.target) for p in got] == [
        ("en-US", "E", "fr", "F"),
        ("en-US", "E", "de", "D"),
    ]
    assert [p.source for p in read(tmp_path, tmx(body, srclang="EN"))] == ["E", "E"]
    assert [p.source for p in read(tmp_path, tmx(body, srclang="*all*"))] == ["F", "F"]


def test_scores_of_others_and_missing_ones(tmp_path: Path) -> None:
    got = read(tmp_path, tmx(unit(("en", "a"), ("fr", "b"), within='<prop type="client">X</prop>')))
    assert math.isnan(got[0].score)
    assert (got[0].state, got[0].meta) == ("open", (("client", "X"),))
    with pytest.raises(ReadError, match=r"line 1, <tu> has the score 'high'; expected a number"):
        read(tmp_path, tmx(unit(("en", "a"), ("fr", "b"), within='<prop type="x-score">high</prop>')))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    named = encoding.removesuffix("-sig")
    content = tmx(
        unit(("en", "café"), ("fr", "thé")),
        start=f'<?xml version="1.0" encoding="{named}"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n',
    )
    assert read(tmp_path, content.encode(encoding))[0].source == "café"


def test_older_versions_and_a_namespace_are_read(tmp_path: Path) -> None:
    old = tmx('<tu><tuv lang="EN"><seg>a</seg></tuv><tuv lang="FR"><seg>b</seg></tuv></tu>')
    assert read(tmp_path, old)[0].target_language == "fr"
    assert (
        read(
            tmp_path,
            tmx(unit(("en", "a"), ("fr", "b"))).replace("<tmx ", '<tmx xmlns="http://www.lisa.org/tmx14" '),
        )[0].target
        == "b"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "memory.tmx, line"),
        ("<html><p>x</p></html>", "file of <html>; expected <tmx>"),
        (tmx(unit(("en", "a"), ("fr", "b"))).replace("</body></tmx>", ""), "line 1 is not well-formed XML (the file breaks off)"),
        (tmx("\n<tu>\n<tuv><seg>a</seg></tuv><tuv/></tu>"), "line 3, <tuv> has no <seg>"),
        (tmx('\n<tu><tuv xml:lang="en"><seg>a</seg></tuv>\n<tuv xml:lang="fr"/></tu>'), "line 3, <tuv> has no <seg>"),
        (tmx(unit(("not a tag!", "a"), ("fr", "b"))), "has the language 'not a tag!'"),
        (tmx("\n" + unit(("en", "&nosuch;"), ("fr", "b"))), "line 2 is not well-formed XML (Entity 'nosuch' not defined)"),
        (tmx(unit(("en", "a"), ("fr", "\x01"))), "not well-formed"),
        (tmx(unit(("en", "a" * 10_100_000), ("fr", "b"))), "not well-formed"),
    ],
)  # fmt: skip
def test_damage_is_told_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)


def test_what_stands_before_the_damage_is_read(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(tmx(unit(("en", "a"), ("fr", "b")) * 5000)[:-200])
    pairs = read_pairs(path)
    assert next(pairs).source == "a"
    with pytest.raises(ReadError, match="not well-formed"):
        list(pairs)


@pytest.mark.parametrize(
    "dtd",
    [
        '<!DOCTYPE tmx [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE tmx [<!ENTITY a SYSTEM "{secret}">]>',
        '<!DOCTYPE tmx [<!ENTITY % p SYSTEM "{secret}"> %p;]>',
    ],
)
def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path, dtd: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("classified")
    content = tmx(
        unit(("en", "&a;" if "%" not in dtd else "x"), ("fr", "b")),
        start=dtd.replace("{secret}", secret.as_uri()),
    )
    with pytest.raises(ReadError, match="declares XML entities"):
        read(tmp_path, content)


def test_memory_holds_one_unit_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(tmx(unit(("en", "a"), ("fr", "b")) * 5000))
    alone = [
        unit.element is not None and unit.element.getnext() is None and unit.element.getprevious() is None
        for unit in markup.iter_units(path, "tmx", ("header",), ("tu",), None)
        if not unit.is_head
    ]
    assert alone == [True] * 5000


def test_damage_in_the_first_block_comes_after_what_stands_before_it(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(tmx(unit(("en", "a"), ("fr", "b")) + "\n<tu><tuv></tu>"))
    pairs = read_pairs(path)
    assert next(pairs).source == "a"
    with pytest.raises(ReadError, match="line 2 is not well-formed"):
        next(pairs)


@pytest.mark.parametrize(
    "damage",
    [
        unit(("en", "bell&#7;"), ("fr", "b")),
        unit(("en", "bell\x07"), ("fr", "b")),
        unit(("en", "Tom & Ada"), ("fr", "b")),
        unit(("en", "a &nosuch; b"), ("fr", "b")),
        unit(("en", "<hi>a"), ("fr", "b")),
        unit(("en", "a"), ("no tag!", "b")),
        "<tu><tuv xml:lang='en'><seg>a</seg></tuv>",
        "<tu><tuv xml:lang='en'/><tuv xml:lang='fr'><seg>b</seg></tuv></tu>",
        unit(("en", "a"), ("fr", "b"), within="<prop type='x-score'>high</prop>"),
    ],
)
def test_a_damaged_unit_costs_that_unit(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "memory.tmx"
    good = unit(("en", "mill"), ("fr", "moulin"))
    path.write_text(tmx(f"{good}\n{damage}\n{good}\n" + unit(("en", "weir"), ("fr", " "))))
    left_out = LeftOut()
    assert [pair.target for pair in read_pairs(path, left_out=left_out)] == ["moulin", "moulin"]
    assert left_out.counts() == {"damaged": 1, "empty side": 1}
    assert left_out.reasons[0].startswith("memory.tmx, line 2")
    with pytest.raises(ReadError):
        list(read_pairs(path))


@pytest.mark.parametrize(
    ("sides", "srclang", "languages"),
    [
        ("<tuv>{}</tuv><tuv xml:lang='fr'>{}</tuv>", "en", ("en", "fr")),
        ("<tuv xml:lang='fr'>{}</tuv><tuv>{}</tuv>", "EN-us", ("en-US", "fr")),
        ("<tuv xml:lang='en-GB'>{}</tuv><tuv>{}</tuv>", "en", ("en-GB", "und")),
        ("<tuv>{}</tuv><tuv>{}</tuv>", "en", ("en", "und")),
        ("<tuv>{}</tuv><tuv xml:lang='fr'>{}</tuv>", "*all*", ("und", "fr")),
    ],
)
def test_a_side_without_a_language_is_in_that_of_the_header(
    tmp_path: Path, sides: str, srclang: str, languages: tuple[str, str]
) -> None:
    [pair] = read(tmp_path, tmx(f"<tu>{sides.format('<seg>a</seg>', '<seg>b</seg>')}</tu>", srclang=srclang))
    assert (pair.source_language, pair.target_language) == languages


def test_removed_codes_leave_a_space_where_words_would_join(tmp_path: Path) -> None:
    body = unit(("en", "First<ph>&lt;br&gt;</ph>second<bpt i='1'>x</bpt>."), ("zh", "第一<ph/>第二"))
    [pair] = read(tmp_path, tmx(body))
    assert (pair.source, pair.target) == ("First second.", "第一第二")
