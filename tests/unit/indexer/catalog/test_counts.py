"""The counters of a collection agree with a full count, whatever is done to its documents."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from indexer.catalog import CollectionRecord, PassResult
from indexer.errors import CatalogError


@pytest.fixture(autouse=True)
def always_right(shelf: Any) -> Any:
    """At the end of every test the counters are those of a full count."""
    yield
    for collection in shelf.catalog.collections.records():
        assert shelf.catalog.counts.problems(collection.id) == []


def test_adding_and_removing_documents(shelf: Any) -> None:
    first = shelf.add("a/x.txt", {"de": 3, "fr": 1})
    shelf.add("b/y.md", {"fr": 2})
    assert shelf.kept() == (2, 6, {"de": 3, "fr": 3}, {"a": 4, "b": 2})
    shelf.catalog.documents.delete([first.id, "unknown"])
    assert shelf.kept() == (1, 2, {"fr": 2}, {"b": 2})


def test_documents_added_complete(shelf: Any) -> None:
    record = replace(shelf.add("a/x.txt", {"de": 1}), id="0" * 36, path="c/z.txt", source="c")
    shelf.catalog.documents.add_finished([record], {record.id: {"ja": 2, "de": 1}})
    assert shelf.kept() == (2, 4, {"de": 2, "ja": 2}, {"c": 3, "a": 1})


def test_renaming_moves_the_count_to_the_new_folder(shelf: Any) -> None:
    record = shelf.add("a/x.txt", {"de": 3})
    shelf.catalog.documents.put([replace(record, path="b/c/x.txt")])
    assert shelf.kept() == (1, 3, {"de": 3}, {"b/c": 3})


def test_a_second_pass_counts_when_it_ends(shelf: Any) -> None:
    record = shelf.add("a/x.txt", {"de": 3})
    again, chunks = shelf.begin(
        record.path, {"en": 2}, generation=1, content_hash="h", pending_hash="i", state="pending"
    )
    assert shelf.kept()[1:3] == (3, {"de": 3})
    assert shelf.catalog.counts.problems(shelf.collection.id) == []
    shelf.catalog.chunks.mark([one.id for one in chunks], "indexed")
    shelf.catalog.documents.finish({again.id: PassResult("x", "html")})
    assert shelf.kept()[1:3] == (2, {"en": 2})
    assert dict(shelf.catalog.facets.counts(shelf.collection.id)["file_type"]) == {"html": 2}
    assert shelf.catalog.chunks.has_stale(shelf.collection.id)
    shelf.remove_stale()
    assert not shelf.catalog.chunks.has_stale(shelf.collection.id)


def test_a_pass_that_is_given_up_leaves_the_counts_of_the_one_before(shelf: Any) -> None:
    record = shelf.add("a/x.txt", {"de": 3})
    shelf.begin(record.path, {"en": 2}, generation=1, content_hash="h", pending_hash="i", state="pending")
    shelf.catalog.documents.give_up_pass(record.id, "broken")
    assert shelf.kept() == (1, 3, {"de": 3}, {"a": 3})
    assert shelf.catalog.chunks.has_stale(shelf.collection.id)
    shelf.remove_stale()
    assert not shelf.catalog.chunks.has_stale(shelf.collection.id)


def test_a_document_removed_before_its_pass_ends_is_not_counted(shelf: Any) -> None:
    record, _ = shelf.begin("a/x.txt", {"de": 2})
    shelf.catalog.documents.delete([record.id])
    shelf.catalog.documents.finish({record.id: PassResult("x", "txt")})
    assert shelf.kept() == (0, 0, {}, {})


def test_switching_the_model_changes_no_count(shelf: Any) -> None:
    shelf.add("a/x.txt", {"de": 3})
    other = replace(shelf.collection, model="other", contract_digest="1" * 16)
    before = shelf.kept()
    shelf.catalog.collections.switch(other, {"k": 1})
    assert shelf.kept() == before
    assert shelf.catalog.collections.get("library").model == "other"


def test_collections_are_counted_apart(shelf: Any) -> None:
    other = type(shelf)(shelf.catalog, "other")
    shelf.add("a/x.txt", {"de": 3})
    other.add("a/x.txt", {"fr": 1})
    assert (shelf.kept()[1:3], other.kept()[1:3]) == ((3, {"de": 3}), (1, {"fr": 1}))
    shelf.catalog.collections.drop(shelf.collection.id)
    assert other.kept() == (1, 1, {"fr": 1}, {"a": 1})


def test_a_change_that_fails_half_way_counts_nothing(shelf: Any) -> None:
    record = shelf.add("a/x.txt", {"de": 3})
    known = shelf.kept()
    broken = replace(record, id="1" * 36, path="b.txt", collection_id="nowhere")
    with pytest.raises(CatalogError):
        shelf.catalog.documents.put([replace(record, path="z/x.txt"), broken])
    assert shelf.kept() == known


def test_a_crash_before_the_end_of_the_transaction_counts_nothing(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.catalog import counts

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    record = shelf.add("a/x.txt", {"de": 3})
    known = shelf.kept()
    with monkeypatch.context() as patched:
        patched.setattr(counts, "_change", crash)
        with pytest.raises(KeyboardInterrupt):
            shelf.catalog.documents.delete([record.id])
    assert shelf.kept() == known
    assert len(shelf.catalog.documents.records([record.id])) == 1


def spoil(shelf: Any) -> None:
    with shelf.catalog.database.write() as connection:
        connection.execute(text("UPDATE passage_counts SET chunk_count = 99 WHERE language = 'de'"))
        connection.execute(text("UPDATE collections SET document_count = 7, row_count = 1"))


def test_wrong_counters_are_noticed_and_made_anew(shelf: Any) -> None:
    shelf.add("a/x.txt", {"de": 3, "fr": 1})
    spoil(shelf)
    problems = shelf.catalog.counts.problems(shelf.collection.id)
    assert problems == [
        "de txt a: 99 instead of 3",
        "document_count: 7 instead of 1",
        "row_count: 1 instead of 4",
    ]
    shelf.catalog.counts.recount(shelf.collection.id)
    assert shelf.kept() == (1, 4, {"de": 3, "fr": 1}, {"a": 4})


def test_other_writes_keep_what_is_remembered(shelf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shelf.catalog.database.is_sqlite:
        pytest.skip("nothing is remembered where other processes may write")
    shelf.add("a/x.txt", {"de": 3})
    asked = shelf.catalog.facets.counts(shelf.collection.id)
    shelf.catalog.settings.set("progress", 1)
    shelf.catalog.chunks.mark([], "indexed")
    assert shelf.catalog.facets.counts(shelf.collection.id) is asked
    shelf.add("a/y.txt", {"de": 3})
    assert shelf.catalog.facets.counts(shelf.collection.id) is not asked


def test_the_record_of_a_collection_is_never_that_of_before(shelf: Any) -> None:
    assert shelf.catalog.collections.find("new") is None
    made: CollectionRecord = type(shelf)(shelf.catalog, "new").collection
    assert shelf.catalog.collections.find("new") == made
    shelf.catalog.collections.drop(made.id)
    assert shelf.catalog.collections.find("new") is None


def test_a_catalog_from_before_counts_is_counted(shelf: Any, request: pytest.FixtureRequest) -> None:
    from alembic import command
    from alembic.config import Config

    from indexer.catalog import Catalog, database
    from indexer.catalog.listing import Order, Word

    shelf.add("a/Über.txt", {"de": 3, "fr": 1}, warnings=("odd",))
    shelf.add("b/y.md", {"fr": 2})
    shelf.begin("b/unfinished.md", {"fr": 5})
    before, states = shelf.kept(), shelf.catalog.chunks.states(shelf.collection.id)
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with shelf.catalog.database._engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    reopened = Catalog.open(shelf.catalog.database._engine.url.render_as_string(hide_password=False))
    request.addfinalizer(reopened.close)
    shelf.catalog.database._document_changes += 1
    assert shelf.kept() == before
    assert reopened.chunks.states(shelf.collection.id) == states == (6, 5)
    page = reopened.listing.page(shelf.collection.id, [Word("über")], Order("languages"), limit=5)
    assert (page.documents[0].title, page.matching, page.warned) == ("Über.txt", 1, 1)
    order = reopened.listing.page(shelf.collection.id, [], Order("title", descending=True), limit=5)
    assert [one.title for one in order.documents] == ["Über.txt", "y.md", "unfinished.md"]
