"""What hard negatives are mined from: distinct queries, distinct passages, and which answers which.

Texts go to disk while the sources are read; in memory there are a few numbers for each. Two texts are the
same when they differ only in case, in white space or in the form of their characters (Unicode NFKC); the
first one stands for both, with its title and its language.
"""

from __future__ import annotations

import logging
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.pairs import Pair, text_key, to_pairs
from trainer.data.rows import no_column, read_rows
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError
from trainer.negatives.text_file import TextFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Texts:
    """Distinct texts: ``rows`` are their places in ``file``.

    ``keys`` tell texts apart as this module does; ``exact_keys`` change with any character of the row.
    """

    file: TextFile
    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    exact_keys: NDArray[np.int64]
    languages: NDArray[np.int64]  # numbers into Corpus.languages

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> list[str]:
        """Text and title of a passage, text and source of a query."""
        return self.file[int(self.rows[number])]

    def block(self, start: int, stop: int) -> tuple[list[str], list[str]]:
        """First and second field of some texts."""
        rows = [self[number] for number in range(start, stop)]
        return [row[0] for row in rows], [row[1] for row in rows]

    def taken(self, numbers: NDArray[np.int64]) -> Texts:
        """Some of the texts."""
        return replace(
            self,
            rows=self.rows[numbers],
            keys=self.keys[numbers],
            exact_keys=self.exact_keys[numbers],
            languages=self.languages[numbers],
        )


@dataclass(frozen=True)
class Corpus:
    """Queries, passages, and the passages that answer each query."""

    queries: Texts
    passages: Texts
    starts: NDArray[np.int64]  # [Q + 1], places in ``answers``
    answers: NDArray[np.int64]  # passage numbers
    languages: Sequence[str]
    pairs: Mapping[str, int]  # read from each source

    def positives(self, query: int) -> NDArray[np.int64]:
        """The passages that answer a query, in the order in which they were read."""
        return self.answers[self.starts[query] : self.starts[query + 1]]

    def sampled(self, count: int, seed: int) -> Corpus:
        """The same passages with ``count`` of the queries, drawn at random; all of them for 0."""
        if not 0 < count < len(self.queries):
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self.queries), count, replace=False))
        lengths = np.diff(self.starts)[chosen]
        return replace(
            self,
            queries=self.queries.taken(chosen),
            starts=np.concatenate([[0], np.cumsum(lengths)]),
            answers=np.concatenate([self.positives(int(query)) for query in chosen]),
        )


class _Rows:
    """Texts in the order of reading, with what is kept of them in memory."""

    def __init__(self, file: TextFile) -> None:
        self.file = file
        self.keys, self.exact_keys, self.languages = array("q"), array("q"), array("q")

    def append(self, text: str, other: str, language: int) -> None:
        self.file.append(text, other)
        self.keys.append(normal_key(text))
        self.exact_keys.append(exact_key(text, other))
        self.languages.append(language)

    def distinct(self) -> tuple[Texts, NDArray[np.int64]]:
        """The distinct texts by first appearance, and the number of each row's text."""
        keys = np.asarray(self.keys, dtype=np.int64)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        rows = first[order].astype(np.int64)
        texts = Texts(
            file=self.file,
            rows=rows,
            keys=keys[rows],
            exact_keys=np.asarray(self.exact_keys, dtype=np.int64)[rows],
            languages=np.asarray(self.languages, dtype=np.int64)[rows],
        )
        return texts, place[inverse]


def read_corpus(
    sources: Sequence[PairSource],
    pools: Sequence[PairSource],
    language_columns: Mapping[str, str],
    query_file: TextFile,
    passage_file: TextFile,
) -> Corpus:
    """Read every source once.

    Args:
        sources: of pairs.
        pools: of further passages; only ``passage`` and ``title`` count.
        language_columns: the column with the language of a row, by name of the source.
        query_file: for the queries.
        passage_file: for the passages.

    Raises:
        DataError: a source is missing or empty, or has no such column.
    """
    queries, passages = _Rows(query_file), _Rows(passage_file)
    codes: dict[str, int] = {"": 0}
    pairs: dict[str, int] = {}
    pair_passages = array("q")
    for position, source in enumerate((*sources, *map(as_pool, pools))):
        is_pool = position >= len(sources)
        count = 0
        for pair, language in iter_pairs(source, language_columns.get(source.name)):
            code = codes.setdefault(language, len(codes))
            if not is_pool:
                queries.append(pair.query, source.name, code)
                pair_passages.append(len(passages.keys))
            passages.append(pair.passage, pair.title, code)
            count += 1
        logger.info("source %s: %d %s", source.name, count, "passages" if is_pool else "pairs")
        pairs[source.name] = count
    distinct_queries, query_of_pair = queries.distinct()
    distinct_passages, passage_of_row = passages.distinct()
    passage_of_pair = passage_of_row[np.asarray(pair_passages, dtype=np.int64)]
    starts, answers = _grouped(query_of_pair, passage_of_pair, len(distinct_queries))
    logger.info("%d distinct queries, %d distinct passages", len(distinct_queries), len(distinct_passages))
    return Corpus(distinct_queries, distinct_passages, starts, answers, list(codes), pairs)


def iter_pairs(source: PairSource, language_column: str | None = None) -> Iterator[tuple[Pair, str]]:
    """The pairs of a source once, in file order, each with its language or "".

    Raises:
        DataError: the source is missing or has no such column, or no row of it has both texts.
    """
    result = False
    for row in read_rows(source):
        language = language_of(row, language_column, source)
        for pair in to_pairs(row, source):
            result = True
            yield pair, language
    if not result:
        raise DataError(
            f"Source {source.name!r} has no row with text in both {source.query!r} and {source.passage!r}. "
            "Expected pairs. Correct the source or remove it from the recipe."
        )


def language_of(row: Mapping[str, Any], column: str | None, source: PairSource) -> str:
    """What the language column of a row says; "" without such a column."""
    if column is None:
        return ""
    if column not in row:
        raise no_column(source, column, row, "languages")
    return str(row[column] or "")


def require_columns(sources: Sequence[PairSource], language_columns: Mapping[str, str]) -> None:
    """Read one row of every source, so that a wrong name stops before the work.

    Raises:
        DataError: a source is missing or empty, or has no such column.
    """
    for source in sources:
        row = next(read_rows(source), None)
        if row is None:
            raise DataError(f"Source {source.name!r} is empty. Expected pairs. Remove it from the recipe.")
        to_pairs(row, source)
        language_of(row, language_columns.get(source.name), source)


def require_names(sources: Sequence[PairSource]) -> None:
    """Names of sources become names of files and keys.

    Raises:
        ConfigError: two sources have one name, or a name is no name of a file.
    """
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"Two sources are called {name!r}. Expected a name for each. Rename one.")
        if not name or Path(name).name != name:
            raise ConfigError(f"A source is called {name!r}. Expected a name without slashes. Rename it.")


def require_one_role(sources: Sequence[PairSource]) -> None:
    """A text has one vector, so all sources must agree on what its role is.

    Raises:
        ConfigError: the roles of two sources differ.
    """
    first = sources[0]
    for source in sources:
        if (source.query_role, source.passage_role) != (first.query_role, first.passage_role):
            raise ConfigError(
                f"Sources {first.name!r} and {source.name!r} have different roles. Expected one query_role "
                "and one passage_role for all. Give them recipes of their own."
            )


def exact_key(text: str, title: str) -> int:
    """A 64-bit number that changes with any character of a text or its title."""
    return text_key(f"{title}\n{text}")


def normal_key(text: str) -> int:
    """A 64-bit number that is equal for texts that count as the same."""
    return text_key(" ".join(unicodedata.normalize("NFKC", text).casefold().split()))


def lookup(keys: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """A function from keys to their places in ``keys``, -1 for one that is not there."""
    order = np.argsort(keys)

    def find(wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(keys):
            return np.full(len(wanted), -1, dtype=np.int64)
        place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        return np.where(keys[place] == wanted, place, -1)

    return find


def as_pool(pool: PairSource) -> PairSource:
    """A source in which the passage stands on both sides, so that rows need no query."""
    return replace(pool, query=pool.passage, pairing="columns")


def _grouped(
    queries: NDArray[np.int64], passages: NDArray[np.int64], query_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct passages of each query: where each query's begin, and all of them."""
    pair_keys = queries * (int(passages.max(initial=0)) + 1) + passages
    first = np.sort(np.unique(pair_keys, return_index=True)[1])  # of equal pairs the first
    order = first[np.argsort(queries[first], kind="stable")]
    counts = np.bincount(queries[order], minlength=query_count)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), passages[order]
