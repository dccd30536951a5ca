"""The same library gives the same answers from the data folder and from a server.

A real server is asked where QDRANT_URL is set, else qdrant-client's own memory.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from indexer.library import opening
from indexer.library.library import Library
from indexer.store.qdrant import QdrantStore
from indexer.types import SearchMode, SearchResult

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MIN_OVERLAP = 0.98
MODES: tuple[SearchMode, ...] = get_args(SearchMode)


def questions() -> list[str]:
    names = ("questions.jsonl", "off_topic.jsonl")
    lines = [line for name in names for line in (EXAMPLES / name).read_text("utf-8").splitlines()]
    return [str(json.loads(line)["question"]) for line in lines]


@pytest.fixture
def server() -> Iterator[str]:
    """Where the vectors go; what is left there is removed by the test."""
    with pytest.MonkeyPatch.context() as patch:
        if "QDRANT_URL" not in os.environ:
            open_store = opening.open_store

            def in_memory(data_dir: Path, *, qdrant_url: str | None = None, **options: Any) -> Any:
                if qdrant_url is not None:
                    return QdrantStore(":memory:")
                return open_store(data_dir, **options)

            patch.setattr(opening, "open_store", in_memory)
        yield os.environ.get("QDRANT_URL", "127.0.0.1:6399")


def test_answers_and_verdicts_are_the_same_in_both_homes(tmp_path: Path, server: str) -> None:
    with Library.open(tmp_path / "data", model="fast", reserve_bytes=0) as library:
        library.add([EXAMPLES / "library"])
        asked = questions()
        assert len(asked) >= 50
        before = {mode: [library.search(item, mode=mode) for item in asked] for mode in MODES}
        library.vectors.move(server)
        after = {mode: [library.search(item, mode=mode) for item in asked] for mode in MODES}
        library.drop_collection("library")
    for mode in MODES:
        overlaps = [overlap(here, there) for here, there in zip(before[mode], after[mode], strict=True)]
        assert np.mean(overlaps) >= MIN_OVERLAP, mode
        assert list(map(verdict, before[mode])) == list(map(verdict, after[mode])), mode
    assert sum(bool(result.hits) for result in before["hybrid"]) >= 30


def overlap(here: SearchResult, there: SearchResult) -> float:
    first, second = ({hit.chunk_id for hit in result.hits[:10]} for result in (here, there))
    return len(first & second) / max(len(first), len(second)) if first | second else 1.0


def verdict(result: SearchResult) -> str | None:
    return result.hits[0].confidence if result.hits else None
