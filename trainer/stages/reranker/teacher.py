"""The stage ``teacher``: give every passage of query groups the score of a cross-encoder.

Scores are raw logits, those of the positives and then of the negatives, as the distillation of stage 2 reads
them. They are kept in a file as they are made (``trainer.stages.reranker.score_cache``): an interrupted run
goes on, and a run over groups that share pairs scores only what is new. The query is scored without
instruction or prefix.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from me5.prefixes import join_title
from trainer.config import require
from trainer.data.groups import QueryGroup, read_groups, write_groups
from trainer.errors import ConfigError, DataError
from trainer.run.processes import Processes
from trainer.stages.reranker.model import Reranker, open_reranker
from trainer.stages.reranker.score_cache import Key, ScoreCache, score_key

__all__ = ["Reranker", "TeacherConfig", "open_reranker", "run_teacher"]

logger = logging.getLogger(__name__)

WINDOW_GROUPS = 256
"""Groups whose texts are held and whose scores are written together."""
LOG_EVERY_S = 10.0


@dataclass(frozen=True)
class TeacherConfig:
    """The whole recipe of scoring. ``groups`` may have scores already; those of ``out`` are new.

    ``max_tokens`` of a pair; left out, the limit that the model states. ``cache`` left out is a file beside
    ``out``. ``bf16`` pays on a GPU, and is taken there by itself.
    """

    stage: Literal["teacher"]
    groups: str
    out: str
    model: str
    cache: str | None = None
    max_tokens: int | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    def __post_init__(self) -> None:
        require(self.stage == "teacher", "stage", self.stage, "teacher")
        require(self.max_tokens is None or self.max_tokens >= 8, "max_tokens", self.max_tokens, "at least 8")
        known = ("auto", "cpu", "cuda", "mps")
        require(self.device in known, "device", self.device, f"one of {', '.join(known)}")


def run_teacher(config: TeacherConfig, *, resume: bool = False) -> Path:
    """Score the groups and return the file that was written.

    Args:
        config: the recipe.
        resume: makes no difference: scores that are in the cache are always used.

    Raises:
        DataError: the groups are missing, damaged or none.
        TrainerError, Me5Error: the model is no cross-encoder, or the disk is full; scores made before stay.
    """
    source, target = Path(config.groups).expanduser(), Path(config.out).expanduser()
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(
            f"out is {config.out!r}, the file of the groups itself. Expected another, so that nothing is "
            "lost when a run fails. Choose one with out=FILE."
        )
    processes = Processes("cpu" if config.device == "cpu" else "auto")
    pairs = _count_pairs(source, processes)
    device = processes.device.type if processes.count > 1 else config.device
    reranker = open_reranker(
        config.model, max_tokens=config.max_tokens, device=device, precision=config.precision
    )
    cache_path = Path(config.cache).expanduser() if config.cache else target.with_suffix(".scores.sqlite")
    with ScoreCache(cache_path) as cache:
        teacher = Teacher(reranker, cache)
        progress = Progress(pairs)
        for window in islice(_windows(source), processes.index, None, processes.count):
            progress.add(*teacher.fill(window))
        processes.wait()
        if processes.is_first:
            write_groups(target, _scored(source, teacher))
    processes.wait()
    return target


class Teacher:
    """A cross-encoder that remembers.

    Args:
        reranker: gives the scores.
        cache: keeps them.
    """

    def __init__(self, reranker: Reranker, cache: ScoreCache) -> None:
        self._reranker = reranker
        self._cache = cache

    def fill(self, groups: Sequence[QueryGroup]) -> tuple[int, int]:
        """Score what the cache lacks; returns how many pairs there are and how many were scored."""
        pairs = {key: pair for group in groups for key, pair in self._pairs(group)}
        known = self._cache.known(list(pairs))
        missing = {key: pair for key, pair in pairs.items() if key not in known}
        if missing:
            queries, passages = zip(*missing.values(), strict=True)
            scores = self._reranker.score(queries, passages)
            self._cache.add(dict(zip(missing, scores.tolist(), strict=True)))
        return sum(len(group.passages) for group in groups), len(missing)

    def scored(self, groups: Sequence[QueryGroup]) -> Iterator[QueryGroup]:
        """The groups with their scores, from the cache where it has them."""
        self.fill(groups)
        known = self._cache.known([key for group in groups for key, _ in self._pairs(group)])
        for group in groups:
            yield replace(group, scores=tuple(known[key] for key, _ in self._pairs(group)))

    def _pairs(self, group: QueryGroup) -> Iterator[tuple[Key, tuple[str, str]]]:
        for passage in group.passages:
            text = join_title(passage.title, passage.text)
            yield score_key(self._reranker.contract, group.query, text), (group.query, text)


class Progress:
    """Tells the log how far the scoring of so many pairs is, every ten seconds."""

    def __init__(self, pairs: int) -> None:
        self._pairs = pairs
        self._done = self._scored = 0
        self._started = self._told = time.monotonic()

    def add(self, pairs: int, scored: int) -> None:
        """Note that so many pairs are done, and so many of them were not known before."""
        self._done += pairs
        self._scored += scored
        now = time.monotonic()
        if now - self._told < LOG_EVERY_S and self._done < self._pairs:
            return
        self._told = now
        seconds = max(now - self._started, 1e-9)
        left = seconds * max(self._pairs - self._done, 0) / self._done
        logger.info(
            "%s of %s pairs (%.0f %%), %s of them scored now, %.0f pairs/s, %.0f s left",
            f"{self._done:,}",
            f"{self._pairs:,}",
            100 * self._done / self._pairs,
            f"{self._scored:,}",
            self._scored / seconds,
            left,
        )


def _count_pairs(source: Path, processes: Processes) -> int:
    """How many pairs this process scores.

    Reads every line once, so that a damaged one is told before the work and not after hours of it.
    """
    groups = own_pairs = alone = 0
    for number, window in enumerate(_windows(source)):
        groups += len(window)
        alone += sum(not group.negatives for group in window)
        if number % processes.count == processes.index:
            own_pairs += sum(len(group.passages) for group in window)
    if not groups:
        raise DataError(f"{source} has no query groups. Expected one per line. Check what wrote it.")
    if alone:
        logger.warning(
            "%d of %d groups have no negative: their scores teach nothing. Mine negatives first with a "
            "recipe of `stage: negatives`.",
            alone,
            groups,
        )
    return own_pairs


def _scored(source: Path, teacher: Teacher) -> Iterator[QueryGroup]:
    for window in _windows(source):
        yield from teacher.scored(window)


def _windows(source: Path) -> Iterator[list[QueryGroup]]:
    groups = read_groups(source)
    while window := list(islice(groups, WINDOW_GROUPS)):
        yield window
