"""A collection gets another model: with real models and the real store, and killed at any moment."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import app
from indexer.catalog import Catalog
from indexer.library.library import Library
from indexer.store import open_store

ROOT = Path(__file__).resolve().parents[2]
CHILD = ROOT / "tests" / "support" / "switch_child.py"
WORDS = [f"{a}{b}" for a in ("hafen", "fluss", "turm", "brücke", "書庫", "река") for b in range(60)]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    rng = random.Random(7)
    for number in range(8):
        path = tmp_path / "documents" / f"part{number % 2}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        sentences = [" ".join(rng.choices(WORDS, k=9)).capitalize() + "." for _ in range(20)]
        path.write_text(" ".join(sentences), encoding="utf-8")
    return tmp_path / "documents"


def child(data_dir: Path, source: Path, work: str, moment: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(CHILD), str(data_dir), str(source), work, moment]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def model_in_use(data_dir: Path) -> str:
    """The model, after checking that its vectors are whole."""
    catalog = Catalog.open(data_dir / "catalog.sqlite3")
    store = open_store(data_dir, reserve_bytes=0)
    try:
        collection = catalog.collections.get("library")
        ids = [one for one, _ in catalog.chunks.iter_states(collection.id)]
        assert sorted(store.iter_ids(collection.store_name)) == sorted(ids)
        assert store.fetch_dense(collection.store_name, ids[:3]).shape == (3, collection.dimension)
        return collection.model
    finally:
        store.close()
        catalog.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_switch_leaves_whole_vectors_and_is_finished_later(tmp_path: Path, documents: Path) -> None:
    data_dir = tmp_path / "data"
    assert child(data_dir, documents, "add", "never") == 0
    for work, moment, model in (("use", "step:8", "other/model"), ("undo", "step:5", "fake")):
        before = model_in_use(data_dir)
        assert child(data_dir, documents, work, moment) == -signal.SIGKILL
        assert model_in_use(data_dir) == before
        assert child(data_dir, documents, "resume", "never") == 0
        assert model_in_use(data_dir) == model


def test_vectors_of_the_real_store_are_taken_back_as_they_are(
    tmp_path: Path, documents: Path, tiny_model_dir: Path, static_model_dir: Path
) -> None:
    with Library.open(tmp_path / "data", model=str(tiny_model_dir), reserve_bytes=0) as library:
        library.add([documents])
        question = "Hafen12 fluss3"
        before = [hit.chunk_id for hit in library.search(question, top_k=5).weak_hits]
        copy = library.register_model(static_model_dir, "mine")
        assert copy == tmp_path / "data" / "models" / "mine"
        assert [one.name for one in library.models()][-1] == "mine"
        report = library.use_model("library", "mine")
        assert (report.model, report.embedded) == ("mine", report.passages)
        assert library.catalog.collections.get("library").model == "mine"
        library.search(question)
    with Library.open(tmp_path / "data", reserve_bytes=0) as library:  # the built-in model by default
        library.search("Hafen12 fluss3")
        report = library.use_model("library", None)
        assert (report.embedded, report.model) == (0, str(tiny_model_dir))
        after = [hit.chunk_id for hit in library.search(question, top_k=5).weak_hits]
        assert after == before


def test_the_verbs(
    tmp_path: Path,
    documents: Path,
    tiny_model_dir: Path,
    static_model_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*words: object) -> str:
        assert app.main([*map(str, words), "--data", str(tmp_path / "data")]) == 0
        return capsys.readouterr().out

    run("add", documents, "--model", tiny_model_dir)
    assert "mine is registered" in run("models", "--register", static_model_dir, "mine")
    assert "\nmine  " in run("models")
    assert "library uses mine now" in run("use", "mine")
    assert run("search", "Hafen12", "--model", "mine")
    assert run("search", "Hafen12")
    assert str(tiny_model_dir) in run("use", "--undo")
    assert "discarded: vectors of mine" in run("use", "--discard")
    assert "No previous vectors to delete" in run("use", "--discard")
    vectors = tmp_path / "v.npy"
    (tmp_path / "lines.txt").write_text("one\ntwo\n", encoding="utf-8")
    encoded = run("encode", tmp_path / "lines.txt", "--role", "query", "--out", vectors, "--model", "mine")
    assert "2 vectors of 32 dimensions" in encoded
    assert app.main(["use", "--data", str(tmp_path / "data")]) == 1
    assert "either MODEL, or --undo" in capsys.readouterr().err
