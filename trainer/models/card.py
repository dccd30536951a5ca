"""The file README.md beside a model: what hub pages and people read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

Task = Literal["sentence-similarity", "text-ranking"]


def model_card(
    out: str,
    task: Task,
    about: Sequence[str],
    settings: Mapping[str, str],
    note: str,
    *,
    table: Sequence[Sequence[str]] = (),
) -> str:
    """Markdown.

    Args:
        out: the folder of the run, which names the model.
        task: what the model is for, as the hub calls it.
        about: sentences that say what it is.
        settings: a table of names and values.
        note: the last sentence.
        table: a second one; its first row is the heading.
    """
    lines = [
        *("---", "library_name: sentence-transformers", f"pipeline_tag: {task}", "---", ""),
        *(f"# {Path(out).name}", "", *about, ""),
        *_table([("Setting", "Value"), *settings.items()]),
        *_table(table),
        *(note, ""),
    ]
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    head, *others = (f"| {' | '.join(cells)} |" for cells in rows)
    return [head, f"|{'---|' * len(rows[0])}", *others, ""]
