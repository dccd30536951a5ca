"""Scores that compare across languages: an answer in another language passes what only shares the question's own."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.search.corpus import Corpus
from indexer.search.evidence import Evidence
from indexer.search.fairness import AS_THEY_ARE, TOLERANCE, WEIGHT, FairScores, fair_scores
from indexer.search.ranking import SENTENCE_WEIGHT, Options, Query, RankedChunk, best_passages, likeness
from indexer.store import open_store
from indexer.types import Chunk, ChunkInfo, Filters, Origin, Point, SparseVector
from me5.language_means import LanguageMeans

DIMENSION = 64
COUNTS = {"en": 120, "zh": 90, "ar": 40, "tlh": 3}
LEAN = 0.4


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def vectors_of(rng: np.random.Generator, language: int, count: int) -> NDArray[np.float32]:
    """Passages [N, 64] on anything, all of them leaning towards their language."""
    rows = rng.normal(0, 0.1, (count, DIMENSION))
    rows[:, language] += LEAN
    return unit(rows)


def encoder_of(means: LanguageMeans | None) -> SimpleNamespace:
    neutral = None if means is None else SimpleNamespace(languages=means)
    return SimpleNamespace(engine_name="torch", neutral=neutral)


def test_what_a_language_leans_is_taken_off() -> None:
    fair = FairScores({"en": 0.07, "zh": 0.04, "de": 0.01, "ar": -0.02})
    assert fair(0.4, "en") == pytest.approx(0.4 - WEIGHT * (0.07 - TOLERANCE))
    assert fair(0.4, "zh") == fair(0.4, "zh-Hant") == pytest.approx(0.4 - WEIGHT * (0.04 - TOLERANCE))
    assert fair(0.4, "de") == fair(0.4, "ar") == fair(0.4, "tlh") == fair(0.4, "und") == 0.4


def test_without_a_map_scores_stay_as_they_are() -> None:
    query = np.ones(4, np.float32)
    assert fair_scores(encoder_of(None), query) is AS_THEY_ARE  # type: ignore[arg-type]
    plain = SimpleNamespace(neutral=None)
    assert not fair_scores(plain, query)  # type: ignore[arg-type]
    assert AS_THEY_ARE(0.12345, "en") == 0.12345


class Shelf:
    """A store and a catalog of ``COUNTS`` passages; the third Chinese one answers the question."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(4)
        self.store = open_store(folder, qdrant_url=":memory:")
        self.collection = SimpleNamespace(id="c", name="c", store_name="c-00000000", contract_digest="0")
        self.store.ensure("c-00000000", DIMENSION)
        self.infos: dict[str, ChunkInfo] = {}
        self.chunks = SimpleNamespace(by_id=self.by_id, origins=self.origins)
        self.facets = SimpleNamespace(document_ids=self.document_ids)
        points = []
        for number, (language, count) in enumerate(COUNTS.items()):
            for row, vector in enumerate(vectors_of(rng, number, count)):
                name = f"{language}-{row}"
                chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
                chunk = Chunk(0, 0, len(name), name, language=language)
                self.infos[chunk_id] = ChunkInfo(chunk_id, name, "c", name, "", "txt", chunk)
                points.append(Point(chunk_id, vector, SparseVector((), ())))
        answer = next(point for point in points if self.infos[point.id].document == "zh-2")
        self.store.upsert("c-00000000", points)
        self.question = unit(1.6 * np.eye(DIMENSION)[0] + 0.8 * answer.dense)  # in English
        ordinary = [vectors_of(rng, number, 50) for number in range(3)]
        languages = [name for name in list(COUNTS)[:3] for _ in range(50)]
        self.means = LanguageMeans.of(np.concatenate(ordinary), languages)

    def by_id(self, ids: Sequence[str]) -> list[ChunkInfo]:
        return [self.infos[one] for one in ids if one in self.infos]

    def origins(self, ids: Sequence[str]) -> dict[str, Origin]:
        return {one.id: Origin(one.document_id, one.chunk.language) for one in self.by_id(ids)}

    def document_ids(self, collection_id: str, where: Filters, *, at_most: int) -> list[str]:
        return [info.document_id for info in self.infos.values()][:at_most]

    def found(self, means: LanguageMeans | None, where: Filters = Filters()) -> list[str]:  # noqa: B008
        corpus = Corpus(self, self.store, encoder_of(means), self.collection)  # type: ignore[arg-type]
        fair = corpus.fair_scores(self.question)
        query = Query("?", self.question, SparseVector((), ()), (), (), fair)
        hits = best_passages(corpus, query, Options("dense", "rrf", where), 200)
        assert [one.score for one in hits] == sorted((one.score for one in hits), reverse=True)
        return [one.info.document for one in hits]


def test_an_answer_in_another_language_passes_the_question_s_own(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    try:
        plain, fair = shelf.found(None), shelf.found(shelf.means)
        assert plain[0].startswith("en-") and plain.index("zh-2") > 0
        assert fair[0] == "zh-2"
        for language in ("en-", "zh-"):  # within a language, the order stays
            both = [one for one in plain if one.startswith(language) and one in fair]
            assert [one for one in fair if one in both] == both
    finally:
        shelf.store.close()


def test_a_verdict_goes_by_the_passage_and_its_best_sentence() -> None:
    chunk = Chunk(0, 0, 3, "bee", language="en")
    found = RankedChunk(
        ChunkInfo("1", "d", "c", "d", "", "txt", chunk), 0.0, 0.4, evidence=Evidence(0, 3, 0.6, 0.9)
    )
    query = Query("?", np.ones(2, np.float32), SparseVector((), ()), (), (), FairScores({"en": 0.12}))

    def judged(engine: str, found: RankedChunk) -> float | None:
        encoder = SimpleNamespace(engine_name=engine)
        return likeness(Corpus(None, None, encoder, None), query, found)  # type: ignore[arg-type]

    fair = 0.4 - WEIGHT * (0.12 - TOLERANCE)
    assert judged("torch", found) == pytest.approx(fair + SENTENCE_WEIGHT * 0.6)
    assert judged("static", found) == pytest.approx(fair)
    assert judged("torch", replace(found, evidence=None)) == pytest.approx(fair)
    assert judged("torch", replace(found, cosine=None)) is None
