"""Evaluations as rows of a file: every value, with what was published for the same. No gradio."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ui.markup_evaluate import verdict_of
from ui.services.evaluation import Entry

COLUMNS = (
    "model", "task", "kind", "language", "items", "pool", "metric", "value", "low", "high", "published",
    "source", "reason", "measured_at", "measured_with",
)  # fmt: skip


def rows_to_export(entries: Sequence[Entry], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per model, task, language and metric; values in percent."""
    rows = []
    for entry in entries:
        report = entry.report
        verdict = verdict_of(entry)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.measured_at))
        for row in (*report["results"], *([report["mean"]] if report["mean"] else [])):
            for metric, score in row["metrics"].items():
                is_main = row is entry.main or (row == entry.main and metric == report["main_metric"])
                known = verdict if is_main and metric == report["main_metric"] else None
                result = known.published if known else None
                values = (
                    labels[entry.model], report["task"], report["kind"], row["language"], row["items"],
                    row["pool"], metric, *(_percent(score[name]) for name in ("value", "low", "high")),
                    result.value if result else None, result.source if result else None,
                    known.reason if known else None, at, entry.settings or None,
                )  # fmt: skip
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 4)
