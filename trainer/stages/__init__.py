"""What ``stage`` in a recipe may be, and what runs it. Nothing is imported before a stage is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from trainer.config import build_config
from trainer.errors import ConfigError

# stage -> module, configuration, runner: ``runner(config, resume=...)`` returns what it has made.
STAGES: Mapping[str, tuple[str, str, str]] = {
    "contrastive": ("trainer.stages.pretrain", "ContrastiveConfig", "run_contrastive"),
    "finetune": ("trainer.stages.finetune", "FinetuneConfig", "run_finetune"),
    "distil": ("trainer.stages.distil", "DistilConfig", "run_distil"),
    "reranker": ("trainer.stages.reranker.training", "RerankerConfig", "run_reranker"),
    "teacher": ("trainer.stages.reranker.teacher", "TeacherConfig", "run_teacher"),
    "static": ("trainer.stages.static.run", "StaticConfig", "run_static"),
    "fair": ("trainer.stages.fair.run", "FairConfig", "run_fair"),
    "shrink": ("trainer.jobs.shrink", "ShrinkConfig", "run_shrink"),
    "blend": ("trainer.jobs.blend", "BlendConfig", "run_blend"),
    "nli": ("trainer.jobs.nli", "NliConfig", "run_nli"),
    "negatives": ("trainer.negatives.mining", "NegativesConfig", "run_negatives"),
    "filter": ("trainer.negatives.consistency", "FilterConfig", "run_filter"),
    "tokenizer": ("trainer.jobs.tokenizer", "TokenizerRecipe", "run_tokenizer"),
    "instructions": ("trainer.data.instructions", "InstructionsConfig", "run_instructions"),
}


def run_stage(values: Mapping[str, Any], *, resume: bool) -> Path:
    """Run the recipe that ``values`` hold and return the file or folder that it has made.

    Raises:
        ConfigError: there is no such stage, or its values are wrong.
        TrainerError: the run cannot start or cannot go on.
    """
    stage = str(values.get("stage"))
    if stage not in STAGES:
        raise ConfigError(
            f"stage is {stage!r}; expected one of {', '.join(STAGES)}. Start from a recipe in "
            "trainer/recipes/."
        )
    module_name, config_name, runner_name = STAGES[stage]
    module = import_module(module_name)
    runner: Callable[..., Path] = getattr(module, runner_name)
    return runner(build_config(getattr(module, config_name), values), resume=resume)
