"""What the page shows of a run, gathered; and the words that its list, its page and the comparison share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from me5.states import State
from trainer.run.records import Evaluation, Run
from ui.charts import Point
from ui.run_scores import before_after, percent

STATE_WORDS: Mapping[State, str] = {
    "queued": "waiting",
    "running": "running",
    "cancelled": "stopped",
    "interrupted": "interrupted",
    "failed": "failed",
    "done": "finished",
}
PHASE_WORDS = {"starting": "starting", "stopping": "stopping after this step"}


def state_words(run: Run) -> str:
    """The state of a run, as people read it."""
    return PHASE_WORDS.get(run.phase) or STATE_WORDS[run.state]


@dataclass(frozen=True)
class RunView:
    """Everything that one run's page shows."""

    run: Run
    about: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    evaluations: Sequence[Evaluation] = ()
    log: Sequence[str] = ()
    card: str = ""
    seconds_left: float | None = None
    pieces: Mapping[str, Any] = field(default_factory=dict)
    collection: str = ""
    is_registered: bool = False
    is_used: bool = False
    previous_model: str | None = None

    @property
    def title(self) -> str:
        """What the person has called it."""
        return str(self.about.get("title") or self.run.name)

    @property
    def base_name(self) -> str:
        """``from builtin``: what it started from, without the way there."""
        base = str(self.about.get("base") or self.run.config.get("start", {}).get("model") or "fresh weights")
        parts = base.replace("\\", "/").rstrip("/").split("/")
        return f"from {parts[-2] if parts[-1] == 'model' and len(parts) > 1 else parts[-1]}"

    @property
    def doing(self) -> str:
        """What its process does, where that is not a step; empty where it is."""
        if self.run.phase == "starting":
            return "Starting"
        return self.run.message if self.run.state == "running" and not self.run.phase else ""

    def line(self, key: str) -> list[Point]:
        """A figure of its metrics over the steps."""
        return [
            (float(row["step"]), float(row[key]))
            for row in self.rows
            if isinstance(row.get(key), int | float)
        ]


def final_score(evaluations: Sequence[Evaluation]) -> str:
    changes = before_after(evaluations)
    mean = next((row for row in changes if row.language == "mean"), changes[0] if len(changes) == 1 else None)
    if mean is None or mean.after is None:
        return ""
    return f"{mean.metric} {percent(mean.before)} → <b>{percent(mean.after)}</b>"
