"""The reader process: answers requests on its standard input until that is closed.

It bounds its own memory and processor time, may not open sockets, start programs, or write outside the
folder a request names, and imports a format's library only when that format is met.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from indexer.errors import ReadError
from indexer.readers import Facts, ReadLimits, Source, archive, sniff
from indexer.readers.cleaning import clean
from indexer.readers.frames import read_frame, write_frame
from indexer.readers.pieces import MEGABYTE, refusal
from indexer.readers.plain import iter_blocks

BATCH_CHARS = 1 << 16
FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.startfile",
)
CHANGING = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "os.truncate",
    "os.mkdir",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    sys.dont_write_bytecode = True
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it, for nothing
    guard = Guard()
    sys.addaudithook(guard)
    while frame := read_frame(requests):
        request, _ = frame
        try:
            _answer(request, answers, guard)
        except BrokenPipeError:
            return
        except MemoryError:
            write_frame(answers, {"error": _memory_message(request), "ends": True})
            return  # a fresh process is safer than one that has run out


class Guard:
    """An audit hook that refuses what reading a file never needs."""

    def __init__(self) -> None:
        self.writable: str | None = None

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(FORBIDDEN):
            raise PermissionError(f"reading a file may not use {event}")
        if (event == "open" and isinstance(args[2], int) and args[2] & WRITING) or event in CHANGING:
            self._check(event, args[0])

    def _check(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        if self.writable is None or not os.path.abspath(os.fsdecode(path)).startswith(self.writable):  # noqa: PTH100
            raise PermissionError(f"reading a file may not use {event} on {path!r}")


def _answer(request: dict[str, Any], answers: BinaryIO, guard: Guard) -> None:
    path, limits = Path(request["path"]), ReadLimits(**request["limits"])
    source = Source(path.name, path=path, limits=limits)
    try:
        bound_process(limits, request["seconds"])
        if request["do"] == "read":
            _send_text(source, answers)
        elif request["do"] == "expand":
            guard.writable = os.path.join(os.path.abspath(request["into"]), "")  # noqa: PTH100, PTH118
            for file in archive.unpack(source, Path(request["into"])):
                write_frame(answers, {"file": str(file)})
        else:
            from indexer.readers import pdf

            write_frame(answers, {"image": True}, pdf.render(source, request["page"], request["width"]))
        write_frame(answers, {"done": True})
    except (BrokenPipeError, MemoryError):
        raise
    except ReadError as cause:
        write_frame(answers, {"error": str(cause)})
    except FileNotFoundError:
        error = refusal(path.name, "vanished while it was read", "it to stay", "Add it again")
        write_frame(answers, {"error": str(error)})
    except OSError as cause:
        seen = f"cannot be read ({cause.strerror or cause})"
        error = refusal(path.name, seen, "a readable file", "Check its permissions and its disk")
        write_frame(answers, {"error": str(error)})
    except Exception as cause:  # whatever a library does with a damaged file is that file's failure
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
        if "memory" in str(cause).lower():
            raise MemoryError from cause
        seen = f"could not be read ({type(cause).__name__}: {cause})"[:300]
        error = refusal(path.name, seen, "an undamaged file", "Open it in its program and save it again")
        write_frame(answers, {"error": str(error)})
    finally:
        guard.writable = None


def _send_text(source: Source, answers: BinaryIO) -> None:
    file_type, items = sniff.read(source)
    write_frame(answers, {"facts": {"file_type": file_type}})
    batch: list[tuple[str, int | None, str | None]] = []
    batch_chars = total_chars = 0
    warnings: list[str] = []
    has_words = False
    for item in items:
        if isinstance(item, Facts):
            warnings += [item.warning] if item.warning else []
            if batch:
                write_frame(answers, {"blocks": batch})
                batch, batch_chars = [], 0
            facts = {
                key: clean(value) if isinstance(value, str) else value for key, value in vars(item).items()
            }
            write_frame(answers, {"facts": {key: value for key, value in facts.items() if value}})
            continue
        section = clean(item.section) if item.section else None
        for text in iter_blocks(clean(item.text)):
            batch.append((text, item.page, section))
            batch_chars += len(text)
            has_words = has_words or not text.isspace()
            total_chars += len(text)
            if batch_chars >= BATCH_CHARS:
                write_frame(answers, {"blocks": batch})
                batch, batch_chars = [], 0
            if total_chars > source.limits.max_text_mb * MEGABYTE:
                raise refusal(
                    source.name,
                    f"holds more than {source.limits.max_text_mb} million characters of text",
                    "less",
                    "Split the file",
                )
    if batch:
        write_frame(answers, {"blocks": batch})
    if not has_words and warnings:  # not empty, only not readable here
        message = "; ".join(warnings[:3])
        remedy = "Open it in its program and save it again, or as PDF"
        raise refusal(source.name, f"gave no text ({message})", "text that can be read", remedy)
    if not has_words:
        raise refusal(source.name, "holds no text", "some", "Leave it out")


def bound_process(limits: ReadLimits, seconds: float) -> None:
    """Memory and processor time of this process from now on; nothing where the system has no such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + seconds) + 5
    wanted = (
        (resource.RLIMIT_AS, limits.memory_mb * MEGABYTE),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, value in wanted:
        _, hard = resource.getrlimit(kind)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS has the name RLIMIT_AS, not the limit
            continue


def _memory_message(request: dict[str, Any]) -> str:
    limit = request["limits"]["memory_mb"]
    return (
        f"{Path(request['path']).name} needs more than {limit} MB of memory to read; "
        "expected a smaller file. Split it, or convert it to plain text."
    )


if __name__ == "__main__":
    main()
