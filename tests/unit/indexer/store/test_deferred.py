"""A server builds its index once, after much was written."""

from types import SimpleNamespace
from typing import Any

import pytest

from indexer.errors import StoreError
from indexer.store.deferred import INDEX_ABOVE_KB, MUCH, NEVER, DeferredIndexing


class Server:
    """Keeps the threshold of one collection, and what it was set to."""

    def __init__(self, threshold: int = INDEX_ABOVE_KB) -> None:
        self.set: list[int] = []
        self.threshold = threshold
        self.is_away = False

    def ask(self, request: str, collection: str, *, is_asked_for: bool, **options: Any) -> Any:
        if self.is_away:
            raise StoreError("away")
        assert collection == "c"
        if request == "update_collection":
            self.threshold = options["optimizers_config"].indexing_threshold
            self.set.append(self.threshold)
            return True
        assert request == "get_collection"
        optimizer = SimpleNamespace(indexing_threshold=self.threshold)
        return SimpleNamespace(config=SimpleNamespace(optimizer_config=optimizer))


def test_much_is_indexed_once_at_its_end() -> None:
    server = Server()
    indexing = DeferredIndexing(server.ask)
    with indexing.bulk("c"):
        for _ in range(5):
            indexing.written("c", MUCH // 2)
            indexing.finish("c")  # more follows
        assert server.set == [NEVER]
    assert server.set == [NEVER, INDEX_ABOVE_KB]


def test_little_and_what_is_no_bulk_is_left_to_the_server() -> None:
    server = Server()
    indexing = DeferredIndexing(server.ask)
    indexing.written("c", 10 * MUCH)
    with indexing.bulk("c"):
        indexing.written("c", MUCH - 1)
    indexing.finish("c")
    assert server.set == []


def test_the_last_of_two_bulks_ends_it() -> None:
    server = Server()
    indexing = DeferredIndexing(server.ask)
    with indexing.bulk("c"):
        with indexing.bulk("c"):
            indexing.written("c", MUCH)
        assert server.set == [NEVER]
    assert server.set == [NEVER, INDEX_ABOVE_KB]


def test_what_ends_a_bulk_is_not_hidden_and_the_index_is_built_all_the_same() -> None:
    server = Server()
    indexing = DeferredIndexing(server.ask)
    with pytest.raises(KeyError), indexing.bulk("c"):
        indexing.written("c", MUCH)
        raise KeyError
    assert server.threshold == INDEX_ABOVE_KB
    with pytest.raises(KeyError), indexing.bulk("c"):
        indexing.written("c", MUCH)
        server.is_away = True
        raise KeyError
    server.is_away = False
    indexing.finish("c")
    assert server.threshold == INDEX_ABOVE_KB


def test_an_index_that_a_killed_process_left_unbuilt_is_built() -> None:
    server = Server(threshold=NEVER)
    DeferredIndexing(server.ask).finish("c")
    assert server.set == [INDEX_ABOVE_KB]
    other = Server(threshold=20_000)  # somebody's choice
    DeferredIndexing(other.ask).finish("c")
    assert other.set == []
