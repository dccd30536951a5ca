"""The fast model first for a long ingest; a better model for a collection, asked once."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from indexer.errors import CollectionError, JobError
from indexer.library.encoders import Encoders
from indexer.library.library import Library
from indexer.progress import SETTLED_S
from indexer.store.qdrant import QdrantStore
from me5.errors import UnknownModelError
from me5.registry import resolve_spec

OpenLibrary = Callable[..., Library]


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, fake_encoder: Any, fake_encoder_class: Any) -> dict[str, Any]:
    """Models by name; "fast" and "builtin" without weights."""
    names = ("fast", "builtin")
    found = {"fake": fake_encoder} | {name: fake_encoder_class(name, dimension=24) for name in names}

    def load(_: Encoders, name: str) -> Any:
        if name not in found:
            raise UnknownModelError(f"Unknown model {name!r}.")
        return found[name]

    monkeypatch.setattr(Encoders, "_load", load)
    return found


@pytest.fixture
def filled(library: Library, documents: Path) -> Library:
    library.add([documents])
    return library


def test_a_long_ingest_goes_on_with_the_fast_model_and_ends_with_its_own(
    library: Library, documents: Path, fake_encoder: Any, fake_store: Any, models: dict[str, Any]
) -> None:
    library.create_collection("library")
    old = library.catalog.collections.get("library")
    begun, go_on = threading.Event(), threading.Event()

    def wait(texts: Any) -> None:
        begun.set()
        go_on.wait(20)

    fake_encoder.before_encode = wait
    slow = library.jobs.submit_add([documents], prune=True)
    assert begun.wait(20)
    seen: list[tuple[str, int]] = []
    models["fast"].before_encode = lambda _: seen.append(
        (library.catalog.collections.get("library").model, len(library.documents()))
    )
    jobs = library.fast_first(slow.id)
    fake_encoder.before_encode = None
    go_on.set()
    assert [job.kind for job in jobs] == ["switch", "add", "switch"]
    assert [job.label for job in jobs[::2]] == ["Use fast for library", "Use fake for library"]
    assert [library.jobs.wait(job.id).state for job in jobs] == ["done"] * 3
    assert library.jobs.get(slow.id).state == "cancelled"
    assert ("fast", 3) in seen  # read with the fast model
    new = library.catalog.collections.get("library")
    assert (new.model, new.contract_digest) == ("fake", old.contract_digest)
    assert {one.state for one in library.documents()} == {"indexed"}
    passages = {one for one, _ in library.catalog.chunks.iter_states(new.id)}
    assert set(fake_store.points[new.store_name]) == passages
    assert library.previous_model("library") == "fast"
    params = library.catalog.jobs.find(jobs[1].id)
    assert params is not None and params.params == {"prune": True, "paths": [str(documents)]}


def test_a_waiting_ingest_of_a_new_collection_too(library: Library, documents: Path) -> None:
    waiting = library.jobs.submit("add", {"paths": [str(documents)]}, "new", start=False)
    jobs = library.fast_first(waiting.id)
    assert library.jobs.wait(jobs[-1].id).state == "done"
    assert library.jobs.get(waiting.id).state == "cancelled"
    assert library.catalog.collections.get("new").model == "fake" and len(library.documents("new")) == 3


def test_only_an_ingest_that_is_not_over_can_go_on_with_the_fast_model(
    filled: Library, documents: Path
) -> None:
    done = filled.jobs.wait(filled.jobs.submit_add([documents]).id)
    with pytest.raises(JobError, match="add, done"):
        filled.fast_first(done.id)
    with pytest.raises(JobError, match="no job"):
        filled.fast_first("x")
    filled.create_collection("quick", "fast")
    quick = filled.jobs.submit("add", {"paths": [str(documents)]}, "quick", start=False)
    with pytest.raises(JobError, match="already"):
        filled.fast_first(quick.id)
    add = filled.jobs.submit("add", {"paths": [str(documents)]}, "library", start=False)
    collection = filled.catalog.collections.get("library").id
    filled.jobs.submit("switch", {"switch": collection, "model": "fast"}, "library", start=False)
    with pytest.raises(JobError, match="already"):
        filled.fast_first(add.id)
    assert filled.jobs.get(add.id).state == "queued"


def test_only_a_long_ingest_is_worth_it(filled: Library, models: dict[str, Any]) -> None:
    filled.create_collection("quick", "fast")
    waiting = filled.jobs.submit("add", {"paths": []}, "library", start=False)
    began = waiting.created_at - timedelta(seconds=2 * SETTLED_S)
    job = replace(waiting, state="running", started_at=began, seconds_left=601.0)
    models["fake"].runtime = SimpleNamespace(device="cpu", precision="int8")
    assert filled.may_go_fast(job)
    for other in (
        replace(job, seconds_left=599.0),
        replace(job, seconds_left=None),
        replace(job, kind="switch"),
        replace(job, state="done"),
        replace(job, collection="quick"),
        replace(job, collection="missing"),
        replace(job, started_at=waiting.created_at + timedelta(seconds=60)),
    ):
        assert not filled.may_go_fast(other)
    models["fake"].runtime = SimpleNamespace(device="cpu", precision="fp32")  # the offer comes sooner
    assert filled.may_go_fast(replace(job, seconds_left=301.0))
    assert not filled.may_go_fast(replace(job, seconds_left=299.0))


def test_a_fast_collection_is_offered_the_better_model_once(filled: Library) -> None:
    filled.use_model("library", "fast")
    unmeasured = filled.offer("library", measure=False)
    assert unmeasured is not None and unmeasured.seconds is None
    offer = filled.offer("library")
    assert offer is not None and (offer.current, offer.model, offer.is_neutral) == ("fast", "builtin", False)
    count = filled.catalog.facets.count_chunks(filled.catalog.collections.get("library").id)
    assert offer.passages == count and offer.seconds is not None and offer.seconds > 0
    assert filled.offer("library", measure=False) == offer  # measured once
    job = filled.answer_offer("library", accept=True)
    assert job is not None and filled.jobs.wait(job.id).state == "done"
    assert filled.catalog.collections.get("library").model == "builtin"
    filled.use_model("library", None)
    assert filled.catalog.collections.get("library").model == "fast"
    assert filled.offer("library") is None  # whoever goes back is not asked again


def test_not_now_is_remembered_for_this_collection(
    filled: Library, documents: Path, open_library: OpenLibrary
) -> None:
    filled.create_collection("second", "fast")
    assert filled.offer("second") is None  # empty
    filled.add([documents], "second")
    filled.use_model("library", "fast")
    assert filled.answer_offer("library", accept=False) is None
    reopened = open_library()
    assert reopened.offer("library") is None and reopened.offer("second") is not None
    with pytest.raises(CollectionError, match="needs no other model"):
        reopened.answer_offer("library", accept=True)
    reopened.jobs.submit("add", {"paths": []}, "second", start=False)
    assert reopened.offer("second") is None  # busy


def test_vectors_with_their_language_are_offered_to_lose_it(
    filled: Library, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert filled.offer("library") is None  # a static model
    models["fake"].spec.layers = 12
    offer = filled.offer("library")
    assert offer is not None and offer.is_neutral and offer.model == "fake"
    asked: list[Any] = []
    monkeypatch.setattr(filled, "switch_model", lambda *args, **options: asked.append((args, options)))
    filled.answer_offer("library", accept=True)
    assert asked == [(("library", "fake"), {"neutral": True})]
    filled.neutral = False  # this library is to have vectors as published
    filled.catalog.settings.set("model offer", None, scope=filled.catalog.collections.get("library").id)
    assert filled.offer("library") is None
    assert filled.offer("nowhere") is None


def test_a_record_of_the_former_built_in_model_opens_searches_and_is_called_fast(
    filled: Library, open_library: OpenLibrary, models: dict[str, Any]
) -> None:
    fast = models["fast"]
    fast.contract = replace(fast.contract, model_id=resolve_spec("fast").model_id)
    filled.use_model("library", "fast")
    filled.create_collection("new", "builtin")
    filled.catalog.collections.switch(replace(filled.catalog.collections.get("library"), model="builtin"), {})
    opened = open_library()
    assert {one.name: one.model for one in opened.collections()} == {"library": "fast", "new": "builtin"}
    result = opened.search("The harbour was built in 1894.", mode="dense")
    assert Path((*result.hits, *result.weak_hits)[0].document).name == "harbour.txt"
    assert opened.previous_model("library") == "fake"


def test_the_former_built_in_model_that_is_only_kept_is_called_fast_too(
    filled: Library, open_library: OpenLibrary, models: dict[str, Any]
) -> None:
    fast = models["fast"]
    fast.contract = replace(fast.contract, model_id=resolve_spec("fast").model_id)
    filled.use_model("library", "fast")
    filled.use_model("library", "fake")
    scope = filled.catalog.collections.get("library").id
    known = filled.catalog.settings.get("models", scope=scope)
    known["previous"]["model"] = "builtin"
    filled.catalog.settings.set("models", known, scope=scope)
    opened = open_library()
    assert opened.previous_model("library") == "fast"
    assert opened.catalog.collections.get("library").model == "fake"


def test_a_collection_of_an_earlier_version_is_searched_by_words_and_offered_the_present_one(
    documents: Path, models: dict[str, Any], fake_encoder_class: Any, open_library: OpenLibrary
) -> None:
    library = open_library(store=QdrantStore(":memory:"))
    library.create_collection("library", "builtin")
    library.add([documents])
    library.answer_offer("library", accept=False)
    old = library.catalog.collections.get("library").contract_digest
    now = models["builtin"] = fake_encoder_class("builtin", dimension=24)
    now.contract = replace(now.contract, revision="another")
    library.encoders._open.clear()  # as after an upgrade
    result = library.search("The harbour was built in 1894.")
    assert Path(result.hits[0].document).name == "harbour.txt" and result.hits[0].cosine is None
    assert "earlier version of the model builtin" in result.notices[0]
    with pytest.raises(CollectionError, match="embedded again"):
        library.search("harbour", mode="dense")
    offer = library.offer("library")  # though the offer of a better one was declined
    assert offer is not None and (offer.model, offer.is_newer, offer.is_neutral) == ("builtin", True, False)
    job = library.answer_offer("library", accept=True)
    assert job is not None and library.jobs.wait(job.id).state == "done"
    assert library.catalog.collections.get("library").contract_digest not in (old, None)
    assert library.search("The harbour was built in 1894.").notices == ()
    assert library.offer("library") is None and library.previous_model("library") is None
