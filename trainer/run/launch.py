"""Starts, stops and resumes runs as processes of their own. Imports no torch.

A run is a child in its own session with low priority: it survives the page and the app that started it, and
searches stay quick beside it. Whoever opens the folder later finds it by ``launch.json``. A run whose process
has gone without a word, because the machine was switched off, say, is resumed from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from me5 import atomic
from trainer.errors import TrainingError
from trainer.run.records import Run, is_alive, read_json, read_run, write_json

ROOT = Path(__file__).resolve().parents[2]
POLITE = 10
"""Niceness of a run: below everything that a person waits for."""
KILL_TIMEOUT_S = 10
PATIENCE_S = 3.0
_STARTING = threading.Lock()


def start_run(
    folder: Path, recipe: Mapping[str, Any], *, resume: bool = False, threads: int | None = None
) -> Run:
    """Write ``recipe.yaml`` into the folder of the run and start it.

    Args:
        folder: of the run; the recipe's ``out``.
        recipe: as ``python app.py train`` reads it.
        resume: resume from the newest checkpoint, or from the start where there is none.
        threads: processor threads; all cores when None.

    Raises:
        TrainingError: the run is going on already, or the folder cannot be written.
    """
    with _STARTING:
        before = read_run(folder)
        if before is not None and before.is_alive:
            raise TrainingError(
                f"Run '{folder.name}' is running already, as process {before.pid}. Expected a run that has "
                "ended. Stop it first."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
            atomic.write(folder / "recipe.yaml", text)
            process = _start_process(folder, resume=resume, threads=threads)
        except OSError as error:
            raise TrainingError(
                f"The run cannot be started in {folder} ({error}). Expected a folder with free space. "
                "Make room and try again."
            ) from error
    threading.Thread(target=_record_end, args=(process, folder), daemon=True).start()
    run = read_run(folder)
    assert run is not None
    return run


def stop_run(run: Run) -> None:
    """Ask a run to finish its step, write a checkpoint and end."""
    if _is_running(run):
        _note(run.folder, stop_asked_at=time.time())
        assert run.pid is not None
        os.kill(run.pid, signal.SIGTERM)


def kill_run(run: Run) -> None:
    """End a run at once; the steps since its last checkpoint are lost."""
    if run.pid is not None:
        end(run.pid, **_made(run))


def delete_run(run: Run) -> None:
    """Remove the folder of a run with its checkpoints and model.

    Raises:
        TrainingError: the run is going on.
    """
    if run.is_alive:
        raise TrainingError(
            f"Run '{run.name}' is still running. Expected a run that has ended. Stop it, then delete it."
        )
    # Out of the way first: whoever notes how it ended may be writing into it.
    aside = atomic.name_aside(run.folder)
    with contextlib.suppress(OSError):
        run.folder.rename(aside)
    for folder in (aside, run.folder):
        shutil.rmtree(folder, ignore_errors=True)


def spawn(command: Sequence[str], folder: Path) -> tuple[subprocess.Popen[bytes], float]:
    """Start a process that outlives this one: of its own session, with low priority, speaking to ``log.txt``.

    Returns:
        The process, to be waited for, and when it was made, as psutil tells it.

    Raises:
        OSError: the log cannot be written, or there is no such program.
    """
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
            start_new_session=True,
        )
    created_at = time.time()
    with contextlib.suppress(psutil.Error):
        watched = psutil.Process(process.pid)
        created_at = watched.create_time()
        watched.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", POLITE))  # the name exists on Windows
    return process, created_at


def stop(pid: int, *, created_at: float | None = None, patience_s: float = PATIENCE_S) -> None:
    """Ask a process to end, and wait until it has; what is left of it and its children is ended at once.

    Args:
        pid, created_at: as :func:`is_alive` takes them.
        patience_s: how long it may take to write down how it ended.
    """
    if not is_alive(pid, created_at=created_at):
        return
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        family = process.children(recursive=True)
        process.terminate()
    deadline = time.monotonic() + patience_s
    while is_alive(pid, created_at=created_at) and time.monotonic() < deadline:
        time.sleep(0.01)
    end(pid, created_at=created_at)
    for child in family:
        with contextlib.suppress(psutil.Error):
            child.kill()


def end(pid: int, *, created_at: float | None = None, before: float | None = None) -> None:
    """End a process at once with everything it has started, and wait until it is gone.

    Args:
        pid, created_at, before: as :func:`is_alive` takes them; another process of that number is spared.
    """
    if not is_alive(pid, created_at=created_at, before=before):
        return
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for item in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                item.kill()
    # Not waited for through psutil: that would take the exit code away from the thread that records it.
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while is_alive(pid, created_at=created_at, before=before) and time.monotonic() < deadline:
        time.sleep(0.01)


def _start_process(folder: Path, *, resume: bool, threads: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "app", "train", str(folder / "recipe.yaml")]
    command += ["--resume"] if resume else []
    command += ["--threads", str(threads)] if threads else []
    (folder / "launch.json").unlink(missing_ok=True)
    process, created_at = spawn(command, folder)
    _note(folder, pid=process.pid, process_created_at=created_at, started_at=time.time(), resumed=resume)
    return process


def _record_end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Keep the exit code, which tells a killed run from one that failed."""
    code = process.wait()
    if read_json(folder / "launch.json").get("pid") == process.pid:
        with contextlib.suppress(OSError):  # deleted meanwhile
            _note(folder, exit_code=code)


def _note(folder: Path, **values: object) -> None:
    """Add values to ``launch.json``."""
    path = folder / "launch.json"
    write_json(path, read_json(path) | values)


def _is_running(run: Run) -> bool:
    """Whether the process of the run is still the one that was started."""
    return is_alive(run.pid, **_made(run))


def _made(run: Run) -> dict[str, float | None]:
    """When the process of the run was made, or a time at which it existed."""
    launch = read_json(run.folder / "launch.json")
    created_at = launch.get("process_created_at") if launch.get("pid") == run.pid else None
    return {"created_at": created_at, "before": run.started_at}
