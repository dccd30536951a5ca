"""The model card that a run writes beside its model: what it started from, on what and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trainer.models.card import model_card
from trainer.models.start import StartConfig, describe_start

if TYPE_CHECKING:
    from trainer.run.embedding_run import EmbeddingConfig


def run_card(
    config: EmbeddingConfig,
    how: str,
    *,
    settings: Mapping[str, str],
    sources: Sequence[Sequence[str]],
    columns: Sequence[str],
) -> str:
    """Markdown.

    Args:
        config: the recipe.
        how: "trained from … ``how``".
        settings: of the stage, named for people.
        sources: a row per source of data, under ``columns``.
        columns: their headings.
    """
    common = {"Precision": config.runtime.precision, "Seed": str(config.seed)}
    rows = dict(settings) | common | dict(describe_start(config.start))
    about = (
        f"A text embedding model, trained from {_origin(config.start)} {how}.",
        "Write the prompts `query` and `passage` before texts, as the configuration in this folder does.",
    )
    note = "The licences of the data and of the base model apply. Quality was not measured by the training."
    return model_card(config.out, "sentence-similarity", about, rows, note, table=[columns, *sources])


def _origin(start: StartConfig) -> str:
    if start.shape is not None:
        return f"fresh weights ({start.shape.layers} layers, {start.shape.hidden} dimensions)"
    return f"`{start.model}`" + _vocabulary(start)


def _vocabulary(start: StartConfig) -> str:
    if start.new_pieces:
        return " with more pieces in its vocabulary"
    return " with a new vocabulary" if start.tokenizer else ""
