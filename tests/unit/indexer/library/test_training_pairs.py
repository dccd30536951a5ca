"""Training pairs of a collection: what is a pair, what is boilerplate, and that nothing depends on chance."""

import json
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import ChunkRecord, DocumentRecord, PassResult
from indexer.errors import CollectionError, QueryError
from indexer.library.library import Library
from indexer.library.training_pairs import CollectionPairs, TrainingPair, write_pairs
from indexer.types import Chunk

RIVER = "The river rises in the hills and turns north. It passes the old town and its three bridges at dawn."
MILL = "A mill stood on the left bank for centuries. Flour went from there to every village of the valley."
FERRY = (
    "The ferry crosses every hour in summer. In winter the ice carries people and carts to the other side."
)


class Shelf:
    """A collection that is filled without files."""

    def __init__(self, library: Library) -> None:
        library.create_collection("shelf")
        self.catalog = library.catalog
        self.collection = library.catalog.collections.get("shelf")
        self.documents = 0

    def put(self, title: str, *texts: Any, path: str = "") -> None:
        """A document of texts, or of (section, text, language)."""
        self.documents += 1
        number = f"{self.documents:08d}-0000-5000-8000-000000000000"
        path = path or f"{self.documents:03d}.txt"
        self.catalog.documents.put(
            [
                DocumentRecord(
                    number, self.collection.id, path, path, title, "txt", 1, 1, 1.0, pending_hash="hash"
                )
            ]
        )
        records = []
        for ordinal, text in enumerate(texts):
            section, words, language = text if isinstance(text, tuple) else (None, text, "en")
            chunk = Chunk(ordinal, 0, len(words), words, section=section, language=language)
            records.append(
                ChunkRecord(f"{number[:8]}-{ordinal:04d}-5000-8000-000000000000", number, 1, chunk)
            )
        self.catalog.chunks.put(records)
        self.catalog.documents.finish({number: PassResult(title, "txt")})

    def pairs(self, *kinds: Any) -> list[TrainingPair]:
        return list(CollectionPairs(self.catalog, self.collection.id, kinds))


@pytest.fixture
def shelf(library: Library) -> Shelf:
    return Shelf(library)


def test_a_title_goes_with_the_first_passage_and_a_heading_with_the_passage_under_it(shelf: Shelf) -> None:
    shelf.put(
        "Rivers and bridges",
        ("The source", RIVER, "en"),
        ("The source", FERRY, "en"),
        ("Mills of the valley", MILL, "en"),
    )
    assert [(pair.query, pair.passage, pair.title) for pair in shelf.pairs("title")] == [
        ("Rivers and bridges", RIVER, ""),  # the title as context would give the answer away
        ("Mills of the valley", MILL, "Rivers and bridges"),
    ]


def test_a_heading_is_not_left_at_the_start_of_its_passage(shelf: Shelf) -> None:
    shelf.put("Mills of the valley", f"MILLS of the valley\n\n{MILL}")
    shelf.put("The ferry", FERRY)  # no heading: a sentence that begins with the same words
    assert [pair.passage for pair in shelf.pairs("title")] == [MILL, FERRY]


@pytest.mark.parametrize(
    "title",
    ["IMG_20230514_0007", "x", "A mill", "2023-05-14", MILL],
    ids=["a number", "a letter", "two short words", "a date", "the passage itself"],
)
def test_titles_that_say_nothing_are_left_out(shelf: Shelf, title: str) -> None:
    shelf.put(title, MILL)
    pairs = CollectionPairs(shelf.catalog, shelf.collection.id, ["title"])
    assert list(pairs) == []
    assert pairs.left_out == 1


def test_a_title_in_few_characters_is_enough_where_they_are_words(shelf: Shelf) -> None:
    shelf.put(
        "川の水源", ("", "川は丘から流れ出て北へ向かい、古い町と三つの橋のそばを通り、やがて海に注ぐ。", "ja")
    )
    (pair,) = shelf.pairs("title")
    assert (pair.query, pair.language, pair.kind) == ("川の水源", "ja", "title")


def test_headings_that_many_documents_share_are_boilerplate(shelf: Shelf) -> None:
    texts = [f"{word} {MILL}" for word in ("First", "Second", "Third", "Fourth")]
    for text in texts:
        shelf.put("Untitled document", ("Terms of use", text, "en"))
    shelf.put("The ferry in winter", ("Terms of use", FERRY, "en"))
    assert [pair.query for pair in shelf.pairs("title")] == ["The ferry in winter"]
    lenient = CollectionPairs(shelf.catalog, shelf.collection.id, ["title"], max_repeats=5)
    assert {pair.query for pair in lenient} == {"Untitled document", "Terms of use", "The ferry in winter"}


def test_neighbours_share_section_and_language_and_are_used_once(shelf: Shelf) -> None:
    shelf.put(
        "Rivers",
        ("One", RIVER, "en"),
        ("One", MILL, "en"),
        ("One", FERRY, "en"),  # its neighbour has a partner already, the next one is of another section
        ("Two", f"Again {RIVER}", "en"),
        ("Two", f"Encore {MILL}", "fr"),
        ("Two", f"Encore {FERRY}", "fr"),
    )
    found = [(pair.query, pair.passage) for pair in shelf.pairs("neighbours")]
    assert found == [(RIVER, MILL), (f"Encore {MILL}", f"Encore {FERRY}")]


def test_passages_of_two_documents_are_no_neighbours(shelf: Shelf) -> None:
    shelf.put("One", RIVER)
    shelf.put("Two", MILL)
    assert shelf.pairs("neighbours") == []


def test_a_first_sentence_asks_for_the_rest(shelf: Shelf) -> None:
    shelf.put("Ferries", FERRY, "Only one sentence that is long enough to be something but has no rest.")
    (pair,) = shelf.pairs("sentence")
    assert pair.query == "The ferry crosses every hour in summer."
    assert pair.passage == "In winter the ice carries people and carts to the other side."
    assert (pair.title, pair.kind) == ("Ferries", "sentence")


def test_a_text_is_used_once_in_a_kind(shelf: Shelf) -> None:
    shelf.put("The river", RIVER)
    shelf.put("The river", RIVER)
    shelf.put("The river again", RIVER)
    assert [pair.kind for pair in shelf.pairs("title", "sentence")] == ["title", "sentence"]


def test_documents_come_by_path_and_pages_of_many_are_whole(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.catalog.passages._PAGE", 3)
    for number in reversed(range(8)):
        texts = [f"Passage {number} {ordinal} {RIVER}" for ordinal in range(7)]
        shelf.put(f"Title of number {number}", *texts, path=f"{number}.txt")
    titles = [pair.query for pair in shelf.pairs("title")]
    assert titles == [f"Title of number {number}" for number in range(8)]
    assert len(shelf.pairs("neighbours")) == 8 * 3
    assert shelf.pairs() == shelf.pairs() == []
    assert shelf.pairs("title", "neighbours") == shelf.pairs("title", "neighbours")


def test_the_file_is_what_the_trainer_reads(library: Library, documents: Path, tmp_path: Path) -> None:
    library.add([documents])
    report = write_pairs(library.catalog, "library", tmp_path / "out" / "pairs.jsonl")
    rows = [json.loads(line) for line in report.out.read_text(encoding="utf-8").splitlines()]
    assert report.total == len(rows) == sum(report.counts.values()) > 20
    assert set(report.counts) == {"title", "neighbours", "sentence"}
    assert set(rows[0]) == {"query", "passage", "title", "language", "kind"}
    assert list((tmp_path / "out").iterdir()) == [report.out]
    again = write_pairs(library.catalog, "library", tmp_path / "again.jsonl")
    assert again.out.read_bytes() == report.out.read_bytes()
    only = write_pairs(library.catalog, "library", tmp_path / "n.jsonl", kind="neighbours")
    assert only.counts == {"neighbours": report.counts["neighbours"]}


def test_what_cannot_be_meant_is_refused(library: Library, tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="nowhere"):
        write_pairs(library.catalog, "nowhere", tmp_path / "p.jsonl")
    library.create_collection("empty")
    with pytest.raises(QueryError, match="title, neighbours, sentence or all"):
        write_pairs(library.catalog, "empty", tmp_path / "p.jsonl", kind="verses")
    assert write_pairs(library.catalog, "empty", tmp_path / "p.jsonl").total == 0
