"""Sentences out of files: lines and running text, packed files, encodings, offsets, folders."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.sources import (
    collection_sentences,
    files_below,
    is_line_per_sentence,
    read_sentences,
    read_sides,
)
from indexer.errors import ReadError

LINES = ["Der Hafen ist alt.", "Am Abend ist es still", "Wo ist das Schiff?", "Es kommt um 5.30 Uhr."]


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_sentences_with_offsets(tmp_path: Path, newline: str) -> None:
    path = write(tmp_path / "de.txt", newline.join(["", *LINES, "  ", ""]))
    found = read_sentences(path, language="de")
    assert [one.text for one in found] == LINES
    assert {one.language for one in found} == {"de"} and {one.origin for one in found} == {"de.txt"}
    text = "\n".join(["", *LINES])
    assert [text[one.start : one.end] for one in found] == LINES


def test_running_text_is_cut_into_sentences_with_offsets(tmp_path: Path) -> None:
    text = (
        "Der Hafen wurde im Jahr 1894 gebaut und ist seit vielen Jahren nicht mehr\nin Betrieb. "
        "Schiffe kommen nachts.\nDie Bibliothek öffnet morgens um neun Uhr für alle Leute aus der\nganzen Stadt.\n"
    )
    assert not is_line_per_sentence(text) and is_line_per_sentence("\n".join(LINES))
    found = read_sentences(write(tmp_path / "prose.txt", text))
    assert len(found) == 3 and "\n" not in found[0].text
    assert [" ".join(text[one.start : one.end].split()) for one in found] == [one.text for one in found]
    assert len(read_sentences(tmp_path / "prose.txt", lines=True)) == 4


def test_lower_case_lines_without_marks_are_sentences() -> None:
    lines = ["the harbour is old and nobody has used it for a very long time"] * 30
    assert is_line_per_sentence("\n".join(lines))


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_packed_text(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"de.txt{suffix}"
    data = pack("\n".join(LINES).encode())
    path.write_bytes(data)
    assert [one.text for one in read_sentences(path)] == LINES
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match="cannot be read"):
        read_sentences(path)


def test_lines_in_several_encodings_are_all_read(tmp_path: Path) -> None:
    good = [f"Die Straße Nummer {number} führt über die Brücke." for number in range(40)]
    lines = [one.encode() for one in good]
    lines[7] = "Das Mädchen fährt über die Straße nach Köln.".encode("cp1252")
    (tmp_path / "mixed.txt").write_bytes(b"\n".join(lines))
    found = [one.text for one in read_sentences(tmp_path / "mixed.txt", lines=True)]
    assert found[7] == "Das Mädchen fährt über die Straße nach Köln." and found[8] == good[8]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1251"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    lines = ["Библиотека открывается утром.", "Река несёт ил в море.", "Где корабль?"] * 5
    found = read_sentences(write(tmp_path / "ru.txt", "\n".join(lines), encoding), lines=True)
    assert [one.text for one in found] == lines


def test_one_line_of_a_megabyte_is_no_special_case(tmp_path: Path) -> None:
    text = "Ein Satz über den Hafen und die Stadt. " * 27_000
    found = read_sentences(write(tmp_path / "long.txt", text))
    assert len(found) == 27_000 and found[-1].end == len(text) - 1
    whole = read_sentences(tmp_path / "long.txt", lines=True)
    assert len(whole) == 1 and len(whole[0].text) == len(text) - 1


def test_documents_are_read_by_their_readers(tmp_path: Path) -> None:
    path = write(tmp_path / "page.html", "<html><body><p>Der Hafen ist alt. Er ist groß.</p></body></html>")
    assert [one.text for one in read_sentences(path)] == ["Der Hafen ist alt.", "Er ist groß."]


@pytest.mark.parametrize("name", ["missing.txt", "data.bin", "data.pdf.gz"])
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"abc")
    with pytest.raises(ReadError, match="expected"):
        read_sentences(tmp_path / name)


def test_an_empty_file_has_no_sentences(tmp_path: Path) -> None:
    assert read_sentences(write(tmp_path / "empty.txt", "")) == []


def test_files_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/one.txt", "a.html", "c.txt.xz", "picture.png", ".hidden.txt"):
        write(tmp_path / name, "x")
    assert [one.relative_to(tmp_path).as_posix() for one in files_below(tmp_path)] == [
        "a.html", "b/one.txt", "c.txt.xz",
    ]  # fmt: skip


def test_sentences_of_a_collection(library: Any, documents: Path) -> None:
    library.add([documents], "library")
    found = list(collection_sentences(library.catalog, "library", "de"))
    assert "Der Turm steht am Fluss." in [one.text for one in found]
    assert all(one.language == "de" and one.origin.endswith(".md") for one in found)
    places = [(one.origin, one.start) for one in found]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_files_named_by_their_languages_are_two_sides(tmp_path: Path, packing: str) -> None:
    for language, text in (("de", "Das Rad läuft.\nHalt!\n"), ("en", "The wheel runs.\nStop!\n")):
        data = text.encode()
        (tmp_path / f"corpus.de-en.{language}{packing}").write_bytes(gzip.compress(data) if packing else data)
    got = read_sentences(tmp_path / f"corpus.de-en.de{packing}", lines=True)
    assert [(sentence.text, sentence.language) for sentence in got] == [
        ("Das Rad läuft.", "de"),
        ("Halt!", "de"),
    ]
    (tmp_path / f"corpus.de-en.en{packing}").unlink()
    assert len(read_sentences(tmp_path / f"corpus.de-en.de{packing}", lines=True)) == 2
    (tmp_path / f"corpus.qqq{packing}").write_bytes(b"No language.")
    with pytest.raises(ReadError, match="expected"):
        read_sentences(tmp_path / f"corpus.qqq{packing}")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_lone_carriage_return_adds_no_line(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Größe\rund Höhe\nFluß\n".encode(encoding))
    assert [one.text for one in read_sentences(tmp_path / "a.txt", lines=True)] == ["Größe und Höhe", "Fluß"]
    (tmp_path / "b.txt").write_bytes("Größe\rFluß\r".encode(encoding))
    assert [one.text for one in read_sentences(tmp_path / "b.txt", lines=True)] == ["Größe", "Fluß"]


def test_sides_of_a_damaged_file_are_those_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("Das Rad\tThe wheel\nalone\n\tempty\n")
    left_out = LeftOut()
    assert [pair.source for pair in read_sides(tmp_path / "p.tsv", left_out)] == ["Das Rad"]
    assert left_out.counts() == {"damaged": 1, "empty side": 1}
    (tmp_path / "q.jsonl").write_text("no\nnot\n")
    with pytest.raises(ReadError, match="row 1 is not JSON"):
        read_sides(tmp_path / "q.jsonl")


def test_files_that_hold_both_sides_are_no_side(tmp_path: Path) -> None:
    for name in ("a.txt", "b.tmx", "c.xlf", "d.po"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in files_below(tmp_path)] == ["a.txt"]


def sides(path: Path, left_out: LeftOut | None = None) -> list[tuple[str, str, str, str]]:
    pairs = read_sides(path, left_out)
    return [(pair.source_language, pair.source, pair.target_language, pair.target) for pair in pairs]


def put(path: Path, text: str, encoding: str = "utf-8") -> None:
    packers = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
    data = text.encode(encoding)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packers.get(path.suffix, bytes)(data))


def test_the_files_of_a_folder_of_corpora_are_paired_by_their_names(tmp_path: Path) -> None:
    put(tmp_path / "Books.de-en.de", "Das Rad läuft.\nHalt!\n", "cp1252")
    put(tmp_path / "Books.de-en.en", "The wheel runs.\nStop!\n")
    put(tmp_path / "Books.de-en.ids", "b/1\tb/2\ts1\ts1\n")
    put(tmp_path / "LICENSE", "free")
    put(tmp_path / "README", "words")
    put(tmp_path / "deep" / "News.el.gz", "Ναι.\n")
    put(tmp_path / "deep" / "News.uk.xz", "Так.\n")
    put(tmp_path / "deep" / "de-fr.tmx.bz2", TMX)
    put(tmp_path / "deep" / "more.tsv.gz", "Ja.\tYes.\n")
    assert sides(tmp_path) == [
        ("de", "Das Rad läuft.", "en", "The wheel runs."),
        ("de", "Halt!", "en", "Stop!"),
        ("el", "Ναι.", "uk", "Так."),
        ("de", "Nein.", "fr", "Non."),
        ("und", "Ja.", "und", "Yes."),
    ]
    assert sides(tmp_path / "deep" / "News.uk.xz") == [("uk", "Так.", "el", "Ναι.")]
    assert sides(tmp_path / "deep" / "News") == [("el", "Ναι.", "uk", "Так.")]


TMX = (
    '<tmx version="1.4"><header srclang="de"/><body><tu><tuv xml:lang="de"><seg>Nein.</seg></tuv>'
    '<tuv xml:lang="fr"><seg>Non.</seg></tuv></tu></body></tmx>'
)


def test_a_corpus_that_does_not_match_costs_itself(tmp_path: Path) -> None:
    put(tmp_path / "a.de", "Eins.\nZwei.\n")
    put(tmp_path / "a.en", "One.\n")
    put(tmp_path / "b.de", "Ja.")
    put(tmp_path / "b.en", "Yes.")
    put(tmp_path / "b.fr", "Oui.")
    put(tmp_path / "c.de-fr.de", "Ja.")
    put(tmp_path / "c.de-fr.en", "Yes.")
    put(tmp_path / "c.de-fr.fr", "Oui.")
    put(tmp_path / "main.py", "x")
    put(tmp_path / "main.sh", "x")
    (tmp_path / "d.tsv.gz").write_bytes(b"no gzip")
    left_out = LeftOut()
    assert sides(tmp_path, left_out) == [("de", "Ja.", "fr", "Oui.")]
    assert [reason.partition("; ")[0] for reason in left_out.reasons] == [
        "a.de, line 2 has no partner in a.en",
        f"{tmp_path / 'b'} stands for 3 such files (b.de, b.en, b.fr)",
        f"{tmp_path / 'd.tsv.gz'} cannot be read (Not a gzipped file (b'no'))",
    ]


def test_a_folder_without_pairs_says_what_it_expects(tmp_path: Path) -> None:
    put(tmp_path / "a.txt", "words")
    with pytest.raises(ReadError, match=r"holds no pairs; expected two files such as corpus\.de"):
        read_sides(tmp_path)
