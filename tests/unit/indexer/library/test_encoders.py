"""The models of a data folder: registered under a name, opened when needed, few at a time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from indexer.catalog import CollectionRecord
from indexer.errors import CollectionError, DiskFullError, ModelError
from indexer.library.encoders import Encoders, ModelFolder, NeutralMaps
from me5.contract import ModelContract
from me5.errors import ModelFormatError, UnknownModelError
from me5.registry import MODELS, resolve_spec


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "data" / "models")


def test_a_run_is_registered_and_listed(folder: ModelFolder, static_model_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(static_model_dir, tmp_path / "run" / "model")
    (tmp_path / "run" / "model" / "pytorch_model.bin").write_bytes(b"pickled")
    copy = folder.register(tmp_path / "run", "harbour-v1.2")
    assert copy == folder.root / "harbour-v1.2" == folder.find("harbour-v1.2")
    assert not (copy / "pytorch_model.bin").exists()
    assert resolve_spec(str(copy)).contract == resolve_spec(str(static_model_dir)).contract
    assert folder.locate("harbour-v1.2") == str(copy)
    assert list(folder.root.iterdir()) == [copy]
    known = folder.known()
    assert [one.name for one in known] == [*MODELS, "harbour-v1.2"]
    assert known[-1].spec is not None and (known[-1].spec.name, known[-1].spec.dimension) == (
        "harbour-v1.2",
        32,
    )
    (copy / "model.safetensors").unlink()
    (folder.root / ".half.part").mkdir()
    assert "safetensors" in folder.known()[-1].problem


def test_prefixes_that_follow_from_the_name_of_the_folder_are_kept(
    folder: ModelFolder, static_model_dir: Path, tmp_path: Path
) -> None:
    source = tmp_path / "my-e5"
    shutil.copytree(static_model_dir, source)
    (source / "config_sentence_transformers.json").unlink()
    copy = folder.register(source, "plain")
    contract = resolve_spec(str(copy)).contract
    assert (contract.query_prefix, contract.passage_prefix) == ("query: ", "passage: ")


def test_prefixes_that_are_given_are_written_down(
    folder: ModelFolder, static_model_dir: Path, tmp_path: Path
) -> None:
    source = tmp_path / "plain"
    shutil.copytree(static_model_dir, source)
    (source / "config_sentence_transformers.json").unlink()
    for name, prefixes in (("mine", ("search_query: ", "search_document: ")), ("bare", ("", ""))):
        spec = resolve_spec(str(folder.register(source, name, prefixes=prefixes)))
        assert (spec.query_prefix, spec.passage_prefix) == prefixes


def test_words_for_bitext_and_instructions_are_kept(
    folder: ModelFolder, static_model_dir: Path, tmp_path: Path
) -> None:
    source = tmp_path / "e5"
    shutil.copytree(static_model_dir, source)
    (source / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "query: ", "passage": "passage: ", "bitext": ""}})
    )
    copy = folder.register(source, "mine", prefixes=("q: ", "p: "))
    assert resolve_spec(str(copy)).bitext_prefix == ""


@pytest.mark.parametrize("name", ["", "Big", "a b", "../x", "a/b", ".hidden", "a..b", "x" * 65])
def test_names_that_are_no_names_are_refused(folder: ModelFolder, static_model_dir: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be used"):
        folder.register(static_model_dir, name)
    assert folder.find(name) is None


def test_names_that_are_taken_are_refused(folder: ModelFolder, static_model_dir: Path) -> None:
    for name in ("builtin", "product"):
        with pytest.raises(ModelError, match="already means another model"):
            folder.register(static_model_dir, name)
    folder.register(static_model_dir, "mine")
    with pytest.raises(ModelError, match="registered as 'mine' already"):
        folder.register(static_model_dir, "mine")


def test_what_is_no_model_is_refused_and_leaves_nothing(
    folder: ModelFolder, static_model_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        folder.register(tmp_path, "mine")
    broken = tmp_path / "broken"
    shutil.copytree(static_model_dir, broken)
    (broken / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be registered as 'mine'"):
        folder.register(broken, "mine")
    (broken / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        folder.register(broken, "mine")
    assert not list(folder.root.glob("*"))


def test_a_model_that_has_diverged_is_refused(
    folder: ModelFolder, static_model_dir: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(static_model_dir, broken)
    weights = load_file(broken / "model.safetensors")
    weights = {name: torch.full_like(value, float("nan")) for name, value in weights.items()}
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError):
        folder.register(broken, "mine")
    assert not list(folder.root.glob("*"))


def test_a_full_disk_is_noticed_before_copying(folder: ModelFolder, static_model_dir: Path) -> None:
    with pytest.raises(DiskFullError):
        folder.register(static_model_dir, "mine", reserve_bytes=10**18)
    assert not list(folder.root.glob("*"))


# -- encoders --------------------------------------------------------------------------------------------


MakeEncoders = Callable[..., tuple[Encoders, list[str]]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, folder: ModelFolder) -> MakeEncoders:
    """Encoders over made-up models (name -> digest), and the list of what they open."""

    def make_one(known: dict[str, str], default: str, **options: Any) -> tuple[Encoders, list[str]]:
        opened: list[str] = []

        def load(_: Encoders, name: str) -> Any:
            if name not in known:
                raise UnknownModelError(f"Unknown model {name!r}.")
            opened.append(name)
            return fake(name, known[name])

        monkeypatch.setattr(Encoders, "_load", load)
        return Encoders(folder, NeutralMaps(folder.root.parent / "neutral"), default, **options), opened

    return make_one


def contract(revision: str) -> ModelContract:
    return ModelContract("some/model", revision, "", "", None, "mean", True, 512, 3)


def fake(name: str, revision: str) -> Any:
    spec = SimpleNamespace(name=name, layers=0, normalize=True)
    return SimpleNamespace(spec=spec, contract=contract(revision), neutral=None)


def collection(model: str, revision: str) -> CollectionRecord:
    stored = contract(revision)
    return CollectionRecord("id", "papers", model, stored.to_json(), stored.digest, 3, 1.0)


def test_a_model_is_opened_once_and_the_longest_unused_is_dropped(make: MakeEncoders) -> None:
    encoders, opened = make({"a": "1", "b": "2", "c": "3"}, "a")
    for name in ("a", "b", "a", "b"):
        assert encoders.of(collection(name, {"a": "1", "b": "2"}[name])).spec.name == name
    assert opened == ["a", "b"]
    encoders.load("c")  # drops a
    encoders.load("b")
    encoders.load("a")
    assert opened == ["a", "b", "c", "a"]
    assert encoders.default.spec.name == "a"


def test_a_given_model_is_never_dropped_or_opened(make: MakeEncoders) -> None:
    encoders, opened = make({"a": "1", "b": "2", "c": "3"}, "a", encoder=fake("given", "9"))
    for name in ("a", "b", "c"):
        encoders.load(name)
    assert encoders.default.spec.name == "given"
    assert encoders.of(collection("renamed", "9")) is encoders.default is encoders.load("given")
    assert opened == ["a", "b", "c"]


def test_a_model_that_has_moved_is_the_default_one(make: MakeEncoders) -> None:
    encoders, _ = make({"/new/place": "1"}, "/new/place")
    assert encoders.of(collection("/old/place", "1")).spec.name == "/new/place"


def test_a_model_that_is_gone_or_another_one_is_told(make: MakeEncoders) -> None:
    encoders, _ = make({"a": "1"}, "a")
    with pytest.raises(
        CollectionError, match="'papers' was made with the model 'gone', which cannot be opened"
    ):
        encoders.of(collection("gone", "7"))
    with pytest.raises(CollectionError, match="use a --collection papers"):
        encoders.of(collection("a", "7"))
    with pytest.raises(CollectionError, match="cannot be opened"):
        make({}, "a")[0].of(collection("gone", "7"))
    assert encoders.of(collection("a", "1")).spec.name == "a"


# -- language-neutral maps -------------------------------------------------------------------------------


@pytest.fixture
def few_sentences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An estimate of moments, kept nowhere else."""
    rows = [
        (language, f"{word} {n}") for language in "abcdefgh" for word in ("river", "fluss") for n in "123"
    ]
    monkeypatch.setattr("me5.neutral.bundled_sample", lambda: rows)
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))


def encoders_of(tmp_path: Path, model: Path, **options: Any) -> Encoders:
    folder = ModelFolder(tmp_path / "data" / "models")
    return Encoders(folder, NeutralMaps(tmp_path / "data" / "neutral"), str(model), **options)


def record_of(encoder: Any) -> CollectionRecord:
    stored = encoder.contract
    return CollectionRecord("id", "papers", encoder.spec.name, stored.to_json(), stored.digest, 32, 1.0)


def test_new_collections_are_neutral_and_old_ones_stay_as_they_are(
    few_sentences: None, tiny_model_dir: Path, tmp_path: Path
) -> None:
    first = encoders_of(tmp_path, tiny_model_dir)
    published, neutral = first.load(str(tiny_model_dir)), first.default
    assert published.contract.neutral is None
    assert neutral.contract.neutral is not None and neutral.contract.digest != published.contract.digest
    assert not np.allclose(neutral.encode(["river"]), published.encode(["river"]), atol=1e-3)
    after_restart = encoders_of(tmp_path, tiny_model_dir)
    for one in (published, neutral):
        again = after_restart.of(record_of(one))
        assert again.contract == one.contract
        np.testing.assert_allclose(again.encode(["river"]), one.encode(["river"]), atol=1e-6)
    assert encoders_of(tmp_path, tiny_model_dir, neutral=False).default.contract == published.contract


def test_a_collection_whose_map_is_gone_is_refused(
    few_sentences: None, tiny_model_dir: Path, tmp_path: Path
) -> None:
    stored = record_of(encoders_of(tmp_path, tiny_model_dir).default)
    shutil.rmtree(tmp_path / "data" / "neutral")
    with pytest.raises(CollectionError, match="neutral"):
        encoders_of(tmp_path, tiny_model_dir).of(stored)


def test_static_models_stay_as_they_are(few_sentences: None, static_model_dir: Path, tmp_path: Path) -> None:
    assert encoders_of(tmp_path, static_model_dir).default.contract.neutral is None


def test_a_collection_of_the_former_built_in_model_opens_with_fast(tmp_path: Path) -> None:
    fast = resolve_spec("fast").contract
    former = CollectionRecord("id", "papers", "builtin", fast.to_json(), fast.digest, 256, 1.0)
    found = encoders_of(tmp_path, Path("builtin")).of(former)
    assert (found.spec.name, found.contract.digest) == ("fast", fast.digest)


# -- models whose vectors have no unit length, and shorter vectors -----------------------------------------


def without_normalize(source: Path, folder: Path, similarity: str) -> Path:
    """A copy whose modules end with the pooling."""
    shutil.copytree(source, folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    settings = json.loads((folder / "config_sentence_transformers.json").read_text())
    settings["similarity_fn_name"] = similarity
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


def test_vectors_compared_by_cosine_get_unit_length_in_a_collection(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    model = without_normalize(tiny_model_dir, tmp_path / "model", "cosine")
    encoders = encoders_of(tmp_path, model, neutral=False)
    published, stored = encoders.load(str(model)), encoders.for_new()
    texts = ["river", "silt and sea"]
    raw = published.encode(texts)
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).min() > 1e-3
    np.testing.assert_allclose(
        stored.encode(texts), raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-6
    )
    assert stored.contract.normalize and not published.contract.normalize
    digest, text = stored.contract.digest, stored.contract.to_json()
    record = CollectionRecord("id", "papers", str(model), text, digest, 32, 1.0)
    assert encoders.of(record).contract == stored.contract
    assert encoders_of(tmp_path, model, neutral=False).of(record).contract == stored.contract


def test_vectors_compared_by_inner_product_are_refused_before_anything_is_encoded(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    """mContriever and mDPR are such models."""
    model = without_normalize(tiny_model_dir, tmp_path / "model", "dot")
    with pytest.raises(ModelFormatError, match="inner product"):
        encoders_of(tmp_path, model).for_new()
    for name in ("mcontriever", "mdpr"):
        assert MODELS[name].similarity == "dot"
    assert all(spec.normalize or spec.similarity in ("dot", "cosine") for spec in MODELS.values())
