"""The server home when the server is not there or refuses."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import StoreAwayError, StoreError
from indexer.progress import waiting
from indexer.store import open_store, qdrant_requests
from indexer.store.qdrant import QdrantStore
from indexer.store.settings import ServerSettings


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": {"error": "Must provide an API key"}}'
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def serving(answers: list[int], asked: list[str] | None = None) -> Iterator[str]:
    """A server that answers with these status codes in turn, and then as Qdrant does; 0 hangs up."""
    left = list(answers)

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            code = left.pop(0) if left else 200
            if code == 0:
                self.close_connection = True
                return
            body = b'{"result": {"collections": []}, "status": "ok", "time": 0.0}'
            if code != 200:
                body = (
                    b'{"status": {"error": "Service internal error: MetadataMap { headers: {\\"x\\": 1} }"}}'
                )
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("answers", [[503, 503], [0, 500], [429, 502, 504], [200]])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    answers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qdrant_requests, "FIRST_PAUSE_S", 0.01)
    asked: list[str] = []
    with serving(answers, asked) as url:
        store = QdrantStore(url)
        assert len(asked) == max(len(answers) + 1, 1) - (answers == [200])
        assert store.names() == []
        store.close()


def test_what_may_pass_is_told_from_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "FIRST_PAUSE_S", 0.01)
    told: list[str] = []
    token = waiting.set(told.append)
    with serving([200] + [503] * 50) as url:
        store = QdrantStore(url, settings=ServerSettings(patience_s=0.05))
        assert not store.is_there()
        with pytest.raises(StoreAwayError):
            store.exists("c")
        assert set(told) == {f"waiting for the Qdrant server at {url}"}
    waiting.reset(token)
    with serving([200, 400, 400]) as url:
        store = QdrantStore(url, settings=ServerSettings(patience_s=0.05))
        assert store.is_there()  # it answers, if only to refuse
        with pytest.raises(StoreError) as refused:
            store.exists("c")
        assert not isinstance(refused.value, StoreAwayError)


def test_patience_ends_and_the_words_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "FIRST_PAUSE_S", 0.01)
    with serving([503] * 1000) as url, pytest.raises(StoreError) as caught:
        QdrantStore(url, settings=ServerSettings(patience_s=0.1))
    assert "status 503: Service internal error" in str(caught.value)
    assert "MetadataMap" not in str(caught.value) and "headers" not in str(caught.value)


def test_a_search_gives_up_sooner_than_work_from_its_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(qdrant_requests, "ASKED_FOR_S", 0.0)
    asked: list[str] = []
    with serving([200, *[503] * 1000], asked) as url:
        store = QdrantStore(url, settings=ServerSettings(patience_s=0.2))
        with pytest.raises(StoreError, match="status 503"):
            store.query("library", dense=np.ones(4, np.float32))
        assert len(asked) == 2
        with pytest.raises(StoreError, match="status 503"):
            store.count("library")
        assert len(asked) > 4
        store.close()


def test_another_node_is_asked_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_requests, "FIRST_PAUSE_S", 0.01)
    with HTTPServer(("127.0.0.1", 0), Refusing) as gone:
        away = f"http://127.0.0.1:{gone.server_port}"
    with serving([]) as url:
        store = QdrantStore(f"{away},{url}")
        assert store.names() == [] and away in store.describe() and url in store.describe()
        store.close()


def test_no_server_is_reported_with_its_address() -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(StoreError, match=rf"{url} does not answer.*--qdrant-url"):
        open_store(Path(), qdrant_url=url, server=ServerSettings(patience_s=0.1))


def test_a_missing_key_is_reported(refusing_url: str) -> None:
    with pytest.raises(StoreError, match=r"status 401.*Must provide an API key.*Check the API key"):
        open_store(Path(), qdrant_url=refusing_url)


def test_an_address_that_is_none_is_reported() -> None:
    with pytest.raises(StoreError, match=r"expected http://host:6333"):
        QdrantStore("http://127.0.0.1:notaport", settings=ServerSettings(timeout_s=2))


@pytest.mark.parametrize(
    ("url", "says"), [("http://10.255.255.1:6333", True), ("https://10.255.255.1:6333", False)]
)
def test_a_key_over_plain_http_is_named_once_in_our_words(
    url: str, says: bool, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    qdrant_requests._connect(url, "secret-key", ServerSettings()).close()
    lines = [record.getMessage() for record in caplog.records]
    assert [("unencrypted" in line) for line in lines] == [True] * says
    assert "secret-key" not in "".join(lines) and not [
        item for item in recwarn if "Api key" in str(item.message)
    ]


def test_a_key_that_may_only_read_says_so_when_something_is_written() -> None:
    with serving([200, 403]) as url:
        store = QdrantStore(url, settings=ServerSettings(patience_s=0.05))
        with pytest.raises(StoreError, match="may only read"):
            store.exists("c")
