"""The commands of docs/training.md name recipes that exist, and values that these accept."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from trainer.config import build_config, read_recipe
from trainer.stages import STAGES

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "training.md").read_text(encoding="utf8")
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)).replace("\\\n", " ")
COMMANDS = [line for line in BLOCKS.splitlines() if line.startswith("python app.py train trainer/recipes/")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_is_a_valid_recipe(command: str) -> None:
    recipe, *overrides = shlex.split(command)[3:]
    values = read_recipe(ROOT / recipe, overrides)
    module, config, runner = STAGES[values["stage"]]
    build_config(getattr(import_module(module), config), values)
    assert callable(getattr(import_module(module), runner))


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "chain").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_recipe_of_the_chain_is_valid_and_used(path: Path) -> None:
    values = read_recipe(path)
    module, config, _ = STAGES[values["stage"]]
    build_config(getattr(import_module(module), config), values)
    assert f"train {path.stem} " in (path.parent / "chain.sh").read_text(encoding="utf8")


def test_the_guide_goes_through_every_step() -> None:
    stages = [read_recipe(ROOT / shlex.split(command)[3])["stage"] for command in COMMANDS]
    chain = ["tokenizer", "filter", "contrastive", "negatives", "reranker", "teacher", "finetune"]
    assert [stage for stage in stages if stage in chain][-len(chain) :] == chain


def test_recipes_that_the_guide_names_exist() -> None:
    names = set(re.findall(r"`([\w*-]+\.yaml)`", GUIDE)) - {"config.yaml"}  # of a run
    assert len(names) > 8
    assert all(list((ROOT / "trainer" / "recipes").glob(name)) for name in names), names
