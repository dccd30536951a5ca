"""The recipes in the package are valid and carry the report's numbers."""

from collections import Counter
from pathlib import Path

import pytest

import trainer
from trainer.config import build_config, read_recipe
from trainer.contrastive import ContrastiveConfig
from trainer.errors import ConfigError

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
