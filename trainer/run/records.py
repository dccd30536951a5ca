"""What a run folder tells those who look at it from outside: state, curves, scores, log. Imports no torch.

``state.json``, ``metrics.jsonl`` and ``evaluations.jsonl`` are written by the run, ``launch.json`` and
``log.txt`` by :mod:`trainer.run.launch`. A process that has ended without saying so leaves ``state.json``
as it was, so the state is always checked against the processes there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import psutil
import yaml

from me5 import atomic
from me5.states import ACTIVE, RESUMABLE, State, as_state

Phase = Literal["", "starting", "stopping"]
"""Of a running run: its process has not reported yet, or was asked to stop."""

ENDED: tuple[State, ...] = ("cancelled", "failed", "done")
"""States that a run reports about itself in the end."""
CLOCK_SLACK_S = 5.0
STOPPED_CODES = (130, 143)  # SIGINT and SIGTERM, answered
LOG_BYTES = 64_000


@dataclass(frozen=True)
class Run:
    """One run as it stands. Times are seconds since 1970; ``steps`` is 0 while unknown."""

    name: str
    folder: Path
    state: State
    step: int = 0
    steps: int = 0
    message: str = ""
    exit_code: int | None = None
    pid: int | None = None
    started_at: float | None = None
    updated_at: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    has_checkpoint: bool = False
    model: Path | None = None
    phase: Phase = ""

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.state in ACTIVE

    @property
    def can_resume(self) -> bool:
        """Whether it ended before its last step and may go on."""
        return self.state in RESUMABLE


@dataclass(frozen=True)
class Evaluation:
    """One line of ``evaluations.jsonl``: a metric of a task in a language (or ``mean``) at a step."""

    step: int
    task: str
    kind: str
    metric: str
    language: str
    value: float
    low: float
    high: float


def list_runs(folder: Path) -> list[Run]:
    """The runs below a folder, the newest first; other things in it are passed over."""
    if not folder.is_dir():
        return []
    places = (place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    runs = [run for place in places if (run := read_run(place)) is not None]
    return sorted(runs, key=lambda run: (run.started_at or 0.0, run.name), reverse=True)


def read_run(folder: Path) -> Run | None:
    """The run in a folder; None where there is none."""
    launch, text = read_json(folder / "launch.json"), read_json(folder / "state.json")
    config = _read_yaml(folder / "config.yaml") or _read_yaml(folder / "recipe.yaml")
    if not (launch or text or config):
        return None
    model = folder / "model"
    finished = model if (model / "config.json").is_file() else None
    state, phase, message = _state(folder, launch, text, finished is not None)
    step = int(text.get("step") or 0)
    return Run(
        name=folder.name,
        folder=folder,
        state=state,
        step=max(step, _last_step(folder / "metrics.jsonl")),
        steps=int(text.get("steps") or config.get("optim", {}).get("steps") or 0),
        message=message,
        exit_code=launch.get("exit_code"),
        pid=launch.get("pid") or text.get("pid"),
        started_at=to_seconds(launch.get("started_at")) or to_seconds(text.get("started_at")),
        updated_at=to_seconds(text.get("updated_at")) or _changed_at(folder / "metrics.jsonl"),
        config=config,
        has_checkpoint=any((folder / "checkpoints").glob("step-*[0-9]")),
        model=finished if state == "done" else None,
        phase=phase,
    )


def _state(
    folder: Path, launch: Mapping[str, Any], said: Mapping[str, Any], has_model: bool
) -> tuple[State, Phase, str]:
    """The state, its phase and the run's last message, from the files and the processes there are."""
    word, message = as_state(said.get("state")), str(said.get("message") or "")
    if not launch:
        if word == "running":
            is_running = is_alive(said.get("pid"), before=to_seconds(said.get("started_at")))
            return ("running" if is_running else "interrupted"), "", message
        if word in ENDED:
            return word, "", message
        return ("done" if has_model else "interrupted"), "", message
    is_own = said.get("pid") == launch.get("pid")  # not of an earlier start
    if is_own and word in ENDED:
        return word, "", message or _last_error(folder, word)
    if is_alive(launch.get("pid"), created_at=launch.get("process_created_at")):
        if launch.get("stop_asked_at"):
            return "running", "stopping", ""
        return "running", ("" if is_own else "starting"), message
    code = launch.get("exit_code")
    if code == 0 and has_model:
        return "done", "", ""
    if code in STOPPED_CODES:
        return "cancelled", "", ""
    if code is not None and code > 0:
        return "failed", "", _last_error(folder, "failed")
    return "interrupted", "", ""


def is_alive(pid: object, *, created_at: float | None = None, before: float | None = None) -> bool:
    """Whether the process runs and is the one that was meant, since numbers of processes are used again.

    Args:
        pid: its number.
        created_at: when it was made, as psutil tells it.
        before: a time at which it existed, where its making was not recorded.
    """
    if not isinstance(pid, int):
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        made = process.create_time()
    except psutil.Error:
        return False
    if created_at is not None:
        return abs(made - created_at) < CLOCK_SLACK_S
    return before is None or made <= before + CLOCK_SLACK_S


class MetricsFollower:
    """The rows of a growing ``metrics.jsonl``; each look reads what has been added since the last one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._offset = 0

    def look(self) -> list[dict[str, Any]]:
        """All rows there are. A run that is resumed may have taken back lines; then all is read again."""
        if not self._read_more():
            self.rows, self._offset = [], 0
            self._read_more()
        return self.rows

    def _read_more(self) -> bool:
        """Append what is new; False where the file is not the continuation of what was read."""
        try:
            size = self.path.stat().st_size
            if size < self._offset:
                return False
            with self.path.open("rb") as stream:
                stream.seek(self._offset)
                content = stream.read()
        except OSError:
            return self._offset == 0
        whole, newline, _ = content.rpartition(b"\n")  # the last line may be half written
        last = self.rows[-1]["step"] if self.rows else -1
        fresh = []
        for line in whole.splitlines():
            try:
                row = json.loads(line)
                step = int(row["step"])
            except (ValueError, KeyError, TypeError):
                if self._offset:
                    return False
                continue  # a damaged line of the file is left out
            if step <= last:
                if self._offset:
                    return False
                continue
            last = step
            fresh.append(row)
        self.rows += fresh
        self._offset += len(whole) + len(newline)
        return True


def read_evaluations(folder: Path) -> list[Evaluation]:
    """The lines of ``evaluations.jsonl`` in their order; of a step measured twice, the last one counts."""
    results: dict[tuple[int, str, str, str], Evaluation] = {}
    for row in _json_lines(folder / "evaluations.jsonl"):
        try:
            value = float(row["value"])
            evaluation = Evaluation(
                step=int(row["step"]),
                task=str(row["task"]),
                kind=str(row.get("kind", "")),
                metric=str(row["metric"]),
                language=str(row.get("language", "mean")),
                value=value,
                low=_number(row.get("low"), value),
                high=_number(row.get("high"), value),
            )
        except (KeyError, TypeError, ValueError):
            continue
        results[evaluation.step, evaluation.task, evaluation.metric, evaluation.language] = evaluation
    return sorted(results.values(), key=lambda item: item.step)


def seconds_left(run: Run, rows: Sequence[Mapping[str, Any]]) -> float | None:
    """How long the remaining steps take at the median pace of the last ones; None where nothing is known."""
    paces = sorted(float(row["seconds"]) for row in rows[-20:] if "seconds" in row)
    if not run.is_alive or not paces or not run.steps:
        return None
    return paces[len(paces) // 2] * max(0, run.steps - run.step)


def log_tail(folder: Path, lines: int = 40) -> list[str]:
    """The last lines of ``log.txt``."""
    try:
        with (folder / "log.txt").open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - LOG_BYTES))
            return stream.read().decode("utf8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where it is missing or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write an object at once, so that nobody reads half of it; ``durable`` as of ``me5.atomic.write``."""
    atomic.write(path, json.dumps(values, ensure_ascii=False), durable=durable)


def to_seconds(moment: object) -> float | None:
    """Seconds since 1970 of a number or of an ISO date."""
    if isinstance(moment, int | float):
        return float(moment)
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None


def _last_error(folder: Path, word: str) -> str:
    """The sentence with which a failed run has ended."""
    if word != "failed":
        return ""
    tail = [line.strip() for line in log_tail(folder) if line.strip()]
    text = [line for line in tail if line.startswith("error: ")]
    return text[-1].removeprefix("error: ") if text else (tail[-1] if tail else "")


def _last_step(path: Path) -> int:
    """The step of the last whole line, read from the end."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 8_000))
            lines = stream.read().rpartition(b"\n")[0].splitlines()
        return int(json.loads(lines[-1])["step"]) if lines else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _json_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # half written
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        return _parse_yaml(path, path.stat().st_mtime_ns)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}


@lru_cache(maxsize=512)
def _parse_yaml(path: Path, _: int) -> Mapping[str, Any]:
    """Kept while the file stays as it is: the page looks every other second."""
    values = yaml.safe_load(path.read_text(encoding="utf8"))
    return MappingProxyType(values if isinstance(values, dict) else {})
