"""Search over a small collection whose meaning is known: laws of ranking, grouping, filters and confidence.

The encoder knows ten concepts in four languages; the store is Qdrant in memory.
"""

import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.errors import CatalogError, QueryError
from indexer.search.calibration import CalibrationCache
from indexer.search.corpus import Corpus
from indexer.search.lexical import sparse_passage, sparse_query
from indexer.search.ranking import Candidates, Query, Ranked, fuse, lexical_share
from indexer.search.search import search, warm
from indexer.search.similar import similar
from indexer.search.terms import query_terms
from indexer.store import open_store
from indexer.text.folding import first_fold
from indexer.types import Chunk, ChunkInfo, Filters, Origin, Point, SearchResult
from me5.prefixes import Role

CONCEPTS = (
    ("water", "wasser", "agua", "水"),
    ("boil", "kochen", "hervir", "煮"),
    ("bread", "brot", "pan", "面包"),
    ("train", "zug", "tren", "火车"),
    ("night", "nacht", "noche", "夜"),
    ("bee", "biene", "abeja", "蜜蜂"),
    ("volcano", "vulkan", "volcán", "火山"),
    ("ball", "fußball", "fútbol", "足球"),
    ("star", "stern", "estrella", "星"),
    ("wood", "holz", "madera", "木"),
)
SENTENCES = {
    "en": "The {0} comes first. Nobody in town forgets {1} in spring.",
    "de": "Zuerst kommt {0}. Im Frühling vergisst niemand {1}.",
    "es": "Primero viene {0}. En primavera nadie olvida {1}.",
    "zh": "首先是{0}。春天没有人忘记{1}。",
}
LANGUAGES = tuple(SENTENCES)
DIMENSION = 96


class ConceptEncoder:
    """Unit vectors [N, 96]: concepts that occur, a little noise per text, and a common part, as E5 has."""

    dimension = DIMENSION
    neutral = None
    max_tokens = 64

    def __init__(self, engine_name: str) -> None:
        self.engine_name = engine_name
        self.calls = 0

    def encode(
        self,
        texts: Sequence[str],
        role: Role = Role.QUERY,
        *,
        titles: Sequence[str] | None = None,
    ) -> NDArray[np.float32]:
        self.calls += 1
        rows = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            folded = text.casefold()
            row[0] = 2.0
            for index, words in enumerate(CONCEPTS, start=1):
                row[index] = sum(word in folded for word in words)
            seed = zlib.crc32(text.encode())
            row[11:] = np.random.default_rng(seed).normal(0, 0.05, DIMENSION - 11)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def count_tokens(self, texts: Sequence[str], role: Role = Role.PASSAGE) -> list[int]:
        return [len(text.split()) for text in texts]


class MemoryCatalog:
    """Chunks and settings in dictionaries."""

    def __init__(self) -> None:
        self.infos: dict[str, ChunkInfo] = {}
        self.values: dict[tuple[str, str], Any] = {}
        self.chunks = SimpleNamespace(by_id=self._by_id, origins=self._origins, sample=self._sample)
        self.facets = SimpleNamespace(
            count_chunks=lambda collection_id: len(self.infos),
            document_ids=self._document_ids,
            counts=lambda collection_id, where: {"language": dict.fromkeys(LANGUAGES, 1)},
        )
        self.settings = SimpleNamespace(get=self._get, set=self._set)

    def _by_id(self, ids: Sequence[str]) -> list[ChunkInfo]:
        return [self.infos[one] for one in ids if one in self.infos]

    def _origins(self, ids: Sequence[str]) -> dict[str, Origin]:
        known = [self.infos[one] for one in ids if one in self.infos]
        return {info.id: Origin(info.document_id, info.chunk.language) for info in known}

    def _document_ids(self, collection_id: str, where: Filters, *, at_most: int) -> list[str]:
        found = {
            info.document_id: None
            for info in self.infos.values()
            if (not where.languages or info.chunk.language in where.languages)
            and (not where.file_types or info.file_type in where.file_types)
            and (not where.folders or info.document.split("/")[0] in where.folders)
        }
        return list(found)[:at_most]

    def _sample(self, collection_id: str, count: int) -> list[str]:
        return sorted(self.infos)[:count]

    def _get(self, key: str, default: Any = None, *, scope: str = "") -> Any:
        return self.values.get((scope, key), default)

    def _set(self, key: str, value: Any, *, scope: str = "") -> None:
        self.values[scope, key] = value


class World:
    """A collection of 180 passages in 45 documents and what is needed to ask it."""

    def __init__(self, folder: Path, engine_name: str = "torch") -> None:
        self.catalog = MemoryCatalog()
        self.store = open_store(folder, qdrant_url=":memory:")
        self.encoder = ConceptEncoder(engine_name)
        self.collection = SimpleNamespace(
            id="c", name="library", store_name="c-0123abcd", contract_digest="0123abcd"
        )
        self.store.ensure(self.collection.store_name, DIMENSION)
        pairs = [(i, j) for i in range(10) for j in range(i + 1, 10)]
        for first, second in pairs:
            self.add_document(first, second)

    def add_document(self, first: int, second: int) -> None:
        """One document about two concepts: a passage in every language."""
        path = f"{CONCEPTS[first][0]}/{CONCEPTS[second][0]}.txt"
        file_type = "md" if first % 2 else "txt"
        texts = [
            SENTENCES[language].format(CONCEPTS[first][row], CONCEPTS[second][row])
            for row, language in enumerate(LANGUAGES)
        ]
        points = []
        for row, (text, vector) in enumerate(zip(texts, self.encoder.encode(texts), strict=True)):
            chunk = Chunk(row, 100 * row, 100 * row + len(text), text, language=LANGUAGES[row])
            chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{path}:{row}"))
            self.catalog.infos[chunk_id] = ChunkInfo(chunk_id, path, "library", path, "", file_type, chunk)
            payload = {
                "language": chunk.language,
                "file_type": file_type,
                "folders": [CONCEPTS[first][0]],
                "document_id": path,
                "added_at": float(first),
            }
            points.append(Point(chunk_id, vector, sparse_passage(text), payload))
        self.store.upsert(self.collection.store_name, points)

    def add_text(self, text: str) -> None:
        """A document of one passage."""
        chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, text))
        chunk = Chunk(0, 0, len(text), text)
        self.catalog.infos[chunk_id] = ChunkInfo(chunk_id, chunk_id, "library", "text", "", "txt", chunk)
        vector = self.encoder.encode([text])[0]
        payload = {"language": "und", "file_type": "txt", "document_id": chunk_id, "added_at": 0.0}
        self.store.upsert(
            self.collection.store_name, [Point(chunk_id, vector, sparse_passage(text), payload)]
        )

    def ask(self, query: str, **options: Any) -> SearchResult:
        return search(self.catalog, self.store, lambda: self.encoder, self.collection, query, **options)  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="module", params=["torch", "static"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Hits are judged as a whole (torch) or by their best sentence (static); the laws are the same."""
    made = World(tmp_path_factory.mktemp("search"), request.param)
    yield made
    made.store.close()


def ranked(result: SearchResult) -> list[str]:
    return [hit.chunk_id for hit in (*result.hits, *result.weak_hits)]


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_the_answer_is_found_in_another_language(world: World, mode: str) -> None:
    result = world.ask("Welcher Vulkan liegt unter dem Stern?", mode=mode, where=Filters(languages=("zh",)))
    assert result.language == "de"
    assert result.hits[0].document == "volcano/star.txt"
    assert result.hits[0].confidence in ("likely", "strong")


def test_an_unrelated_question_finds_nothing_relevant(world: World) -> None:
    result = world.ask("How do I cancel my insurance contract?")
    assert result.hits == ()
    assert result.weak_hits
    assert all(hit.confidence in ("weak", "none") for hit in result.weak_hits)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_the_same_query_twice_gives_the_same_answer(world: World, mode: str) -> None:
    first, second = world.ask("night train", mode=mode), world.ask("night train", mode=mode)
    assert (first.hits, first.weak_hits) == (second.hits, second.weak_hits)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize(
    "query", ["night train", "madera", "How do I cancel my insurance contract in spring?"]
)
def test_a_larger_top_k_only_appends(world: World, mode: str, query: str) -> None:
    answers = {k: world.ask(query, mode=mode, top_k=k) for k in (1, 3, 10, 44, 45, 100)}
    for small, large in zip(list(answers), list(answers)[1:], strict=False):
        assert answers[large].hits[: len(answers[small].hits)] == answers[small].hits
        assert answers[large].weak_hits[: len(answers[small].weak_hits)] == answers[small].weak_hits


def test_every_document_is_shown_once_even_if_candidates_run_out(world: World) -> None:
    result = world.ask("water", mode="dense", top_k=45)
    documents = [hit.document for hit in (*result.hits, *result.weak_hits)]
    assert len(documents) == len(set(documents)) == 45


def test_further_passages_of_a_document_are_counted(world: World) -> None:
    result = world.ask("water boil", mode="dense", top_k=5)
    assert result.hits[0].document == "water/boil.txt"
    assert result.hits[0].more_in_document == 3


@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_inside_a_document_every_passage_stands_for_itself(world: World, mode: str) -> None:
    outside = world.ask("water boil", mode=mode).hits[0]
    result = world.ask("water boil", mode=mode, where=Filters(documents=(outside.document_id,)))
    inside = (*result.hits, *result.weak_hits)
    assert len(inside) == len({hit.chunk_id for hit in inside}) == 1 + outside.more_in_document
    assert outside.chunk_id in {hit.chunk_id for hit in inside}
    assert {hit.more_in_document for hit in inside} == {0}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize(
    "where",
    [
        Filters(languages=("es",)),
        Filters(languages=("es", "zh"), file_types=("md",)),
        Filters(folders=("bee",)),
        Filters(documents=("water/bread.txt", "train/star.txt")),
    ],
)
def test_filters_are_exact(world: World, mode: str, where: Filters) -> None:
    result = world.ask("nadie olvida el agua en primavera 春天", mode=mode, where=where, top_k=100)
    hits = (*result.hits, *result.weak_hits)
    assert hits
    for hit in hits:
        assert not where.languages or hit.language in where.languages
        assert not where.file_types or hit.file_type in where.file_types
        assert not where.folders or hit.document.split("/")[0] in where.folders
        assert not where.documents or hit.document in where.documents


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_evidence_lies_inside_the_text(world: World, mode: str) -> None:
    for hit in world.ask("Who forgets the bee?", mode=mode).hits:
        assert hit.evidence is not None
        start, end = hit.evidence
        assert 0 <= start < end <= len(hit.text)
        assert hit.end - hit.start == len(hit.text)


def test_evidence_is_the_sentence_that_answers(world: World) -> None:
    result = world.ask("蜜蜂和木", mode="dense", where=Filters(languages=("de",)), top_k=1)
    (hit,) = result.hits
    assert hit.evidence is not None
    assert CONCEPTS[5][1] in hit.text.casefold()
    assert any(word in hit.text[slice(*hit.evidence)].casefold() for word in ("biene", "holz"))


def test_shared_function_words_do_not_outrank_meaning(world: World) -> None:
    # "en primavera" stands in every Spanish passage; what is asked for stands there in other words.
    query = "Erzähl mir von der Biene und dem Vulkan en primavera"
    where = Filters(languages=("es",))
    lexical, hybrid, dense = (
        world.ask(query, mode=mode, where=where) for mode in ("lexical", "hybrid", "dense")
    )
    assert ranked(lexical)[0] != ranked(dense)[0], "the lexical leg alone must go wrong here"
    assert ranked(hybrid) == ranked(dense)


def test_words_that_the_model_does_not_know_are_found_verbatim(tmp_path: Path) -> None:
    world = World(tmp_path)
    chunk = Chunk(0, 0, 40, "Model SE19 was built by Salim Haddad.   ", language="en")
    chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "names"))
    world.catalog.infos[chunk_id] = ChunkInfo(chunk_id, "names", "library", "names.txt", "", "txt", chunk)
    vector = world.encoder.encode([chunk.text])[0]
    world.store.upsert(world.collection.store_name, [Point(chunk_id, vector, sparse_passage(chunk.text))])
    for query in ("Salim Haddad", "SE19", "who is salim haddad?"):
        result = world.ask(query)
        assert result.hits, query
        assert result.hits[0].chunk_id == chunk_id
    world.store.close()


CODES = (
    "Order QX-90417 of bread",
    "Die Bestellung K7-B9-2 mit Brot",
    "Water in 1957",
    "1.250 Brote und Wasser",
)


@pytest.fixture(scope="module", params=["torch", "static"])
def world_of_codes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("codes"), request.param)
    for text in CODES:
        made.add_text(text)
    yield made
    made.store.close()


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
@pytest.mark.parametrize(
    "query",
    [
        "QX-90418",
        "order QX-90418 of bread",
        "bread K7-B9-3",
        "water in 1958",
        "RFC 4471 bread",
        "12,500 bread",
    ],
)
def test_a_code_that_no_document_has_makes_nothing_likely(
    world_of_codes: World, query: str, mode: str
) -> None:
    assert world_of_codes.ask(query, mode=mode).hits == ()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("QX-90417", CODES[0]),
        ("QX90417", CODES[0]),
        ("qx 90417", CODES[0]),
        ("k7-b9-2", CODES[1]),
        ("1957", CODES[2]),
        ("1250", CODES[3]),
        ("1,250", CODES[3]),
    ],
)
def test_a_code_is_found_first_however_its_parts_are_joined(
    world_of_codes: World, query: str, text: str
) -> None:
    result = world_of_codes.ask(query)
    assert [hit.text for hit in result.hits[:1]] == [text]


def test_numbers_of_two_digits_are_no_codes(world_of_codes: World) -> None:
    assert world_of_codes.ask("bread night 12").hits


def test_an_exact_match_stays_among_the_first_whatever_meaning_says(world: World, tmp_path: Path) -> None:
    """The encoder does not know its words with accents; the others hold most words, and are near in meaning."""
    made = World(tmp_path, world.encoder.engine_name)
    text = "Zebu quokka wáter bréad."
    for one in (text, *(f"Zebu {number}, a water and bread." for number in range(12))):
        made.add_text(one)
    for top_k in (3, 10):
        result = made.ask("zebu quokka water bread", top_k=top_k)
        assert text in [hit.text for hit in result.hits[:3]]
    with pytest.MonkeyPatch.context() as never_exact:
        never_exact.setattr("indexer.search.ranking.EXACT", 2.0)
        hits = made.ask("zebu quokka water bread", top_k=10).hits
        is_first = text in [hit.text for hit in hits[:3]]
        assert is_first == (made.encoder.engine_name == "static"), "fused ranks alone must go wrong here"
    made.store.close()


def test_the_exact_match_is_raised_and_the_rest_keeps_its_order() -> None:
    owners = {name: name.upper() for name in "abcde"}
    order = [Ranked(name, 1.0 - 0.1 * rank, 0.5) for rank, name in enumerate("abcde")]
    raised = Candidates(order, owners, exact="e").with_exact_among_first(3).ranked
    assert [one.id for one in raised] == ["a", "b", "e", "c", "d"]
    assert [one.score for one in raised] == sorted((one.score for one in raised), reverse=True)
    assert Candidates(order, owners, exact="b").with_exact_among_first(3).ranked == order
    assert Candidates(order, owners, exact="e").with_exact_among_first(1).ranked[0].id == "e"
    same = {**owners, "e": "A"}
    assert Candidates(order, same, exact="e").with_exact_among_first(3).ranked == order


def test_pictures_are_asked_by_meaning_and_not_by_words(world: World) -> None:
    assert ranked(world.ask("🐝🍯"))
    assert ranked(world.ask("🇯🇵", mode="dense"))
    with pytest.raises(QueryError, match="no words"):
        world.ask("🐝", mode="lexical")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("क़ानून और बाज़ार", "कानून"),
        ("圖書館在這裡", "圖書館"),
        ("サーバーは動く", "サーバ"),
        ("Müller wohnt hier", "Mueller"),
        ("Prüfungsgebühr", "Pruefungsgebuehr"),
    ],
)
def test_collections_with_features_of_the_first_folding_are_still_searched_by_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, query: str
) -> None:
    made = World(tmp_path)
    with monkeypatch.context() as before:
        before.setattr("indexer.search.lexical.fold", first_fold)
        made.add_text(text)
    for asked in (text, query):
        assert [hit.text for hit in made.ask(asked, mode="lexical").hits[:1]] == [text], asked
    made.store.close()


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("tide mill", "und"),
        ("bread", "und"),
        ("Salim Haddad", "und"),
        ("Where is the tide mill?", "en"),
        ("Gezeitenmühle", "de"),
        ("Brot backen", "und"),
        ("Wo wird Brot gebacken?", "de"),
        ("潮汐水車はどこですか", "ja"),
        ("港", "und"),
        ("مكتبة", "und"),
        ("متى تفتح المكتبة أبوابها؟", "ar"),
        ("ห้องสมุด", "th"),
    ],
)
def test_the_language_of_a_query_is_named_only_when_sure(world: World, query: str, language: str) -> None:
    assert world.ask(query).language == language


def test_a_warm_collection_is_not_calibrated_by_its_first_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("calibrated during a search")

    world = World(tmp_path)
    warm(world.catalog, world.store, lambda: world.encoder, world.collection)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr("indexer.search.calibration.calibrate", never)
    monkeypatch.setattr("indexer.search.calibration._load", never)
    assert world.ask("volcano star").hits
    world.store.close()


def test_lexical_mode_asks_no_model(world: World) -> None:
    def no_model() -> Any:
        raise AssertionError("opened a model")

    result = search(world.catalog, world.store, no_model, world.collection, "madera", mode="lexical")  # type: ignore[arg-type]
    assert result.hits[0].cosine is None
    assert "madera" in result.hits[0].text


def test_passages_removed_from_the_catalog_are_left_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.ask("volcano star").hits[0]
    del world.catalog.infos[first.chunk_id]
    assert first.chunk_id not in ranked(world.ask("volcano star", top_k=100))
    world.store.close()


def test_an_empty_collection_answers_with_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.catalog.infos.clear()
    result = world.ask("What is the water temperature?")
    assert (result.hits, result.weak_hits, result.language) == ((), (), "en")
    world.store.close()


def test_a_long_query_is_answered_with_a_notice(world: World) -> None:
    short, long = world.ask("water " * 10), world.ask("water " * 1_700)
    assert short.notices == ()
    assert "64" in long.notices[0] and "1700" in long.notices[0]
    assert long.hits


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        ("", {}, "no words"),
        (" \n\t ", {}, "no words"),
        ("?!…", {}, "no words"),
        ("water", {"mode": "semantic"}, "hybrid, dense, lexical"),
        ("water", {"fusion": "mean"}, "rrf, dbsf"),
        ("water", {"top_k": 0}, "expected 1 to"),
        ("water", {"top_k": 100_000}, "expected 1 to"),
    ],
)
def test_a_bad_request_says_what_was_expected(
    world: World, query: str, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(QueryError, match=expected):
        world.ask(query, **options)


def test_dbsf_fuses_too(world: World) -> None:
    assert world.ask("volcano star", fusion="dbsf").hits[0].document == "volcano/star.txt"


def grow(world: World, documents: int) -> None:
    """Documents of four passages about nothing."""
    for number in range(documents):
        path = f"new{number}"
        for row, vector in enumerate(world.encoder.encode([f"{path} {row}" for row in range(4)])):
            chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{path}{row}"))
            chunk = Chunk(row, 0, 4, "text", language="en")
            world.catalog.infos[chunk_id] = ChunkInfo(chunk_id, path, "library", path, "", "txt", chunk)
            world.store.upsert(world.collection.store_name, [Point(chunk_id, vector, sparse_passage("text"))])


def test_calibration_is_kept_and_renewed_by_jobs_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    corpus = Corpus(world.catalog, world.store, world.encoder, world.collection)  # type: ignore[arg-type]
    first = CalibrationCache().calibration(corpus, len(world.catalog.infos))
    calls = world.encoder.calls
    after_restart = CalibrationCache()
    assert after_restart.calibration(corpus, len(world.catalog.infos)) == first
    assert world.encoder.calls == calls, "nothing is encoded again"
    grow(world, 30)  # 180 -> 300
    assert after_restart.calibration(corpus, 300) == first, "a search uses the calibration that is there"
    assert world.encoder.calls == calls + 30
    renewed = after_restart.calibration(corpus, 300, renew=True)
    assert renewed.chunks == 300 == world.catalog.values["c", "confidence"]["chunks"]
    assert after_restart.calibration(corpus, 300) == renewed
    world.store.close()


def test_a_calibration_of_another_model_is_never_used(tmp_path: Path) -> None:
    world = World(tmp_path)
    corpus = Corpus(world.catalog, world.store, world.encoder, world.collection)  # type: ignore[arg-type]
    kept = CalibrationCache()
    kept.calibration(corpus, 180)
    world.collection.contract_digest = "another"
    assert kept.calibration(corpus, 180).contract == "another"
    world.store.close()


def test_no_verdict_is_given_where_meaning_cannot_tell(tmp_path: Path) -> None:
    class BlindEncoder(ConceptEncoder):
        """Vectors that depend on nothing but chance: a text is no nearer to its own passage."""

        def encode(self, texts: Sequence[str], role: Role = Role.QUERY, **_: Any) -> NDArray[np.float32]:
            seeds = [zlib.crc32(f"{role}{text}".encode()) for text in texts]
            rows = np.array([np.random.default_rng(seed).normal(size=DIMENSION) for seed in seeds])
            return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    world = World(tmp_path)
    assert world.ask("volcano star").can_tell
    world.encoder = BlindEncoder("static")
    world.collection.contract_digest = "blind"
    result = world.ask("How do I cancel my insurance contract?")
    assert not result.can_tell
    assert all(hit.confidence in ("weak", "none") for hit in (*result.hits, *result.weak_hits))
    world.store.close()


def test_the_store_is_asked_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ask("volcano star")
    asked: list[dict[str, Any]] = []
    query = world.store.query
    monkeypatch.setattr(world.store, "query", lambda name, **how: asked.append(how) or query(name, **how))
    for method in ("fetch_points", "fetch_dense"):
        monkeypatch.setattr(world.store, method, lambda *_: pytest.fail("asked for whole points"))
    for mode, times in (("hybrid", 2), ("dense", 1), ("lexical", 1)):
        asked.clear()
        world.ask("volcano star", mode=mode)
        assert len(asked) == times, mode


def test_few_documents_of_many_passages_cost_few_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    text = "The volcano is a star."
    for row, vector in enumerate(world.encoder.encode([f"{text} {row}" for row in range(400)])):
        chunk_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"long{row}"))
        chunk = Chunk(row, 0, len(text), text, language="en")
        world.catalog.infos[chunk_id] = ChunkInfo(chunk_id, "long", "library", "long.txt", "", "txt", chunk)
        payload = {"document_id": "long", "language": "en"}
        world.store.upsert(
            world.collection.store_name, [Point(chunk_id, vector, sparse_passage(text), payload)]
        )
    world.ask("volcano star")
    asked: list[dict[str, Any]] = []
    query = world.store.query
    monkeypatch.setattr(world.store, "query", lambda name, **how: asked.append(how) or query(name, **how))
    result = world.ask("volcano star", mode="dense", top_k=46)
    documents = [hit.document_id for hit in (*result.hits, *result.weak_hits)]
    assert documents[0] == "long" and len(documents) == len(set(documents)) == 46
    assert len(asked) <= 4 and max(how["limit"] for how in asked) <= 80
    world.store.close()


def test_fusion_by_rank_and_by_score() -> None:
    meaning = [Ranked("a", 0.9, 0.9), Ranked("b", 0.5, 0.5), Ranked("c", 0.4, 0.4)]
    words = [Ranked("c", 7.0, 0.4), Ranked("d", 6.0, 0.1)]
    by_rank = fuse(meaning, words, "rrf")
    assert [one.id for one in by_rank] == ["c", "a", "b", "d"]
    assert by_rank[0].score == pytest.approx(1 / 62 + 1 / 60) and by_rank[0].cosine == 0.4
    assert {one.id for one in fuse(meaning, words, "dbsf")} == {"a", "b", "c", "d"}
    assert fuse(meaning, [], "rrf") == meaning


def test_words_of_the_file_name_count_as_evidence() -> None:
    terms = query_terms("zeppelin minutes 2041")
    query = Query("", None, sparse_query(""), terms, ())
    chunk = Chunk(0, 0, 10, "Some text.")
    info = ChunkInfo("1", "2", "library", "docs/Zeppelin_Minutes2041.txt", "A title", "txt", chunk)
    assert lexical_share(query, info) == pytest.approx(1.0)
    assert lexical_share(query, replace(info, document="docs/other.txt")) == 0.0


def like(world: World, document: str, *languages: str, **options: Any) -> SearchResult:
    """What is near the passages of a document in these languages."""
    infos = world.catalog.infos.values()
    ids = [info.id for info in infos if info.document == document and info.chunk.language in languages]
    return similar(world.catalog, world.store, lambda: world.encoder, world.collection, ids, **options)  # type: ignore[arg-type, return-value]


def test_what_is_like_a_passage_shares_its_meaning_and_is_another_document(world: World) -> None:
    result = like(world, "volcano/star.txt", "en", top_k=16)
    assert not result.can_tell and result.hits == () and result.language == "en"
    documents = [hit.document for hit in result.weak_hits]
    assert len(set(documents)) == len(documents) == 16
    assert all({"volcano", "star"} & set(name.removesuffix(".txt").split("/")) for name in documents)
    assert "volcano/star.txt" not in documents
    assert [hit.score for hit in result.weak_hits] == sorted(
        (hit.score for hit in result.weak_hits), reverse=True
    )


def test_other_languages_leave_out_those_of_the_passage(world: World) -> None:
    result = like(world, "volcano/star.txt", "en", "de", in_other_languages=True)
    assert {hit.language for hit in result.weak_hits} <= {"es", "zh"} and len(result.weak_hits) == 10
    assert result.language == "und"
    assert like(world, "volcano/star.txt", *LANGUAGES, in_other_languages=True).weak_hits == ()


def test_nothing_is_like_a_passage_that_is_gone(world: World) -> None:
    with pytest.raises(CatalogError, match="no longer in the library"):
        like(world, "no such document", "en")
