"""XLIFF 1.2: its structure, states, and what is not read."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from indexer.bitext.formats import read_pairs, write_pairs
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.formats.xliff import NAMESPACE
from indexer.bitext.values import Pair
from indexer.errors import ReadError

SCHEMA = Path(__file__).with_name("data") / "xliff12.rng"
FILE = '<file original="x" source-language="en" target-language="fr" datatype="plaintext"><body>{body}</body></file>'


def xliff(body: str, version: str = "1.2") -> str:
    return f'<xliff version="{version}" xmlns="{NAMESPACE}">{FILE.format(body=body)}</xliff>'


def read(folder: Path, content: str) -> list[Pair]:
    path = folder / "job.xlf"
    path.write_text(content, encoding="utf-8")
    return list(read_pairs(path))


def assert_valid(path: Path) -> None:
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    assert schema.validate(etree.parse(path)), schema.error_log


@settings(max_examples=25)
@given(
    texts=st.lists(st.text(max_size=9), min_size=4, max_size=4),
    meta=st.lists(
        st.tuples(st.one_of(st.just("note"), st.text(max_size=5)), st.text(max_size=5)), max_size=4
    ),
    state=st.sampled_from(["open", "accepted", "rejected"]),
)
def test_the_output_is_valid(texts: list[str], meta: list[tuple[str, str]], state: str) -> None:
    source, target, flag, origin = texts
    pair = Pair(source, target, 1.5, "zh-Hant", "ar", 0.5, (flag,), state, origin, origin, tuple(meta))  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.xlf"
        write_pairs(path, [pair, Pair("a", "b")], source_language="en", target_language="fr")
        assert_valid(path)


def test_states_are_those_of_xliff(tmp_path: Path) -> None:
    path = tmp_path / "pairs.xliff"
    pairs = [
        Pair(state, "x", state=state, meta=(("note", "look"),)) for state in ("open", "accepted", "rejected")
    ]
    write_pairs(path, pairs, source_language="en", target_language="fr")
    units = etree.parse(path).getroot().findall(".//{*}trans-unit")
    targets = [unit.find("{*}target") for unit in units]
    assert [unit.get("approved") for unit in units] == [None, "yes", None]
    assert [target.get("state") for target in targets if target is not None] == [
        "needs-review-translation",
        "signed-off",
        "needs-translation",
    ]
    assert [unit.findtext("{*}note") for unit in units] == ["look"] * 3
    assert [pair.state for pair in read_pairs(path)] == ["open", "accepted", "rejected"]


def test_alternatives_and_units_without_a_target_are_passed_over(tmp_path: Path) -> None:
    got = read(
        tmp_path,
        xliff(
            '<group><trans-unit id="a1" resname="r"><source>Save <g id="1">all</g><x id="2"/></source>'
            '<seg-source><mrk mtype="seg">other</mrk></seg-source><target state="translated"><mrk mtype="seg">Tout</mrk></target>'
            "<alt-trans><source>no</source><target>non</target></alt-trans><note>n</note></trans-unit></group>"
            '<trans-unit id="2"><source>untranslated</source></trans-unit>'
            '<trans-unit id="3"><source xml:lang="en-GB">b</source><target>c</target></trans-unit>'
        ),
    )
    assert [(p.source, p.target, p.source_language) for p in got] == [
        ("Save all", "Tout", "en"),
        ("b", "c", "en-GB"),
    ]
    assert got[0].meta == (("state", "translated"), ("id", "a1"), ("resname", "r"), ("note", "n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (xliff("", version="3.0"), "is of version '3.0'; expected 1.2 or 2"),
        (
            xliff("\n<trans-unit id='1'><target>a</target></trans-unit>"),
            "line 2, <trans-unit> has no <source>",
        ),
        ("<tmx/>", "file of <tmx>; expected <xliff>"),
        ('<!DOCTYPE xliff [<!ENTITY a "b">]>' + xliff(""), "declares XML entities"),
    ],
)
def test_damage_is_told_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)


def test_version_2_is_read_by_its_segments(tmp_path: Path) -> None:
    content = """<?xml version="1.0"?><xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.1" srcLang="de"
    trgLang="en_gb"><file id="f"><group id="g"><unit id="u"><notes><note>of a mill</note></notes>
    <segment state="final"><source>Das <pc id="1">Rad</pc><ph id="2"/>läuft.</source><target>The wheel runs.</target>
    </segment><ignorable><source> </source></ignorable><segment><source>Nur hier</source></segment>
    <segment><source>Halt!</source><target xml:lang="en-US">Stop!</target></segment></unit></group></file></xliff>"""
    path = tmp_path / "two.xlf"
    path.write_text(content, encoding="utf-8")
    got = list(read_pairs(path))
    assert [(pair.source, pair.target, pair.state) for pair in got] == [
        ("Das Rad läuft.", "The wheel runs.", "accepted"),
        ("Halt!", "Stop!", "open"),
    ]
    assert [(pair.source_language, pair.target_language) for pair in got] == [
        ("de", "en-GB"),
        ("de", "en-US"),
    ]
    assert got[0].meta == (("id", "u"), ("state", "final"), ("note", "of a mill"))


def test_a_damaged_unit_costs_that_unit(tmp_path: Path) -> None:
    units = "".join(
        f"<trans-unit id='{n}'><source>{text}</source><target>B{n}</target></trans-unit>\n"
        for n, text in enumerate(["a", "b & c", "d&#1;", "e"])
    )
    path = tmp_path / "job.xlf"
    path.write_text(xliff(units), encoding="utf-8")
    left_out = LeftOut()
    assert [pair.target for pair in read_pairs(path, left_out=left_out)] == ["B0", "B3"]
    assert left_out.counts() == {"damaged": 2}
