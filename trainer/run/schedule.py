"""The learning rate over a run: up in a line, then down in a line (as E5 was trained, arXiv:2212.03533)."""

from __future__ import annotations


def linear_schedule(step: int, *, warmup_steps: int, steps: int, final_share: float = 0.0) -> float:
    """Share of the full learning rate at ``step`` (the first is 0), in (0, 1].

    Rises over ``warmup_steps``, reaches 1, and falls so that the step after the last one would have
    ``final_share``.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    left = max(steps - step, 0) / max(steps - warmup_steps, 1)
    return final_share + (1.0 - final_share) * left
