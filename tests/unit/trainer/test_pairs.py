"""Sources in every format, their errors, and positions that can be gone on from."""

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from trainer.errors import ConfigError, DataError
from trainer.pairs import Pair, PairSource, PairStream, open_rows, to_pair

ROWS = [{"q": f"question {n}", "p": f'he said "answer {n}', "t": f"title {n}"} for n in range(25)]


@pytest.fixture(scope="module", params=["tsv", "headless.tsv", "csv", "jsonl", "jsonl.gz", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PairSource:
    path = tmp_path_factory.mktemp("pairs") / f"pairs.{request.param}"
    columns: tuple[str, ...] = ()
    if request.param.endswith("tsv"):
        lines = ["\t".join(row.values()) for row in ROWS]
        if request.param == "tsv":
            lines.insert(0, "q\tp\tt")
        else:
            columns = ("q", "p", "t")
        path.write_text("\n".join(lines) + "\n", encoding="utf8")
    elif request.param == "csv":
        lines = ["q,p,t"] + [
            f'{row["q"]},"{row["p"].replace(chr(34), chr(34) * 2)}",{row["t"]}' for row in ROWS
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf8")
    elif request.param == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        data = "\n".join(json.dumps(row) for row in ROWS).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return PairSource(name="mine", path=str(path), query="q", passage="p", title="t", columns=columns)


def test_every_format_gives_the_same_pairs(source: PairSource) -> None:
    pairs = [to_pair(row, source) for row in open_rows(source)]
    assert pairs == [Pair(row["q"], row["p"], row["t"]) for row in ROWS]


def test_a_stream_goes_on_from_any_position(source: PairSource) -> None:
    whole = list(islice(PairStream(source, seed=5, block_rows=7), 60))
    assert sorted(pair.query for pair in whole[:25]) == sorted(row["q"] for row in ROWS)
    assert whole[:25] != whole[25:50]  # every epoch has its own order
    for taken in (0, 1, 7, 8, 24, 25, 26, 49):
        stream = PairStream(source, seed=5, block_rows=7)
        list(islice(stream, taken))
        position = json.loads(json.dumps(stream.state()))
        resumed = PairStream(source, seed=5, block_rows=7)
        resumed.restore(position)
        assert list(islice(resumed, 60 - taken)) == whole[taken:], taken


def write(path: Path, *rows: object) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf8")
    return str(path)


def test_nested_columns_lists_and_first_lines(tmp_path: Path) -> None:
    row = {"translation": {"en": "house", "de": "Haus"}, "answers": ["a", "b"], "page": "Title\nBody\ntext"}
    path = write(tmp_path / "rows.jsonl", row)
    nested = PairSource(name="n", path=path, query="translation.en", passage="translation.de")
    listed = PairSource(name="l", path=path, query="translation.en", passage="answers")
    page = PairSource(name="p", path=path, passage="page", pairing="first_line")
    assert to_pair(row, nested) == Pair("house", "Haus")
    assert to_pair(row, listed) == Pair("house", "a")
    assert to_pair(row, page) == Pair("Title", "Body\ntext")


def test_empty_sides_are_passed_over_and_a_source_of_them_is_an_error(tmp_path: Path) -> None:
    some = write(tmp_path / "some.jsonl", {"query": " ", "passage": "x"}, {"query": "q", "passage": "p"})
    assert next(PairStream(PairSource(name="some", path=some), seed=0)) == Pair("q", "p")
    none = write(tmp_path / "none.jsonl", {"query": "", "passage": "x"}, {"query": "q", "passage": None})
    with pytest.raises(DataError, match="'none' has no row with text in both"):
        next(PairStream(PairSource(name="none", path=none), seed=0))


def test_a_wrong_column_names_those_there_are(tmp_path: Path) -> None:
    source = PairSource(name="s", path=write(tmp_path / "a.jsonl", {"ask": "q", "answer": "p"}))
    with pytest.raises(DataError, match=r"no column 'passage'. Its columns: ask, answer"):
        next(PairStream(source, seed=0))


def test_missing_unknown_and_damaged_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_rows(PairSource(name="s", path=str(tmp_path / "no.tsv")))
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(DataError, match="unknown format"):
        open_rows(PairSource(name="s", path=str(tmp_path / "a.docx")))
    (tmp_path / "bad.jsonl").write_text('{"query": "q", "passage": "p"}\n{broken\n')
    with pytest.raises(DataError, match="'s' cannot be read"):
        next(PairStream(PairSource(name="s", path=str(tmp_path / "bad.jsonl")), seed=0))


def test_a_source_has_one_home() -> None:
    for options in ({}, {"path": "a.tsv", "hub": "owner/name"}):
        with pytest.raises(ConfigError, match="exactly one of the two"):
            PairSource(name="s", **options)
