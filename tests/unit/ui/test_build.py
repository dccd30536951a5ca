"""The page as a whole, served in this process over the library in memory."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ui.build import build
from ui.serve import Address, launch_options
from ui.services.library import Services

pytestmark = pytest.mark.filterwarnings("default")


@contextmanager
def served(services: Services, users: dict[str, str] | None = None) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = build(services)
    try:
        options = launch_options(services.data_dir, Address(port=port), users or {}, services.metrics)
        _, url, _ = page.launch(**options)
        yield url.rstrip("/")
    finally:
        page.close()


def test_every_event_has_a_name_or_is_private(services: Services) -> None:
    dependencies = build(services).get_config_file()["dependencies"]
    assert len(dependencies) > 30
    for dependency in dependencies:
        assert dependency["api_name"]
        assert dependency["api_visibility"] in ("public", "undocumented", "private")
    public = {d["api_name"] for d in dependencies if d["api_visibility"] == "public"}
    assert {
        "add",
        "search",
        "context",
        "jobs",
        "job",
        "cancel",
        "documents",
        "collections",
        "remove",
    } <= public


def test_components_worth_finding_have_ids(services: Services) -> None:
    components = build(services).get_config_file()["components"]
    kinds = ("textbox", "button", "dropdown", "file", "html", "uploadbutton", "downloadbutton")
    assert [c for c in components if c["type"] in kinds and not c["props"].get("elem_id")] == []


def test_what_was_added_to_a_call_of_programs_comes_last_and_may_be_left_out(services: Services) -> None:
    names = build(services).get_api_info()["named_endpoints"]
    added = names["/parallel_start"]["parameters"][-3:]
    assert [one["label"] for one in added] == ["Sentence splitter", "Sample size", "Seed"]
    assert [one["parameter_default"] for one in added] == ["rules", 0, 0]


def test_logins_guard_the_page(services: Services) -> None:
    with served(services, {"ana": "correct horse"}) as url:
        assert httpx.get(f"{url}/config").status_code == 401
        with httpx.Client(base_url=url) as visitor:
            wrong = visitor.post("/login", data={"username": "ana", "password": "battery staple"})
            assert wrong.status_code == 400
            right = visitor.post("/login", data={"username": "ana", "password": "correct horse"})
            assert right.status_code == 200 and visitor.get("/config").status_code == 200


def test_only_exports_are_served_from_the_data_folder(services: Services) -> None:
    secret = services.data_dir / "catalog.sqlite3"
    secret.write_text("secret")
    export = services.export_documents(services.documents("library"))
    with served(services) as url:
        assert httpx.get(f"{url}/gradio_api/file={secret}").status_code == 403
        assert httpx.get(f"{url}/gradio_api/file={export}").status_code == 200


def test_the_page_names_no_address_of_others(services: Services) -> None:
    with served(services) as url:
        css = httpx.get(f"{url}/theme.css").text
    assert "http" not in css.replace("http://www.w3.org", "")
    assert "@import" not in css


def test_a_failing_event_answers_with_a_sentence(services: Services, fake_library: Any) -> None:
    from gradio_client import Client

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("secret detail")

    fake_library.search = broken
    with served(services) as url:
        client = Client(url, verbose=False)
        with pytest.raises(Exception, match="log of the app") as caught:
            client.predict("bees", api_name="/search")
        client.close()
    assert "secret" not in str(caught.value)


def test_programs_create_collections_by_the_name_alone(services: Services, fake_library: Any) -> None:
    from gradio_client import Client

    with served(services) as url:
        client = Client(url, verbose=False)
        made = client.predict("first", api_name="/create_collection_0")
        client.predict("second", api_name="/create_collection_1")
        assert client.predict("third", api_name="/create_collection") == "third"
        client.predict("fourth", "fast", False, api_name="/create_collection")
        client.close()
    assert made[1]["value"] == "first"
    alone = [(name, None, None) for name in ("first", "second", "third")]
    assert fake_library.created == [*alone, ("fourth", "fast", False)]


def test_uploads_become_a_job(services: Services, fake_library: Any, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    file = tmp_path / "a b.txt"
    file.write_text("text")
    with served(services) as url:
        client = Client(url, verbose=False)
        _, job = client.predict([handle_file(file)], "library", api_name="/add")
        client.close()
    assert job["state"] == "running"
    ((path,), collection, options) = fake_library.jobs.submitted[0]
    assert (path.name, collection, options) == ("a b.txt", "library", {"keep_copies": True})
