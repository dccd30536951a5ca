"""Bad input: each file fails with what happened, what was expected and what to do, and nothing else dies."""

import os
import shutil
import stat
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from indexer.errors import Cancelled, ReadError
from indexer.readers import ReadLimits
from indexer.readers.archive import expand
from indexer.readers.worker import ReaderProcess, read_file

GOLDEN = Path(__file__).parents[1] / "golden" / "readers"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")


@pytest.fixture(scope="module")
def process():
    with ReaderProcess() as one:
        yield one


def refusal(path: Path, process: ReaderProcess | None = None, limits: ReadLimits | None = None) -> str:
    with pytest.raises(ReadError) as caught:
        list(read_file(path, limits or ReadLimits(), process=process))
    message = str(caught.value)
    assert message.startswith(path.name) and "; expected " in message and message.endswith(".")
    return message


def docx(path: Path, document: str, **others: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", document)
        for name, data in others.items():
            archive.writestr(f"word/{name}.xml", data)
    return path


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_empty_file(tmp_path: Path, process: ReaderProcess) -> None:
    (tmp_path / "a.pdf").touch()
    assert "is empty (0 bytes)" in refusal(tmp_path / "a.pdf", process)


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.md", "a.csv"])
def test_a_file_of_white_space_holds_no_text(tmp_path: Path, process: ReaderProcess, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf")
    assert "holds no text" in refusal(tmp_path / name, process)


def test_encrypted_pdf(process: ReaderProcess) -> None:
    assert "is encrypted and needs a password" in refusal(GOLDEN / "locked.pdf", process)


def test_damaged_pdf(tmp_path: Path, process: ReaderProcess) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n" + b"garbage " * 100)
    assert "is a damaged PDF" in refusal(tmp_path / "a.pdf", process)
    (tmp_path / "b.pdf").write_bytes((GOLDEN / "en-fr.pdf").read_bytes()[:700])
    assert "b.pdf" in refusal(tmp_path / "b.pdf", process)


def test_pdf_without_text_layer(process: ReaderProcess) -> None:
    message = refusal(GOLDEN / "scanned.pdf", process)
    assert "no text layer on any of its 2 pages" in message and "OCR" in message


def test_a_pdf_that_is_none(tmp_path: Path, process: ReaderProcess) -> None:
    (tmp_path / "a.pdf").write_text("<html>Not found</html>")
    assert "is not a pdf file" in refusal(tmp_path / "a.pdf", process)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "looks like binary data (a PNG image)"),
        ("a.txt", bytes(range(256)) * 40, "looks like binary data"),
        ("a.csv", b"\x7fELF\x02\x01" + b"\0" * 64, "looks like binary data (a program)"),
        ("a.md", b"\0\0\0\x18ftypmp42" + b"\0" * 64, "looks like binary data (a film or photo)"),
        ("a.html", b"\x1f\x8b\x08\0\0\0", "a gzip archive"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an Office 97-2003 document"),
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"),
            "a password-protected Office document",
        ),
        ("a.xyz", b"text", "has the suffix '.xyz', which is not read"),
        ("noname", b"text", "has the suffix '(none)'"),
        ("a.docx", b"plain text", "is not a docx file"),
        ("a.json", b'{"a": [1, 2', "is not valid JSON"),
        ("a.json", b"[" * 100_000, "a.json"),
        ("a.jsonl", b"no json\n", "line 1 is not JSON"),
        ("a.srt", b"no cues", "has no cues"),
        ("a.eml", b"\n\nno headers", "has no e-mail headers"),
        ("a.zip", b"PK\x03\x04 broken", "is a damaged zip container"),
    ],
)
def test_wrong_contents(tmp_path: Path, process: ReaderProcess, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert words in refusal(tmp_path / name, process)


@pytest.mark.parametrize("name", ["ru-el.docx", "ko-he.pptx", "zh.xlsx", "km.odt", "hi-th.epub", "two.zip"])
def test_a_truncated_container(tmp_path: Path, process: ReaderProcess, name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    assert "damaged" in refusal(tmp_path / name, process)


@pytest.mark.parametrize("name", ["ru-el.docx", "ko-he.pptx", "zh.xlsx", "km.odt", "hi-th.epub"])
def test_bits_flipped_in_a_container(tmp_path: Path, process: ReaderProcess, name: str) -> None:
    """Whatever is hit, the answer is text or a ReadError, and the process goes on."""
    data = bytearray((GOLDEN / name).read_bytes())
    for at in range(20, len(data), len(data) // 12):
        damaged = bytearray(data)
        damaged[at : at + 4] = b"\xff\0\xff\0"
        (tmp_path / name).write_bytes(damaged)
        try:
            list(process.read(tmp_path / name))
        except ReadError as error:
            assert str(error).startswith(name)
    assert list(process.read(GOLDEN / "mixed.md"))


@pytest.mark.parametrize("name", ["a.xlsx", "a.docx"])
def test_a_document_that_cannot_be_read_here_is_not_called_empty(
    tmp_path: Path, process: ReaderProcess, name: str
) -> None:
    if name == "a.xlsx":
        book = openpyxl.Workbook()
        book.active["A1"] = "=1+1"  # type: ignore[index]  # openpyxl stores no value
        book.save(tmp_path / name)
        said = "1 formulas have no stored value"
    else:
        docx(
            tmp_path / name,
            f"<w:document {W}><w:body><w:p><w:r><w:object><OLEObject/></w:object></w:r></w:p></w:body></w:document>",
        )
        said = "1 embedded objects were not read"
    message = refusal(tmp_path / name, process)
    assert f"gave no text ({said}" in message and "Leave it out" not in message


def test_entity_expansion(tmp_path: Path, process: ReaderProcess) -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><w:document {W}><w:p><w:r><w:t>&a9;</w:t></w:r></w:p></w:document>'
    assert "declares XML entities" in refusal(docx(tmp_path / "a.docx", bomb), process)


def test_external_entity(tmp_path: Path, process: ReaderProcess) -> None:
    (tmp_path / "secret.txt").write_text("TOP SECRET")
    document = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>'
        f"<w:document {W}><w:p><w:r><w:t>&e;</w:t></w:r></w:p></w:document>"
    )
    message = refusal(docx(tmp_path / "a.docx", document), process)
    assert "declares XML entities" in message and "SECRET" not in message
    plain = f"<w:document {W}><w:p><w:r><w:t>x</w:t></w:r></w:p></w:document>"
    assert "declares XML entities" in refusal(docx(tmp_path / "b.docx", plain, styles=document), process)


def test_zip_bombs(tmp_path: Path, process: ReaderProcess) -> None:
    bomb = zipped(tmp_path / "bomb.zip", ("a.txt", b"\0" * 40_000_000))
    assert "times its size" in refusal(bomb, process)
    with pytest.raises(ReadError, match="This is how zip bombs look"):
        expand(bomb, tmp_path / "out")
    assert "times its size" in refusal(docx(tmp_path / "a.docx", " " * 40_000_000), process)
    many = zipped(tmp_path / "many.zip", *((f"{n}.txt", b"x") for n in range(20)))
    assert "holds 20 files; expected at most 10" in refusal(many, limits=ReadLimits(max_archive_files=10))
    large = zipped(tmp_path / "large.zip", ("a.txt", os.urandom(2 << 20)))
    assert "unpacks to 2 MB; expected at most 1 MB" in refusal(large, limits=ReadLimits(max_archive_mb=1))


@pytest.mark.parametrize(
    "name", ["../escape.txt", "a/../../escape.txt", "/absolute.txt", "C:/windows.txt", "..\\escape.txt"]
)
def test_archive_names_that_lead_outside(tmp_path: Path, process: ReaderProcess, name: str) -> None:
    evil = zipped(tmp_path / "evil.zip", ("good.txt", b"x"), (name, b"x"))
    with pytest.raises(ReadError, match="leads out of its folder"):
        expand(evil, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*")) and not (tmp_path / "escape.txt").exists()
    assert "leads out of its folder" in refusal(evil, process)


def test_archive_with_symbolic_link(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ReadError, match=r"holds the symbolic link 'link\.txt'"):
        expand(zipped(tmp_path / "a.zip", (link, b"/etc/passwd")), tmp_path / "out")


def test_archives_nested_too_deeply(tmp_path: Path, process: ReaderProcess) -> None:
    path = zipped(tmp_path / "0.zip", ("a.txt", b"deep"))
    for depth in range(1, 4):
        path = zipped(tmp_path / f"{depth}.zip", (path.name, path.read_bytes()))
        if depth < 3:
            assert [f.read_bytes() for f in expand(path, tmp_path / f"out{depth}")] == [b"deep"]
            assert [b.text for b in process.read(path)] == ["deep"]
    with pytest.raises(ReadError, match="an archive inside 3 others; expected at most 2"):
        expand(path, tmp_path / "out3")
    with pytest.raises(ReadError, match="an archive inside 3 others; expected at most 2"):
        list(process.read(path))


def test_encrypted_archive(tmp_path: Path, process: ReaderProcess) -> None:
    path = zipped(tmp_path / "a.zip", ("a.txt", b"x"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # directory
    path.write_bytes(data)
    assert "is encrypted; expected a file without a password" in refusal(path, process)


def test_folder_missing_file_and_pipe(tmp_path: Path, process: ReaderProcess) -> None:
    (tmp_path / "folder.txt").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.txt", process)
    assert "does not exist" in refusal(tmp_path / "missing.txt", process)


@POSIX_ONLY
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, process: ReaderProcess) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "is a device or pipe" in refusal(tmp_path / "pipe.txt", process)


@POSIX_ONLY
def test_unreadable_file(tmp_path: Path, process: ReaderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    path.chmod(0)
    if os.geteuid() == 0:  # root may read everything, so the refusal is acted

        def refuse(self: Path, *_: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be opened (Permission denied)" in refusal(path, process)


def test_a_file_that_vanishes(
    tmp_path: Path, process: ReaderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    from indexer.readers import worker

    def check_and_remove(*_: object) -> None:
        path.unlink()

    monkeypatch.setattr(worker, "check_file", check_and_remove)
    assert "vanished while it was read" in refusal(path, process)


def test_limits_of_file_and_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A sentence.\n" * 300_000)
    assert "has 3 MB; expected at most 1 MB" in refusal(path, limits=ReadLimits(max_file_mb=1))
    assert "holds more than 2 million characters" in refusal(path, limits=ReadLimits(max_text_mb=2))


def test_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    shutil.copy(GOLDEN / "zh.pdf", tmp_path / "a.pdf")
    limits = ReadLimits(timeout_s=0.0, timeout_s_per_mb=0.0)
    with ReaderProcess(limits) as process:
        hang(process)
        assert "took more than 0 s to read" in refusal(path, process)
        assert process.pid is None


@POSIX_ONLY
def test_memory_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>word</p>" * 2_000_000)
    with ReaderProcess(ReadLimits(memory_mb=150)) as process:
        message = refusal(path, process)
        assert "memory" in message and "150 MB" in message
        assert [b.section for b in process.read(GOLDEN / "mixed.md")] == ["Rights", "Rights › حقوق"]


@POSIX_ONLY
def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("A sentence.\n" * 2_000_000)
    with ReaderProcess() as process:
        with pytest.raises(ReadError, match=r"long\.txt ended the reader process \(signal 9\)"):
            for number, _ in enumerate(process.read(path)):
                if number == 1:
                    assert process.pid is not None
                    os.kill(process.pid, 9)
        assert list(process.read(GOLDEN / "mixed.md"))
        assert process.pid is not None
        os.kill(process.pid, 9)
        while process.pid is not None:
            time.sleep(0)
        assert list(process.read(GOLDEN / "mixed.md"))


def test_cancelling(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("A sentence.\n" * 400_000)
    asked = iter([False, False, True])
    with ReaderProcess() as process, pytest.raises(Cancelled, match=r"Reading long\.txt was cancelled"):
        list(process.read(path, cancelled=lambda: next(asked, True)))


def test_a_line_of_5_mb(tmp_path: Path, process: ReaderProcess) -> None:
    text = "слово " * 850_000
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    blocks = list(process.read(tmp_path / "a.txt"))
    assert len(blocks) > 50 and "".join(block.text for block in blocks) == text


def test_reading_may_neither_connect_nor_start_nor_write(tmp_path: Path) -> None:
    from indexer.readers.child import Guard

    guard = Guard()
    for event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.fork"):
        with pytest.raises(PermissionError, match="may not use"):
            guard(event, (None,))
    with pytest.raises(PermissionError, match="may not use open"):
        guard("open", (str(tmp_path / "x"), "w", os.O_WRONLY | os.O_CREAT))
    guard("open", (str(tmp_path / "x"), "r", os.O_RDONLY))
    guard.writable = f"{tmp_path}{os.sep}"
    guard("open", (str(tmp_path / "x"), "w", os.O_WRONLY | os.O_CREAT))
    with pytest.raises(PermissionError, match=r"may not use os\.remove"):
        guard("os.remove", (str(tmp_path / ".." / "x"), -1))


def hang(process: ReaderProcess) -> None:
    """Put something that never answers in the place of the reader."""
    import subprocess
    import sys

    process._start()
    assert process._child is not None
    process._child.kill()
    process._child.wait()
    process._answers.get()
    process._child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
