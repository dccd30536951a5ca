"""Instructions: the sentences, the loader of synthetic rows, and that passages never have one."""

import json
import logging
from pathlib import Path

import pytest
import yaml

import app
from me5 import InstructionError, Role, load_encoder
from trainer.data.groups import Passage, read_groups
from trainer.data.instructions import (
    INSTRUCTIONS,
    TASK_OF,
    InstructionSource,
    instruction_of,
    read_instructed,
    to_group,
)
from trainer.errors import ConfigError, DataError
from trainer.evaluation.models import EncoderModel
from trainer.models.backbone import TextModel, build_model
from trainer.models.start import INSTRUCT_TEMPLATE, StartConfig

ROW = {
    "instruction": "Given a symptom, find its cause",
    "user_query": "Husten",
    "positive_document": "Eine Erkältung.",
    "hard_negative_document": ["Ein Beinbruch.", ""],
    "language": "de",
}


def write(path: Path, rows: list[object]) -> InstructionSource:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return InstructionSource("made", str(path))


@pytest.fixture(params=["tiny_model_dir", "tiny_xlmr_dir"])
def model(request: pytest.FixtureRequest) -> TextModel:
    start = StartConfig(
        model=str(request.getfixturevalue(request.param)),
        query_prefix="",
        passage_prefix="",
        instruct_template=INSTRUCT_TEMPLATE,
        instruction="Find it.",
    )
    return build_model(start, max_tokens=64, seed=0)


def test_queries_start_with_their_instruction_or_that_of_the_model(model: TextModel) -> None:
    found = model.tokenize(["a", "b"], Role.QUERY, instructions=["Look for it.", ""])
    expected = ["Instruct: Look for it.\nQuery: a", "Instruct: Find it.\nQuery: b"]
    assert found == model.tokenization.encode(expected)
    assert model.tokenize(["b"], Role.QUERY) == found[1:]


def test_passages_are_never_prefixed_in_training(model: TextModel) -> None:
    assert model.tokenize(["a"], Role.PASSAGE, ["T"]) == model.tokenization.encode(["T a"])
    with pytest.raises(InstructionError, match="Passages are encoded without instruction"):
        model.tokenize(["a"], Role.PASSAGE, instructions=["Find it."])


def test_passages_are_never_prefixed_when_the_saved_model_encodes(model: TextModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    encoder = load_encoder(str(tmp_path / "model"), engine="torch", device="cpu", threads=1)
    assert (encoder.spec.instruct_template, encoder.spec.default_instruction) == (
        INSTRUCT_TEMPLATE,
        "Find it.",
    )
    seen: list[list[str]] = []
    encode = encoder._tokenization.encode
    encoder._tokenization.encode = lambda texts: (seen.append(list(texts)), encode(texts))[1]
    encoder.encode(["p"], Role.PASSAGE, titles=["T"])
    encoder.encode(["q"], Role.QUERY)
    encoder.encode(["q"], Role.QUERY, instruction="Look for it.")
    EncoderModel("m", encoder, instruction="Look for it.").search(["q"], ["p"], ["T"], 1)
    assert seen == [
        ["T p"],
        ["Instruct: Find it.\nQuery: q"],
        ["Instruct: Look for it.\nQuery: q"],
        ["Instruct: Look for it.\nQuery: q"],
        ["T p"],
    ]


def test_sentence_transformers_reads_the_default_instruction_as_a_prompt(
    model: TextModel, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")

    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert theirs.prompts["query"] == "Instruct: Find it.\nQuery: " and theirs.prompts["passage"] == ""


def test_a_saved_instruct_model_can_be_trained_on(model: TextModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = build_model(StartConfig(model=str(tmp_path / "model")), max_tokens=64, seed=0)
    assert again.tokenize(["a"], Role.QUERY) == model.tokenize(["a"], Role.QUERY)
    assert again.tokenize(["a"], Role.PASSAGE) == model.tokenize(["a"], Role.PASSAGE)
    other = StartConfig(model=str(tmp_path / "model"), instruction="Look for it.")
    assert build_model(other, max_tokens=64, seed=0).tokenize(["a"], Role.QUERY) == model.tokenize(
        ["a"], Role.QUERY, instructions=["Look for it."]
    )


def test_a_folder_that_says_it_takes_no_instruction_is_believed(tiny_model_dir: Path, tmp_path: Path) -> None:
    """Although its name is that of a model that does."""
    start = StartConfig(model=str(tiny_model_dir), query_prefix="", passage_prefix="")
    build_model(start, max_tokens=64, seed=0).save(tmp_path / "multilingual-e5-large-instruct")
    spec = load_encoder(str(tmp_path / "multilingual-e5-large-instruct"), engine="torch").spec
    assert (spec.instruct_template, spec.query_prefix, spec.passage_prefix) == (None, "", "")


def test_models_without_a_template_do_not_read_instructions(tiny_model_dir: Path) -> None:
    model = build_model(StartConfig(model=str(tiny_model_dir)), max_tokens=64, seed=0)
    assert model.tokenize(["a"], Role.QUERY, instructions=["Find it."]) == model.tokenize(["a"], Role.QUERY)
    with pytest.raises(ConfigError, match="no template for instructions"):
        build_model(StartConfig(model=str(tiny_model_dir), instruction="Find it."), max_tokens=64, seed=0)
    with pytest.raises(ConfigError, match="ends in"):
        StartConfig(model="small", instruct_template="{text}: {task}")


def test_a_synthetic_row_becomes_a_group() -> None:
    group = to_group(ROW, "made")
    assert (group.instruction, group.query, group.language) == (ROW["instruction"], "Husten", "de")
    assert group.positives == (Passage("Eine Erkältung."),) and group.negatives == (
        Passage("Ein Beinbruch."),
    )
    other = to_group(
        {"task": "T t", "query": "q", "positive": [{"text": "p", "title": "t"}]}, "made", "other"
    )
    assert (other.instruction, other.positives, other.negatives) == ("T t", (Passage("p", "t"),), ())


def test_rows_that_cannot_teach_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        ROW,
        ROW,
        ROW | {"instruction": ""},
        ROW | {"user_query": " "},
        ROW | {"positive_document": "Husten"},
        ROW | {"user_query": "Fieber", "hard_negative_document": "Eine Erkältung."},
    ]
    with caplog.at_level(logging.INFO, "trainer.data.instructions"):
        first, second = read_instructed(write(tmp_path / "rows.jsonl", rows))
    assert (first.query, second.query, second.negatives) == ("Husten", "Fieber", ())
    for reason in ("1 repeated", "1 without instruction", "1 without query", "1 with the query as positive"):
        assert reason in caplog.text


def test_the_recipe_writes_groups_and_keeps_teacher_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = {"query": "q", "positives": [{"text": "p"}], "negatives": [{"text": "n"}], "scores": [2.0, -1.0]}
    write(tmp_path / "rows.jsonl", [ROW])
    write(tmp_path / "nq.jsonl", [scored])
    recipe = tmp_path / "recipe.yaml"
    values = yaml.safe_load(Path("trainer/recipes/instructions.yaml").read_text(encoding="utf8"))
    nq = {"name": "nq", "path": str(tmp_path / "nq.jsonl"), "task": "nq"}
    values["sources"] = [values["sources"][0] | {"path": str(tmp_path / "rows.jsonl")}, nq]
    values["out"] = str(tmp_path / "out.jsonl")
    recipe.write_text(yaml.safe_dump(values), encoding="utf8")
    assert app.main(["train", str(recipe)]) == 0
    assert capsys.readouterr().out.strip() == values["out"]
    first, second = read_groups(Path(values["out"]))
    assert first.instruction == ROW["instruction"] and first.source == "synthetic"
    assert (second.instruction, second.scores) == (INSTRUCTIONS["wikipedia-questions"], (2.0, -1.0))
    assert app.main(["train", str(recipe)]) == 1
    assert "exists. Expected a new file" in capsys.readouterr().err


def test_tasks_have_sentences() -> None:
    assert {instruction_of(name) for name in TASK_OF} <= set(INSTRUCTIONS.values())
    assert instruction_of("Given a word, find a rhyme") == "Given a word, find a rhyme"
    with pytest.raises(ConfigError, match="task is 'nqq'"):
        instruction_of("nqq")


def test_the_instruct_recipe_has_these_sentences() -> None:
    recipe = yaml.safe_load(Path("trainer/recipes/large-instruct.yaml").read_text(encoding="utf8"))
    sources = {source["name"]: source.get("instruction") for source in recipe["sources"]}
    assert sources.pop("synthetic") is None
    assert sources == {name: instruction_of(name) for name in sources} and len(sources) > 10
    assert recipe["start"]["instruct_template"] == INSTRUCT_TEMPLATE
    assert recipe["start"]["instruction"] == INSTRUCTIONS["web-search"]


@pytest.mark.parametrize(
    ("line", "message"), [("{", "is not JSON"), ("[1]", "Expected an object"), ("{}", "no usable row")]
)
def test_files_that_cannot_be_read_are_told(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n", encoding="utf8")
    with pytest.raises(DataError, match=message):
        list(read_instructed(InstructionSource("made", str(path))))
    with pytest.raises(DataError, match="does not exist"):
        list(read_instructed(InstructionSource("made", str(tmp_path / "none.jsonl"))))
