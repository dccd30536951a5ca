"""Every format and script through the reader process, against the golden files."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from indexer.errors import ReadError
from indexer.library.page_image import page_image
from indexer.readers import SUFFIXES, suffix_of
from indexer.readers.archive import expand
from indexer.readers.worker import ReaderProcess, read_file
from indexer.types import Block

GOLDEN = Path(__file__).parents[1] / "golden" / "readers"
EXPECTED: dict[str, list[tuple[str, int | None, str | None]]] = json.loads(
    (GOLDEN / "expected.json").read_text(encoding="utf-8")
)
READABLE = sorted(name for name, blocks in EXPECTED.items() if blocks)


@pytest.fixture(scope="module")
def process():
    with ReaderProcess() as one:
        yield one


def read(process: ReaderProcess, path: Path) -> list[Block]:
    return list(process.read(path))


@pytest.mark.parametrize("name", READABLE)
def test_golden_file(process: ReaderProcess, name: str) -> None:
    blocks = read(process, GOLDEN / name)
    assert [[block.text, block.page, block.section] for block in blocks] == EXPECTED[name]
    assert [block.start for block in blocks] == [
        sum(len(before.text) for before in blocks[:i]) for i in range(len(blocks))
    ]


def test_golden_files_cover_every_format() -> None:
    needs_a_package = {"7z"}
    assert {SUFFIXES[suffix_of(name)] for name in READABLE} == set(SUFFIXES.values()) - needs_a_package


@pytest.mark.parametrize(
    ("name", "title", "file_type", "encoding", "pages"),
    [
        ("en-fr.pdf", "Human rights", "pdf", None, 2),
        ("ja.html", "人権", "html", "cp932", None),
        ("ko-he.pptx", "권리", "pptx", None, 2),
        ("hi-th.epub", "अधिकार", "epub", None, None),
        ("ru-el.docx", "Права", "docx", None, None),
        ("ru-ar.rtf", "Rights", "rtf", None, None),
        ("ru.eml", "Права человека", "eml", "koi8-r", None),
        ("mixed.md", "Rights", "md", "utf-8", None),
        ("ru.koi8-r.txt", "", "txt", "koi8-r", None),
    ],
)
def test_info_is_there_before_the_blocks(process, name, title, file_type, encoding, pages) -> None:
    with process.read(GOLDEN / name) as reading:
        info = reading.info
        assert (info.title, info.file_type, info.encoding, info.pages) == (title, file_type, encoding, pages)
        assert "".join(block.text for block in reading)


def test_the_head_is_read_ahead_with_what_is_said_about_it(process: ReaderProcess, tmp_path: Path) -> None:
    text = "Words before.\n\n# Heading\n\n" + "A sentence.\n" * 20_000
    (tmp_path / "a.md").write_text(text)
    with process.read(tmp_path / "a.md") as reading:
        assert reading.info.title == ""
        head = reading.head(1000)
        assert [block.section for block in head[:2]] == [None, "Heading"]
        assert reading.info.title == "Heading"
        assert reading.head(10) == head
        assert "".join(block.text for block in reading) == text
    (tmp_path / "short.txt").write_text("Short.")
    assert [block.text for block in process.read(tmp_path / "short.txt").head(1000)] == ["Short."]
    broken = process.read(GOLDEN / "locked.pdf")
    assert broken.head(1000) == []
    with pytest.raises(ReadError, match="needs a password"):
        list(broken)


def test_an_unread_attachment_is_a_warning(process: ReaderProcess) -> None:
    reading = process.read(GOLDEN / "ru.eml")
    assert list(reading)
    assert reading.info.warnings == (
        "attachment not read: p.png looks like binary data (a PNG image); expected a text document. "
        "Leave it out or convert it to text.",
    )


@pytest.mark.parametrize(
    ("name", "magic_of"), [("a.txt", "en-fr.pdf"), ("a.doc", "ru-el.docx"), ("b.dat", "ru-ar.rtf")]
)
def test_a_wrong_suffix_does_not_matter_when_the_magic_is_known(process, tmp_path, name, magic_of) -> None:
    (tmp_path / name).write_bytes((GOLDEN / magic_of).read_bytes())
    reading = process.read(tmp_path / name)
    assert [[b.text, b.page, b.section] for b in reading] == EXPECTED[magic_of]
    assert f".{reading.info.file_type}" == Path(magic_of).suffix


def test_scripts_and_styles_of_html_are_not_text(process: ReaderProcess) -> None:
    text = "".join(block.text for block in process.read(GOLDEN / "ja.html"))
    assert "alert" not in text and "color" not in text and "no script" not in text and "hidden" not in text
    assert "第一条" in text


def test_read_file_needs_no_process_of_ones_own() -> None:
    with read_file(GOLDEN / "mixed.md") as reading:
        assert [block.section for block in reading] == ["Rights", "Rights › حقوق"]
    assert [block.section for block in read_file(GOLDEN / "mixed.md")] == ["Rights", "Rights › حقوق"]


def test_one_process_serves_many_files(process: ReaderProcess) -> None:
    read(process, GOLDEN / "mixed.md")
    first = process.pid
    read(process, GOLDEN / "zh.xlsx")
    with pytest.raises(ReadError, match="needs a password"):
        read(process, GOLDEN / "locked.pdf")
    read(process, GOLDEN / "en-fr.pdf")
    assert first is not None and process.pid == first


def test_leaving_early_does_not_disturb_the_next_file(process: ReaderProcess, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("A sentence.\n" * 400_000)
    with process.read(tmp_path / "long.txt") as reading:
        assert next(iter(reading)).start == 0
    assert [b.section for b in read(process, GOLDEN / "mixed.md")] == ["Rights", "Rights › حقوق"]


def test_archive_is_expanded_with_its_folders(tmp_path: Path) -> None:
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.csv", "a,b\n")
    outer = tmp_path / "outer.zip"
    name = "资料/说明.txt"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(GOLDEN / "en-fr.pdf", "pdfs/en-fr.pdf")
        archive.write(inner, "more/inner.zip")
        archive.writestr(name.encode("gb18030").decode("cp437"), "自由".encode("gb18030"))
        archive.writestr("skip.exe", b"MZ")
        archive.writestr(".hidden.txt", b"x")
    raw = outer.read_bytes()
    utf8_marked = name.encode("gb18030").decode("cp437").encode()
    assert raw.count(utf8_marked) == 2
    files = expand(outer, tmp_path / "out")
    relative = {file.relative_to(tmp_path / "out").as_posix() for file in files}
    assert {"pdfs/en-fr.pdf", "more/inner/x.csv"} < relative and len(relative) == 3
    assert (tmp_path / "out/pdfs/en-fr.pdf").read_bytes() == (GOLDEN / "en-fr.pdf").read_bytes()


def test_page_image_is_a_png_of_the_width_asked_for() -> None:
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(page_image(GOLDEN / "zh.pdf", 1, 300)))
    assert (picture.format, picture.width) == ("PNG", 300)
    low, _ = picture.convert("L").getextrema()
    assert low < 100, "nothing was drawn"
    assert page_image(GOLDEN / "en-fr.pdf", 1) != page_image(GOLDEN / "en-fr.pdf", 2)
    with pytest.raises(ReadError, match="has no page 3; expected 1 to 2"):
        page_image(GOLDEN / "en-fr.pdf", 3)
    with pytest.raises(ReadError, match=r"mixed\.md has no page images; expected a PDF"):
        page_image(GOLDEN / "mixed.md", 1)


def test_the_process_loads_no_heavy_library(process: ReaderProcess) -> None:
    for name in READABLE:
        read(process, GOLDEN / name)
    maps = Path(f"/proc/{process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    loaded = maps.read_text()
    assert "lxml" in loaded
    assert "torch" not in loaded and "numpy" not in loaded and os.getpid() != process.pid


def test_titles_and_sections_have_no_soft_hyphens(process: ReaderProcess, tmp_path: Path) -> None:
    page = "<title>Müh&shy;le</title><h1>Was&shy;ser&shy;rad</h1><p>Es läuft.</p>"
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    reading = process.read(tmp_path / "a.html")
    assert [block.section for block in reading] == ["Wasserrad"]
    assert reading.info.title == "Mühle"
