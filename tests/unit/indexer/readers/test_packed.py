"""Archives: tar in its packings, 7z, and what is refused of them."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.errors import ReadError
from indexer.readers import ReadLimits, Source, packed, sniff, suffix_of
from indexer.readers.archive import unpack
from tests.support.reading import read, text_of, warnings_of

TEXT = b"The mill pond is low.\n"


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w", **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpacked(
    data: bytes, into: Path, name: str = "a.tar", limits: ReadLimits | None = None
) -> dict[str, bytes]:
    source = Source(name, data=data, limits=limits or ReadLimits())
    return {file.relative_to(into).as_posix(): file.read_bytes() for file in unpack(source, into)}


def refusal(data: bytes, name: str = "a.tar", **limits: int) -> str:
    source = Source(name, data=data, limits=replace(ReadLimits(), **limits))  # type: ignore[arg-type]
    with pytest.raises(ReadError) as caught:
        list(sniff.read(source)[1])
    assert "; expected " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.TGZ", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tbz", "w:bz2"),
        ("a.tar.xz", "w:xz"), ("a.txz", "w:xz"), ("wrong.zip", "w:gz"), ("no suffix", "w:bz2"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_files_of_every_kind_are_read(name: str, mode: str, form: int) -> None:
    long = f"{'folder/' * 20}水車.txt"
    data = tar(("./notes/a.txt", TEXT), (long, TEXT), ("b.exe", b"MZ"), mode=mode, format=form)
    assert read(name, data)[0] == [(TEXT.decode(), "notes/a.txt"), (TEXT.decode(), long)]


def test_the_suffix_of_a_packed_tar_file_is_both() -> None:
    assert [suffix_of(name) for name in ("A.TAR.GZ", "a.b.tar.xz", "a.txt.gz", "tar.gz", "a")] == [
        ".tar.gz", ".tar.xz", ".gz", ".gz", "",
    ]  # fmt: skip


def test_links_devices_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    data = tar(
        special("link.txt", tarfile.SYMTYPE, str(tmp_path / "secret.txt")),
        special("hard.txt", tarfile.LNKTYPE, "../secret.txt"),
        special("pipe.txt", tarfile.FIFOTYPE),
        special("folder.txt", tarfile.DIRTYPE),
        (".hidden.txt", b"x"),
        ("link.txt", TEXT),
    )
    assert unpacked(data, tmp_path / "out") == {"link.txt": TEXT}
    assert text_of("a.tar", data) == TEXT.decode()


@pytest.mark.parametrize("name", ["../a.txt", "x/../../a.txt", "/etc/a.txt", "C:/a.txt", "..\\a.txt"])
def test_names_that_lead_out_of_the_folder_refuse_the_whole(tmp_path: Path, name: str) -> None:
    data = tar(("good.txt", TEXT), (name, TEXT))
    assert "leads out of its folder" in refusal(data)
    with pytest.raises(ReadError, match="leads out of its folder"):
        unpacked(data, tmp_path / "out")
    assert not list(tmp_path.rglob("*.txt"))


def test_limits_of_count_size_and_ratio() -> None:
    many = tar(*((f"{n}.txt", b"x") for n in range(20)))
    assert "holds more than 10 files" in refusal(many, max_archive_files=10)
    large = tar(("a.txt", b"word " * 500_000))
    assert "unpacks to more than 1 MB" in refusal(large, max_archive_mb=1)
    for mode in ("w:gz", "w:bz2", "w:xz"):
        bomb = tar(("skipped.exe", bytes(60_000_000)), ("a.txt", TEXT), mode=mode)
        assert "times its size" in refusal(bomb)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.txt")
    info.size = 10**12
    assert "unpacks to more than" in refusal(info.tobuf() + bytes(2048))
    info.size = 10_000
    assert "is damaged" in refusal(info.tobuf() + bytes(2048))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_file_that_was_cut_is_refused(tmp_path: Path, mode: str) -> None:
    data = tar(*((f"{n}.txt", bytes(range(32, 127)) * 40) for n in range(9)), mode=mode)
    for share in (0.3, 0.5, 0.8):
        cut = data[: int(len(data) * share)]
        assert "is damaged" in refusal(cut)
        with pytest.raises(ReadError, match="is damaged"):
            unpacked(cut, tmp_path / f"{share}")


def test_damage_in_the_middle_is_not_taken_for_the_end() -> None:
    data = bytearray(tar(*((f"{n}.txt", TEXT) for n in range(4))))
    data[1024 * 2 + 10] ^= 0xFF  # the third header
    assert "is damaged (ReadError: bad checksum)" in refusal(bytes(data))


def test_names_in_old_encodings() -> None:
    data = tar(("Правда и свобода.txt", TEXT), format=tarfile.GNU_FORMAT, encoding="koi8-r")
    assert [section for _, section in read("a.tar", data)[0]] == ["Правда и свобода.txt"]


def test_archives_in_archives(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("in.tar.gz", tar(("a.txt", TEXT), mode="w:gz"))
        archive.writestr("bad.zip", b"PK\x03\x04 broken")
        archive.writestr("bad.tar.xz", b"\xfd7zXZ\0 broken")
        archive.writestr("b.txt", TEXT)
    assert unpacked(out.getvalue(), tmp_path, "a.zip") == {
        "in/a.txt": TEXT, "bad.zip": b"PK\x03\x04 broken", "bad.tar.xz": b"\xfd7zXZ\0 broken", "b.txt": TEXT,
    }  # fmt: skip
    assert [section for _, section in read("a.zip", out.getvalue())[0]] == ["in.tar.gz a.txt", "b.txt"]
    assert [said.partition(":")[0] for said in warnings_of("a.zip", out.getvalue())] == [
        "bad.zip was not read", "bad.tar.xz was not read",
    ]  # fmt: skip
    data = tar(("a.txt", TEXT))
    for depth in range(3):
        data = tar((f"{depth}.tar", data))
    assert "an archive inside 3 others" in refusal(data)


def test_two_members_of_one_name_are_both_kept(tmp_path: Path) -> None:
    inner = tar(("a.txt", TEXT), mode="w:gz")
    data = tar(("x.tar.gz", inner), ("x.tar.gz", inner), ("a.txt", b"1"), ("a.txt", b"2"))
    assert unpacked(data, tmp_path) == {
        "x/a.txt": TEXT, "x/a (2).txt": TEXT, "a.txt": b"1", "a (2).txt": b"2",
    }  # fmt: skip


def test_a_7z_file_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "py7zr", None)
    assert "pip install py7zr" in refusal(packed.SEVEN_ZIP + bytes(64), "a.7z")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("in.7z", packed.SEVEN_ZIP + bytes(64))
        archive.writestr("b.txt", TEXT)
    assert text_of("a.zip", out.getvalue()) == TEXT.decode()
    (said,) = warnings_of("a.zip", out.getvalue())
    assert said.startswith("in.7z was not read: ") and "py7zr" in said


def test_a_7z_file_is_read_where_the_package_is_there(tmp_path: Path) -> None:
    py7zr = pytest.importorskip("py7zr")
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w") as archive:
        for name in ("x/a.txt", "b.txt", "c.exe"):
            archive.writestr(TEXT, name)
    data = (tmp_path / "a.7z").read_bytes()
    assert sorted(section or "" for _, section in read("a.7z", data)[0]) == ["b.txt", "x/a.txt"]
    assert unpacked(data, tmp_path / "out", "a.7z") == {"x/a.txt": TEXT, "b.txt": TEXT}
    assert "is damaged" in refusal(data[:-9], "a.7z")
    with py7zr.SevenZipFile(tmp_path / "b.7z", "w", password="x") as archive:
        archive.writestr(TEXT, "a.txt")
    assert "is encrypted" in refusal((tmp_path / "b.7z").read_bytes(), "b.7z")
