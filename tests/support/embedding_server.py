"""A small HTTP server that speaks OpenAI's and Cohere's way of asking for embeddings, and notes what it is asked."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSION = 24


@dataclass
class Notes:
    """What a server was asked, and how it is told to behave.

    ``answers`` are taken one for each request: a status with headers and a body, or None for the usual answer.
    """

    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], Any] | None] = field(default_factory=list)
    change: Callable[[Any], Any] = lambda answer: answer
    base: str = ""

    @property
    def texts(self) -> list[str]:
        """All texts that were sent, in order."""
        return [text for body in self.bodies for text in body.get("input", body.get("texts", []))]


def vector(text: str, kind: str = "", dimension: int = DIMENSION) -> list[float]:
    """What the server answers for a text: words are directions, so that texts that share some are close."""
    total = np.zeros(dimension)
    for word in f"{kind} {text}".lower().split() or [""]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        total += np.random.default_rng(seed).normal(size=dimension)
    return [float(number) for number in 3 * total]  # not of length 1


@contextmanager
def serving() -> Iterator[Notes]:
    """A running server on a free port of this computer."""
    notes = Notes()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            notes.paths.append(self.path)
            notes.bodies.append(body)
            notes.keys.append(self.headers.get("Authorization"))
            special = notes.answers.pop(0) if notes.answers else None
            status, headers, answer = special or (200, {}, notes.change(usual_answer(self.path, body)))
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    notes.base = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield notes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def usual_answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """As the APIs answer; OpenAI's rows in another order than the texts."""
    if path.endswith("/embed"):
        size = body.get("output_dimension", DIMENSION)
        return {"embeddings": {"float": [vector(text, body["input_type"], size) for text in body["texts"]]}}
    size = body.get("dimensions", DIMENSION)
    rows = [{"index": i, "embedding": vector(text, "", size)} for i, text in enumerate(body["input"])]
    return {"object": "list", "data": rows[::-1], "model": body["model"]}
