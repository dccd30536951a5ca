"""Moses: which two files, which side is the source, lines that do not match."""

from pathlib import Path

import pytest

from indexer.bitext.formats import read_pairs, write_pairs
from indexer.bitext.values import Pair
from indexer.errors import ReadError


def files(folder: Path, **contents: str) -> None:
    for suffix, content in contents.items():
        (folder / f"pairs.{suffix}").write_text(content, encoding="utf-8")


def sides(path: Path) -> list[tuple[str, str, str, str]]:
    return [(p.source_language, p.source, p.target_language, p.target) for p in read_pairs(path)]


def test_two_files_of_lines(tmp_path: Path) -> None:
    count = write_pairs(
        tmp_path / "pairs.moses",
        [Pair("a\nb", "c & d"), Pair("", " e")],
        source_language="zh_hant",
        target_language="en",
    )
    assert count == 2
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "pairs.moses.zh-Hant": "a&#10;b\n\n",
        "pairs.moses.en": "c & d\n e\n",
    }
    assert sides(tmp_path / "pairs.moses.zh-Hant") == [
        ("zh-Hant", "a\nb", "en", "c & d"),
        ("zh-Hant", "", "en", " e"),
    ]


@pytest.mark.parametrize("languages", [("und", "en"), ("en", "en"), ("en", "klingon")])
def test_languages_that_make_no_suffixes(tmp_path: Path, languages: tuple[str, str]) -> None:
    write_pairs(
        tmp_path / "pairs", [Pair("a", "b")], source_language=languages[0], target_language=languages[1]
    )
    assert sides(tmp_path / "pairs") == [("und", "a", "und", "b")]


def test_the_source_side_by_path_by_direction_or_by_the_alphabet(tmp_path: Path) -> None:
    files(tmp_path, fr="F\r\n", en="E", txt="other", tsv="other")
    assert sides(tmp_path / "pairs") == [("en", "E", "fr", "F")]
    assert sides(tmp_path / "pairs.fr") == [("fr", "F", "en", "E")]
    for suffix in ("fr", "en"):
        (tmp_path / f"news.fr-en.{suffix}").write_text(suffix)
    assert sides(tmp_path / "news.fr-en") == [("fr", "fr", "en", "en")]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    files(tmp_path, en="a\u2028b\x0cc\x85d\n", fr="x\n")
    assert sides(tmp_path / "pairs") == [("en", "a\u2028b\x0cc\x85d", "fr", "x")]


def test_lines_that_do_not_match(tmp_path: Path) -> None:
    files(tmp_path, en="a\nb\nc\n", fr="x\ny\n")
    with pytest.raises(ReadError, match=r"pairs.en, line 3 has no partner in pairs.fr"):
        list(read_pairs(tmp_path / "pairs"))


def test_not_two_files(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        read_pairs(tmp_path / "pairs")
    files(tmp_path, en="a", fr="b", de="c")
    with pytest.raises(ReadError, match="3 such files"):
        read_pairs(tmp_path / "pairs")
