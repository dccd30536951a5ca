"""What a step of stage 2 gives the model: prefixes, roles and instructions, and whose share it is."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.runs import write_groups
from trainer.data.group_mixture import GroupMixture
from trainer.data.sources import GroupSource
from trainer.errors import ConfigError
from trainer.models.backbone import TextModel, build_model
from trainer.models.start import StartConfig
from trainer.run.objective import Batch
from trainer.stages.finetune import FinetuneOptim, GroupObjective

OPTIM = FinetuneOptim(batch_size=4, group_size=3)
TEMPLATE = "Instruct: {task}\nQuery: {text}"


@pytest.fixture
def sources(tmp_path: Path) -> list[GroupSource]:
    write_groups(tmp_path / "one.jsonl", 6)
    return [GroupSource("one", str(tmp_path / "one.jsonl"), instruction="Find the passage.")]


def objective(
    sources: list[GroupSource], folder: Path, *, index: int = 0, count: int = 1, **start: Any
) -> GroupObjective:
    model = build_model(StartConfig(model=str(folder), **start), max_tokens=64, seed=1)
    mixture = GroupMixture(sources, batch_size=4, group_size=3, seed=1)
    return GroupObjective(OPTIM, mixture, model, SimpleNamespace(index=index, count=count))


def texts(batch: Batch, model: TextModel) -> list[str]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model._tokenizer_file))
    return [tokenizer.decode(list(row)).replace("▁", " ").strip() for row in batch.ids]


def test_queries_and_passages_have_their_prefixes(sources: list[GroupSource], tiny_model_dir: Path) -> None:
    one = objective(sources, tiny_model_dir)
    batch = one.next_batch()
    assert (batch.items, batch.source, len(batch.ids)) == (4, "one", 4 + 4 * 3)
    assert all(text.startswith("query:") for text in texts(batch, one.model)[:4])
    assert all(text.startswith("passage:") for text in texts(batch, one.model)[4:])
    first = batch.data[0].passages[0]
    assert batch.ids[4] == one.model.tokenize([first.text], "passage", [first.title])[0]


def test_a_symmetric_source_has_the_prefix_of_queries_on_both_sides(
    sources: list[GroupSource], tmp_path: Path, tiny_model_dir: Path
) -> None:
    write_groups(tmp_path / "two.jsonl", 2)
    sources = [*sources, GroupSource("two", str(tmp_path / "two.jsonl"), passage_role="query")]
    one = objective(sources, tiny_model_dir)
    starts = set()
    for _ in range(2):
        batch = one.next_batch()
        told = iter(texts(batch, one.model)[4:])
        for sample in batch.data:
            for _ in sample.passages:
                starts.add((sample.source.name, next(told).split(":")[0]))
    assert starts == {("one", "passage"), ("two", "query")}


def test_instructions_stand_before_queries_and_never_before_passages(
    sources: list[GroupSource], tmp_path: Path, tiny_model_dir: Path
) -> None:
    path = tmp_path / "one.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["instruction"] = "Its own."
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = objective(sources, tiny_model_dir, instruct_template=TEMPLATE, query_prefix="", passage_prefix="")
    seen = set()
    for _ in range(3):
        batch = one.next_batch()
        queries = [sample.query for sample in batch.data]
        instructions = [sample.instruction for sample in batch.data]
        seen |= set(instructions)
        expected = [
            one.model.tokenization.encode([f"Instruct: {instruction}\nQuery: {query}"])[0]
            for instruction, query in zip(instructions, queries, strict=True)
        ]
        assert batch.ids[:4] == expected
        assert not any("Instruct" in text or "Find the" in text for text in texts(batch, one.model)[4:])
    assert seen == {"Its own.", "Find the passage."}


def test_symmetric_sources_are_refused_where_queries_have_instructions(
    sources: list[GroupSource], tiny_model_dir: Path
) -> None:
    symmetric = [GroupSource("two", sources[0].path, passage_role="query")]
    with pytest.raises(ConfigError, match="'two' has passage_role query"):
        objective(symmetric, tiny_model_dir, instruct_template=TEMPLATE)


def test_processes_share_the_joint_batch(sources: list[GroupSource], tiny_model_dir: Path) -> None:
    whole = objective(sources, tiny_model_dir).next_batch()
    parts = [objective(sources, tiny_model_dir, index=index, count=2).next_batch() for index in range(2)]
    assert [part.items for part in parts] == [4, 4]
    assert [*parts[0].ids[:2], *parts[1].ids[:2]] == whole.ids[:4]
    assert [*parts[0].ids[2:], *parts[1].ids[2:]] == whole.ids[4:]
