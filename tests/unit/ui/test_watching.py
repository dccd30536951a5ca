"""What programs that watch the app are told, and whom."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from indexer.errors import StoreError
from indexer.library.library import Library
from tests.support.fake_encoder import FakeEncoder
from tests.support.fake_store import FakeStore
from ui.filters import SearchFilters
from ui.services.library import Services
from ui.services.metrics import Metrics
from ui.watching import Watched


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    encoder: Any = FakeEncoder()
    store: Any = FakeStore()
    with Library.open(tmp_path / "data", encoder=encoder, store=store, reserve_bytes=0) as library:
        (tmp_path / "bees.txt").write_text("Bees keep the garden alive.")
        library.add(tmp_path / "bees.txt")
        yield Services(library, tmp_path / "data")


async def may_enter(name: str, password: str) -> bool:
    return (name, password) == ("ana", "correct horse")


def client(metrics: Metrics, *, is_private: bool = True, checker: Any = may_enter) -> TestClient:
    page = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("the page"))])
    return TestClient(Watched(page, metrics, is_private, checker))


def numbers(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_searches_documents_and_jobs_are_counted(services: Services) -> None:
    asked = client(services.metrics)
    before = numbers(asked.get("/metrics").text)
    assert before["me5_documents[('collection', 'library')]"] == 1
    assert before["me5_passages[('collection', 'library')]"] == 1
    assert before["me5_jobs[('state', 'running')]"] == 0
    assert not any(name.startswith("me5_search_seconds_count") for name in before)
    services.search("bees", "library", SearchFilters(mode="dense"))
    with pytest.raises(Exception, match="nothing"):
        services.search("bees", "nothing", SearchFilters(mode="dense"))
    after = numbers(asked.get("/metrics").text)
    assert after["me5_search_seconds_count[('mode', 'dense')]"] == 1
    assert after["me5_search_refused_total[]"] == 1
    assert after["process_resident_memory_bytes[]"] > 1e6


def test_health_says_whether_catalog_and_vectors_answer(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = client(services.metrics, is_private=False)
    assert (asked.get("/health").status_code, asked.get("/health").text) == (200, "ok\n")

    def refuse() -> list[str]:
        raise StoreError("secret-host:6333 does not answer")

    monkeypatch.setattr(services.library.store, "names", refuse)
    answer = asked.get("/health")
    assert answer.status_code == 503 and "secret-host" not in answer.text


@pytest.mark.parametrize(
    ("login", "status"),
    [(None, 401), ("ana:correct horse", 200), ("ana:wrong", 401), ("ana", 401), ("\u00e9:x", 401)],
)
def test_numbers_of_a_public_page_are_for_those_in_the_auth_file(
    services: Services, login: str | None, status: int
) -> None:
    packed = base64.b64encode((login or "").encode()).decode()
    headers = {} if login is None else {"authorization": f"Basic {packed}"}
    asked = client(services.metrics, is_private=False)
    assert asked.get("/metrics", headers=headers).status_code == status
    without_users = client(services.metrics, is_private=False, checker=None)
    assert without_users.get("/metrics", headers=headers).status_code == 401
    for sent in ("Bearer x", "Basic !!!", "Basic"):
        assert asked.get("/metrics", headers={"authorization": sent}).status_code == 401


def test_everything_else_goes_to_the_page(services: Services) -> None:
    asked = client(services.metrics, is_private=False)
    assert asked.get("/").text == asked.get("/metrics/x").text == "the page"
    assert asked.post("/metrics").status_code == 405
