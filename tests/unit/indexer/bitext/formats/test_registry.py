"""Which format a path is in, and what happens to files when writing fails."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.bitext.formats import FORMATS, format_of, read_pairs, write_pairs
from indexer.bitext.values import Pair
from indexer.errors import DiskFullError, ExportError, QueryError, ReadError
from indexer.text.language.tags import language_tag


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("p.TMX", "tmx"), ("p.xlf", "xliff"), ("p.xliff", "xliff"), ("p.tsv", "tsv"), ("p.jsonl", "jsonl"), ("p.csv", "csv"),
        ("p.xlsx", "xlsx"), ("p.moses", "moses"), ("p", "moses"), ("news.fr-en", "moses"), ("p.en", "moses"),
    ],
)  # fmt: skip
def test_the_suffix_decides(name: str, form: str) -> None:
    assert format_of(name).name == form
    assert format_of(name, "tsv").name == "tsv"


@pytest.mark.parametrize(("path", "form"), [("p.tmx.gz", None), ("p.docx", None), ("p.tmx", "tm")])
def test_unknown_formats_are_refused(path: str, form: str | None) -> None:
    with pytest.raises(QueryError, match="expected"):
        format_of(path, form)


@pytest.mark.parametrize("form", FORMATS)
def test_a_missing_file_is_told_at_once(tmp_path: Path, form: str) -> None:
    with pytest.raises(ReadError, match="expected"):
        read_pairs(tmp_path / "none", format=form)


def on_disk(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("form", FORMATS)
def test_when_writing_fails_the_old_file_stays_and_nothing_else(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"pairs.{form}"
    write_pairs(path, [Pair("old", "old")], format=form, source_language="en", target_language="fr")
    before = on_disk(tmp_path)

    def broken() -> Iterator[Pair]:
        yield Pair("new", "new")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_pairs(path, broken(), format=form, source_language="en", target_language="fr")
    assert on_disk(tmp_path) == before
    write_pairs(path, [Pair("new", "new")], format=form, source_language="en", target_language="fr")
    assert next(read_pairs(path, format=form)).source == "new"
    assert on_disk(tmp_path).keys() == before.keys()


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"pairs.{form}"
    write_pairs(path, [Pair("old", "old")], format=form, source_language="en", target_language="fr")
    before = on_disk(tmp_path)

    def filling() -> Iterator[Pair]:
        yield Pair("new", "new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError, match="Nothing was changed"):
        write_pairs(path, filling(), format=form, source_language="en", target_language="fr")
    assert on_disk(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("form", ["tmx", "xliff", "tsv", "jsonl", "csv"])
def test_a_really_full_device(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"pairs.{form}"
    path.write_text("old")
    monkeypatch.setattr(Path, "touch", lambda self, *_, **__: self.symlink_to("/dev/full"))
    pairs = (Pair("text " * 1000, "text") for _ in range(200))
    with pytest.raises(DiskFullError):
        write_pairs(path, pairs, source_language="en", target_language="fr")
    assert on_disk(tmp_path) == {path.name: b"old"}


def test_places_and_languages_that_do_not_do(tmp_path: Path) -> None:
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        write_pairs(tmp_path / "folder.tsv", [], source_language="en", target_language="fr")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write_pairs(tmp_path / "file" / "p.tsv", [], source_language="en", target_language="fr")
    with pytest.raises(ExportError, match="not a language tag"):
        write_pairs(tmp_path / "p.tsv", [], source_language="in English", target_language="fr")
    with pytest.raises(ExportError, match="Pair 1 has the language 'x y'"):
        write_pairs(
            tmp_path / "p.tsv",
            [Pair("a", "b", source_language="x y")],
            source_language="en",
            target_language="fr",
        )
    with pytest.raises(ExportError, match="Pair 1 has the state 'done'"):
        write_pairs(
            tmp_path / "p.tsv", [Pair("a", "b", state="done")], source_language="en", target_language="fr"
        )  # type: ignore[arg-type]
    write_pairs(tmp_path / "new" / "p.tsv", [], source_language="en", target_language="fr")
    assert list(on_disk(tmp_path)) and not (tmp_path / "p.tsv").exists()


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("EN", "en"), ("en_us", "en-US"), ("ZH-HANT-tw", "zh-Hant-TW"), ("es-419", "es-419"), ("x-Foo", "x-foo"), ("de-1996", "de-1996"),
        ("en-u-CA-gregory", "en-u-ca-gregory"), (" fr ", "fr"), ("x", None), ("", None), ("e", None), ("en us", None), ("*all*", None), ("日本", None),
    ],
)  # fmt: skip
def test_language_tags(text: str, tag: str | None) -> None:
    assert language_tag(text) == tag
