"""The catalog: what goes in comes out, counts add up, schema and migrations agree."""

import uuid
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from indexer.catalog import Catalog, ChunkRecord, CollectionRecord, DocumentRecord, PassResult
from indexer.catalog.database import HEAD, slices
from indexer.catalog.documents import ancestor_folders, folder_of
from indexer.catalog.tables import Base
from indexer.errors import CatalogError, CollectionError
from indexer.types import Chunk, Filters


@pytest.fixture
def collection(catalog: Catalog) -> CollectionRecord:
    return make_collection(catalog, "library")


def make_collection(catalog: Catalog, name: str) -> CollectionRecord:
    return catalog.collections.create(
        name, model="fake", contract="{}", contract_digest="0123456789abcdef", dimension=3, created_at=5.0
    )


def make_document(collection: CollectionRecord, path: str = "a/b.txt", **values: object) -> DocumentRecord:
    record = DocumentRecord(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
        collection_id=collection.id,
        path=path,
        source=f"/disk/{path}",
        title="b",
        file_type="txt",
        size_bytes=10,
        mtime_ns=1,
        added_at=100.0,
        pending_hash="h1",
    )
    return replace(record, **values)  # type: ignore[arg-type]


def make_chunks(
    document: DocumentRecord, count: int, language: str = "de", offset: int = 0
) -> list[ChunkRecord]:
    return [
        ChunkRecord(
            str(uuid.uuid5(uuid.UUID(document.id), f"{number + offset}")),
            document.id,
            document.generation + 1,
            Chunk(number, number * 5, number * 5 + 5, f"文 {number}", language=language, script="Latn"),
        )
        for number in range(count)
    ]


def index(catalog: Catalog, document: DocumentRecord, chunks: list[ChunkRecord]) -> None:
    catalog.documents.put([document])
    catalog.chunks.put(chunks)
    catalog.chunks.mark([one.id for one in chunks], "indexed")
    catalog.documents.finish({document.id: PassResult("Title", "txt", "utf-8", 3, ("odd",))})


def test_slices_cover_everything_in_order() -> None:
    assert [list(part) for part in slices([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize(
    ("path", "folder", "ancestors"),
    [
        ("/home/me/a.txt", "/home/me", ["/home/me", "/home"]),
        ("a.zip/inner/b.txt", "a.zip/inner", ["a.zip/inner", "a.zip"]),
        ("b.txt", "", []),
        ("C:\\docs\\b.txt", "C:/docs", ["C:/docs", "C:"]),
    ],
)
def test_folders_of_a_path(path: str, folder: str, ancestors: list[str]) -> None:
    assert folder_of(path) == folder
    assert ancestor_folders(path) == ancestors


def test_collections_are_found_by_name_and_id(catalog: Catalog, collection: CollectionRecord) -> None:
    assert catalog.collections.get("library") == catalog.collections.get(collection.id) == collection
    assert collection.store_name == f"{collection.id}-01234567"
    with pytest.raises(CollectionError, match="Known collections: 'library'"):
        catalog.collections.get("libary")


def test_a_name_is_taken_once(catalog: Catalog, collection: CollectionRecord) -> None:
    with pytest.raises(CollectionError, match="already"):
        make_collection(catalog, "library")
    for bad in ("", " x", "a\nb", "x" * 101):
        with pytest.raises(CollectionError, match="cannot be used"):
            make_collection(catalog, bad)


def test_a_finished_document_comes_out_as_it_went_in(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 3) + make_chunks(document, 1, "ja", offset=50)
    index(catalog, document, chunks)
    (info,) = catalog.documents.infos(collection.id)
    assert (info.title, info.pages, info.state, info.chunks) == ("Title", 3, "indexed", 4)
    assert dict(info.languages) == {"de": 3, "ja": 1}
    assert info.added_at == datetime.fromtimestamp(100, UTC)
    assert info.stored_path == "/disk/a/b.txt"
    (record,) = catalog.documents.records([document.id])
    assert (record.content_hash, record.pending_hash, record.generation) == ("h1", None, 1)
    assert record.warnings == ("odd",)
    (summary,) = catalog.collections.infos()
    assert (summary.documents, summary.chunks, dict(summary.languages)) == (1, 4, {"de": 3, "ja": 1})
    assert catalog.facets.count_chunks(collection.id) == 4
    assert catalog.documents.by_id([document.id, "unknown"]) == [info]


def test_chunks_come_in_the_order_of_the_ids(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 1200)
    index(catalog, document, chunks)
    ids = [one.id for one in reversed(chunks)]
    found = catalog.chunks.by_id([*ids, "unknown"])
    assert [one.id for one in found] == ids
    assert found[0].chunk == chunks[-1].chunk
    assert (found[0].document, found[0].collection, found[0].title) == ("a/b.txt", "library", "Title")
    assert [one.chunk for one in catalog.chunks.records(ids)] == [one.chunk for one in reversed(chunks)]


def test_context_is_in_reading_order_and_stops_at_the_ends(
    catalog: Catalog, collection: CollectionRecord
) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 6)
    index(catalog, document, chunks)
    assert [one.chunk.ordinal for one in catalog.chunks.context(chunks[2].id, 1, 2)] == [1, 2, 3, 4]
    assert [one.chunk.ordinal for one in catalog.chunks.context(chunks[0].id, 3, 1)] == [0, 1]
    assert catalog.chunks.context("unknown", 3, 3) == []


def test_chunks_are_pending_until_marked(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 5)
    catalog.documents.put([document])
    catalog.chunks.put(chunks)
    assert catalog.chunks.states(collection.id) == (0, 5)
    catalog.chunks.mark([one.id for one in chunks[:2]], "indexed")
    assert catalog.chunks.states(collection.id) == (2, 3)
    ids = [one.id for one in chunks]
    assert catalog.chunks.indexed_among(ids, 1) == set(ids[:2])
    assert catalog.chunks.indexed_among(ids, 2) == set()
    assert [one.id for one in catalog.documents.unfinished()] == [document.id]


def test_a_second_pass_makes_the_first_stale(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    old = make_chunks(document, 4)
    index(catalog, document, old)
    second = replace(document, generation=1, content_hash="h1", pending_hash="h2", state="pending")
    kept = [replace(old[0], generation=2)]
    new = make_chunks(second, 2, "fr", offset=10)
    catalog.documents.put([second])
    catalog.chunks.put(kept + new)
    assert catalog.chunks.stale(collection.id) == []  # the first pass counts until the second ends
    catalog.chunks.mark([one.id for one in kept + new], "indexed")
    catalog.documents.finish({document.id: PassResult("T", "txt")})
    stale = catalog.chunks.stale(collection.id)
    assert sorted(stale) == sorted(one.id for one in old[1:])
    assert catalog.documents.infos(collection.id)[0].chunks == 3
    catalog.chunks.delete(stale)
    assert sorted(catalog.chunks.of_documents([document.id])) == sorted(one.id for one in kept + new)


def test_giving_up_a_pass_restores_the_one_before(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    old = make_chunks(document, 4)
    index(catalog, document, old)
    second = replace(document, generation=1, content_hash="h1", pending_hash="h2", state="pending")
    new = make_chunks(second, 2, offset=10)
    catalog.documents.put([second])
    catalog.chunks.put([replace(one, generation=2) for one in old[:2]] + new)
    catalog.documents.give_up_pass(document.id, "broken")
    assert sorted(catalog.chunks.stale(collection.id)) == sorted(one.id for one in new)
    (info,) = catalog.documents.infos(collection.id)
    assert (info.state, info.error, info.chunks) == ("failed", "broken", 4)
    states = dict(catalog.chunks.iter_states(collection.id))
    assert {states[one.id] for one in old} == {"indexed"}


def test_facets_count_under_the_other_filters(catalog: Catalog, collection: CollectionRecord) -> None:
    first = make_document(collection, "x/a.txt")
    second = make_document(collection, "x/y/b.md", file_type="md", added_at=200.0)
    third = make_document(collection, "x_y/c.txt")
    index(catalog, first, make_chunks(first, 3, "de"))
    index(catalog, second, make_chunks(second, 2, "fr"))
    index(catalog, third, make_chunks(third, 1, "de"))
    assert catalog.facets.counts(collection.id) == {
        "language": {"de": 4, "fr": 2},
        "file_type": {"txt": 6},
        "folder": {"x": 3, "x/y": 2, "x_y": 1},
    }
    by_language = catalog.facets.counts(collection.id, Filters(languages=("fr",)))
    assert by_language["language"] == {"de": 4, "fr": 2}
    assert by_language["folder"] == {"x/y": 2}
    assert catalog.facets.counts(collection.id, Filters(folders=("x",)))["language"] == {"de": 3, "fr": 2}
    late = Filters(added_after=datetime.fromtimestamp(150, UTC))
    assert catalog.facets.counts(collection.id, late)["folder"] == {"x/y": 2}
    early = Filters(added_before=datetime.fromtimestamp(200, UTC))  # exclusive, as in the vector store
    assert catalog.facets.counts(collection.id, early)["folder"] == {"x": 3, "x_y": 1}


def test_facets_follow_changes(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    index(catalog, document, make_chunks(document, 2))
    assert catalog.facets.counts(collection.id)["language"] == {"de": 2}
    catalog.documents.delete([document.id])
    assert catalog.facets.counts(collection.id)["language"] == {}


def test_deleting_a_document_takes_its_chunks(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 3)
    index(catalog, document, chunks)
    catalog.documents.delete([document.id])
    assert catalog.chunks.by_id([one.id for one in chunks]) == []
    assert catalog.database.integrity_problems() == []


def test_dropping_a_collection_takes_everything(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    index(catalog, document, make_chunks(document, 3))
    catalog.settings.set("confidence", {"a": 1}, scope=collection.id)
    catalog.collections.drop(collection.id)
    assert catalog.collections.infos() == []
    assert catalog.settings.get("confidence", scope=collection.id) is None
    assert catalog.documents.records([document.id]) == []


def test_the_sample_is_spread_and_repeatable(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunks = make_chunks(document, 900)
    index(catalog, document, chunks)
    sample = catalog.chunks.sample(collection.id, 30, seed=1)
    assert len(sample) == len(set(sample)) == 30
    assert sample == catalog.chunks.sample(collection.id, 30, seed=1)
    assert sample != catalog.chunks.sample(collection.id, 30, seed=2)
    ordinals = sorted(one.chunk.ordinal for one in catalog.chunks.by_id(sample))
    assert ordinals[0] < 300 < 600 < ordinals[-1]
    assert len(catalog.chunks.sample(collection.id, 5000)) == 900


def test_settings_are_scoped(catalog: Catalog) -> None:
    catalog.settings.set("k", [1, 2])
    catalog.settings.set("k", {"x": "é"}, scope="c")
    assert catalog.settings.get("k") == [1, 2]
    assert catalog.settings.get("k", scope="c") == {"x": "é"}
    catalog.settings.set("k", None)
    assert catalog.settings.get("k", "nothing") == "nothing"


def test_a_nul_in_a_text_is_no_obstacle(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    chunk = make_chunks(document, 1)[0]
    index(catalog, document, [replace(chunk, chunk=replace(chunk.chunk, text="a\0b"))])
    (found,) = catalog.chunks.by_id([chunk.id])
    assert found.chunk.text == "a\ufffdb"


def test_a_failed_write_changes_nothing(catalog: Catalog, collection: CollectionRecord) -> None:
    document = make_document(collection)
    orphan = replace(make_chunks(document, 1)[0], document_id=str(uuid.uuid4()))
    catalog.documents.put([document])
    with pytest.raises(CatalogError, match=r"refused: .*(FOREIGN|foreign)"):
        catalog.chunks.put([*make_chunks(document, 2, offset=5), orphan])
    assert catalog.chunks.of_documents([document.id]) == []


def schema_differences(catalog: Catalog) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with catalog.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == HEAD
        return list(compare_metadata(context, Base.metadata))


def test_models_and_migrations_agree(catalog: Catalog) -> None:
    assert schema_differences(catalog) == []


def test_a_catalog_from_before_parallel_text_is_brought_up(
    catalog: Catalog, collection: CollectionRecord, request: pytest.FixtureRequest
) -> None:
    from alembic import command
    from alembic.config import Config

    from indexer.bitext.reviews import Bitext
    from indexer.bitext.values import Pair
    from indexer.catalog import database

    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with catalog.database._engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert not connection.dialect.has_table(connection, "bitext_pairs")
    reopened = Catalog.open(catalog.database._engine.url.render_as_string(hide_password=False))
    request.addfinalizer(reopened.close)
    assert schema_differences(reopened) == []
    assert reopened.collections.get(collection.name).id == collection.id
    assert reopened.bitexts.put(Bitext("b", "b", "mined", "de", "en", None, 1.0), [Pair("a", "b")]) == 1
    reopened.bitexts.drop("b")


def test_head_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from indexer.catalog import database

    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    catalog = Catalog.open(path)
    with catalog.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    catalog.close()
    with pytest.raises(CatalogError, match="newer me5-search: update this program"):
        Catalog.open(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(CatalogError, match="damaged"):
        Catalog.open(path)
    assert path.read_bytes().startswith(b"this is not")


@pytest.mark.parametrize("url", ["nonsense", "unknowndb://x/y", "postgresql://u:secret@127.0.0.1:1/x"])
def test_a_wrong_address_says_what_to_do_and_hides_the_password(url: str) -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog.open(url)
    assert "secret" not in str(caught.value)
    assert "Expected" in str(caught.value) or "Check" in str(caught.value)


def test_sqlite_is_durable_and_checked(tmp_path: Path) -> None:
    catalog = Catalog.open(tmp_path / "catalog.sqlite3")
    with catalog.database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}
    catalog.close()


def test_jobs_of_a_catalog_from_before_lanes_get_theirs(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from indexer.catalog import database

    opened = Catalog.open(tmp_path / "c.sqlite3")
    for kind in ("add", "remove"):
        opened.jobs.create(kind, collection="c", label=kind, params={}, created_at=1.0)
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with opened.database._engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    opened.close()
    opened = Catalog.open(tmp_path / "c.sqlite3")
    lanes = {job.kind: opened.jobs.find(job.id).lane for job in opened.jobs.infos()}  # type: ignore[union-attr]
    opened.close()
    assert lanes == {"add": "long", "remove": "quick"}


def test_a_catalog_from_before_children_gets_their_column_and_loses_none_of_its_jobs(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from indexer.catalog import database

    opened = Catalog.open(tmp_path / "c.sqlite3")
    opened.jobs.create("add", collection="c", label="add", params={}, created_at=1.0)
    child = {
        "kind": "train", "collection": "", "label": "a run", "state": "running", "created_at": 2.0,
        "host": "h", "done": 0, "total": 0, "unit": "", "message": "",
    }  # fmt: skip
    opened.jobs.put_child("/runs/first", child)
    assert [job.kind for job in opened.jobs.children("h")] == ["train"]
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with opened.database._engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")  # which would take a child for a job of its own, and run it
        assert connection.exec_driver_sql("SELECT kind FROM jobs").scalars().all() == ["add"]
    opened.close()
    opened = Catalog.open(tmp_path / "c.sqlite3")
    assert schema_differences(opened) == []
    assert [job.kind for job in opened.jobs.infos()] == ["add"] and opened.jobs.children("h") == []
    opened.jobs.put_child("/runs/first", child)
    opened.jobs.put_child("/runs/first", {"state": "done"})
    assert [job.state for job in opened.jobs.children("h")] == ["done"]
    opened.close()


def test_all_queries_share_one_database_and_stay_as_they_are(catalog: Catalog) -> None:
    groups = {field.name: getattr(catalog, field.name) for field in fields(catalog)}
    database = groups.pop("database")
    assert all(group.database is database for group in groups.values())
    with pytest.raises(FrozenInstanceError):
        catalog.jobs = groups["jobs"]  # type: ignore[misc]
