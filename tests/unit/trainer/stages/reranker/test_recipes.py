"""The recipes of cross-encoder and teacher are valid, and carry the numbers of SimLM."""

from pathlib import Path

import pytest

import trainer
from trainer.config import build_config, read_recipe
from trainer.errors import ConfigError
from trainer.stages.reranker.teacher import TeacherConfig
from trainer.stages.reranker.training import RerankerConfig

RECIPES = Path(trainer.__file__).parent / "recipes"


def reranker(*overrides: str) -> RerankerConfig:
    return build_config(RerankerConfig, read_recipe(RECIPES / "reranker.yaml", overrides))


def test_the_reranker_has_the_numbers_of_simlm() -> None:
    optim = reranker().optim
    assert (optim.group_size, optim.hardest, optim.max_tokens) == (64, 16, 192)
    assert (optim.learning_rate, optim.epochs, optim.warmup_steps) == (3e-5, 3, 1000)
    assert optim.r_drop > 0


def test_the_teacher_reads_what_the_reranker_writes() -> None:
    teacher = build_config(TeacherConfig, read_recipe(RECIPES / "teacher.yaml"))
    assert teacher.model == f"{reranker().out}/model" and teacher.max_tokens == reranker().optim.max_tokens
    assert teacher.groups == reranker().groups[0]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("groups=[]", "at least one file"),
        ("held_out_one_in=1", "held_out_one_in"),
        ("optim.hardest=1", "hardest"),
        ("optim.r_drop=-1", "r_drop"),
        ("evaluate.max_items=0", "max_items"),
        ("stage=finetune", "stage"),
    ],
)
def test_a_wrong_value_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reranker(override)
