"""The states of long work, the same for jobs of a library, processes of the page and runs of the trainer.

``queued`` waits, ``running`` includes starting up and stopping, ``interrupted`` ended without a word, as when
the machine was switched off.
"""

from typing import Literal, get_args

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

STATES: tuple[State, ...] = get_args(State)
ACTIVE: tuple[State, ...] = ("queued", "running")
RESUMABLE: tuple[State, ...] = ("failed", "cancelled", "interrupted")
"""Ended before all was done."""

_FORMER: dict[str, State] = {"starting": "running", "stopping": "running", "stopped": "cancelled"}
"""Words of earlier versions, which are still on disk."""


def as_state(word: object) -> State | None:
    """The state that a recorded word means, also one of an earlier version; None for others."""
    return next((state for state in STATES if state == word), _FORMER.get(str(word)))
