"""Segmenters: gapless spans whatever the text, line ends as our rules have them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.bitext.segmenters import SEGMENTERS, SegmenterName, segmenter
from indexer.bitext.sources import draw, read_sentences
from indexer.errors import MiningError

pytest.importorskip("icu4py", reason="needs the extra 'segmenter'")

SIGNS = 'aB ſ.!?。।؟។"“”\n\r\t\u2028éß漢ひกა😀𝒳\u0301\ud800\0'


@pytest.mark.parametrize("name", SEGMENTERS)
@given(
    text=st.text(alphabet=st.sampled_from(SIGNS), max_size=80), language=st.sampled_from([None, "de", "x-y"])
)
def test_spans_together_are_the_text(name: SegmenterName, text: str, language: str | None) -> None:
    spans = segmenter(name)(text, language)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]
    assert "".join(text[start:end] for start, end in spans) == text


@pytest.mark.parametrize("name", SEGMENTERS)
def test_sentences_of_several_scripts_with_their_offsets(name: SegmenterName, tmp_path: Path) -> None:
    text = (
        "Im Oktober wurde der alte Hafen der Stadt nach mehr als hundert Jahren\nendlich wieder geöffnet. "
        "Viele kamen!\n\n"
        "मैं घर जाता हूँ। तुम कहाँ हो?\n\nأين الميناء؟ هو هنا.\n\n港口很老。船在哪里？"
    )
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    found = read_sentences(path, language="de", lines=False, segment=segmenter(name))
    assert [one.text for one in found] == [
        "Im Oktober wurde der alte Hafen der Stadt nach mehr als hundert Jahren endlich wieder geöffnet.",
        "Viele kamen!", "मैं घर जाता हूँ।", "तुम कहाँ हो?", "أين الميناء؟", "هو هنا.", "港口很老。", "船在哪里？",
    ]  # fmt: skip
    assert [" ".join(text[one.start : one.end].split()) for one in found] == [one.text for one in found]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(MiningError, match="no segmenter 'best'; expected one of rules, icu"):
        segmenter("best")  # type: ignore[arg-type]


def test_a_sample_keeps_the_order_and_depends_on_the_seed() -> None:
    items = list(range(1_000))
    one = draw(items, 50, 3)
    assert one == sorted(set(one)) and len(one) == 50
    assert draw(items, 50, 3) == one != draw(items, 50, 4)
    assert draw(items, None, 0) == draw(items, 5_000, 0) == items
