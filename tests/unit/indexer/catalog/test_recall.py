"""What is remembered of the catalog is never older than the last change."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from indexer.catalog import Catalog, chunks
from indexer.catalog.recall import Recall

from .conftest import Shelf


def test_what_was_read_is_not_read_again_until_something_changes() -> None:
    recall: Recall[str] = Recall(keep=10)
    asked: list[list[str]] = []
    changes = 0

    def read(ids: Sequence[str]) -> dict[str, str]:
        asked.append(list(ids))
        return {one: one * 2 for one in ids if one != "none"}

    assert recall.get(["a", "b", "none"], lambda: changes, read) == {"a": "aa", "b": "bb"}
    assert recall.get(["b", "c"], lambda: changes, read) == {"b": "bb", "c": "cc"}
    changes = 1
    recall.get(["a"], lambda: changes, read)
    assert asked == [["a", "b", "none"], ["c"], ["a"]]


def test_what_was_read_while_something_changed_is_not_kept() -> None:
    recall: Recall[str] = Recall(keep=10)
    changes = 0

    def read_old(ids: Sequence[str]) -> dict[str, str]:
        nonlocal changes
        changes += 1
        return dict.fromkeys(ids, "old")

    recall.get(["a"], lambda: changes, read_old)
    assert recall.get(["a"], lambda: changes, lambda ids: dict.fromkeys(ids, "new")) == {"a": "new"}


def test_the_longest_unread_go_first() -> None:
    recall: Recall[str] = Recall(keep=2)
    for ids in (["a", "b"], ["a", "c"]):
        recall.get(ids, lambda: 0, lambda ids: {one: one for one in ids})
    asked: list[str] = []

    def read(ids: Sequence[str]) -> dict[str, str]:
        asked.extend(ids)
        return {}

    recall.get(["a", "b", "c"], lambda: 0, read)
    assert asked == ["b"]


def test_passages_follow_every_change_of_the_catalog(shelf: Shelf) -> None:
    catalog = shelf.catalog
    document = shelf.add("a.txt", {"de": 2, "fr": 1})
    ids = catalog.chunks.of_documents([document.id])
    assert {one.title for one in catalog.chunks.by_id(ids)} == {"a.txt"}
    assert len(catalog.chunks.origins(ids)) == 3
    catalog.documents.put([replace(document, title="new")])
    assert {one.title for one in catalog.chunks.by_id(ids)} == {"new"}
    catalog.chunks.delete(ids[:1])
    assert [one.id for one in catalog.chunks.by_id(ids)] == ids[1:]
    assert set(catalog.chunks.origins(ids)) == set(ids[1:])
    catalog.documents.delete([document.id])
    assert catalog.chunks.by_id(ids) == [] and catalog.chunks.origins(ids) == {}


@pytest.mark.parametrize("page", [1, 2, 3, 10_000])
def test_states_come_by_id_and_of_one_collection_only(
    catalog: Catalog, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_PAGE", page)
    shelves = [Shelf(catalog, name) for name in ("one", "other")]
    mine = []
    for number in range(4):
        for shelf in shelves:
            document = shelf.add(f"{number}.txt", {"de": 2})
            if shelf is shelves[0]:
                mine += catalog.chunks.of_documents([document.id])
    states = list(catalog.chunks.iter_states(shelves[0].collection.id))
    assert states == [(one, "indexed") for one in sorted(mine)]
