"""The parent's side of the store process: start it, ask it, notice when it dies, start it again."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.errors import DiskFullError, StoreError
from indexer.store.edge.wire import receive, send

LIMITS_S = {
    "ready": 60.0,
    "query": 60.0,
    "count": 60.0,
    "fetch": 60.0,
    "ids": 60.0,
    "state": 60.0,
    "upsert": 300.0,
    "delete": 300.0,
    "hold": 60.0,
    "release": 60.0,
    "create": 900.0,
    "open": 900.0,
    "close": 900.0,
}
"""How long each operation may keep the process busy. One that waits behind a slower one is given its time."""
WATCH_INTERVAL_S = 1.0
CLOSE_TIMEOUT_S = 60.0
REPAIR = "Run `python app.py doctor --repair` if this happens again."


class ProcessDiedError(StoreError):
    """Raised when the store process ended before it answered. ``returncode`` as subprocess has it."""

    def __init__(self, message: str, returncode: int | None) -> None:
        super().__init__(message)
        self.returncode = returncode


class NotOpenError(StoreError):
    """Raised when the shard is not open in the store process: it is new, or the shard was replaced."""


@dataclass
class _Life:
    """One process from start to end: what it owes an answer to, by number, and when it last gave one."""

    process: subprocess.Popen[bytes]
    pending: dict[int, tuple[str, Future[Any]]] = field(default_factory=dict)
    heard: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)
    silence: str = ""


class EdgeClient:
    """Requests to one store process, started at the first call and again after it has died.

    Args:
        lock_path: the file that the process keeps locked as long as it lives.
        log_path: where the process writes what it has to say; overwritten at each start.
        restarts: whether a process that has died is followed by another.
    """

    def __init__(self, lock_path: Path, log_path: Path, *, restarts: bool = True) -> None:
        self._lock_path = lock_path
        self._restarts = restarts
        self._log_path = log_path
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._life: _Life | None = None
        self._started = False
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running store process."""
        life = self._life
        return life.process.pid if life is not None and life.process.poll() is None else None

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone and no other will follow."""
        return self._closed or (not self._restarts and self._started and self.pid is None)

    def call(self, operation: str, *arguments: object) -> Any:
        """Run one operation of ``process.Shards`` and return its value.

        Raises:
            ProcessDiedError: the process ended meanwhile.
            NotOpenError: the shard is not open there, or this client is closed.
            DiskFullError: the disk is full.
            StoreError: the engine refused, or gives no answer.
        """
        answer: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise NotOpenError("The vector store is closed. Open it again to use it.")
            life = self._running()
            number = next(self._numbers)
            if not life.pending:
                life.heard = time.monotonic()
            life.pending[number] = operation, answer
            try:
                assert life.process.stdin is not None
                send(life.process.stdin, (number, operation, arguments))  # type: ignore[arg-type]
            except (BrokenPipeError, OSError):
                pass  # the reading thread sees the end too and fails this answer
        return answer.result()  # it comes or fails: see ``_read`` and ``_watch``

    def close(self) -> None:
        """Let the process flush, close its shards and end; kill it if it does not."""
        with self._lock:
            self._closed = True
            life, self._life = self._life, None
            if life is None:
                return
            process = life.process
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(timeout=CLOSE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def remove_lock(self) -> None:
        """Delete the lock file of a closed client that no other uses."""
        self._lock_path.unlink(missing_ok=True)

    def _running(self) -> _Life:
        if self._life is not None and self._life.process.poll() is None:
            return self._life
        if self._started and not self._restarts:
            raise NotOpenError("The process of this shard has ended; another opens it at the next use.")
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "indexer.store.edge.process", str(self._lock_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
            )
        self._life = life = _Life(process)
        self._started = True
        for name, task in (("store-answers", self._read), ("store-watch", _watch)):
            threading.Thread(target=task, args=(life,), name=name, daemon=True).start()
        return life

    def _read(self, life: _Life) -> None:
        assert life.process.stdout is not None
        try:
            while True:
                number, ok, value = receive(life.process.stdout)  # type: ignore[arg-type]
                life.heard = time.monotonic()
                _, answer = life.pending.pop(number)
                if ok:
                    answer.set_result(value)
                else:
                    answer.set_exception(_refusal(value))
        except (EOFError, OSError):
            returncode = life.process.wait()
        life.ended.set()
        with self._lock:  # nobody adds to ``pending`` after this
            if self._life is life:
                self._life = None
            left = [answer for _, answer in life.pending.values()]
            life.pending.clear()
        for answer in left:
            answer.set_exception(_death(returncode, life.silence, self._log_path))


def _watch(life: _Life) -> None:
    """Kill a process that owes an answer and has given none for longer than what it owes may take.

    Takes no lock: a sender that a full pipe keeps waiting has it.
    """
    while not life.ended.wait(WATCH_INTERVAL_S):
        waiting = {operation for operation, _ in list(life.pending.values())}
        silent_s = time.monotonic() - life.heard
        if waiting and silent_s > max(LIMITS_S[operation] for operation in waiting):
            life.silence = f"it gave no answer to {', '.join(sorted(waiting))} for {silent_s:.0f} s"
            life.process.kill()
            return


def child_environment() -> dict[str, str]:
    """The environment of a child process that has to find this package."""
    root = str(Path(__file__).resolve().parents[3])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _refusal(message: str) -> StoreError:
    if message.startswith("ShardNotOpenError"):
        return NotOpenError(message)
    if "No space left" in message or "os error 28" in message:
        return DiskFullError(f"The disk is full ({message}). Free some space and try again.")
    return StoreError(f"The vector store refused: {message}. {REPAIR}")


def _death(returncode: int, silence: str, log_path: Path) -> ProcessDiedError:
    if silence:
        return ProcessDiedError(
            f"The store process was stopped because {silence}; acknowledged points are safe and it starts "
            f"again at the next use. {REPAIR}",
            returncode,
        )
    if returncode < 0:
        try:
            how = f"by signal {signal.Signals(-returncode).name}"
        except ValueError:
            how = f"by signal {-returncode}"
    else:
        how = f"with exit code {returncode}"
    return ProcessDiedError(
        f"The store process ended {how} before it answered (see the log: {log_path}); "
        f"acknowledged points are safe and it starts again at the next use. {REPAIR}",
        returncode,
    )
