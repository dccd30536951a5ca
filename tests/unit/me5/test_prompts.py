"""Which stored prompt stands before which text: keys as authors spell them, and what a registered model adopts."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from me5.loading import load_encoder
from me5.prefixes import Role, prefix_of
from me5.prompts import adopt, find_prompts, title_template_of
from me5.registry import MODELS, spec_from_folder

QUERY, PASSAGE, BITEXT, STS = Role.QUERY, Role.PASSAGE, Role.BITEXT, Role.STS
HARRIER = {
    "web_search_query": "Instruct: Find it\nQuery: ",
    "sts_query": "Instruct: Compare\nQuery: ",
    "bitext_query": "Instruct: Pair\nQuery: ",
}
GEMMA = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "BitextMining": "task: search result | query: ",
    "Clustering": "task: clustering | query: ",
    "Classification": "task: classification | query: ",
    "InstructionRetrieval": "task: code retrieval | query: ",
    "PairClassification": "task: sentence similarity | query: ",
    "Retrieval-query": "task: search result | query: ",
    "Retrieval-document": "title: none | text: ",
    "STS": "task: sentence similarity | query: ",
}


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        (HARRIER, None, {QUERY: "web_search_query", STS: "sts_query", BITEXT: "bitext_query"}),
        (dict(reversed(HARRIER.items())), None, {QUERY: "web_search_query", STS: "sts_query", BITEXT: "bitext_query"}),
        (GEMMA, None, {QUERY: "query", PASSAGE: "document", BITEXT: "BitextMining", STS: "STS"}),
        ({"search_query": "q", "search_document": "d", "clustering": "c"}, None, {QUERY: "search_query", PASSAGE: "search_document"}),
        (
            {"retrieval.query": "q", "retrieval.passage": "p", "text-matching": "m", "classification": "c"},
            None,
            {QUERY: "retrieval.query", PASSAGE: "retrieval.passage", STS: "text-matching"},
        ),
        ({"s2p_query": "a", "s2s_query": "b"}, None, {QUERY: "s2p_query", STS: "s2s_query"}),
        ({"Query": "q", "Passage": "p"}, None, {QUERY: "Query", PASSAGE: "Passage"}),
        ({"code_query": "c", "my question": "q"}, None, {QUERY: "my question"}),
        ({"classification": "c"}, None, {}),
        ({"everything": "e: "}, "everything", {QUERY: "everything", PASSAGE: "everything"}),
        ({"query": "q", "all": "a"}, "all", {QUERY: "query", PASSAGE: "all"}),
        ({"query": "q"}, "missing", {QUERY: "query"}),
        ({}, None, {}),
    ],
)  # fmt: skip
def test_prompts_are_found_under_any_usual_key(
    prompts: dict[str, str], default: str | None, expected: dict[Role, str]
) -> None:
    found = find_prompts(prompts, default)
    assert {role: key for role, key in found.keys.items() if key is not None} == expected
    assert all(found[role] == prompts[key] for role, key in expected.items())
    assert set(found.unused) == set(prompts) - set(expected.values())


def stored(folder: Path, prompts: dict[str, str], **settings: object) -> Path:
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({"prompts": prompts, **settings}))
    return folder


def test_a_folder_without_a_key_query_is_not_encoded_without_its_instruction(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    folder = stored(Path(shutil.copytree(tiny_model_dir, tmp_path / "model")), HARRIER)
    encoder = load_encoder(str(folder), engine="torch", device="cpu")
    plain = load_encoder(str(folder), engine="torch", device="cpu", prefixes=("", ""))
    for role, key in ((QUERY, "web_search_query"), (BITEXT, "bitext_query"), (STS, "sts_query")):
        expected = plain.encode([HARRIER[key] + "river"], PASSAGE)
        np.testing.assert_array_equal(encoder.encode(["river"], role), expected)
    np.testing.assert_array_equal(encoder.encode(["river"], PASSAGE), plain.encode(["river"], PASSAGE))


def test_prompts_of_other_tasks_only_are_said_to_be_no_use(
    tiny_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = stored(Path(shutil.copytree(tiny_model_dir, tmp_path / "model")), {"clustering": "c: "})
    with caplog.at_level(logging.WARNING, logger="me5.registry"):
        spec = spec_from_folder(folder)
    assert (spec.query_prefix, spec.passage_prefix) == ("", "")
    assert "stores the prompts clustering, none for search" in caplog.text


def test_a_registered_model_takes_the_words_that_its_folder_stores() -> None:
    spec = MODELS["harrier-270m"]
    same = {"web_search_query": prefix_of(spec, QUERY, spec.default_instruction)}
    assert adopt(spec, find_prompts(same)) == spec
    other = adopt(spec, find_prompts(HARRIER))
    assert prefix_of(other, QUERY, other.default_instruction) == HARRIER["web_search_query"]
    assert prefix_of(other, QUERY, "My task") == "Instruct: My task\nQuery: "
    assert (
        prefix_of(other, BITEXT) == HARRIER["bitext_query"] and prefix_of(other, STS) == HARRIER["sts_query"]
    )
    odd = adopt(spec, find_prompts({"query": "ask: ", "passage": "p: "}))
    assert prefix_of(odd, QUERY, odd.default_instruction) == "ask: " and odd.passage_prefix == "p: "
    assert adopt(spec, find_prompts({"query": "", "document": ""})) == spec


def test_each_registered_model_has_its_words_for_each_task() -> None:
    def words(name: str) -> list[str]:
        spec = MODELS[name]
        return [prefix_of(spec, role, spec.default_instruction) for role in Role]

    search = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    for name in ("harrier-270m", "harrier-0.6b", "qwen3-0.6b"):
        assert words(name) == [
            search,
            "",
            "Instruct: Retrieve parallel sentences\nQuery:",
            "Instruct: Retrieve semantically similar text\nQuery:",
        ]
    assert words("embeddinggemma-300m") == [
        GEMMA[key] for key in ("query", "document", "BitextMining", "STS")
    ]
    assert words("arctic-l-v2") == ["query: ", "", "query: ", "query: "]
    for name in (
        "bge-m3",
        "granite-97m",
        "granite-311m",
        "gte-multilingual-base",
        "potion-multilingual-128m",
    ):
        assert words(name) == [""] * 4
    assert words("small") == ["query: ", "passage: ", "", "query: "]
    assert words("large-instruct")[3] == "Instruct: Retrieve semantically similar text.\nQuery: "


def test_a_title_stands_where_the_prompt_has_a_place_for_it(tiny_model_dir: Path, tmp_path: Path) -> None:
    assert title_template_of("title: none | text: ") == "title: {title} | text: "
    assert title_template_of("passage: ") is None
    folder = stored(Path(shutil.copytree(tiny_model_dir, tmp_path / "model")), GEMMA)
    encoder = load_encoder(str(folder), engine="torch", device="cpu")
    plain = load_encoder(str(folder), engine="torch", device="cpu", prefixes=("", ""))
    texts, titles = ["silt", "sea", "law"], ["Rivers {text}", "", "  "]
    read = ["title: Rivers {text} | text: silt", "title: none | text: sea", "title: none | text: law"]
    np.testing.assert_array_equal(encoder.encode(texts, PASSAGE, titles=titles), plain.encode(read, PASSAGE))
    as_query = encoder.encode(texts, QUERY, titles=titles)
    np.testing.assert_array_equal(
        as_query[0], plain.encode([GEMMA["query"] + "Rivers {text} silt"], PASSAGE)[0]
    )
    assert (
        encoder.overhead_tokens(PASSAGE, "Rivers {text}")
        == plain.count_tokens(["title: Rivers {text} | text: "])[0]
    )
    assert encoder.count_tokens(texts, PASSAGE, titles) == plain.count_tokens(read)


def test_the_title_is_part_of_the_contract_and_left_out_where_there_is_none() -> None:
    gemma, small = MODELS["embeddinggemma-300m"], MODELS["small"]
    assert replace(gemma, title_template=None).contract.digest != gemma.contract.digest
    assert type(gemma.contract).from_json(gemma.contract.to_json()) == gemma.contract
    assert "title" not in small.contract.to_json()
