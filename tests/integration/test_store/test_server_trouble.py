"""The server home when the server is not there or refuses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from indexer.errors import StoreError
from indexer.store import open_store
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


def test_no_server_is_reported_with_its_address() -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(StoreError, match=rf"{url} does not answer.*--qdrant-url"):
        open_store(Path(), qdrant_url=url)


def test_a_missing_key_is_reported(refusing_url: str) -> None:
    with pytest.raises(StoreError, match=r"status 401.*Must provide an API key.*Check the API key"):
        open_store(Path(), qdrant_url=refusing_url)


def test_an_address_that_is_none_is_reported() -> None:
    with pytest.raises(StoreError, match=r"expected http://host:6333|does not answer"):
        QdrantStore("http://127.0.0.1:notaport", settings=ServerSettings(timeout_s=2))
