"""The recipes in the package are valid and carry the report's numbers."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

import trainer
from trainer.config import build_config, read_recipe
from trainer.errors import ConfigError
from trainer.stages.pretrain import ContrastiveConfig

RECIPES = Path(trainer.__file__).parent / "recipes"


def load(name: str, *overrides: str) -> ContrastiveConfig:
    return build_config(ContrastiveConfig, read_recipe(RECIPES / f"{name}.yaml", overrides))


@pytest.mark.parametrize(("size", "rate"), [("small", 3e-4), ("base", 2e-4), ("large", 1e-4)])
def test_stage_one_has_the_numbers_of_the_report(size: str, rate: float) -> None:
    config = load(f"stage1-{size}")
    assert (config.start.query_prefix, config.start.passage_prefix) == ("query: ", "passage: ")
    optim = config.optim
    assert (optim.batch_size, optim.steps, optim.learning_rate, optim.temperature) == (
        32768,
        30000,
        rate,
        0.01,
    )


@pytest.mark.parametrize("size", ["small", "base", "large"])
def test_stage_one_has_the_nine_kinds_of_table_one_in_millions(size: str) -> None:
    volumes = Counter()
    for source in load(f"stage1-{size}").sources:
        volumes[source.name.removesuffix("-abstract").removesuffix("-citation")] += source.volume / 1e6
    assert volumes == {
        "wikipedia": 150,
        "mc4": 160,
        "cc-news": 160,
        "nllb": 160,
        "reddit": 160,
        "s2orc": 50,
        "stackexchange": 50,
        "xp3": 80,
        "misc": 10,
    }


def test_a_recipe_takes_what_it_does_not_say_from_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "out: a\nstart: {model: small, dropout: 0.1}\nsources: [1, 2]\nseed: 3\n"
    )
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nout: b\nstart: {model: base}\nsources: [3]\n")
    assert read_recipe(tmp_path / "mine.yaml", ["start.dropout=0.2"]) == {
        "out": "b",
        "start": {"model": "base", "dropout": 0.2},
        "sources": [3],
        "seed": 3,
    }
    (tmp_path / "mine.yaml").write_text("extends: none.yaml\n")
    with pytest.raises(ConfigError, match=r"none.yaml does not exist"):
        read_recipe(tmp_path / "mine.yaml")


@pytest.mark.parametrize("size", ["base", "large"])
def test_the_sizes_differ_in_start_and_learning_rate_alone(size: str) -> None:
    small, other = load("stage1-small"), load(f"stage1-{size}")
    same = dataclasses.replace(
        other,
        out=small.out,
        start=small.start,
        optim=dataclasses.replace(other.optim, learning_rate=small.optim.learning_rate),
    )
    assert same == small and other.start.model == f"FacebookAI/xlm-roberta-{size}"


def test_overrides_reach_items_of_lists() -> None:
    config = load("adapt", "sources.0.path=mine.jsonl", "sources.0.title=t", "optim.steps=60")
    assert (config.sources[0].path, config.sources[0].title, config.optim.steps) == ("mine.jsonl", "t", 60)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optim.batch_size=1", "optim.batch_size"),
        ("optim.warmup_steps=1000", "optim.warmup_steps"),
        ("optim.colour=red", "'colour'"),
        ("sources.5.path=x", "sources.5.path"),
        ("sources=[]", "at least one source"),
        ("sources=x.tsv", "expected a list"),
        ("start=small", "expected names with values"),
        ("runtime.precision=fp8", "fp32 or bf16"),
        ("stage=finetune", "expected contrastive"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load("adapt", override)
