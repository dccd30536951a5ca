"""Text files in whatever encoding: found by whoever starts the trainer, copied as UTF-8 for libraries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from trainer.data import text_files
from trainer.data.import_pairs import take_in
from trainer.data.rows import read_rows
from trainer.data.sources import PairSource
from trainer.data.text_files import codec_of, find_codecs_with, in_utf8
from trainer.errors import DataError

ROWS = [(f"Wo ist die Mühle Nummer {n}?", f"Die Mühle {n} steht über dem Fluß.") for n in range(30)]


@pytest.fixture(autouse=True)
def finder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(text_files, "_finders", [])
    find_codecs_with(app.find_codec)
    yield


def write(path: Path, encoding: str, mark: str = ",") -> Path:
    lines = [f"query{mark}passage", *(mark.join(row) for row in ROWS)]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "cp850", "mac-roman"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_table_in_any_encoding_gives_its_rows(tmp_path: Path, name: str, encoding: str) -> None:
    path = write(tmp_path / name, encoding, "\t" if name.endswith("tsv") else ",")
    rows = list(read_rows(PairSource("mine", path=str(path))))
    assert [(row["query"], row["passage"]) for row in rows] == ROWS
    taken = take_in(path, tmp_path / "out.jsonl", lambda texts: ["de"] * len(texts))
    assert taken.usable == len(ROWS)
    assert "Mühle" in (tmp_path / "out.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_records_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    lines = "".join(f'{{"query": "{query}", "passage": "{passage}"}}\n' for query, passage in ROWS)
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    rows = list(read_rows(PairSource("mine", path=str(tmp_path / "a.jsonl"))))
    assert [(row["query"], row["passage"]) for row in rows] == ROWS


def test_utf8_is_not_copied_and_a_copy_is_made_once(tmp_path: Path) -> None:
    plain, other = write(tmp_path / "a.csv", "utf-8"), write(tmp_path / "b.csv", "cp1252")
    assert in_utf8(plain) == plain
    copy = in_utf8(other)
    assert copy != other and in_utf8(other) == copy
    assert copy.read_bytes() == plain.read_bytes()


def test_without_a_finder_marks_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "_finders", [])
    assert codec_of(write(tmp_path / "a.csv", "utf-16")) == "utf-16"
    assert codec_of(write(tmp_path / "b.csv", "utf-8")) == "utf-8-sig"


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError, match=r"looks like binary data"):
        list(read_rows(PairSource("mine", path=str(path))))
    with pytest.raises(DataError, match=r"looks like binary data"):
        take_in(path, tmp_path / "out.jsonl", lambda texts: ["de"] * len(texts))


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_a_csv_file_may_have_any_mark_between_its_cells(tmp_path: Path, mark: str) -> None:
    rows = ["query", "passage"], ["one, two; three", "eins | zwei"], ["007", "x"]
    lines = [mark.join(f'"{cell}"' for cell in row) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = list(read_rows(PairSource("mine", path=str(tmp_path / "a.csv"))))
    assert [list(row.values()) for row in found] == [*rows[1:]]
