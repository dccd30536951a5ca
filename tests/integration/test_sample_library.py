"""The sample library: what it promises, and that its questions find their documents across languages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.library.library import Library
from indexer.text.segmentation import sentence_spans
from indexer.text.unicode_scripts import script_counts
from indexer.types import Filters, Hit

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOLDER = EXAMPLES / "library"
MIN_TOP_1, MIN_TOP_3 = 0.66, 0.9  # floors, a little below what benchmarks/search.md records


def read_questions(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


QUESTIONS = read_questions("questions.jsonl")
OFF_TOPIC = read_questions("off_topic.jsonl")
FIRST = read_questions("first_questions.jsonl")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The sample library, indexed with the built-in model."""
    with Library.open(tmp_path_factory.mktemp("sample")) as opened:
        report = opened.add([FOLDER])
        assert not report.failures
        yield opened


def test_it_is_small_and_varied() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert len(files) >= 40
    assert sum(path.stat().st_size for path in files) < 1_500_000
    assert len({path.parent for path in files}) >= 8, "topics"
    assert len({path.suffix for path in files}) >= 10, "formats"


def test_every_file_is_read_in_its_language_and_script(library: Library) -> None:
    documents = library.documents("library")
    assert {document.state for document in documents} == {"indexed"}
    assert len({language for document in documents for language in document.languages} - {"und"}) >= 18
    scripts = set()
    for document in documents:
        for chunk in document_texts(library, document.id):
            scripts |= {script for script, count in script_counts(chunk).items() if count >= 20}
    assert len(scripts) >= 10


def document_texts(library: Library, document_id: str) -> list[str]:
    ids = library.catalog.chunks.of_documents([document_id])
    return [info.chunk.text for info in library.chunks_by_id(ids)]


def test_questions_are_in_another_language_and_their_answers_are_in_the_documents(library: Library) -> None:
    by_path = {document.path: document.id for document in library.documents("library")}
    assert len(QUESTIONS) >= 24
    for question in QUESTIONS:
        assert question["language"] != question["language_of_document"]
        (document_id,) = (one for path, one in by_path.items() if path.endswith(question["document"]))
        texts = [" ".join(text.split()) for text in document_texts(library, document_id)]  # PDF lines wrap
        assert any(question["answer_contains"] in text for text in texts), question


def test_a_sentence_of_a_document_finds_it_and_is_sure(library: Library) -> None:
    documents = library.documents("library")
    found, sure = 0, 0
    for document in documents:
        text = max(document_texts(library, document.id), key=len)
        sentence = max((text[slice(*span)].strip() for span in sentence_spans(text)), key=len)[:200]
        hits = library.search(sentence).hits
        sure += bool(hits)
        found += bool(hits) and hits[0].document_id == document.id
    assert found >= 0.95 * len(documents)
    assert sure == len(documents)


def test_questions_find_their_documents_across_languages(library: Library) -> None:
    ranks = [rank_of(library, question, mode="hybrid") for question in QUESTIONS]
    shares = [sum(rank <= place for rank in ranks) / len(ranks) for place in (1, 3)]
    assert shares[0] >= MIN_TOP_1 and shares[1] >= MIN_TOP_3, sorted(
        zip(ranks, (q["question"] for q in QUESTIONS), strict=True)
    )


def test_the_questions_to_begin_with_are_answered_and_in_six_languages(library: Library) -> None:
    by_path = {document.path: document.id for document in library.documents("library")}
    for one in FIRST:
        (document_id,) = (found for path, found in by_path.items() if path.endswith(one["document"]))
        texts = [" ".join(text.split()) for text in document_texts(library, document_id)]
        assert any(one["answer_contains"] in text for text in texts), one
    assert (
        len(FIRST) == len({one["language"] for one in FIRST}) == len({one["document"] for one in FIRST}) == 6
    )
    assert {"en", "de", "ar", "zh"} <= {one["language"] for one in FIRST}
    assert all(one["language"] != one["language_of_document"] for one in FIRST)
    assert all((FOLDER / one["document"]).is_file() for one in FIRST)


def test_the_questions_to_begin_with_find_their_documents(library: Library) -> None:
    ranks = [rank_of(library, question, mode="hybrid") for question in FIRST]
    assert ranks == [1] * len(FIRST), ranks


def test_hybrid_is_not_worse_than_meaning_alone(library: Library) -> None:
    dense, hybrid = (
        [rank_of(library, question, mode=mode) for question in QUESTIONS] for mode in ("dense", "hybrid")
    )
    assert sum(rank <= 3 for rank in hybrid) >= sum(rank <= 3 for rank in dense)


def rank_of(library: Library, question: dict[str, Any], **options: Any) -> int:
    hits = all_hits(library, question["question"], **options)
    ranks = [rank for rank, hit in enumerate(hits, 1) if hit.document.endswith(question["document"])]
    return ranks[0] if ranks else 1_000


def all_hits(library: Library, query: str, **options: Any) -> list[Hit]:
    """Every hit in rank order, however sure it is."""
    result = library.search(query, **options)
    return sorted((*result.hits, *result.weak_hits), key=lambda hit: -hit.score)


def test_questions_off_topic_mostly_find_nothing_relevant(library: Library) -> None:
    silent = [one for one in OFF_TOPIC if not library.search(one["question"]).hits]
    assert len(silent) >= 0.87 * len(OFF_TOPIC) >= 20


def test_a_script_in_a_page_is_no_text(library: Library) -> None:
    assert not any("console.log" in hit.text for hit in all_hits(library, "console.log", mode="lexical"))


@pytest.mark.parametrize(
    ("query", "document"),
    [("茶芽", "gaoshan-cha.md"), ("排水溝", "funka-kansoku.txt"), ("ดาวเหนือ", "du-dao.txt"), ("דסי", "")],
)
def test_parts_of_unspaced_text_are_found_verbatim(library: Library, query: str, document: str) -> None:
    hits = library.search(query, mode="lexical").hits
    if document:
        assert hits[0].document.endswith(document)
        assert query in hits[0].text
    else:
        assert hits == ()


def test_names_are_found_whatever_the_language_of_the_question(library: Library) -> None:
    for query in ("Wer ist Corentin Salaün?", "Corentin Salaün", "corentin salaun"):
        hits = library.search(query).hits
        assert hits[0].document.endswith("moulin-a-maree.pdf"), query
        assert hits[0].page == 1


def test_facets_count_passages_under_the_other_filters(library: Library) -> None:
    everything = library.search("water").facets
    total = sum(everything["file_type"].values())
    assert total == sum(everything["language"].values()) == sum(everything["folder"].values())
    japanese = library.search("water", where=Filters(languages=("ja",))).facets
    assert japanese["language"] == everything["language"], "alternatives stay visible"
    assert sum(japanese["file_type"].values()) == everything["language"]["ja"]
    (folder,) = (name for name in everything["folder"] if name.endswith("volcanoes"))
    volcanoes = library.search("water", where=Filters(folders=(folder,)))
    assert sum(volcanoes.facets["file_type"].values()) == everything["folder"][folder]
    assert {hit.document.split("/")[-2] for hit in (*volcanoes.hits, *volcanoes.weak_hits)} == {"volcanoes"}
