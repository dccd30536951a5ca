"""Many searches at once give what each gives alone, to the last digit."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.library.library import Library
from indexer.search import evidence, matching, ranking
from indexer.search.sentences import SentenceVectors
from indexer.types import Filters, SearchResult

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ASKED = 200
MODES = ("hybrid", "hybrid", "hybrid", "dense", "lexical")
SCOPES = (
    Filters(),
    Filters(),
    Filters(file_types=("txt", "md", "docx")),
    Filters(languages=("de", "fr", "ja", "ar")),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library.open(tmp_path_factory.mktemp("many"), model="fast") as opened:
        assert not opened.add([EXAMPLES / "library"]).failures
        opened.warm()
        yield opened


def questions(library: Library) -> list[tuple[str, dict[str, Any]]]:
    """Questions across languages, words of passages, titles and codes, each with options of its own."""
    rng = random.Random(4)
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["question"] for line in lines]
    collection = library.catalog.collections.get("library")
    passages = library.chunks_by_id(library.catalog.chunks.sample(collection.id, 120))
    asked += [f"{rng.choice(asked)} {rng.choice(('QX-', ''))}{rng.randrange(10_000)}" for _ in range(60)]
    asked += [one.chunk.text[:80] for one in passages[:60]] + [one.title for one in passages]
    asked = [one for one in asked if any(char.isalnum() for char in one)][:ASKED]
    assert len(asked) == ASKED
    return [
        (one, {"mode": rng.choice(MODES), "where": rng.choice(SCOPES), "top_k": rng.choice((5, 10, 40))})
        for one in asked
    ]


def forget() -> None:
    """Start as a new process does: nothing of a search before is remembered."""
    ranking.sentence_vectors = SentenceVectors()
    for remembered in (evidence._sentences, matching._words, ranking._searchable_passage):
        remembered.cache_clear()


def test_two_hundred_questions_from_twenty_threads_are_answered_as_alone(library: Library) -> None:
    asked = questions(library)

    def search(one: tuple[str, dict[str, Any]]) -> SearchResult:
        return replace(library.search(one[0], **one[1]), took_ms=0.0)

    forget()
    with ThreadPoolExecutor(20) as threads:
        together = list(threads.map(search, asked))
    forget()
    alone = [search(one) for one in asked]
    assert together == alone
    assert sum(bool(one.hits) for one in alone) > ASKED / 4, "most questions must say something"
