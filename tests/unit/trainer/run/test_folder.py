"""The folder of a run: its recipe, its lines, its state."""

import errno
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.runs import rows_of, state
from trainer.errors import ConfigError, DataError, TrainingError
from trainer.run.folder import JsonLines, RunFolder
from trainer.run.settings import RuntimeConfig


@dataclass(frozen=True)
class Optim:
    learning_rate: float = 0.1
    temperature: float = 0.01


@dataclass(frozen=True)
class Config:
    out: str
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    optim: Optim = field(default_factory=Optim)
    names: tuple[str, ...] = ("a", "b")
    sources: tuple[Optim, ...] = (Optim(), Optim(temperature=0.2))
    shape: Optim | None = None


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(str(tmp_path / "run"))


def begin(config: Config) -> RunFolder:
    """A run with a checkpoint."""
    run = RunFolder(config, resume=False)
    with run.running():
        run.record_step(2, 5)
        (run.path / "checkpoints" / "step-000000002").mkdir(parents=True)
    return run


def test_recipe_and_state_are_written(config: Config) -> None:
    run = RunFolder(config, resume=False)
    with run.running():
        assert state(run.path)["state"] == "running" and state(run.path)["steps"] == 0
        run.record_step(2, 5)
        running = state(run.path)
    assert (running["state"], running["step"], running["steps"]) == ("running", 2, 5)
    assert running["started_at"] <= running["updated_at"] <= state(run.path)["updated_at"]
    assert state(run.path)["state"] == "done"
    assert yaml.safe_load((run.path / "config.yaml").read_text())["names"] == ["a", "b"]


def test_a_failure_is_told_in_the_state(config: Config) -> None:
    run = RunFolder(config, resume=False)
    with pytest.raises(DataError), run.running():
        raise DataError("no rows")
    assert (state(run.path)["state"], state(run.path)["message"]) == ("failed", "no rows")


def test_other_processes_write_nothing(config: Config) -> None:
    run = RunFolder(config, resume=False, is_first=False)
    with run.running():
        run.record_step(1, 5)
        JsonLines(run.path / "metrics.jsonl", step=0, is_first=False).write({"step": 1})
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optim": Optim(temperature=0.5)}, "optim.temperature is 0.5, not the 0.01"),
        ({"names": ("a",)}, r"names is \['a'\], not the \['a', 'b'\]"),
        ({"sources": (Optim(), Optim())}, r"sources.1.temperature is 0.01, not the 0.2"),
        ({"shape": Optim()}, "shape.learning_rate is 0.1, not the None|shape is None, not the"),
    ],
)
def test_a_run_is_resumed_by_its_own_recipe(config: Config, changes: dict[str, Any], named: str) -> None:
    begin(config)
    with pytest.raises(ConfigError, match=named):
        RunFolder(replace(config, **changes), resume=True)
    with pytest.raises(ConfigError, match="already holds a run"):
        RunFolder(config, resume=False)


def test_speed_and_learning_rate_may_change(config: Config) -> None:
    begin(config)
    changed = replace(config, optim=Optim(learning_rate=0.01), runtime=RuntimeConfig(keep=1))
    assert RunFolder(changed, resume=True).newest is not None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(TrainingError, match="cannot be written"),
        RunFolder(Config(str(tmp_path / "file" / "run")), resume=False).running(),
    ):
        pass


def test_lines_of_later_steps_and_cut_ones_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\nnull\n{"step": 2, "lo')
    lines = JsonLines(path, step=2)
    assert lines.rows == rows_of(path) == [{"step": 1}, {"step": 2}]
    lines.write({"step": 3, "text": "ü"}, {"step": 4})
    assert rows_of(path)[2:] == [{"step": 3, "text": "ü"}, {"step": 4}]


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = JsonLines(tmp_path / "metrics.jsonl", step=0)

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(TrainingError, match="No space left on device"):
            lines.write({"step": 1})


def test_a_full_disk_does_not_hide_the_failure(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(config, resume=False)

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError), run.running(), monkeypatch.context() as patch:
        patch.setattr(json, "dumps", full)
        raise DataError("no rows")
