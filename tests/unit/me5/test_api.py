"""Models behind an API, against a real server on this computer."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from me5.api import client as client_module
from me5.api.client import ATTEMPTS, Client
from me5.api.kept import KeptVectors
from me5.api.naming import api_key, api_spec, base_address, is_api
from me5.describe import describe
from me5.encoder import Encoder
from me5.errors import ApiError
from me5.loading import find_model, load_encoder
from me5.prefixes import Role
from me5.registry import resolve_spec
from tests.support.embedding_server import DIMENSION, Notes, serving, vector

NAME = "openai:some-model"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Notes]:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    for name in ("ME5_API_KEY", "OPENAI_API_KEY", "COHERE_API_KEY", "CO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client_module, "FIRST_PAUSE_S", 0.001)
    with serving() as notes:
        monkeypatch.setenv("ME5_API_BASE", notes.base)
        yield notes


def unit(text: str, kind: str = "", dimension: int = DIMENSION) -> np.ndarray:
    found = np.array(vector(text, kind, dimension))
    return found / np.linalg.norm(found)


def test_texts_are_sent_in_batches_and_come_back_in_order(server: Notes) -> None:
    encoder = load_encoder(NAME)
    assert encoder.dimension == DIMENSION and encoder.contract.revision == server.base
    server.bodies.clear()
    texts = [f"text {number}" for number in range(300)] + ["text 7", ""]
    done: list[int] = []
    vectors = encoder.encode(texts, Role.PASSAGE, on_progress=done.append)
    np.testing.assert_allclose(vectors, [unit(text or " ") for text in texts], atol=1e-6)
    assert [len(body["input"]) for body in server.bodies] == [128, 128, 45]  # what occurs twice is sent once
    assert done[-1] == 302 and done == sorted(done)
    assert server.bodies[0]["model"] == "some-model" and server.paths[-1] == "/v1/embeddings"
    assert encoder.encode([]).shape == (0, DIMENSION)


def test_what_was_answered_is_never_asked_again(server: Notes) -> None:
    texts = [f"text {number}" for number in range(200)]
    encoder = load_encoder(NAME)
    server.answers = [None, (400, {}, {"error": {"message": "out of credit"}})]
    with pytest.raises(ApiError, match="out of credit"):
        encoder.encode(texts, Role.PASSAGE)
    assert server.texts[-200:-72] == texts[:128]
    server.bodies.clear()
    vectors = load_encoder(NAME).encode(texts, Role.PASSAGE)
    assert server.texts == ["dimension", *texts[128:]]
    np.testing.assert_allclose(vectors, [unit(text) for text in texts], atol=1e-6)
    server.bodies.clear()
    np.testing.assert_array_equal(encoder.encode(texts[::-1], Role.QUERY)[::-1], vectors)
    assert server.bodies == []


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_passing_trouble_is_asked_again(server: Notes, status: int) -> None:
    encoder = load_encoder(NAME)
    server.answers = [(status, {"Retry-After": "0"}, {}), (status, {}, b"<html>")]
    np.testing.assert_allclose(encoder.encode(["river"])[0], unit("river"), atol=1e-6)
    assert len(server.bodies) == 4


def test_trouble_that_stays_ends_after_some_attempts(server: Notes) -> None:
    pauses: list[float] = []
    server.answers = [(503, {"Retry-After": "7200"}, {})] + [(503, {}, {})] * ATTEMPTS
    with pytest.raises(ApiError, match=f"after {ATTEMPTS} attempts"):
        Client(server.base, pause=pauses.append).post("/embeddings", {"input": []})
    assert len(server.bodies) == ATTEMPTS and len(pauses) == ATTEMPTS - 1
    assert pauses[0] == client_module.LONGEST_PAUSE_S  # what the server wishes, within reason
    unreachable = Client("http://127.0.0.1:9", pause=pauses.append)
    with pytest.raises(ApiError, match=r"127\.0\.0\.1:9 did not answer"):
        unreachable.post("/embeddings", {})


@pytest.mark.parametrize(
    ("status", "message"), [(401, "Look at the key"), (404, "name of the model"), (422, "Correct")]
)
def test_what_asking_again_does_not_change_is_said_at_once(server: Notes, status: int, message: str) -> None:
    server.answers = [(status, {}, {"error": {"message": "no"}})]
    with pytest.raises(ApiError, match=message):
        load_encoder(NAME)
    assert len(server.bodies) == 1


def test_a_request_that_is_too_large_is_halved(server: Notes) -> None:
    encoder = load_encoder(NAME)
    server.answers = [(413, {}, {}), None, (413, {}, {})]
    texts = [f"text {number}" for number in range(8)]
    np.testing.assert_allclose(encoder.encode(texts), [unit(text) for text in texts], atol=1e-6)
    assert [len(body["input"]) for body in server.bodies] == [1, 8, 4, 4, 2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer: {"data": answer["data"][:-1]}, "cannot be read"),
        (lambda answer: {"data": [answer["data"][0]] * 2}, "cannot be read"),
        (lambda answer: {"rows": []}, "cannot be read"),
        (lambda answer: [], "cannot be read"),
        (lambda answer: {"data": [row | {"embedding": row["embedding"][:7]} for row in answer["data"]]}, "7 numbers"),
        (lambda answer: {"data": [row | {"embedding": [0.0] * 24} for row in answer["data"]]}, "zero"),
        (lambda answer: {"data": [row | {"embedding": [float("nan")] * 24} for row in answer["data"]]}, "finite"),
        (lambda answer: {"data": [row | {"embedding": "AAAA"} for row in answer["data"]]}, "cannot be read"),
        (lambda answer: {"data": [row | {"index": 9} for row in answer["data"]]}, "cannot be read"),
    ],
)  # fmt: skip
def test_vectors_are_checked(server: Notes, change, message: str) -> None:
    encoder = load_encoder(NAME)
    server.change = change
    with pytest.raises(ApiError, match=message):
        encoder.encode(["a", "b"])
    server.change = lambda answer: answer
    np.testing.assert_allclose(
        encoder.encode(["a", "b"]), [unit("a"), unit("b")], atol=1e-6
    )  # nothing wrong is kept


def test_an_answer_that_is_no_json_is_said(server: Notes) -> None:
    server.answers = [(200, {}, b"<html>hello</html>")]
    with pytest.raises(ApiError, match="did not answer with JSON"):
        load_encoder(NAME)


def test_neither_key_nor_texts_follow_a_redirect(server: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ME5_API_KEY", "secret")
    with serving() as other:
        server.answers = [(307, {"Location": other.base}, {}), (302, {"Location": other.base}, {})]
        for _ in range(2):
            with pytest.raises(ApiError, match="refuses") as caught:
                load_encoder(NAME)
            assert "secret" not in str(caught.value)
        assert other.bodies == [] and server.keys == ["Bearer secret"] * 2


def test_keys_go_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"OPENAI_API_KEY": "own", "COHERE_API_KEY": "other", "ME5_API_KEY": "mine"}
    assert api_key("openai", "https://api.openai.com/v1", own) == "own"
    assert api_key("cohere", "https://api.cohere.com/v2", own) == "other"
    assert api_key("openai", "http://elsewhere:80/v1", own) == "mine"
    assert api_key("openai", "http://elsewhere:80/v1", {"OPENAI_API_KEY": "own"}) is None
    with pytest.raises(ApiError, match="OPENAI_API_KEY"):
        api_key("openai", "https://api.openai.com/v1", {})
    assert "secret" not in repr(Client("http://a", "secret"))


@pytest.mark.parametrize(
    "address", ["localhost:11434", "ftp://a/v1", "http://user:secret@a/v1", "http://", "http://a?k=secret", "http://[x"]
)  # fmt: skip
def test_addresses_that_cannot_be_used_are_refused_without_their_secrets(address: str) -> None:
    with pytest.raises(ApiError) as caught:
        base_address("openai", {"ME5_API_BASE": address})
    assert "secret" not in str(caught.value)
    assert base_address("openai", {"ME5_API_BASE": "http://a:1/v1/ "}) == "http://a:1/v1"


def test_cohere_is_told_what_a_text_is_for(server: Notes) -> None:
    encoder = load_encoder("cohere:embed-multilingual-v3.0")
    server.bodies.clear()
    for role, kind in (
        (Role.QUERY, "search_query"),
        (Role.PASSAGE, "search_document"),
        (Role.BITEXT, "search_document"),
    ):
        np.testing.assert_allclose(encoder.encode(["river"], role)[0], unit("river", kind), atol=1e-6)
    assert [body["input_type"] for body in server.bodies] == [
        "search_query",
        "search_document",
    ]  # the third is known
    assert server.paths[-1] == "/v1/embed" and server.bodies[0]["truncate"] == "END"
    server.bodies.clear()
    encoder.encode([f"text {number}" for number in range(100)])
    assert [len(body["texts"]) for body in server.bodies] == [96, 4]


def test_shorter_vectors_are_asked_for_and_are_another_contract(server: Notes) -> None:
    full, short = load_encoder(NAME), load_encoder(f"{NAME}@8")
    assert server.bodies[-1]["dimensions"] == 8 and "dimensions" not in server.bodies[0]
    assert short.dimension == 8 and short.spec.name == f"{NAME}@8" and full.dimension == DIMENSION
    assert short.contract.digest != full.contract.digest
    np.testing.assert_allclose(short.encode(["river"])[0], unit("river", dimension=8), atol=1e-6)
    assert full.encode(["river"]).shape == (1, DIMENSION)
    server.change = lambda answer: {"data": [{"embedding": [1.0] * DIMENSION}]}
    with pytest.raises(ApiError, match="expected 16"):
        load_encoder(NAME, dimension=16)


def test_another_address_is_another_contract(server: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_encoder(NAME)
    with serving() as other:
        monkeypatch.setenv("ME5_API_BASE", other.base)
        second = load_encoder(NAME)
        assert other.texts == ["dimension"]  # nothing of the user's
    assert first.contract.digest != second.contract.digest
    assert "http" not in first.spec.name and first.contract.model_id == NAME


def test_long_texts_are_cut_and_titles_and_words_stand_before_them(server: Notes) -> None:
    encoder = load_encoder("openai:intfloat/multilingual-e5-small")
    server.bodies.clear()
    encoder.encode(["river " * 2_000, "東京" * 3_000], Role.PASSAGE, titles=["T", ""])
    first, second = server.texts
    assert first.startswith("passage: T river river") and "passage: 東京" in second
    assert all(
        0.9 * encoder.max_tokens < n <= encoder.max_tokens + 2
        for n in encoder._tokenization.count([first, second])
    )
    encoder.encode(["where?"], Role.QUERY)
    assert server.texts[-1] == "query: where?"
    spans = encoder.token_spans(["river silt"])[0]
    assert spans[-1, 1] == len("river silt") and encoder.overhead_tokens(Role.PASSAGE) > 2


@pytest.mark.parametrize(
    ("served", "query"),
    [
        ("text-embedding-3-small", ""),
        ("bge-m3", ""),
        ("intfloat/multilingual-e5-large-instruct", "Instruct: "),
        ("Qwen/Qwen3-Embedding-0.6B", "Instruct: "),
        ("google/embeddinggemma-300m", "task: search result | query: "),
        ("e5-base", "query: "),
        ("those5", ""),
    ],
)
def test_a_served_model_gets_the_words_of_its_name(served: str, query: str) -> None:
    from me5.prefixes import prefix_of

    spec = api_spec(f"openai:{served}")
    found = prefix_of(spec, Role.QUERY, spec.default_instruction)
    assert found.startswith(query) and bool(found) == bool(query)


def test_names_of_apis_are_told_from_others() -> None:
    assert is_api("openai:a") and is_api("cohere:b:c")
    assert not any(map(is_api, ("openai", "openai:", "fast", "blend:a+b@0.3", "product:small", "owner/name")))
    assert resolve_spec("openai:a@256").name == "openai:a@256"
    with pytest.raises(ApiError, match="no files"):
        find_model("openai:a")
    facts = {fact.label: fact.value for fact in describe("openai:a")}
    assert "leaves this computer" in facts["privacy"] and facts["address"].startswith("http")


def test_an_encoder_with_a_face_of_its_own_is_still_one(server: Notes) -> None:
    encoder = load_encoder(NAME)
    assert isinstance(encoder, Encoder) and encoder.spec.layers == 0 and encoder.engine_name == "api"
    assert encoder.with_neutral(None).encode(["river"]).shape == (1, DIMENSION)


def test_kept_vectors_have_an_end_and_survive_a_damaged_file(tmp_path: Path) -> None:
    kept = KeptVectors(tmp_path / "a" / "kept.sqlite3", limit=10)
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    texts = [f"text {number}" for number in range(20)]
    assert kept.read(texts, "any") == {}
    for start in (0, 10):
        kept.write(texts[start : start + 10], "any", rows[start : start + 10])
    found = kept.read(texts, "any")
    assert list(found) == texts[10:] or set(found) == set(texts[10:])
    np.testing.assert_array_equal(found["text 19"], rows[19])
    assert kept.read(texts, "query") == {}
    with sqlite3.connect(tmp_path / "a" / "kept.sqlite3") as connection:
        assert "text 1" not in json.dumps([str(row) for row in connection.execute("SELECT * FROM kept")])
    connection.close()
    (tmp_path / "a" / "kept.sqlite3").write_bytes(b"damaged" * 1000)
    assert kept.read(texts, "any") == {}
    kept.write(texts, "any", rows)
