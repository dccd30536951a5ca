"""Why a run ended early, in plain words, and what to do about it."""

import re
import signal
from dataclasses import dataclass

from trainer.run.records import Run

MEMORY = re.compile(r"out ?of ?memory|memory ran out|cannot allocate|MemoryError|bad_alloc", re.IGNORECASE)
NOT_FINITE = re.compile(r"\b(nan|inf)\b.*finite|has loss", re.IGNORECASE)
DISK = re.compile(r"no space left|disk is full|errno 28|free space|not enough disk", re.IGNORECASE)
HUB = re.compile(r"hub cannot be reached|HubUnreachable|offline|connection", re.IGNORECASE)


@dataclass(frozen=True)
class Advice:
    """What happened, what to do, what the run said, and the button that does it (``action`` may be empty)."""

    what: str
    remedy: str
    said: str = ""
    action: str = ""
    action_words: str = ""


def advice(run: Run) -> Advice:
    """The words for a run that is not finished and not going on."""
    again = "Resume it from its last checkpoint." if run.has_checkpoint else "Start it again."
    if run.state == "cancelled":
        kept = "everything up to here is kept" if run.has_checkpoint else "nothing was saved yet"
        return Advice(f"Stopped at step {run.step}, {kept}.", f"{again}")
    if run.state == "interrupted":
        return _interrupted(run, again)
    message = run.message
    if MEMORY.search(message):
        return Advice(
            "Memory ran out.",
            "Resume with smaller mini-batches: the result is the same, it only takes longer. Closing other "
            "programs helps too.",
            message, "smaller", "Resume with half the mini-batch",
        )  # fmt: skip
    if NOT_FINITE.search(message):
        return Advice(
            "Training diverged (loss is not finite); the run was stopped before saving.",
            "That mostly means the learning rate is too high for this model. Resume with a fifth of it.",
            message, "slower", "Resume with a lower learning rate",
        )  # fmt: skip
    if DISK.search(message):
        return Advice(
            "The disk is full.",
            "Make room, by deleting runs that you no longer need, say. Then resume.",
            message,
        )
    if HUB.search(message):
        return Advice(
            "The base model is not on this computer and could not be fetched.",
            "Connect to the network and start again, or start from a model that is here.", message,
        )  # fmt: skip
    return Advice("The run failed.", again, message or "It left no message; the log below may say more.")


def _interrupted(run: Run, again: str) -> Advice:
    if run.exit_code is not None and -run.exit_code == signal.SIGKILL.value:
        return Advice(
            "The run was ended from outside.",
            f"Somebody stopped it at once, or the system did because memory ran short. {again}",
            "", "smaller", "Resume with half the mini-batch",
        )  # fmt: skip
    return Advice(
        "The run was interrupted.", f"The computer was switched off, or the process was ended. {again}"
    )
