"""Hard negatives: passages that score nearly as well as a query's answer and are none (``stage: negatives``).

For each distinct query all other passages are ranked by cosine; ranks count from 1 and leave out the
query's positives, so that the window from ``first_rank`` to ``last_rank`` is always the same number of
passages. Of the window these are dropped:

- passages that score above ``max_score``,
- passages that do not score below p - m |p|, with p the score of the weakest positive and m the
  ``relative_margin``. For positive p that is s < (1 - m) p; 0.05 is TopK-PercPos with 95 % of NV-Retriever
  (arXiv:2407.15831), the best of the methods compared there,
- with a cross-encoder, passages that it does not score below the weakest positive by ``rerank_margin``.

A passage whose text is that of a positive or of the query is never a negative, and none is there twice;
what counts as the same text is told in :mod:`trainer.negatives.texts`. Vectors, rankings and cross-encoder
scores are kept on disk: a killed run goes on, and a run with another margin takes seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from me5 import Encoder, Role
from trainer.config import require
from trainer.data.groups import Passage, QueryGroup, write_groups
from trainer.data.sources import PairSource
from trainer.errors import DataError
from trainer.negatives.candidates import Ranking, exact_scores, rank_passages
from trainer.negatives.rescoring import BLOCK_QUERIES, Rescorer, load_reranker
from trainer.negatives.text_file import TextFile
from trainer.negatives.texts import (
    Corpus,
    as_pool,
    read_corpus,
    require_columns,
    require_names,
    require_one_role,
)
from trainer.negatives.vector_cache import cached_vectors, content_name, locked, open_encoder, write_json

if TYPE_CHECKING:
    from trainer.stages.reranker.model import Reranker

logger = logging.getLogger(__name__)

Sampling = Literal["hardest", "random"]


@dataclass(frozen=True)
class NegativesConfig:
    """What is mined, with which model, and which of the passages found may be negatives.

    ``languages`` names, by source, the column with the language of a row. ``max_queries`` draws some of the
    queries; 0 takes all. Queries with fewer than ``min_negatives`` are left out of the groups.
    """

    out: str  # the file of query groups
    sources: tuple[PairSource, ...]
    stage: str = "negatives"
    pools: tuple[PairSource, ...] = ()  # further passages; only their ``passage`` and ``title`` count
    model: str = "fast"
    instruction: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    languages: Mapping[str, str] = field(default_factory=dict)
    same_language_only: bool = False
    max_queries: int = 0
    negatives: int = 7
    min_negatives: int = 1
    first_rank: int = 1
    last_rank: int = 100
    max_score: float | None = None
    relative_margin: float | None = 0.05
    sampling: Sampling = "hardest"
    seed: int = 13
    reranker: str | None = None  # a cross-encoder, by name or folder
    rerank_margin: float = 0.0  # in logits of the cross-encoder
    rerank_depth: int = 0  # passages of each query that it scores; 0 is three times ``negatives``
    memory_mb: int = 1_024  # of the search; the model and the texts' numbers come on top
    cache: str | None = None  # folder of vectors and rankings; by default ``cache`` beside ``out``

    def __post_init__(self) -> None:
        require(self.stage == "negatives", "stage", self.stage, "negatives")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        require(self.negatives >= 1, "negatives", self.negatives, "at least 1")
        fewest = self.min_negatives
        require(0 <= fewest <= self.negatives, "min_negatives", fewest, "a number from 0 to negatives")
        require(self.first_rank >= 1, "first_rank", self.first_rank, "at least 1")
        window = self.last_rank - self.first_rank + 1
        require(window >= self.negatives, "last_rank", self.last_rank, "a window with room for the negatives")
        margin = self.relative_margin
        require(margin is None or 0 <= margin < 1, "relative_margin", margin, "a number in [0, 1), or null")
        require(self.sampling in ("hardest", "random"), "sampling", self.sampling, "hardest or random")
        require(self.rerank_depth >= 0, "rerank_depth", self.rerank_depth, "at least 0")
        require(self.max_queries >= 0, "max_queries", self.max_queries, "at least 0")
        require(self.memory_mb >= 16, "memory_mb", self.memory_mb, "at least 16")
        names = {source.name for source in (*self.sources, *self.pools)}
        unknown = next((name for name in self.languages if name not in names), None)
        require(unknown is None, "languages", unknown, f"names of sources: {', '.join(sorted(names))}")
        unnamed = sorted(names - set(self.languages)) if self.same_language_only else []
        require(not unnamed, "languages", dict(self.languages), f"a column for {', '.join(unnamed)} too")


@dataclass
class Counts:
    """What became of the queries, and of the passages in their windows."""

    groups: int = 0
    short_groups: int = 0  # with fewer negatives than asked for
    queries_left_out: int = 0  # with fewer than ``min_negatives``
    negatives: int = 0
    in_windows: int = 0
    above_max_score: int = 0
    within_relative_margin: int = 0
    dropped_by_reranker: int = 0


def run_negatives(config: NegativesConfig, *, resume: bool = False) -> Path:
    """Mine, and return the file of groups; beside it stands a report.

    Args:
        config: the recipe.
        resume: changes nothing: what is on disk is named by its content and used whenever it fits.

    Raises:
        TrainerError: the recipe, a source or the model cannot be used, or the disk is full.
    """
    started = time.monotonic()
    out = Path(config.out)
    folder = Path(config.cache) if config.cache else out.parent / "cache"
    everything = (*config.sources, *map(as_pool, config.pools))
    require_names(everything)
    require_one_role(everything)
    require_columns(everything, config.languages)
    encoder = open_encoder(config.model, device=config.device, precision=config.precision)
    reranker = None if config.reranker is None else load_reranker(config.reranker)
    with (
        locked(folder),
        TextFile(folder / "queries.texts") as query_file,
        TextFile(folder / "passages.texts") as passage_file,
    ):
        corpus = read_corpus(config.sources, config.pools, config.languages, query_file, passage_file)
        corpus = corpus.sampled(config.max_queries, config.seed)
        _require_room(config, corpus)
        result = _searched(config, corpus, encoder, folder)
        counts = Counts()
        rescorer = None if reranker is None else _rescorer(config, result, reranker, folder)
        write_groups(out, _groups(config, result, rescorer, counts))
    logger.info(
        "%d groups with %d negatives, %d of them short; %d queries left out",
        counts.groups,
        counts.negatives,
        counts.short_groups,
        counts.queries_left_out,
    )
    report = {
        "recipe": asdict(config),
        "contract": asdict(encoder.contract),
        "pairs_read": dict(corpus.pairs),
        "queries": len(corpus.queries),
        "passages": len(corpus.passages),
        **asdict(counts),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(out.with_name(f"{out.stem}.report.json"), report)
    return out


def _require_room(config: NegativesConfig, corpus: Corpus) -> None:
    others = len(corpus.passages) - 1
    needed = config.first_rank + config.negatives - 1
    if others < needed:
        raise DataError(
            f"The sources hold {len(corpus.passages)} distinct passages; ranks from {config.first_rank} with "
            f"{config.negatives} negatives need {needed + 1}. Add a pool of passages, or lower first_rank or "
            "negatives."
        )
    if others < config.last_rank:
        logger.warning("the window ends at rank %d, not %d: no more passages", others, config.last_rank)


@dataclass(frozen=True)
class _Found:
    """Texts, their vectors and the ranking."""

    corpus: Corpus
    query_vectors: NDArray[np.float32]
    passage_vectors: NDArray[np.float32]
    ranking: Ranking


def _searched(config: NegativesConfig, corpus: Corpus, encoder: Encoder, folder: Path) -> _Found:
    """Encode all texts and rank the passages for every query."""
    source = config.sources[0]
    passages_PD = cached_vectors(
        encoder,
        corpus.passages.block,
        corpus.passages.exact_keys,
        role=Role(source.passage_role),
        folder=folder,
    )
    queries_QD = cached_vectors(
        encoder,
        lambda start, stop: (corpus.queries.block(start, stop)[0], None),
        corpus.queries.exact_keys,
        role=Role(source.query_role),
        folder=folder,
        instruction=config.instruction,
    )
    vectors_name = content_name(
        encoder.contract.digest,
        encoder.runtime.precision,
        f"{source.query_role} {source.passage_role} {config.instruction}",
        corpus.queries.exact_keys,
        corpus.passages.exact_keys,
    )
    ranking = rank_passages(
        corpus,
        queries_QD,
        passages_PD,
        vectors_name=vectors_name,
        count=config.last_rank,
        same_language_only=config.same_language_only,
        memory_mb=config.memory_mb,
        folder=folder,
        device=encoder.runtime.device,
    )
    return _Found(corpus, queries_QD, passages_PD, ranking)


def _rescorer(config: NegativesConfig, result: _Found, reranker: Reranker, folder: Path) -> Rescorer:
    picking = (config.first_rank, config.max_score, config.relative_margin, config.sampling, config.seed)
    return Rescorer(
        reranker,
        result.corpus,
        depth=config.rerank_depth or 3 * config.negatives,
        folder=folder,
        picks_name=content_name(result.ranking.name, str(picking)),
    )


def _groups(
    config: NegativesConfig, result: _Found, rescorer: Rescorer | None, counts: Counts
) -> Iterator[QueryGroup]:
    """A group for every query with enough negatives, in the order of the queries."""
    depth = config.negatives if rescorer is None else rescorer.depth
    total = len(result.corpus.queries)
    for start in range(0, total, BLOCK_QUERIES):
        queries = range(start, min(start + BLOCK_QUERIES, total))
        picks = [_picked(config, result, query, depth, counts) for query in queries]
        if rescorer is not None:
            opinions = rescorer.scores(start, picks)
            for offset, opinion in enumerate(opinions):
                keep = opinion.picks < opinion.weakest_positive - config.rerank_margin
                counts.dropped_by_reranker += int((~keep).sum())
                picks[offset] = picks[offset][keep][: config.negatives]
        for query, negatives in zip(queries, picks, strict=True):
            if len(negatives) < config.min_negatives:
                counts.queries_left_out += 1
                continue
            counts.groups += 1
            counts.short_groups += len(negatives) < config.negatives
            counts.negatives += len(negatives)
            yield _group(result, query, negatives)


def _picked(
    config: NegativesConfig, result: _Found, query: int, depth: int, counts: Counts
) -> NDArray[np.int64]:
    """Up to ``depth`` passages of the window that may be negatives, the preferred ones first."""
    numbers, scores = result.ranking.window(query, config.first_rank)
    positives = result.passage_vectors[result.corpus.positives(query)]
    weakest = float(exact_scores(result.query_vectors[query], positives).min())
    low_enough = np.ones(len(numbers), dtype=bool)
    if config.max_score is not None:
        low_enough = scores <= config.max_score
    far_enough = np.ones(len(numbers), dtype=bool)
    if config.relative_margin is not None:
        far_enough = scores < weakest - abs(weakest) * config.relative_margin
    counts.in_windows += len(numbers)
    counts.above_max_score += int((~low_enough).sum())
    counts.within_relative_margin += int((low_enough & ~far_enough).sum())
    places = np.flatnonzero(low_enough & far_enough)
    if config.sampling == "random":  # the draw depends on the query's text alone, not on its place
        key = int(result.corpus.queries.keys[query]) % 2**64
        places = np.random.default_rng((config.seed, key)).permutation(places)
    return numbers[places[:depth]]


def _group(result: _Found, query: int, negatives: NDArray[np.int64]) -> QueryGroup:
    """The texts of a group, negatives with the hardest first."""
    corpus = result.corpus
    text, source = corpus.queries[query]
    order = np.argsort(
        -exact_scores(result.query_vectors[query], result.passage_vectors[negatives]), kind="stable"
    )
    return QueryGroup(
        query=text,
        positives=tuple(Passage(*corpus.passages[int(number)]) for number in corpus.positives(query)),
        negatives=tuple(Passage(*corpus.passages[int(number)]) for number in negatives[order]),
        language=corpus.languages[int(corpus.queries.languages[query])],
        source=source,
    )
