"""The recipes of stage 2 are valid and carry the report's numbers."""

from pathlib import Path

import pytest

import trainer
from trainer.config import build_config, read_recipe
from trainer.errors import ConfigError
from trainer.jobs.nli import NliConfig
from trainer.stages.finetune import FinetuneConfig, FinetuneOptim, finetune_card, step_plan

RECIPES = Path(trainer.__file__).parent / "recipes"
SIZES = ("small", "base", "large")


def load(name: str, *overrides: str) -> FinetuneConfig:
    return build_config(FinetuneConfig, read_recipe(RECIPES / f"{name}.yaml", overrides))


@pytest.mark.parametrize(("size", "rate"), zip(SIZES, (3e-5, 2e-5, 1e-5), strict=True))
def test_stage_two_has_the_numbers_of_the_report(size: str, rate: float) -> None:
    config = load(f"stage2-{size}")
    optim = config.optim
    assert (optim.batch_size, optim.epochs, optim.learning_rate) == (512, 2, rate)
    assert (optim.contrastive_weight, optim.kd_mask_hn, optim.group_size) == (0.2, False, 8)
    assert config.start.model == f"runs/stage1-{size}/model"
    assert (
        f"| Query groups per batch | 512 |\n| Passages per group | 8 |\n| Epochs | 2 |\n| Learning rate | {rate:g}"
        in (finetune_card(config))
    )


@pytest.mark.parametrize("size", SIZES)
def test_stage_two_has_the_mixture_of_table_two_in_thousands(size: str) -> None:
    assert {source.name: (source.volume or 0) / 1e3 for source in load(f"stage2-{size}").sources} == {
        "msmarco-passage": 500,
        "msmarco-document": 70,
        "nq-triviaqa-squad": 220,
        "nli": 275,
        "eli5": 100,
        "nllb": 100,
        "dureader": 86,
        "fever": 70,
        "hotpotqa": 70,
        "quora": 15,
        "mr-tydi": 50,
        "miracl": 40,
    }


def test_two_epochs_of_the_mixture_are_six_thousand_steps() -> None:
    optim = load("stage2-small").optim
    assert step_plan(optim, 1_596_000).steps == 2 * 1_596_000 // 512 == 6234
    assert step_plan(optim, 1_596_000).warmup_steps == 400


def test_steps_outrank_epochs_and_warm_up_is_a_tenth() -> None:
    plan = step_plan(FinetuneOptim(batch_size=10, epochs=1.5), 100)
    assert (plan.steps, plan.warmup_steps) == (15, 1)
    assert step_plan(FinetuneOptim(batch_size=10, steps=50), 100).warmup_steps == 5


def test_the_inference_recipe_is_valid() -> None:
    config = build_config(NliConfig, read_recipe(RECIPES / "nli.yaml"))
    assert config.out == next(s.path for s in load("stage2-small").sources if s.name == "nli")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optim.batch_size=0", "optim.batch_size"),
        ("optim.epochs=0", "optim.epochs"),
        ("optim.steps=0", "optim.steps"),
        ("optim.temperature=2", "optim.temperature"),
        ("optim.contrastive_weight=-1", "optim.contrastive_weight"),
        ("sources=[]", "at least one source"),
        ("sources.1.name=msmarco-passage", "names that differ"),
        ("stage=contrastive", "expected finetune"),
        ("evaluate={tasks: []}", "evaluate.tasks"),
        ("evaluate={tasks: [a], every: -1}", "evaluate.every"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load("stage2-small", override)
