"""The consistency filter of weak pairs (``stage: filter``), after E5 (arXiv:2212.03533, section 3.1).

A first model, trained on the noisy pairs, ranks the passage of every pair against a random pool of passages
of the same source. A pair is kept when its passage is among the best ``top_k``: when fewer than ``top_k``
passages of the pool score higher for the query. E5 takes a pool of a million and the best two; of 1.3
billion pairs 270 million were left. Passages of the pool with the same text as the pair's do not count.

Each source is read twice as a stream: once for the pool, which is drawn by a hash of the texts and so is a
uniform sample of the distinct passages, and once for the pairs.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from trainer.config import require
from trainer.data.pairs import Pair, to_pairs
from trainer.data.rows import open_rows, reading, with_parents
from trainer.data.sources import PairSource
from trainer.negatives.passage_pool import ConsistencyFilter, build_pool
from trainer.negatives.text_file import disk_error
from trainer.negatives.texts import language_of, require_columns, require_names
from trainer.negatives.vector_cache import BLOCK_TEXTS, content_name, locked, open_encoder, write_json

logger = logging.getLogger(__name__)

BLOCK_ROWS = 4_096
"""Rows of a source between two notes of the position."""


@dataclass(frozen=True)
class FilterConfig:
    """What is filtered, with which model. ``languages`` names, by source, a column that is kept."""

    out: str  # folder: NAME.jsonl for every source, and report.json
    sources: tuple[PairSource, ...]
    stage: str = "filter"
    model: str = "fast"
    instruction: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    languages: Mapping[str, str] = field(default_factory=dict)
    top_k: int = 2
    pool_size: int = 1_000_000
    pool_rows: int = 0  # pairs of each source that its pool is drawn from; 0 is all of them
    seed: int = 13
    memory_mb: int = 1_024  # of the scores; the model and the pool's numbers come on top
    cache: str | None = None  # folder of the pools' vectors; by default ``cache`` in ``out``

    def __post_init__(self) -> None:
        require(self.stage == "filter", "stage", self.stage, "filter")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        require(self.top_k >= 1, "top_k", self.top_k, "at least 1")
        require(self.pool_size > self.top_k, "pool_size", self.pool_size, "more than top_k")
        require(self.pool_rows >= 0, "pool_rows", self.pool_rows, "at least 0")
        require(self.memory_mb >= 16, "memory_mb", self.memory_mb, "at least 16")
        names = [source.name for source in self.sources]
        unknown = next((name for name in self.languages if name not in names), None)
        require(unknown is None, "languages", unknown, f"names of sources: {', '.join(names)}")


@dataclass
class Position:
    """How far a source is filtered; what stands behind ``size_bytes`` does not count."""

    settings: str  # changes with whatever decides the outcome
    rows: dict[str, Any] | None = None  # of the dataset
    pairs: int = 0
    kept: int = 0
    size_bytes: int = 0
    finished: bool = False


def run_filter(config: FilterConfig, *, resume: bool = False) -> Path:
    """Filter every source; returns the folder with the kept pairs and a report.

    Args:
        config: the recipe.
        resume: go on with each source where a stopped run left off; otherwise start it anew.

    Raises:
        TrainerError: the recipe, a source or the model cannot be used, or the disk is full.
    """
    out = Path(config.out)
    cache = Path(config.cache) if config.cache else out / "cache"
    require_names(config.sources)
    require_columns(config.sources, config.languages)
    encoder = open_encoder(config.model, device=config.device, precision=config.precision)
    results: dict[str, Any] = {}
    with locked(cache):
        for source in config.sources:
            pool = build_pool(
                source,
                encoder,
                size=config.pool_size,
                from_rows=config.pool_rows,
                seed=config.seed,
                folder=cache,
            )
            consistency = ConsistencyFilter(
                encoder,
                source,
                pool,
                top_k=config.top_k,
                memory_mb=config.memory_mb,
                instruction=config.instruction,
            )
            settings = content_name(
                encoder.contract.digest,
                encoder.runtime.precision,
                f"{source} {config.languages.get(source.name)} {config.instruction} {config.top_k}",
                pool.exact_keys,
            )
            position = _filter(config, source, consistency, settings, resume=resume)
            results[source.name] = {
                "pairs": position.pairs,
                "kept": position.kept,
                "share": round(position.kept / max(position.pairs, 1), 4),
                "pool": len(pool),
            }
    report = {"recipe": asdict(config), "contract": asdict(encoder.contract), "sources": results}
    write_json(out / "report.json", report)
    return out


def _filter(
    config: FilterConfig, source: PairSource, consistency: ConsistencyFilter, settings: str, *, resume: bool
) -> Position:
    """Write the pairs of a source that are kept; a note of the position follows every block of rows."""
    kept = Path(config.out) / f"{source.name}.jsonl"
    partial, notes = (kept.with_name(f"{source.name}.{end}") for end in ("partial", "position.json"))
    position = Position(settings)
    if resume:
        position = _read_position(notes, settings)
        if position.finished and kept.is_file():
            logger.info("source %s is filtered already", source.name)
            return position
        if not partial.is_file():
            position = Position(settings)
    dataset = open_rows(source)
    if position.rows is not None:
        dataset.load_state_dict(position.rows)
    _append(partial, position, [])
    rows = reading(iter(dataset), source)
    while block := list(islice(rows, BLOCK_ROWS)):
        column = config.languages.get(source.name)
        read = [
            (pair, language_of(row, column, source))
            for row in with_parents(block, source)
            for pair in to_pairs(row, source)
        ]
        for start in range(0, len(read), BLOCK_TEXTS):
            sample = read[start : start + BLOCK_TEXTS]
            is_kept = consistency.keep([pair for pair, _ in sample])
            _append(partial, position, [_line(*sample[place], column) for place in is_kept.nonzero()[0]])
            position.pairs += len(sample)
            position.kept += int(is_kept.sum())
        position.rows = dataset.state_dict()
        write_json(notes, asdict(position))
        logger.info("source %s: %d of %d pairs kept", source.name, position.kept, position.pairs)
    partial.replace(kept)
    position.finished = True
    write_json(notes, asdict(position))
    return position


def _read_position(notes: Path, settings: str) -> Position:
    """The position of a stopped run with the same settings; the beginning where there is none."""
    try:
        position = Position(**json.loads(notes.read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError):
        return Position(settings)
    return position if position.settings == settings else Position(settings)


def _line(pair: Pair, language: str, language_column: str | None) -> str:
    values = {"query": pair.query, "passage": pair.passage, "title": pair.title}
    if language_column is not None:
        values["language"] = language
    return json.dumps(values, ensure_ascii=False) + "\n"


def _append(path: Path, position: Position, lines: list[str]) -> None:
    """Write lines where the position ends, and move it."""
    data = "".join(lines).encode("utf8", "replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        with path.open("r+b") as stream:
            stream.truncate(position.size_bytes)
            stream.seek(position.size_bytes)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise disk_error(path, error) from error
    position.size_bytes += len(data)
