"""A run is a folder: what it holds besides the weights, for every stage that trains.

``config.yaml`` is the recipe, ``metrics.jsonl`` has a line per logged step, ``state.json`` says whether the
run is ``running``, ``cancelled``, ``failed`` or ``done``; ``checkpoints/`` and, at the end, ``model/``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from me5 import atomic
from trainer.config import require
from trainer.errors import ConfigError, TrainingError
from trainer.run.checkpoint import Checkpoints
from trainer.run.interruption import RunStopped, StopRequest
from trainer.run.settings import RuntimeConfig

logger = logging.getLogger(__name__)

MAY_CHANGE = ("out", "runtime", "evaluate", "optim.learning_rate")  # of a recipe, when a run is resumed


def folder_of_its_own(out: str, *, resume: bool) -> Path:
    """The folder of a run that keeps no ``RunFolder``; made where it is missing.

    Raises:
        ConfigError: none is named, or it holds something and the run is not resumed.
    """
    require(bool(out), "out", out, "a folder")
    folder = Path(out).expanduser()
    if folder.is_dir() and any(folder.iterdir()) and not resume:
        raise ConfigError(
            f"out: {folder} is not empty. Add --resume to continue the run there, or choose another folder "
            "with out=FOLDER."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class RunConfig(Protocol):
    """What every recipe of a run has; a frozen dataclass."""

    @property
    def out(self) -> str: ...
    @property
    def runtime(self) -> RuntimeConfig: ...


class RunFolder:
    """The folder of one run, written by its first process alone.

    Args:
        config: the recipe.
        resume: resume from the newest checkpoint; from the start if there is none.
        is_first: this process writes.

    Raises:
        ConfigError: the folder holds a run that is not to be resumed, or not by this recipe.
    """

    def __init__(self, config: RunConfig, *, resume: bool, is_first: bool = True) -> None:
        self.path = Path(config.out).expanduser()
        self.checkpoints = Checkpoints(self.path / "checkpoints", keep=config.runtime.keep)
        self.newest = self.checkpoints.newest()
        self._config = config
        self._is_first = is_first
        self._state: dict[str, Any] = {}
        if self.newest is not None and not resume:
            raise ConfigError(
                f"out: {self.path} already holds a run (checkpoint {self.newest.name}). Expected a new "
                "folder. Add --resume to continue that run, or choose another folder with out=FOLDER."
            )
        if self.newest is not None:
            _require_same_recipe(self.path / "config.yaml", config)
        if is_first:
            _require_no_other_process(self.path / "state.json")

    @contextmanager
    def running(self) -> Iterator[StopRequest]:
        """Write recipe and state; inside, signals stop the run, and how it ends is told in ``state.json``."""
        self._write_config()
        now = time.time()
        self._state = {"pid": os.getpid(), "steps": 0, "step": 0, "started_at": now}
        self._write_state("running")
        with StopRequest() as stop:
            try:
                yield stop
            except KeyboardInterrupt as error:
                self._write_state("cancelled", str(error) if isinstance(error, RunStopped) else "interrupted")
                raise
            except BaseException as error:
                self._write_state("failed", str(error) or type(error).__name__)
                raise
        self._write_state("done")

    def record_step(self, step: int, steps: int) -> None:
        """Note in ``state.json`` how far the run is."""
        self._state |= {"steps": steps, "step": step}
        self._write_state("running")

    def set_status(self, words: str) -> None:
        """Note in ``state.json`` what the run does outside its steps; a sentence for those who wait."""
        logger.info("%s", words)
        self._write_state("running", words)

    def _write_state(self, state: str, message: str = "") -> None:
        if not self._is_first:
            return
        self._state |= {"state": state, "updated_at": time.time(), "message": message}
        with suppress(OSError):  # a full disk must not hide what is being told
            atomic.write(self.path / "state.json", json.dumps(self._state), durable=state != "running")

    def _write_config(self) -> None:
        import yaml

        if not self._is_first:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            atomic.remove_leftovers(self.path, idle_s=atomic.IDLE_S)  # the page writes there, too
            text = yaml.safe_dump(_plain(self._config), sort_keys=False, allow_unicode=True)
            atomic.write(self.path / "config.yaml", text)
        except OSError as error:
            raise TrainingError(
                f"out: {self.path} cannot be written ({error}). Expected a folder with free space. "
                "Choose another."
            ) from error


class JsonLines:
    """A file of JSON objects, each of a step; what a crash has cut or overtaken is dropped when it opens.

    Args:
        path: the file.
        step: lines of later steps are dropped: they will come again.
        is_first: this process writes.
    """

    def __init__(self, path: Path, *, step: int, is_first: bool = True) -> None:
        self._path = path
        self._is_first = is_first
        self.rows: list[dict[str, Any]] = []  # those that were kept
        if not is_first:
            return
        if path.is_file():
            lines = path.read_text(encoding="utf8").splitlines()
            self.rows = [row for line in lines if (row := _row_until(step, line)) is not None]
        with self._explained():
            atomic.write(path, _to_lines(self.rows))

    def write(self, *rows: Mapping[str, Any]) -> None:
        """Add lines, all at once: a kill leaves all of them or none.

        Raises:
            TrainingError: the disk is full.
        """
        if self._is_first:
            with self._explained(), self._path.open("ab") as stream:
                stream.write(_to_lines(rows))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{self._path} cannot be written ({error}). Expected free space. Make room, then --resume."
            ) from error


def _to_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _row_until(step: int, line: str) -> dict[str, Any] | None:
    """The values of a line; None for one of a later step, or one that a crash has cut."""
    try:
        row: dict[str, Any] = json.loads(line)
        return row if row["step"] <= step else None
    except (ValueError, KeyError, TypeError):
        return None


def _plain(config: RunConfig) -> dict[str, Any]:
    """The recipe as YAML holds it: lists for tuples."""
    assert dataclasses.is_dataclass(config) and not isinstance(config, type)
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return values


def _require_same_recipe(path: Path, config: RunConfig) -> None:
    import yaml

    if not path.is_file():
        return
    before, now = _flat(yaml.safe_load(path.read_text(encoding="utf8"))), _flat(_plain(config))
    for name in now | before:
        value = now.get(name)
        may_change = any(name == prefix or name.startswith(f"{prefix}.") for prefix in MAY_CHANGE)
        if not may_change and before.get(name) != value:
            raise ConfigError(
                f"{name} is {value!r}, not the {before.get(name)!r} that the run in {path.parent} had. "
                f"Expected the same recipe for --resume (only {', '.join(MAY_CHANGE)} may change). "
                "Take the value back, or start again with out=FOLDER."
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names with dots, as in overrides."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        is_list = isinstance(value, list) and any(isinstance(item, Mapping) for item in value)
        nested = {str(number): item for number, item in enumerate(value)} if is_list else value
        if isinstance(nested, Mapping) and nested:
            flat |= _flat(nested, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _require_no_other_process(path: Path) -> None:
    """Two processes in one folder would overwrite each other's checkpoints."""
    import psutil

    try:
        state = json.loads(path.read_text(encoding="utf8"))
        process = psutil.Process(state["pid"])
        is_later = process.create_time() > state["updated_at"]  # another that got the same number
        is_alive = process.status() != psutil.STATUS_ZOMBIE and not is_later
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return
    if state.get("state") == "running" and process.pid != os.getpid() and is_alive:
        raise ConfigError(
            f"out: {path.parent} is in use by process {process.pid}, which is still training there. Expected "
            "no other. Wait, stop it, or choose another folder with out=FOLDER."
        )
