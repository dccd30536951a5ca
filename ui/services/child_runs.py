"""Work of the page in processes of its own, which outlive the page: one folder each. No gradio.

A folder holds ``request.json`` (what was asked for), ``result.json`` (the process, its state, what came out),
``progress.json`` and ``log.txt``. So a reload, a second window and the next start of the app see the same.
"""

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from indexer.errors import Cancelled
from me5.states import State, as_state
from trainer.run import launch
from trainer.run.records import is_alive, read_json, write_json

STARTING_S = 20.0
"""How long a process that was just started may need before its number must be in ``result.json``."""
MIN_SHARE = 0.02
"""Of the work, below which nothing is said of the time that is left."""


def new_folder(parent: Path, taken: Container[str] = ()) -> Path:
    """Make a folder that is named after the time.

    Args:
        parent: where; made when missing.
        taken: further names that must not be used again.

    Raises:
        OSError: it cannot be made.
    """
    folder = parent / time.strftime("%Y%m%d-%H%M%S")
    while folder.exists() or folder.name in taken:
        folder = folder.with_name(f"{folder.name}a")
    folder.mkdir(parents=True)
    return folder


def folders(parent: Path) -> list[Path]:
    """Those with a request, the newest first."""
    match = parent.glob("*/request.json") if parent.is_dir() else []
    return sorted((path.parent for path in match), reverse=True)


def is_name(word: str) -> bool:
    """Whether a word can be the name of a folder here, and leads nowhere else."""
    return re.fullmatch(r"[\w-]+", word) is not None


def start(folder: Path, module: str, *words: str) -> None:
    """Run ``python -m MODULE FOLDER WORDS`` in the background and note that it runs.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "progress.json").unlink(missing_ok=True)
    result = folder / "result.json"
    before = read_json(result)
    process, created_at = launch.spawn([sys.executable, "-m", module, str(folder), *words], folder)
    threading.Thread(target=process.wait, daemon=True).start()  # nothing is left of it when it has ended
    message = {"pid": process.pid, "process_created_at": created_at, "started_at": time.time()}
    if read_json(result) == before:  # else it has spoken already
        write_json(result, {"state": "running", **message})


class Request(Protocol):
    """What was asked for."""

    @property
    def created_at(self) -> float:
        """When, in seconds since 1970."""


R = TypeVar("R", bound=Request)


@dataclass(frozen=True)
class Reports(Generic[R]):
    """What the files of one run say."""

    folder: Path
    request: R
    result: Mapping[str, Any]
    state: State
    progress: Mapping[str, Any]


def read(parent: Path, name: str, to_request: Callable[[Mapping[str, Any]], R]) -> Reports[R] | None:
    """The run in a folder of ``parent``; None where there is none of that name."""
    if not is_name(name):
        return None
    folder = parent / name
    try:
        request = to_request(read_json(folder / "request.json"))
    except (TypeError, ValueError):
        return None
    result, state = look_at(folder, request.created_at)
    return Reports(folder, request, result, state, read_json(folder / "progress.json"))


def look_at(folder: Path, asked_at: float) -> tuple[dict[str, Any], State]:
    """What ``result.json`` says, and the state of the run, checked against the processes there are.

    Args:
        folder: of the run.
        asked_at: when it was asked for, in seconds since 1970.
    """
    message = read_json(folder / "result.json")
    state = _state_of(message, asked_at)
    if state == "interrupted":  # or it has ended well since that was read
        message = read_json(folder / "result.json")
        state = _state_of(message, asked_at)
    return message, state


def _state_of(said: Mapping[str, Any], asked_at: float) -> State:
    state = as_state(said.get("state"))
    if state in ("done", "failed", "cancelled"):
        return state
    if state == "running":
        lives = is_alive(said.get("pid"), created_at=said.get("process_created_at"))
        return "running" if lives else "interrupted"
    return "running" if time.time() - asked_at < STARTING_S else "interrupted"


@contextmanager
def cancellable() -> Iterator[None]:
    """In a process that was started here: inside, the request to stop is raised as ``Cancelled``."""

    def stop(*_: object) -> None:
        raise Cancelled("The run was cancelled. Finished work is saved.")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def cancel(folder: Path) -> None:
    """Ask the process to stop, and wait until it and what it has started are gone; what it has written stays.

    It writes down that it was cancelled; if it does not, that is done here.
    """
    message = read_json(folder / "result.json")
    if message.get("state") != "running":
        return
    launch.stop(int(message["pid"]), created_at=message.get("process_created_at"))
    message = read_json(folder / "result.json")  # more may have been written meanwhile
    if message.get("state") == "running":
        write_json(folder / "result.json", message | {"state": "cancelled", "finished_at": time.time()})


def seconds_left(share: float | None, started_at: float | None, now: float) -> float | None:
    """Time left at the pace so far; None before there is one."""
    if not share or share < MIN_SHARE or started_at is None:
        return None
    return (now - started_at) * (1 - share) / share
