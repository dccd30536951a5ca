import json
import re
import shutil
from pathlib import Path

import pytest

from me5 import hub, registry
from me5.errors import HubUnreachableError, ModelFormatError, UnknownModelError
from me5.loading import load_encoder
from me5.registry import BUILTIN_FOLDER, MODELS, resolve_spec, spec_from_folder


def test_the_promised_models_are_registered() -> None:
    assert list(MODELS)[:5] == ["builtin", "small", "base", "large", "large-instruct"]
    assert {"labse", "mcontriever", "bge-large-en-v1.5", "mdpr"} <= set(MODELS)


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.name)
def test_specs_are_complete(spec) -> None:
    assert spec.dimension > 0 and spec.pooling in ("mean", "cls", "last")
    assert spec.revision is None or re.fullmatch("[0-9a-f]{40}", spec.revision)
    assert spec.revision or spec.name == "builtin" or "none is pinned" in spec.note
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
    assert options["allow_patterns"] == ["*.json", "model*.safetensors"] and options["local_files_only"]


def test_a_folder_describes_itself(tiny_model_dir: Path, tmp_path: Path) -> None:
    spec = resolve_spec(str(tiny_model_dir))
    assert (spec.dimension, spec.layers, spec.max_tokens, spec.pooling) == (32, 2, 512, "mean")
    assert (spec.query_prefix, spec.passage_prefix) == ("query: ", "passage: ")
    moved = Path(shutil.copytree(tiny_model_dir, tmp_path / "moved"))
    assert spec_from_folder(moved).contract == spec.contract
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    assert spec_from_folder(moved).contract.digest != spec.contract.digest


def without_prompts(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder)
    (folder / "config_sentence_transformers.json").unlink()
    return folder


def test_folders_without_prompts_get_e5_prefixes_only_when_named_e5(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    assert spec_from_folder(without_prompts(tiny_model_dir, tmp_path / "my-e5")).query_prefix == "query: "
    assert spec_from_folder(without_prompts(tiny_model_dir, tmp_path / "plain")).query_prefix == ""


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


def test_a_missing_builtin_model_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "BUILTIN_FOLDER", tmp_path)
    with pytest.raises(ModelFormatError, match="built-in model"):
        resolve_spec("builtin")


def test_the_builtin_entry_says_what_its_folder_holds() -> None:
    spec, resolved = MODELS["builtin"], resolve_spec("builtin")
    assert (spec.dimension, spec.layers) == (resolved.dimension, resolved.layers)
    config = json.loads((BUILTIN_FOLDER / "config.json").read_text(encoding="utf-8"))
    assert spec.parameters == config["vocab_size"] * config["hidden_size"]
