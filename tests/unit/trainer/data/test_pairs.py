"""Sources in every format, their errors, and positions that can be gone on from."""

import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from trainer.data.pairs import Pair, PairStream, to_pairs
from trainer.data.rows import open_rows
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError

ROWS = [{"q": f"question {n}", "p": f'he said "answer {n}', "t": f"title {n}"} for n in range(25)]


@pytest.fixture(scope="module", params=["tsv", "headless.tsv", "csv", "jsonl", "jsonl.gz", "parquet", "hub"])
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
    if request.param == "hub":
        path.rename(path.with_name("pairs.jsonl"))
        return PairSource(name="mine", hub=str(path.parent), query="q", passage="p", title="t")
    return PairSource(name="mine", path=str(path), query="q", passage="p", title="t", columns=columns)


def test_every_format_gives_the_same_pairs(source: PairSource) -> None:
    pairs = [pair for row in open_rows(source) for pair in to_pairs(row, source)]
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


ARTICLE = {
    "title": "Tea",
    "lang": "en",
    "translation": {"en": "house", "de": "Haus"},
    "answers": ["a", "b", ""],
    "page": "Title\nBody\ntext",
    "sections": [
        {"name": "Leaf", "parts": [{"value": "green"}, {"value": None}, {"value": "black"}]},
        {"name": None, "parts": [{"value": "hot"}]},
        {"name": "Empty", "parts": []},
    ],
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"query": "translation.en", "passage": "translation.de"}, [Pair("house", "Haus")]),
        ({"query": "title", "passage": "answers"}, [Pair("Tea", "a")]),
        ({"query": "title", "passage": "answers.1"}, [Pair("Tea", "b")]),
        ({"query": "title", "passage": "answers.2"}, []),
        ({"query": "title", "passage": "answers.7"}, []),
        ({"query": "title", "passage": "answers.*"}, [Pair("Tea", "a\nb")]),
        (
            {"query": "title", "passage": "answers", "each": "answers"},
            [Pair("Tea", "a"), Pair("Tea", "b")],
        ),
        (
            {"query": "title + sections.name", "passage": "sections.parts.*.value", "each": "sections"},
            [Pair("Tea Leaf", "green\nblack"), Pair("Tea", "hot")],
        ),
        (
            {"query": "answers.0", "passage": "sections.1.parts.0.value", "title": "title"},
            [Pair("a", "hot", "Tea")],
        ),
        ({"passage": "page", "pairing": "first_line"}, [Pair("Title", "Body\ntext")]),
        ({"query": "title", "passage": "answers", "only": {"lang": ["de", "en"]}}, [Pair("Tea", "a")]),
        ({"query": "title", "passage": "answers", "only": {"lang": ["de"]}}, []),
        (
            {"query": "title", "passage": "answers", "only": {"lang": ["en"], "translation.de": ["Boot"]}},
            [],
        ),
    ],
)
def test_how_a_row_becomes_pairs(tmp_path: Path, options: dict[str, Any], expected: list[Pair]) -> None:
    """From the declaration alone and through a file, whose reader may change lists and empty values."""
    path = write(tmp_path / "rows.jsonl", ARTICLE)
    source = PairSource(name="s", path=path, **options)
    assert to_pairs(ARTICLE, source) == expected
    assert [pair for row in open_rows(source) for pair in to_pairs(row, source)] == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("translation.fr", r"no column 'translation.fr'. Its columns: en, de"),
        ("sections.*.text", r"no column 'sections.\*.text'. Its columns: name, parts"),
        ("title.0", r"no column 'title.0'. Its columns: none, but str"),
        ("title + body", r"no column 'body'"),
    ],
)
def test_a_wrong_nested_column_names_those_there_are(column: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_pairs(ARTICLE, PairSource(name="s", path="x.jsonl", query=column, passage="answers"))


def test_half_of_the_pairs_are_turned_round(tmp_path: Path) -> None:
    rows = [{"query": f"q{n}", "passage": f"p{n}"} for n in range(200)]
    options = {"path": write(tmp_path / "a.jsonl", *rows), "name": "s"}
    plain = list(islice(PairStream(PairSource(**options), seed=1), 200))
    stream = PairStream(PairSource(**options, swap_half=True), seed=1)
    both = list(islice(stream, 200))
    turned = [first != second for first, second in zip(plain, both, strict=True)]
    assert 60 < sum(turned) < 140
    for first, second, is_turned in zip(plain, both, turned, strict=True):
        assert second == (Pair(first.passage, first.query) if is_turned else first)
    with pytest.raises(ConfigError, match="swap_half"):
        PairSource(**options, swap_half=True, title="t")
    with pytest.raises(ConfigError, match="a list of values per column"):
        PairSource(**options, only={"lang": "de"})


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
