"""Blend two models: the weights of one moved towards those of another, which began as the same model.

``(1 - share) * first + share * second``, tensor by tensor. It makes sense for two models that were fine-tuned
from one body, such as ``large`` and ``large-instruct``: what the second has gained is dosed against what it
has lost (the regression that arXiv:2402.05672 reports for its instruct model). To blend query embeddings and
leave passages alone, see ``me5.blending``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from me5 import atomic
from trainer.config import require
from trainer.errors import ConfigError, TrainingError
from trainer.models.backbone import TextModel, build_model
from trainer.models.card import model_card
from trainer.models.start import StartConfig

MAX_TOKENS = 1_000_000  # none but the model's own limit


@dataclass(frozen=True)
class BlendConfig:
    """The whole recipe of a blend. ``prompts`` says whose prefixes or instruction the blend has."""

    stage: Literal["blend"]
    out: str
    first: str
    second: str
    share: float
    prompts: Literal["first", "second"] = "first"

    def __post_init__(self) -> None:
        require(self.stage == "blend", "stage", self.stage, "blend")
        require(0 <= self.share <= 1, "share", self.share, "a number in [0, 1], the part of the second model")
        require(self.prompts in ("first", "second"), "prompts", self.prompts, "first or second")


def run_blend(config: BlendConfig, *, resume: bool) -> Path:
    """Blend as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: take the model that is there; it is written aside and renamed, so it is whole.

    Raises:
        ConfigError: the models differ in shape or tokenizer, or the folder exists.
        Me5Error: a model is missing or damaged.
    """
    out = Path(config.out).expanduser()
    if out.exists() and resume and (out / "config.json").is_file():
        return out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"out: {out} exists. Expected a new folder. Choose another with out=FOLDER, or remove it."
        )
    first, second = (
        build_model(StartConfig(model=name), max_tokens=MAX_TOKENS, seed=0)
        for name in (config.first, config.second)
    )
    _require_same_tokenizer(first, second, config)
    blend_weights(first.body, second.body, config.share)
    _save(first.with_prefixes_of(second) if config.prompts == "second" else first, config, out)
    return out


@torch.no_grad()
def blend_weights(first: nn.Module, second: nn.Module, share: float) -> None:
    """Move the weights of ``first`` towards those of ``second`` by ``share``; 0 leaves them, 1 copies.

    Raises:
        ConfigError: the models differ in shape.
    """
    weights, others = dict(first.named_parameters()), dict(second.named_parameters())
    shapes, other_shapes = (
        {name: tuple(tensor.shape) for name, tensor in named.items()} for named in (weights, others)
    )
    if shapes != other_shapes:
        name = min(
            name for name in shapes.keys() | other_shapes if shapes.get(name) != other_shapes.get(name)
        )
        raise ConfigError(
            f"The models differ in shape: {name} is {shapes.get(name, 'missing')} in the first and "
            f"{other_shapes.get(name, 'missing')} in the second. Expected two models fine-tuned from one "
            "body. Name others."
        )
    for name, tensor in weights.items():
        # lerp is exact at both ends
        tensor.copy_(torch.lerp(tensor, others[name], share))


def _require_same_tokenizer(first: TextModel, second: TextModel, config: BlendConfig) -> None:
    if first.vocabulary() != second.vocabulary():
        raise ConfigError(
            f"The tokenizers of {config.first!r} and {config.second!r} have different vocabularies. Expected "
            "the same, because row n of their embeddings must belong to the same token. Name other models."
        )
    if first.pooling != second.pooling:
        raise ConfigError(
            f"{config.first!r} pools by {first.pooling} and {config.second!r} by {second.pooling}. Expected "
            "the same pooling. Name other models."
        )


def _save(model: TextModel, config: BlendConfig, out: Path) -> None:
    atomic.remove_leftovers_of(out)
    try:
        with atomic.replacing_folder(out) as aside:
            model.save(aside)
            (aside / "README.md").write_text(blend_card(config), encoding="utf8")
    except OSError as error:
        raise TrainingError(
            f"The model cannot be written to {out} ({error}). Expected free space. Make room and run again."
        ) from error


def blend_card(config: BlendConfig) -> str:
    """The model card."""
    return model_card(
        config.out,
        "sentence-similarity",
        ("A text embedding model whose weights lie between those of two models.",),
        {
            "First model": f"`{config.first}`, part {1 - config.share:g}",
            "Second model": f"`{config.second}`, part {config.share:g}",
            "Prefixes and instruction": f"of the {config.prompts}",
        },
        "The licences of both models apply. Quality was not measured.",
    )
