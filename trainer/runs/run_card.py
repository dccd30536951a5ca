"""The model card that a run writes beside its model: what it started from, on what and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.models.start import StartConfig, describe_start

if TYPE_CHECKING:
    from trainer.runs.training import EmbeddingConfig


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
    return "\n".join(
        [
            "---",
            "library_name: sentence-transformers",
            "pipeline_tag: sentence-similarity",
            "---",
            "",
            f"# {Path(config.out).name}",
            "",
            f"A text embedding model, trained from {_origin(config.start)} {how}.",
            "Write the prompts `query` and `passage` before texts, as the configuration in this folder does.",
            "",
            "| Setting | Value |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            "",
            _row(columns),
            _row(["---"] * len(columns)),
            *map(_row, sources),
            "",
            "The licences of the data and of the base model apply. Quality was not measured by the training.",
            "",
        ]
    )


def _origin(start: StartConfig) -> str:
    if start.shape is not None:
        return f"fresh weights ({start.shape.layers} layers, {start.shape.hidden} dimensions)"
    return f"`{start.model}`" + (" with a new vocabulary" if start.tokenizer else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
