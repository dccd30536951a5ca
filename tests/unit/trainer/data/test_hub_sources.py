"""The nine kinds of pairs of the report's Table 1: rows in the layout of their hub data become the pairs they should."""

import dataclasses
import json
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trainer
from trainer.config import build_config, read_recipe
from trainer.data.pairs import Pair, PairStream
from trainer.data.rows import read_rows
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError
from trainer.stages.pretrain import ContrastiveConfig

RECIPE = Path(trainer.__file__).parent / "recipes" / "stage1-small.yaml"
SOURCES = {source.name: source for source in build_config(ContrastiveConfig, read_recipe(RECIPE)).sources}
PARAGRAPH = {"type": "paragraph", "value": "Steam rises."}

# name of the source -> rows of its hub data, and the pairs that they hold, each as its two sides
KINDS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "wikipedia": (
        [
            {
                "name": "Tea",
                "url": "x",
                "sections": [
                    {
                        "name": "Abstract",
                        "has_parts": [{"type": "paragraph", "value": "A drink."}, PARAGRAPH],
                    },
                    {"name": "Notes", "has_parts": [{"type": "list", "value": None}]},
                    {"name": "History", "has_parts": [PARAGRAPH]},
                ],
            }
        ],
        [("Tea Abstract", "A drink.\nSteam rises."), ("Tea History", "Steam rises.")],
    ),
    "mc4": (
        [
            {"text": "Wie man Tee kocht\nWasser erhitzen.\nZiehen lassen.", "timestamp": "2020", "url": "x"},
            {"text": "nur eine Zeile", "timestamp": "2020", "url": "y"},
        ],
        [("Wie man Tee kocht", "Wasser erhitzen.\nZiehen lassen.")],
    ),
    "cc-news": (
        [
            {"title": "茶价上涨", "maintext": "今年的茶叶…", "url": "x", "date_publish": "2020-01-01"},
            {"title": None, "maintext": "no title", "url": "y", "date_publish": None},
        ],
        [("茶价上涨", "今年的茶叶…")],
    ),
    "nllb": (
        [
            {"laser_score": 1.1, "lang1": "ace_Latn", "text1": "ie", "lang2": "eng_Latn", "text2": "water"},
            {"laser_score": 1.2, "lang1": "deu_Latn", "text1": "Tee", "lang2": "fra_Latn", "text2": "thé"},
        ],
        [("ie", "water"), ("Tee", "thé")],
    ),
    "reddit": (
        [
            {"id": "c1", "parent_id": "t3_post", "body": "Why is tea hot?"},
            {"id": "c2", "parent_id": "t1_c1", "body": "Because the water is."},
            {"id": "c3", "parent_id": "t1_c2", "body": "[deleted]"},
            {"id": "c4", "parent_id": "t1_c1", "body": "It need not be."},
            {"id": "c5", "parent_id": "t1_c3", "body": "An answer to nothing."},
            {"id": "c6", "parent_id": "t1_elsewhere", "body": "Far away."},
        ],
        [("Why is tea hot?", "Because the water is."), ("Why is tea hot?", "It need not be.")],
    ),
    "s2orc-abstract": (
        [{"title": "On tea", "abstract": "We drink tea."}],
        [("On tea", "We drink tea.")],
    ),
    "s2orc-citation": (
        [
            {"abstract": "We drink tea.", "citation": ["They grow tea.", "They sell tea."]},
            {"abstract": "Nobody is cited.", "citation": []},
        ],
        [("We drink tea.", "They grow tea.")],
    ),
    "stackexchange": (
        [{"title_body": "How hot? I have a kettle.", "upvoted_answer": "Ninety degrees."}],
        [("How hot? I have a kettle.", "Ninety degrees.")],
    ),
    "xp3": (
        [{"inputs": "Translate to German: tea", "targets": "Tee"}],
        [("Translate to German: tea", "Tee")],
    ),
    "misc": (
        [{"question": "what is tea", "answer": "A drink made of leaves."}],
        [("what is tea", "A drink made of leaves.")],
    ),
}


def at_home(source: PairSource, rows: list[dict[str, Any]], folder: Path) -> PairSource:
    """The source with its rows in a file here, in the format of the hub's own files."""
    suffix = ".jsonl" if ".json" in source.files else ".parquet"
    path = folder / f"rows{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return dataclasses.replace(
        source, hub=None, path=str(path), subset=None, files="", revision=None, split="train"
    )


def test_every_source_of_the_recipe_is_here() -> None:
    assert list(KINDS) == list(SOURCES)
    assert all(source.hub and source.construction for source in SOURCES.values())


@pytest.mark.parametrize("name", KINDS)
def test_a_row_of_the_hub_becomes_the_pairs_of_its_kind(name: str, tmp_path: Path) -> None:
    rows, expected = KINDS[name]
    source = at_home(SOURCES[name], rows, tmp_path)
    found = list(islice(PairStream(source, seed=1), len(expected)))
    assert all(not pair.title for pair in found)
    sides = [(pair.query, pair.passage) for pair in found]
    if source.swap_half:  # either side may be the query
        sides, expected = [tuple(sorted(pair)) for pair in sides], [tuple(sorted(pair)) for pair in expected]
    assert sorted(sides) == sorted(expected)


def test_translations_are_queries_on_both_sides_and_others_are_not() -> None:
    roles = {name: (source.query_role, source.passage_role) for name, source in SOURCES.items()}
    assert roles.pop("nllb") == ("query", "query")
    assert set(roles.values()) == {("query", "passage")}


def test_replies_are_found_in_every_block_and_from_every_position(tmp_path: Path) -> None:
    comments = [
        {"id": f"{n}", "parent_id": f"t1_{n - 1}" if n % 3 else "t3_post", "body": f"comment {n}"}
        for n in range(60)
    ]
    source = at_home(SOURCES["reddit"], comments, tmp_path)
    everything = {Pair(f"comment {n - 1}", f"comment {n}") for n in range(60) if n % 3}
    whole = list(islice(PairStream(source, seed=3, block_rows=12), 80))
    assert set(whole[:40]) == set(whole[40:]) == everything
    stream = PairStream(source, seed=3, block_rows=12)
    list(islice(stream, 23))
    resumed = PairStream(source, seed=3, block_rows=12)
    resumed.restore(stream.state())
    assert list(islice(resumed, 57)) == whole[23:]
    assert [row["id"] for row in read_rows(source)] == [f"{n}" for n in range(60) if n % 3]


def test_a_wrong_column_of_the_replies_names_those_there_are(tmp_path: Path) -> None:
    source = at_home(SOURCES["reddit"], [{"name": "c1", "parent_id": "", "body": "x"}], tmp_path)
    with pytest.raises(DataError, match=r"no column 'id'. Its columns: name, parent_id, body"):
        next(PairStream(source, seed=0))


def test_files_of_a_hub_repository_are_read_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the way to the hub is replaced, by a folder with the same files."""
    for language, text in (("en", "tea"), ("de", "Tee")):
        (tmp_path / language / "train").mkdir(parents=True)
        table = pa.Table.from_pylist([{"title": text, "maintext": f"{text}!"}])
        pq.write_table(table, tmp_path / language / "train" / "0000.parquet")
    load = datasets.load_dataset
    address = "hf://datasets/intfloat/multilingual_cc_news@refs/convert/parquet"

    def load_here(name: str, *, data_files: dict[str, str], **options: Any) -> Any:
        files = {split: url.replace(address, str(tmp_path)) for split, url in data_files.items()}
        return load(name, data_files=files, **options)

    monkeypatch.setattr(datasets, "load_dataset", load_here)
    assert next(PairStream(SOURCES["cc-news"], seed=0)) == Pair("tea", "tea!")
    assert next(PairStream(dataclasses.replace(SOURCES["cc-news"], files="de/*/*.parquet"), seed=0)) == Pair(
        "Tee", "Tee!"
    )


def test_files_stand_for_a_subset_of_hub_data() -> None:
    for options in ({"path": "a.tsv"}, {"hub": "owner/name", "subset": "en"}):
        with pytest.raises(ConfigError, match="files"):
            PairSource(name="s", files="en/*.jsonl", **options)
