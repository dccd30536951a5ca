"""Another model for a collection: at any moment either the old vectors count, whole, or the new ones."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.catalog import CollectionRecord
from indexer.errors import Cancelled, CollectionError, JobError, StoreError
from indexer.library.encoders import Encoders
from indexer.library.library import Library
from indexer.library.presence import owner_name
from indexer.progress import CancelToken
from me5.errors import UnknownModelError

OpenLibrary = Callable[..., Library]

OTHER, THIRD = "team/other", "team/third"
STORE_CHANGES = ("ensure", "upsert", "delete", "drop", "optimize")


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, fake_encoder_class: Any) -> dict[str, Any]:
    """The models that can be opened by name; small batches, so that there is a middle to interrupt."""
    found = {
        OTHER: fake_encoder_class(OTHER, dimension=48),
        THIRD: fake_encoder_class(THIRD, max_tokens=24),
        "fake": fake_encoder_class(),
    }

    def load(_: Encoders, name: str) -> Any:
        if name not in found:
            raise UnknownModelError(f"Unknown model {name!r}.")
        return found[name]

    monkeypatch.setattr(Encoders, "_load", load)
    monkeypatch.setattr("indexer.library.model_switch.BATCH_CHUNKS", 8)
    return found


@pytest.fixture
def filled(library: Library, documents: Path) -> Library:
    library.add([documents])
    return library


def record(library: Library) -> CollectionRecord:
    return library.catalog.collections.get("library")


def indexed(library: Library) -> set[str]:
    return {one for one, _ in library.catalog.chunks.iter_states(record(library).id)}


def require_whole(library: Library, store: Any) -> None:
    """The vectors in use are those of the passages, of the right model, with what filters look at."""
    collection = record(library)
    points = store.points[collection.store_name]
    assert set(points) == indexed(library)
    passages = {one.id: one for one in library.chunks_by_id(list(points))}
    for one, point in points.items():
        assert point.dense.shape == (collection.dimension,)
        assert Path(passages[one].document).parent.as_posix() in point.payload["folders"]


def found(library: Library, query: str) -> list[str]:
    result = library.search(query, mode="dense", top_k=3)
    return [Path(hit.document).name for hit in (*result.hits, *result.weak_hits)]


def test_a_job_switches_and_the_old_vectors_are_kept(filled: Library, fake_store: Any) -> None:
    old = record(filled)
    job = filled.jobs.wait(filled.switch_model("library", OTHER).id)
    assert job.state == "done", job.message
    count = len(indexed(filled))
    assert job.message == (
        f"library uses {OTHER} now; {count} passages were embedded. The vectors of fake are kept so that you can undo"
    )
    assert (job.done, job.unit) == (count, "passages")
    new = record(filled)
    assert (new.model, new.dimension) == (OTHER, 48)
    assert fake_store.names() == sorted([old.store_name, new.store_name])
    require_whole(filled, fake_store)
    assert found(filled, "The harbour was built in 1894.")[0] == "harbour.txt"
    assert filled.previous_model("library") == "fake"


def test_searches_use_the_old_vectors_until_the_end(filled: Library, models: dict[str, Any]) -> None:
    seen = []

    def search(_: Any) -> None:
        models[OTHER].before_encode = None
        seen.append((record(filled).model, found(filled, "The harbour was built in 1894.")[0]))

    models[OTHER].before_encode = search
    filled.use_model("library", OTHER)
    assert seen == [("fake", "harbour.txt")]


def test_what_changes_meanwhile_is_caught_up(
    filled: Library, documents: Path, models: dict[str, Any], fake_store: Any
) -> None:
    def change(_: Any) -> None:
        models[OTHER].before_encode = None
        (documents / "late.txt").write_text("The late ferry leaves at noon.", encoding="utf-8")
        (documents / "turm.md").unlink()
        (documents / "moved").mkdir()
        (documents / "sub" / "long.txt").rename(documents / "moved" / "long.txt")
        filled.add([documents], prune=True)

    models[OTHER].before_encode = change
    filled.use_model("library", OTHER)
    require_whole(filled, fake_store)
    assert found(filled, "The late ferry leaves at noon.")[0] == "late.txt"


def test_the_last_changes_are_in_the_same_step_as_the_switch(
    filled: Library, models: dict[str, Any], fake_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    switch = filled.catalog.collections.switch

    def check(target: CollectionRecord, settings: Any) -> None:
        assert set(fake_store.points[target.store_name]) == indexed(filled)
        assert record(filled).model == "fake"
        switch(target, settings)
        checked.append(target)

    monkeypatch.setattr(filled.catalog.collections, "switch", check)
    filled.use_model("library", OTHER)
    assert checked == [record(filled)]


class Dead(BaseException):
    """Stands for a process that ends here."""


def die_at(library: Library, number: int) -> Callable[[], bool]:
    """Let the ``number``-th change of catalog or store be the last: half of them before it, half after it.

    Returns:
        whether it came to that.
    """
    steps = 0

    def wrapped(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > number or (steps == number and number % 2):
                raise Dead
            result = change(*args, **options)
            if steps == number:
                raise Dead
            return result

        return call

    changes = (
        (library.catalog.settings, ("set",)),
        (library.catalog.collections, ("switch",)),
        (library.store, STORE_CHANGES),
    )
    for target, names in changes:
        for name in names:
            setattr(target, name, wrapped(getattr(target, name)))
    return lambda: steps >= number


@pytest.mark.parametrize("is_repeated", [True, False])
def test_whichever_change_is_the_last_the_collection_is_whole(
    filled: Library, open_library: OpenLibrary, fake_store: Any, is_repeated: bool
) -> None:
    filled.use_model("library", OTHER)  # so that there are vectors of three models
    filled.close()
    deaths = 0
    for number in range(1, 100):
        library = open_library()
        before = record(library).model
        target = THIRD if before == OTHER else OTHER
        has_died = die_at(library, number)
        try:
            library.use_model("library", target)
        except Dead:
            deaths += 1
        for name in STORE_CHANGES:
            delattr(fake_store, name)  # the wrapped one
        reopened = open_library()
        require_whole(reopened, fake_store)
        assert record(reopened).model in (before, target)
        if is_repeated:
            reopened.use_model("library", target)
            assert record(reopened).model == target
        reopened.discard_previous("library")
        assert fake_store.names() == [record(reopened).store_name]
        require_whole(reopened, fake_store)
        if not has_died():
            break
    assert deaths > 10 and not has_died()


def test_cancelling_leaves_the_old_model_and_no_half_vectors(
    filled: Library, models: dict[str, Any], fake_store: Any
) -> None:
    cancel = CancelToken()
    models[OTHER].before_encode = lambda _: cancel.cancel()
    with pytest.raises(Cancelled, match="cancelled"):
        filled.use_model("library", OTHER, cancel=cancel)
    assert fake_store.names() == [record(filled).store_name]
    assert filled.previous_model("library") is None
    require_whole(filled, fake_store)


def test_an_interrupted_switch_goes_on_where_it_was(
    filled: Library, open_library: OpenLibrary, models: dict[str, Any], fake_store: Any
) -> None:
    calls = iter(range(100))

    def fail_later(_: Any) -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt

    models[OTHER].before_encode = fail_later
    with pytest.raises(KeyboardInterrupt):
        filled.use_model("library", OTHER)
    embedded = models[OTHER].texts_seen
    assert 0 < embedded < len(indexed(filled))
    require_whole(filled, fake_store)
    models[OTHER].before_encode = None
    reopened = open_library()
    (finding,) = [one for one in reopened.doctor() if one.check == "model"]
    assert "was interrupted" in finding.message and f"use {OTHER} --collection library" in finding.advice
    report = reopened.use_model("library", OTHER)
    assert report.embedded == len(indexed(filled)) - embedded
    require_whole(reopened, fake_store)


def test_a_job_that_the_closing_program_stops_is_resumed_at_the_next_start(
    filled: Library, open_library: OpenLibrary, models: dict[str, Any], fake_store: Any
) -> None:
    begun = threading.Event()

    def wait_for_close(_: Any) -> None:
        begun.set()
        current = filled.jobs._current["long"]
        while not current[1].is_cancelled():
            begun.wait(0.001)

    models[OTHER].before_encode = wait_for_close
    job = filled.switch_model("library", OTHER)
    assert begun.wait(20)
    with pytest.raises(JobError, match="already"):
        filled.switch_model("library", THIRD)
    filled.close()
    models[OTHER].before_encode = None
    looked = open_library(encoder=None, model="fake")  # without resuming: nothing of a waiting job is dropped
    assert len(fake_store.names()) == 2
    looked.close()
    reopened = open_library(resume_jobs=True)
    assert reopened.jobs.wait(job.id).state == "done"
    assert record(reopened).model == OTHER
    require_whole(reopened, fake_store)


def test_a_full_disk_leaves_the_old_model(filled: Library, fake_store: Any) -> None:
    def refuse(change: str) -> None:
        if change == "upsert":
            raise StoreError("The disk is full.")

    fake_store.before_change = refuse
    job = filled.jobs.wait(filled.switch_model("library", OTHER).id)
    assert (job.state, job.message) == ("failed", "The disk is full.")
    fake_store.before_change = None
    require_whole(filled, fake_store)
    assert filled.jobs.wait(filled.switch_model("library", OTHER).id).state == "done"


def test_vectors_that_are_missing_in_the_end_prevent_the_switch(
    filled: Library, fake_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_store, "count", lambda name: 1)
    with pytest.raises(StoreError, match="former model stays in use"):
        filled.use_model("library", OTHER)
    assert record(filled).model == "fake"


def test_going_back_embeds_only_what_changed(
    filled: Library, documents: Path, fake_encoder: Any, fake_store: Any
) -> None:
    old = record(filled)
    filled.use_model("library", OTHER)
    (documents / "late.txt").write_text("The late ferry leaves at noon.", encoding="utf-8")
    (documents / "turm.md").unlink()
    (documents / "moved").mkdir()
    (documents / "harbour.txt").rename(documents / "moved" / "harbour.txt")
    filled.add([documents], prune=True)
    seen = fake_encoder.texts_seen
    job = filled.jobs.wait(filled.undo_switch("library").id)
    assert job.state == "done", job.message
    assert fake_encoder.texts_seen - seen == 1
    assert record(filled) == old
    require_whole(filled, fake_store)
    assert filled.previous_model("library") == OTHER  # and forth again
    filled.use_model("library", None)
    assert record(filled).model == OTHER


def test_a_new_title_is_embedded_again_on_the_way_back(
    filled: Library, documents: Path, fake_encoder: Any, fake_store: Any
) -> None:
    filled.use_model("library", OTHER)
    (documents / "harbour.txt").rename(documents / "quay.txt")  # the title follows the name of the file
    filled.add([documents], prune=True)
    report = filled.use_model("library", None)
    assert report.embedded == 1
    assert found(filled, "quay")[0] == "quay.txt"


def test_only_one_former_model_is_kept(filled: Library, fake_store: Any) -> None:
    filled.use_model("library", OTHER)
    second = record(filled).store_name
    filled.use_model("library", THIRD)
    assert fake_store.names() == sorted([second, record(filled).store_name])
    assert filled.discard_previous("library") == [OTHER]
    assert fake_store.names() == [record(filled).store_name]
    with pytest.raises(CollectionError, match="keeps no vectors"):
        filled.undo_switch("library")


def test_passages_that_the_model_cuts_are_counted(filled: Library) -> None:
    report = filled.use_model("library", THIRD)
    assert 0 < report.cut < report.passages
    assert filled.use_model("library", None).cut == 0


def test_the_same_model_changes_nothing(filled: Library, fake_encoder: Any, fake_store: Any) -> None:
    seen = fake_encoder.texts_seen
    report = filled.use_model("library", "fake")
    assert (report.embedded, fake_encoder.texts_seen) == (0, seen)
    assert len(fake_store.names()) == 1


def test_an_unknown_model_is_refused_before_a_job(filled: Library) -> None:
    with pytest.raises(UnknownModelError, match="Known models"):
        filled.switch_model("library", "nonsense")
    assert filled.jobs.list() == []


def test_dropping_a_collection_drops_all_its_vectors(filled: Library, fake_store: Any) -> None:
    filled.use_model("library", OTHER)
    filled.drop_collection("library")
    assert fake_store.names() == []


def test_a_switch_of_a_collection_that_was_deleted_ends(filled: Library) -> None:
    job = filled.jobs.submit("switch", {"switch": "gone", "model": OTHER}, "library")
    assert filled.jobs.wait(job.id).message == "deleted meanwhile"


def test_what_a_crash_left_is_dropped_at_opening(
    filled: Library, open_library: OpenLibrary, fake_store: Any
) -> None:
    fake_store.ensure(f"{record(filled).id}-0badcafe", 4)
    fake_store.ensure("somebody else's", 4)
    open_library()
    assert fake_store.names() == sorted([record(filled).store_name, "somebody else's"])


def test_collections_of_two_models_side_by_side(
    filled: Library, documents: Path, fake_store: Any, open_library: OpenLibrary
) -> None:
    filled.create_collection("second", OTHER)
    filled.add([documents], "second")
    reopened = open_library()
    for name in ("library", "second", "library"):
        hits = reopened.search("The harbour was built in 1894.", collection=name, mode="dense")
        assert Path((*hits.hits, *hits.weak_hits)[0].document).name == "harbour.txt"
    assert {info.model for info in reopened.collections()} == {"fake", OTHER}


def test_an_interrupted_document_is_finished_beside_a_resumed_switch(
    filled: Library, documents: Path, open_library: OpenLibrary, fake_encoder: Any, fake_store: Any
) -> None:
    filled.jobs.submit("switch", {"switch": record(filled).id, "model": OTHER}, "library", start=False)
    host = owner_name().split("|")[0]
    assert filled.catalog.jobs.claim(f"{host}|999999999|1.0", 5.0) is not None

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    (documents / "late.txt").write_text("The late ferry leaves at noon.", encoding="utf-8")
    fake_encoder.before_encode = fail
    with pytest.raises(KeyboardInterrupt):
        filled.add([documents])
    fake_encoder.before_encode = None
    reopened = open_library(resume_jobs=True)
    for job in reopened.jobs.list():
        assert reopened.jobs.wait(job.id).state == "done"
    assert not reopened.catalog.documents.unfinished()
    assert record(reopened).model == OTHER
    require_whole(reopened, fake_store)
