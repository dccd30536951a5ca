"""Text and Markdown: streamed, and joined again without loss."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.readers import Facts, Piece, Source
from indexer.readers.plain import BLOCK_CHARS, iter_blocks, read_markdown, read_text
from tests.support.reading import warnings_of


def read(reader, data: bytes, name: str = "a.txt") -> list[Piece]:
    return [item for item in reader(Source(name, data=data)) if isinstance(item, Piece)]


@pytest.mark.parametrize("reader", [read_text, read_markdown])
@given(text=st.text(alphabet=st.sampled_from("ab #\n=-`~\té漢字🙂 。."), max_size=200))
def test_joined_pieces_are_the_decoded_file(reader, text: str) -> None:
    data = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    joined = "".join(piece.text for piece in read(reader, data))
    assert re.sub(r"\s", "", joined) == re.sub(r"\s", "", text)
    if "。" not in text:
        assert joined == text


@pytest.mark.parametrize("reader", [read_text, read_markdown])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("海边的小镇有\n一座灯塔。夜\n里它为船只指\n路。\n", "海边的小镇有一座灯塔。夜里它为船只指路。\n"),
        ("海边的灯塔\n\n海边的小镇有\n一座灯塔。\n", "海边的灯塔\n\n海边的小镇有一座灯塔。\n"),
        (
            "灯塔\n海辺の町には古い灯台が\nあり、夜に光ります。\n入口は裏です。\n",
            "灯塔\n海辺の町には古い灯台があり、夜に光ります。\n入口は裏です。\n",
        ),
        ("全部で十二人と犬が2\n匹います。\n", "全部で十二人と犬が2匹います。\n"),
        ("张三\n李四\n王五\n", "张三\n李四\n王五\n"),
        ("一、开门。\n二、关灯\n三、锁门。\n", "一、开门。\n二、关灯\n三、锁门。\n"),
        ("　　海边的小镇\n有一座灯塔。\n　　夜里有光。\n", "　　海边的小镇有一座灯塔。\n　　夜里有光。\n"),
        ("등대는 바닷가\n마을에 있다.\n", "등대는 바닷가\n마을에 있다.\n"),
        ("海边的小镇有\r\n一座灯塔。\r\n", "海边的小镇有一座灯塔。\n"),
    ],
)
def test_wrapped_chinese_and_japanese_is_one_line(reader, text: str, shown: str) -> None:
    assert "".join(piece.text for piece in read(reader, text.encode())) == shown


def test_fenced_code_keeps_its_lines() -> None:
    text = "```\n海边的小镇有\n一座灯塔。\n```\n"
    assert "".join(piece.text for piece in read(read_markdown, text.encode())) == text


def test_a_long_file_is_cut_at_lines() -> None:
    line = "Ein Satz. Noch einer.\n"
    pieces = read(read_text, (line * 20_000).encode())
    assert len(pieces) > 5
    assert all(piece.text.endswith("\n") and len(piece.text) <= BLOCK_CHARS for piece in pieces)
    assert "".join(piece.text for piece in pieces) == line * 20_000


def test_a_single_line_of_5_mb_is_cut_after_sentences() -> None:
    text = "一句话。" * 1_250_000
    pieces = read(read_text, text.encode())
    assert all(piece.text.endswith("。") and len(piece.text) <= BLOCK_CHARS for piece in pieces)
    assert "".join(piece.text for piece in pieces) == text


def test_a_mark_stays_with_its_letter() -> None:
    text = "a" + "\u0301" * 3 + "b" * 20
    assert [block[0] for block in iter_blocks(text, 10)][1] == "b"
    assert next(iter_blocks("x" * 9 + "e\u0301" + "y" * 9, 10)) == "x" * 9
    assert "".join(iter_blocks(text, 3)) == text


def test_streaming_reads_no_more_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"A sentence. \n" * 400_000
    opened: list[io.BytesIO] = []

    def open_counted(self: Source) -> io.BytesIO:
        opened.append(io.BytesIO(data))
        return opened[-1]

    monkeypatch.setattr(Source, "open", open_counted)
    items = read_text(Source("a.txt", data=data))
    assert isinstance(next(items), Facts)
    next(items)
    assert opened[-1].tell() < 1_000_000


def test_markdown_headings_are_sections_but_not_inside_fences() -> None:
    text = "intro\n# One\na\n```\n# no heading\n```\n## Two ##\nb\nThree\n=====\nc\n"
    sections = [(piece.section, piece.text) for piece in read(read_markdown, text.encode(), "a.md")]
    assert sections == [
        (None, "intro\n"),
        ("One", "# One\na\n```\n# no heading\n```\n"),
        ("One › Two", "## Two ##\nb\n"),
        ("Three", "Three\n=====\nc\n"),
    ]


def test_markdown_title_is_the_first_heading(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("text\n\n## First\n\n# Second\n")
    titles = [
        item.title
        for item in read_markdown(Source("a.md", path=path))
        if isinstance(item, Facts) and item.title
    ]
    assert titles == ["First"]


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ('---\ntitle: "The ferry: a day"\ntags: [sea]\n# a remark\n---\n', "The ferry: a day"),
        ("+++\ndraft = true\ntitle = 'Чай'\n+++\n", "Чай"),
        ("---\ntags: sea\ntitle: >\n  folded\n---\n", "Heading"),
        ("---\ntitle: Untitled\n---\n", "Heading"),
    ],
)
def test_data_before_the_text_states_the_title_and_holds_no_heading(
    tmp_path: Path, front: str, expected: str
) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"{front}\n# Heading\n\ntext\n", encoding="utf-8")
    items = list(read_markdown(Source("a.md", path=path)))
    assert next(item.title for item in items if isinstance(item, Facts) and item.title) == expected
    pieces = [(item.section, item.text) for item in items if isinstance(item, Piece)]
    assert pieces == [(None, f"{front}\n"), ("Heading", "# Heading\n\ntext\n")]


def test_a_line_across_the_page_opens_no_data() -> None:
    for text in ("---\n\n# One\n\n---\n", "---\nname: x\n\n# One\n"):
        assert [piece.section for piece in read(read_markdown, text.encode(), "a.md")] == [None, "One"]


def test_bytes_that_fit_nowhere_are_told() -> None:
    text = "Die Mühle steht über dem Fluß, und das Rad läuft für alle. " * 20
    data = (text + "|" + text).encode().replace(b"|", b"\xff")
    assert warnings_of("a.txt", data) == ["1 character could not be read as utf-8, and stand there as \ufffd"]
    assert warnings_of("a.txt", text) == []


def test_warnings_of_files_in_an_archive_are_passed_on() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.html", "<frameset><frame src=b.html></frameset><p>x")
    assert warnings_of("a.zip", packed.getvalue()) == [
        "a.html: the frame 'b.html' was not read: it is a file of its own, add it too"
    ]
