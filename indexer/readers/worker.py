"""Reading files in a child process that may die, hang or run out of memory without harm to the app.

``read_file`` borrows a process from a small stock and puts it back, so that a thousand files cost one
start. Only the time the process works counts against the time limit, not the time its consumer takes.
"""

import atexit
import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from indexer.errors import Cancelled, ReadError
from indexer.readers import SUFFIXES, ReadLimits
from indexer.readers.frames import FrameError, read_frame, write_frame
from indexer.readers.pieces import MEGABYTE, refusal
from indexer.types import Block, ReadInfo

logger = logging.getLogger(__name__)
AskCancelled = Callable[[], bool]

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.1
MAX_IDLE = 2
FILES_PER_PROCESS = 500  # libraries leak a little
MAX_TITLE_CHARS = 300
MAX_WARNINGS = 50
DEFAULT_LIMITS = ReadLimits()


def read_file(
    path: Path,
    limits: ReadLimits = DEFAULT_LIMITS,
    *,
    cancelled: AskCancelled | None = None,
    process: "ReaderProcess | None" = None,
) -> "Reading":
    """The blocks of a file, streamed; ``with`` closes it early, iterating to the end closes it too.

    Args:
        path: a file with one of the suffixes in ``readers.SUFFIXES``.
        limits: what the file may cost.
        cancelled: asked about ten times a second; when true, reading stops with ``Cancelled``.
        process: a process of one's own; by default one is borrowed.
    """
    return Reading(Path(path), limits, cancelled, process)


class Reading:
    """A file being read: iterate once over its blocks; ``info`` is complete after that.

    Asking for ``info`` before reads up to the first block, so that title, type and encoding are there.
    """

    def __init__(
        self, path: Path, limits: ReadLimits, cancelled: AskCancelled | None, process: "ReaderProcess | None"
    ) -> None:
        self.path = path
        self._limits, self._cancelled, self._process = limits, cancelled, process
        self._is_borrowed = process is None
        self._facts: dict[str, Any] = {"file_type": SUFFIXES.get(path.suffix.lower(), "")}
        self._warnings: list[str] = []
        self._offset = 0
        self._early: list[Block] = []
        self._error: BaseException | None = None
        self._batches: Iterator[list[Block]] | None = None

    @property
    def info(self) -> ReadInfo:
        if self._batches is None:
            self._begin()
        return ReadInfo(
            file_type=self._facts["file_type"],
            title=self._facts.get("title", ""),
            encoding=self._facts.get("encoding"),
            pages=self._facts.get("pages"),
            warnings=tuple(self._warnings),
        )

    def __iter__(self) -> Iterator[Block]:
        if self._batches is None:
            self._begin()
        assert self._batches is not None
        early, self._early = self._early, []
        yield from early
        if self._error is not None:
            raise self._error
        for batch in self._batches:
            yield from batch

    def head(self, min_chars: int) -> list[Block]:
        """The first blocks, until they hold so many characters; iterating gives them all the same.

        ``info`` then knows what the reader said up to there. An error waits for the iteration.
        """
        if self._batches is None:
            self._begin()
        assert self._batches is not None
        while self._error is None and self._offset < min_chars:
            try:
                batch = next(self._batches, None)
            except (ReadError, Cancelled) as error:
                self._error = error
                break
            if batch is None:
                break
            self._early += batch
        return list(self._early)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; a process that is in the middle of the file is ended."""
        if self._batches is None:
            self._batches = iter(())
        close = getattr(self._batches, "close", None)
        if close:
            close()

    def _begin(self) -> None:
        self._batches = self._run()
        try:
            self._early = next(self._batches, [])
        except (ReadError, Cancelled) as error:
            self._error = error

    def _run(self) -> Iterator[list[Block]]:
        check_file(self.path, self._limits)
        process = take(self._limits) if self._is_borrowed else self._process
        assert process is not None
        try:
            for message, _ in process.ask({"do": "read"}, self.path, self._cancelled):
                if "facts" in message:
                    self._learn(message["facts"])
                elif "blocks" in message:
                    yield self._blocks(message["blocks"])
        finally:
            if self._is_borrowed:
                give_back(process)

    def _blocks(self, rows: list[Any]) -> list[Block]:
        blocks = []
        for text, page, section in rows:
            blocks.append(Block(text=text, start=self._offset, page=page, section=section))
            self._offset += len(text)
        return blocks

    def _learn(self, facts: dict[str, Any]) -> None:
        for key, value in facts.items():
            if key == "warning":
                if len(self._warnings) < MAX_WARNINGS:
                    self._warnings.append(str(value))
            elif key == "title":
                self._facts.setdefault("title", str(value)[:MAX_TITLE_CHARS])
            elif key in ("file_type", "encoding", "pages"):
                self._facts[key] = value


class ReaderProcess:
    """One reader process: started when first asked, started again after it died. One thread at a time."""

    def __init__(self, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[tuple[dict[str, Any], bytes] | None] = queue.Queue()
        self._stopped = threading.Event()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        self._is_busy = False
        self._files = 0
        self.owner_pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def read(self, path: Path, *, cancelled: AskCancelled | None = None) -> Reading:
        return Reading(Path(path), self.limits, cancelled, self)

    def expand(self, path: Path, into: Path, *, cancelled: AskCancelled | None = None) -> list[Path]:
        """See ``archive.expand``."""
        check_file(path, self.limits)
        into = into.resolve()
        files = []
        for message, _ in self.ask({"do": "expand", "into": str(into)}, path, cancelled):
            if "file" in message:
                file = Path(message["file"])
                assert file.resolve().is_relative_to(into), "the reader process left its folder"
                files.append(file)
        return files

    def page_image(self, path: Path, page: int, width: int) -> bytes:
        """See ``preview.page_image``."""
        check_file(path, self.limits)
        data = b""
        for message, raw in self.ask({"do": "image", "page": page, "width": width}, path, None):
            data = raw if "image" in message else data
        return data

    def ask(
        self, request: dict[str, Any], path: Path, cancelled: AskCancelled | None
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Send a request and yield the answers up to ``done``.

        Raises:
            ReadError: the file cannot be read, or the process died, hung or sent nonsense.
            Cancelled: ``cancelled`` said so.
        """
        if self._is_busy or self._files >= FILES_PER_PROCESS:
            self.stop()
        seconds = allowed_seconds(path, self.limits)
        self._send(
            request | {"path": str(path.absolute()), "limits": asdict(self.limits), "seconds": seconds}
        )
        self._is_busy, waited_s = True, 0.0
        try:
            while True:
                began = time.monotonic()
                frame = self._next(path, cancelled, seconds - waited_s, seconds)
                waited_s += time.monotonic() - began
                message, data = frame
                if "error" in message:
                    self._is_busy = bool(message.get("ends"))  # then it is stopped below
                    raise ReadError(str(message["error"]))
                if "done" in message:
                    self._is_busy = False
                    return
                yield message, data
        finally:
            if self._is_busy:
                self.stop()

    def stop(self) -> None:
        """End the process; the next request starts another."""
        self._is_busy, self._files = False, 0
        self._stopped.set()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            if self._child.stdin is not None:
                _close_quietly(self._child.stdin)
            self._child = None

    def close(self) -> None:
        self.stop()
        self._log.close()

    def _next(
        self, path: Path, cancelled: AskCancelled | None, left_s: float, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + left_s
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled(f"Reading {path.name} was cancelled.")
            try:
                frame = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise refusal(
                        path.name,
                        f"took more than {seconds:.0f} s to read",
                        "less",
                        "It may be damaged; split it, or convert it to plain text",
                    ) from None
                continue
            if frame is None:
                raise ReadError(self._exit_message(path))
            return frame

    def _send(self, request: dict[str, Any]) -> None:
        for attempt in (1, 2):
            if self.pid is None:
                self._start()
            assert self._child is not None and self._child.stdin is not None
            try:
                write_frame(self._child.stdin, request)  # type: ignore[arg-type]
            except (BrokenPipeError, OSError):
                self.stop()
                if attempt == 2:
                    raise ReadError(
                        "The reader process does not start; expected it to answer. See the log."
                    ) from None
            else:
                self._files += 1
                return

    def _start(self) -> None:
        self.stop()
        self._stopped, self._answers = threading.Event(), queue.Queue(maxsize=4)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "indexer.readers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,  # an interrupt from the keyboard is for the app
        )
        atexit.register(_close_idle)
        threading.Thread(
            target=_pump, args=(self._child, self._answers, self._stopped), name="reader-answers", daemon=True
        ).start()

    def _exit_message(self, path: Path) -> str:
        assert self._child is not None
        try:
            code = self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0  # alive, but what it sent was not an answer
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 2000))
        logger.warning(
            "reader process ended with %s on %s: %s", code, path, self._log.read().decode(errors="replace")
        )
        cause = f"signal {-code}" if code < 0 else f"exit code {code}"
        error = refusal(
            path.name,
            f"ended the reader process ({cause})",
            f"a file that reads within {self.limits.memory_mb} MB of memory",
            "It may be damaged; save it again, split it, or convert it to plain text",
        )
        return str(error)


def check_file(path: Path, limits: ReadLimits) -> None:
    """Raise ReadError unless ``path`` is a file that may be opened and is not too large."""
    try:
        if path.is_dir():
            raise refusal(path.name, "is a folder", "a file", "Add the folder itself to read all its files")
        size = path.stat().st_size
        if not path.is_file():
            raise refusal(path.name, "is a device or pipe", "an ordinary file", "Leave it out")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise refusal(path.name, "does not exist (any more)", f"a file at {path}", "Add it again") from None
    except OSError as error:
        raise refusal(
            path.name, f"cannot be opened ({error.strerror})", "a readable file", "Check its permissions"
        ) from error
    if size > limits.max_file_mb * MEGABYTE:
        raise refusal(
            path.name, f"has {size // MEGABYTE} MB", f"at most {limits.max_file_mb} MB", "Split the file"
        )


def allowed_seconds(path: Path, limits: ReadLimits) -> float:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # gone since it was checked; the process says so
    return limits.timeout_s + limits.timeout_s_per_mb * size / MEGABYTE


_idle: list[ReaderProcess] = []
_idle_lock = threading.Lock()


@contextmanager
def borrow(limits: ReadLimits = DEFAULT_LIMITS) -> Iterator[ReaderProcess]:
    """A process for a while."""
    process = take(limits)
    try:
        yield process
    finally:
        give_back(process)


def take(limits: ReadLimits) -> ReaderProcess:
    """An idle process of this program, or a new one."""
    with _idle_lock:
        while _idle:
            process = _idle.pop()
            if process.owner_pid == os.getpid():  # not one inherited by a fork
                process.limits = limits
                return process
    return ReaderProcess(limits)


def give_back(process: ReaderProcess) -> None:
    with _idle_lock:
        if len(_idle) < MAX_IDLE:
            _idle.append(process)
            return
    process.close()


def _close_idle() -> None:
    with _idle_lock:
        while _idle:
            process = _idle.pop()
            if process.owner_pid == os.getpid():
                process.close()


def _pump(
    child: subprocess.Popen[bytes],
    answers: "queue.Queue[tuple[dict[str, Any], bytes] | None]",
    stopped: threading.Event,
) -> None:
    """Carry answers into a bounded queue; None is the end. A thread, because Windows cannot poll a pipe."""
    assert child.stdout is not None
    frame: tuple[dict[str, Any], bytes] | None = ({}, b"")
    while frame is not None and not stopped.is_set():
        try:
            frame = read_frame(child.stdout)  # type: ignore[arg-type]
        except (FrameError, OSError, ValueError):
            frame = None
        while not stopped.is_set():
            try:
                answers.put(frame, timeout=POLL_S)
            except queue.Full:
                continue
            break
    _close_quietly(child.stdout)  # here, for closing it from another thread while it is read is not safe


def _close_quietly(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:
        return
