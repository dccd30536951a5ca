"""The product as a model: documents in, numbers of passages out, in the order of the page."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import indexer.library.evaluation
from indexer.errors import QueryError
from indexer.library.evaluation import NO_HIT, Product, open_product
from indexer.library.library import Library

PASSAGES = [
    "The harbour was built in 1894. " + "Ships come in at night and leave in the morning. " * 20,
    "   ",
    "The tower stands by the river. It is old.",
    "Bread is baked before dawn in the lower town.",
    "In winter the ferry does not sail.",
]


@pytest.fixture
def make(
    monkeypatch: pytest.MonkeyPatch, fake_encoder: Any, fake_store: Any, empty_catalog: Path, tmp_path: Path
) -> Any:
    """The product over the fakes; its temporary library is made in ``tmp_path``."""
    opening = Library.open

    def open_with_fakes(place: Path, **options: Any) -> Library:
        return opening(place, store=fake_store, reserve_bytes=0, **options)

    monkeypatch.setattr(indexer.library.evaluation.Library, "open", open_with_fakes)

    def make_one(**options: Any) -> Product:
        return Product("product", fake_encoder, mode="dense", folder=tmp_path, **options)

    return make_one


def test_each_passage_is_found_by_its_number(make: Any, tmp_path: Path) -> None:
    queries = ["harbour built 1894", "tower by the river", "bread before dawn"]
    scores_QK, numbers_QK = make().search(queries, PASSAGES, None, 4)
    assert numbers_QK.shape == scores_QK.shape == (3, 4)
    assert (scores_QK.dtype, numbers_QK.dtype) == (np.float32, np.int64)
    assert list(numbers_QK[:, 0]) == [0, 2, 3]
    for row in numbers_QK:
        assert sorted(row) == [0, 2, 3, 4]  # each document once, however many chunks; the empty one never
    assert (np.diff(scores_QK, axis=1) < 0).all()
    assert list(tmp_path.iterdir()) == []


def test_titles_take_part(make: Any) -> None:
    titles = ["", "", "", "", "Timetable of boats"]
    _, without = make().search(["timetable of boats"], PASSAGES, None, 1)
    _, with_titles = make().search(["timetable of boats"], PASSAGES, titles, 1)
    assert without[0, 0] != 4
    assert with_titles[0, 0] == 4


def test_places_without_a_hit_are_marked(make: Any) -> None:
    scores_QK, numbers_QK = make().search(["tower", "?!"], PASSAGES, None, 7)
    assert list(numbers_QK[0] == NO_HIT) == [False] * 4 + [True] * 3
    assert (numbers_QK[1] == NO_HIT).all()  # a query without words
    assert (scores_QK[numbers_QK == NO_HIT] == 0).all()
    _, numbers_QK = make().search(["tower"], [], None, 2)
    assert (numbers_QK == NO_HIT).all()


def test_the_order_is_that_of_the_page(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def search(library: Library, query: str, **options: Any) -> Any:
        by_path = {one.path: one.id for one in library.documents("measured")}
        hits = [SimpleNamespace(document_id=by_path[f"0/{number}"]) for number in (4, 0)]
        asked.append(options)
        return SimpleNamespace(hits=hits[:1], weak_hits=hits[1:])

    monkeypatch.setattr(indexer.library.evaluation.Library, "search", search)
    _, numbers_QK = make(fusion="dbsf").search(["tower"], PASSAGES, None, 3)
    assert list(numbers_QK[0]) == [4, 0, NO_HIT]
    assert asked == [{"collection": "measured", "mode": "dense", "top_k": 3, "fusion": "dbsf"}]


def test_progress_is_told_for_passages_and_queries(make: Any) -> None:
    told: list[tuple[str, int, int]] = []
    make(progress=lambda *what: told.append(what)).search(["tower"], PASSAGES, None, 1)
    assert told == [("product", 5, 5), ("product", 1, 1)]


def test_what_it_cannot_do_is_refused(make: Any) -> None:
    product = make()
    with pytest.raises(QueryError, match="retrieval task"):
        product.pair(["a"], ["b"], 1, "bitext")
    with pytest.raises(QueryError, match="similarity"):
        product.vectors(["a"], "similarity")
    with pytest.raises(QueryError, match="1 to 1000"):
        product.search(["a"], ["b"], None, 1001)


@pytest.mark.parametrize(
    ("name", "model", "mode"),
    [
        ("product", "builtin", "hybrid"),
        ("product:small", "small", "hybrid"),
        ("product:lexical", "builtin", "lexical"),
        ("product:some/folder:dense", "some/folder", "dense"),
    ],
)
def test_names_say_model_and_mode(
    name: str, model: str, mode: str, monkeypatch: pytest.MonkeyPatch, fake_encoder: Any
) -> None:
    asked = []
    monkeypatch.setattr("me5.loading.load_encoder", lambda one: asked.append(one) or fake_encoder)
    product = open_product(name)
    assert (asked, product.name, product._mode) == ([model], name, mode)
