"""TSV and CSV: headers of all kinds, what is escaped, what is wrong with a row."""

import csv
import math
from pathlib import Path

import pytest

from indexer.bitext.formats import read_pairs, write_pairs
from indexer.bitext.formats.csv import harmless
from indexer.bitext.formats.fields import COLUMNS
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.values import Pair
from indexer.errors import ReadError


def read(folder: Path, content: str | bytes, name: str = "pairs.tsv") -> list[Pair]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_pairs(path))


def sides(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in pairs]


def test_a_tsv_has_the_sentences_in_its_first_columns(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    write_pairs(path, [Pair(' say "hi" ', "=1\tx\ny", 1.5)], source_language="en", target_language="fr")
    header, row, end = path.read_text(encoding="utf-8").split("\n")
    assert header.split("\t") == list(COLUMNS)
    assert row.split("\t")[:5] == [' say "hi" ', "=1&#9;x&#10;y", "1.5", "", "open"]
    assert end == ""


def test_columns_by_name_position_or_language(tmp_path: Path) -> None:
    assert sides(read(tmp_path, "a\tb\nc\td\n")) == [("a", "b"), ("c", "d")]
    assert [p.score for p in read(tmp_path, "a\tb\t1.5\n")] == [1.5]
    laser = read(tmp_path, "1.25\ta\tb\n1.1\tc\td\n")
    assert [(p.score, p.source, p.target) for p in laser] == [(1.25, "a", "b"), (1.1, "c", "d")]
    named = read(tmp_path, "Target Text\tid\tSRC\tMargin\r\nb\t7\ta\t\r\n")
    assert sides(named) == [("a", "b")]
    assert named[0].meta == (("id", "7"),)
    assert math.isnan(named[0].score)
    codes = read(tmp_path, "en\tzh_Hant\na\tb\n")
    assert [(p.source_language, p.target_language, p.source) for p in codes] == [("en", "zh-Hant", "a")]


def test_quotation_marks_in_a_tsv_are_text(tmp_path: Path) -> None:
    assert sides(read(tmp_path, '"a\tb"\n')) == [('"a', 'b"')]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1251"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    pair = ("Привет, как дела? Всё хорошо, спасибо.", "Greetings, how are you?")
    assert (
        sides(read(tmp_path, ("\t".join(pair) + "\n").encode(encoding) * (1 if encoding == "utf-16" else 3)))[
            0
        ]
        == pair
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.tsv", "a\tb\njust one\n", "p.tsv, row 2 has 1 cell; expected a source and a target"),
        ("p.tsv", "source\ttarget\tscore\na\tb\t1\nc\td\thigh\n", "p.tsv, row 3 has the score 'high'; expected a number"),
        ("p.tsv", "source\ttarget\tstate\na\tb\tmaybe\n", "row 2 has the state 'maybe'; expected open, accepted, rejected"),
        ("p.tsv", "source\ttarget\tsource_language\na\tb\t???\n", "row 2 has the language '???'"),
        ("p.tsv", "source\ttarget\tmeta\na\tb\t{\n", "row 2 has the meta '{'"),
        ("p.tsv", "source\ttarget\na\tb\tc\n", "row 2 has 3 cells; expected 2 as in the header"),
        ("p.csv", "source,target\na,b,c\n", "p.csv, row 2 has 3 cells"),
        ("p.csv", "a,b\n\nalone\n", "p.csv, row 3 has 1 cell"),
        ("p.tsv", "a" * (17 << 20), "line 1 has over 16 million characters"),
        ("p.csv", '"' + ("a" * 999_999 + "\n") * 17, "p.csv, row 1 has 1 cell"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_with_its_number(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content, name)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "＝1"])
def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pairs.csv"
    write_pairs(path, [Pair(text, text, meta=((text, text),))], source_language="en", target_language="fr")
    with path.open(encoding="utf-8-sig", newline="") as file:
        row = list(csv.reader(file))[1]
    assert row[:2] == [f"'{text}"] * 2
    assert not any(cell[:1] in "=+-@\t\r" for cell in row if cell)
    assert next(read_pairs(path)).source == text
    assert harmless("a=1") == "a=1"


def test_the_csv_of_others_is_read_as_it_is(tmp_path: Path) -> None:
    assert sides(read(tmp_path, "source,target\n'=1,'-x\n", "p.csv")) == [("'=1", "'-x")]
    german = read(tmp_path, 'source;target;score\n"a;b";c, d;1,25\n', "p.csv")
    assert sides(german) == [("a;b", "c, d")]
    assert german[0].score == 1.25
    commas = "Well, yes, of course;Mais oui\nNo;Non\n"
    assert sides(read(tmp_path, commas, "p.csv")) == [("Well, yes, of course", "Mais oui"), ("No", "Non")]
    assert sides(read(tmp_path, '"target","source"\n"a;b;c;d","e;f;g;h"\n', "p.csv")) == [
        ("e;f;g;h", "a;b;c;d")
    ]
    legacy = ("source;target\n" + "Привет, как твои дела сегодня?;Hello\n" * 5).encode("cp1251")
    assert sides(read(tmp_path, legacy, "p.csv"))[0] == ("Привет, как твои дела сегодня?", "Hello")


def test_the_four_columns_of_tatoeba(tmp_path: Path) -> None:
    content = "77\tThe mill is open.\t1276\tDie Mühle ist offen.\n1278\tGo!\t341\tLos!\n"
    got = read(tmp_path, content, "p.tsv")
    assert sides(got) == [("The mill is open.", "Die Mühle ist offen."), ("Go!", "Los!")]
    assert got[0].meta == (("column 1", "77"), ("column 3", "1276"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id\tde\ten\n1\tJa\tYes\n2\tNo\tNein\n", ("de", "Ja", "en", "Yes")),
        ("en\tid\nYes\tYa\nNo\tTidak\n", ("en", "Yes", "id", "Ya")),
        ("line\tscore\tpt_BR\tko\n7\t1.2\tSim\t네\n", ("pt-BR", "Sim", "ko", "네")),
        ("1\tno\tja\n2\tGo!\tLos!\n", ("und", "no", "und", "ja")),
        ("no\tja\tdanke sehr\nGo!\tLos!\tbitte\n", ("und", "no", "und", "ja")),
    ],
)
def test_columns_named_by_languages(tmp_path: Path, content: str, expected: tuple[str, ...]) -> None:
    pair = read(tmp_path, content)[0]
    assert (pair.source_language, pair.source, pair.target_language, pair.target) == expected


def test_sentences_that_are_numbers_hide_no_columns(tmp_path: Path) -> None:
    tatoeba = "\ufeff1\t1984\t2\t1984\n" + "".join(f"{n}\tGo {n}!\t{n + 1}\tLos {n}!\n" for n in range(40))
    assert sides(read(tmp_path, tatoeba))[:2] == [("1984", "1984"), ("Go 0!", "Los 0!")]
    extra = "5\tHi.\t6\tHallo.\t2011-01-01\tada\n7\tGo!\t8\tLos!\t\t\n"
    assert sides(read(tmp_path, extra)) == [("Hi.", "Hallo."), ("Go!", "Los!")]
    laser = "1.2\t42\tzwei\n" + "1.1\tone\teins\n" * 9
    assert [(pair.source, pair.score) for pair in read(tmp_path, laser)][:2] == [("42", 1.2), ("one", 1.1)]
    years = "1984\tneunzehnhundert\n" + "one\teins\n" * 3
    assert sides(read(tmp_path, years))[0] == ("1984", "neunzehnhundert")
    only_numbers = "1984\t1984\t1.0\n1990\t1990\t1.5\n"
    assert [(pair.source, pair.score) for pair in read(tmp_path, only_numbers)] == [
        ("1984", 1.0),
        ("1990", 1.5),
    ]


def test_a_third_column_of_words_is_no_score(tmp_path: Path) -> None:
    got = read(tmp_path, "Go!\tLos!\tCC-BY 2.0 (Ada)\nStop!\tHalt!\tCC-BY 2.0 (Ola)\n", "p.tsv")
    assert sides(got) == [("Go!", "Los!"), ("Stop!", "Halt!")]
    assert got[0].meta == (("column 3", "CC-BY 2.0 (Ada)"),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.tsv", "source\ttarget\tscore\na\tA\t1\nb\tB\thigh\n\nalone\nc\t \t1\nd\tD\t2\n"),
        ("p.csv", 'source,target,score\na,A,1\n"b,B\nalone\nc,,1\nd,D,2\n'),
        ("p.jsonl", '{"source": "a", "target": "A"}\n{"source": "b"}\n{\n{"source": "c", "target": ""}\n'
         '{"source": "d", "target": "D"}\n'),
    ],
)  # fmt: skip
def test_a_bad_row_costs_that_row(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    left_out = LeftOut()
    assert sides(read_pairs(tmp_path / name, left_out=left_out))[::2] in (
        [("a", "A"), ("d", "D")],
        [("a", "A")],
    )
    assert left_out.counts()["empty side"] == 1 and len(left_out.reasons) == left_out.damaged > 0


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig", "cp437"])
def test_any_encoding(tmp_path: Path, encoding: str) -> None:
    content = "source,target\nDie Mühle ist schön groß.,The mill is big.\nFünf Schlüssel,Five keys\n"
    (tmp_path / "p.csv").write_bytes(content.encode(encoding))
    assert sides(read_pairs(tmp_path / "p.csv"))[1] == ("Fünf Schlüssel", "Five keys")


def test_lines_in_two_encodings(tmp_path: Path) -> None:
    rows = "Größe\tsize\n".encode() + "Mühle über Fluß\tmill\n".encode("cp1252")
    (tmp_path / "p.tsv").write_bytes(rows)
    assert sides(read_pairs(tmp_path / "p.tsv")) == [("Größe", "size"), ("Mühle über Fluß", "mill")]


@pytest.mark.parametrize(("name", "mark"), [("p.tsv", "\t"), ("p.csv", ",")])
def test_a_lone_carriage_return_ends_no_row(tmp_path: Path, name: str, mark: str) -> None:
    (tmp_path / name).write_text(f"one\rtwo{mark}eins\nthree{mark}drei\n", newline="")
    assert sides(read_pairs(tmp_path / name)) == [("one\rtwo", "eins"), ("three", "drei")]
    (tmp_path / "mac.csv").write_text("source,target\rone,eins\rtwo,zwei\r", newline="")
    assert sides(read_pairs(tmp_path / "mac.csv")) == [("one", "eins"), ("two", "zwei")]
