"""The models people choose, from creating a collection to evaluating: a tiny folder of each architecture, and an API."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app
from indexer.errors import CollectionError
from indexer.library.library import Library
from indexer.types import closest_first
from me5 import registry, runtime
from me5.errors import ModelFormatError
from me5.known_models import MODELS
from me5.loading import load_encoder
from me5.prefixes import Role
from me5.registry import resolve_spec
from tests.support.architectures import ARCHITECTURES, Architecture, write_architecture
from tests.support.embedding_server import serving
from tests.support.static_tables import write_model2vec, write_static

PASSAGES = {
    "river.txt": "Rivers carry silt to the sea, and cities grow along them.",
    "library.txt": "The library opens at nine in the morning.",
    "bibliothek.txt": "Die Bibliothek öffnet um neun Uhr morgens.",
}


@pytest.fixture(autouse=True)
def few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models are slower with more; and no half a minute of measuring bf16."""
    import torch

    torch.set_num_threads(1)
    monkeypatch.setattr(runtime, "_accelerator", lambda: None)
    monkeypatch.setenv("ME5_PRECISION", "fp32")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in PASSAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def task(tmp_path: Path) -> Path:
    rows = ["query,document,grade,language"]
    rows += [f'"{text}","{text}",1,en' for text in PASSAGES.values()]
    path = tmp_path / "judged.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def flow(model: str, documents: Path, task: Path, tmp_path: Path, capsys: Any) -> dict[str, Any]:
    """Create, add, close, search as the model ranks by itself, evaluate."""
    data, question = tmp_path / "data", "Where do rivers carry silt?"
    with Library.open(data, model=model, neutral=False, reserve_bytes=0) as library:
        library.create_collection("papers")
        assert library.add(documents, "papers").added == len(PASSAGES)
    with Library.open(data, neutral=False, reserve_bytes=0) as library:  # the collection knows its model
        result = library.search(question, collection="papers", mode="dense")
        contract = library.catalog.collections.get("papers").contract
    encoder = load_encoder(model).with_unit_length()
    titles = [name.removesuffix(".txt") for name in PASSAGES]
    passages = encoder.encode(list(PASSAGES.values()), Role.PASSAGE, titles=titles)
    scores = passages @ encoder.encode([question], Role.QUERY)[0]
    of_text = dict(zip(PASSAGES.values(), scores.tolist(), strict=True))
    found_scores = [of_text[hit.text] for hit in closest_first(result)]
    assert len(found_scores) == len(PASSAGES)
    # A static model ranks by sentences, without the title: passages that are nearly alike may change places.
    assert all(one >= other - 0.05 for one, other in itertools.pairwise(found_scores))
    assert app.main(["evaluate", str(task), "--model", model, "--json", "--resamples", "10"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["main_metric"] == "nDCG@10"
    found: dict[str, Any] = json.loads(contract)
    return found


@pytest.mark.parametrize("one", [one for one in ARCHITECTURES if one.name != "e5"], ids=lambda one: one.name)
def test_each_architecture(
    one: Architecture, documents: Path, task: Path, tmp_path: Path, capsys: Any
) -> None:
    folder = write_architecture(tmp_path / "model", one)
    contract = flow(str(folder), documents, task, tmp_path, capsys)
    assert (contract["dimension"], contract["pooling"], contract["normalize"]) == (32, one.pooling, True)
    query = next((text for key, text in one.prompts.items() if "query" in key), "")
    assert contract["query_prefix"] == query
    assert contract["passage_prefix"] == one.prompts.get("document", one.prompts.get("passage", ""))


@pytest.mark.parametrize("write", [write_static, write_model2vec])
def test_static_tables(write: Any, documents: Path, task: Path, tmp_path: Path, capsys: Any) -> None:
    contract = flow(str(write(tmp_path / "model")), documents, task, tmp_path, capsys)
    assert contract["normalize"] and contract["dimension"] == 24


def test_an_api(
    documents: Path, task: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv("ME5_API_BASE", server.base)
        monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
        contract = flow("openai:some-model", documents, task, tmp_path, capsys)
        assert contract["revision"] == server.base and contract["dimension"] == 24
        sent = len(server.texts)
        with Library.open(tmp_path / "data", neutral=False, reserve_bytes=0) as library:
            library.add(documents, "papers")
        assert set(server.texts[sent:]) <= {"dimension"}  # nothing is new
        with serving() as other:
            monkeypatch.setenv("ME5_API_BASE", other.base)
            with (
                Library.open(tmp_path / "data", neutral=False, reserve_bytes=0) as library,
                pytest.raises(CollectionError, match="another one"),
            ):
                library.search(PASSAGES["river.txt"], collection="papers")
            assert set(other.texts) <= {"dimension"}  # no text goes where it did not go before


def test_shorter_vectors(
    documents: Path, task: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card of a registered model says which; a folder of it is known by its name and shape."""
    relative = replace(MODELS["static-similarity"], dimensions=(16, 8))
    monkeypatch.setattr(registry, "_relative_of", lambda facts: relative)
    folder = str(write_static(tmp_path / "model"))
    full, short = load_encoder(folder), load_encoder(folder, dimension=8)
    cut = full.encode(["river silt"])[:, :8]
    unit = short.with_unit_length().encode(["river silt"])
    np.testing.assert_allclose(unit, cut / np.linalg.norm(cut), atol=1e-6)
    contract = flow(f"{folder}@8", documents, task, tmp_path, capsys)
    assert contract["dimension"] == 8
    assert app.main(["add", str(documents), "--data", str(tmp_path / "other"), "--model", folder, "--dimension", "16",
                     "--neutral", "off"]) == 0  # fmt: skip
    with Library.open(tmp_path / "other", reserve_bytes=0) as library:
        assert library.catalog.collections.get("library").dimension == 16
    with pytest.raises(ModelFormatError, match="24, 16, 8"):
        load_encoder(folder, dimension=10)


def test_dimensions_that_a_card_does_not_name_are_refused() -> None:
    assert (
        resolve_spec("qwen3-0.6b@32").dimension == 32
        and resolve_spec("embeddinggemma-300m@256").dimension == 256
    )
    assert resolve_spec("arctic-l-v2@256").contract.digest != MODELS["arctic-l-v2"].contract.digest
    for name in (
        "bge-m3@512",
        "harrier-270m@256",
        "qwen3-0.6b@31",
        "qwen3-0.6b@2048",
        "builtin@128",
        "small@128",
    ):
        with pytest.raises(ModelFormatError, match="cannot be used with"):
            resolve_spec(name)
