"""ModernBERT, Gemma 3 and Qwen 3 in OpenVINO: equal to PyTorch, in every kind of attention and every layout."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from me5 import closeness, runtime
from me5.closeness import is_close, overlap
from me5.errors import EngineError, ModelFormatError
from me5.folders import read_folder
from me5.loading import load_encoder
from me5.prefixes import Role
from me5.runtime import IF_CLOSE, choose_runtime

NAMES = ("granite", "embeddinggemma", "harrier", "qwen3")
TEXTS = [
    "",
    "x",
    "The library opens at nine.",
    "river silt " * 200,
    "图书馆早上九点开门。",
    "تحمل الأنهار الطمي إلى البحر",
]


def vectors(folder: Path, engine: str = "openvino", precision: str = "fp32") -> np.ndarray:
    encoder = load_encoder(str(folder), engine=engine, device="cpu", precision=precision, threads=1)
    return encoder.encode(TEXTS, Role.QUERY)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_equals_torch(folders: Any, name: str) -> None:
    """The long text is longer than the window of the layers that have one."""
    assert cosines(vectors(folders(name)), vectors(folders(name), "torch")).min() >= 1 - 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_batches_change_nothing(folders: Any, name: str) -> None:
    encoder = load_encoder(str(folders(name)), engine="openvino", device="cpu", precision="fp32", threads=2)
    together = encoder.encode(TEXTS * 3)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS * 3])
    assert cosines(together, alone).min() >= 1 - 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_are_near(folders: Any, name: str) -> None:
    near = cosines(vectors(folders(name), precision="int8"), vectors(folders(name), "torch"))
    assert near.min() > 0.9 and near.min() < 1 - 1e-7


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("granite", {"local_attention": 4}),
        ("embeddinggemma", {"sliding_window": 4}),
        ("harrier", {"sliding_window": 4}),
        ("harrier", {"use_bidirectional_attention": True}),
        ("harrier", {"query_pre_attn_scalar": 64}),
        ("granite", {"hidden_activation": "silu"}),
        ("qwen3", {"rms_norm_eps": 0.1}),
    ],
)
def test_every_setting_of_the_config_counts(folders: Any, tmp_path: Path, name: str, changed: dict) -> None:
    folder = Path(shutil.copytree(folders(name), tmp_path / name))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
    found = vectors(folder)
    assert cosines(found, vectors(folder, "torch")).min() >= 1 - 1e-6
    assert cosines(found, vectors(folders(name))).min() < 1 - 1e-5


@pytest.mark.parametrize("prefix", ["", "model."])
def test_names_of_tensors_may_have_something_before_them(folders: Any, tmp_path: Path, prefix: str) -> None:
    folder = Path(shutil.copytree(folders("qwen3"), tmp_path / "model"))
    weights = load_file(folder / "model.safetensors")
    save_file({f"{prefix}{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    np.testing.assert_allclose(vectors(folder), vectors(folders("qwen3")), atol=1e-6)
    del weights["layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelFormatError, match=r"lack layers\.1\.mlp\.up_proj\.weight"):
        vectors(folder)
    del weights["embed_tokens.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelFormatError, match=r"lack embed_tokens\.weight"):
        vectors(folder)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0}}, "kind yarn"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "kind linear"),
        ({"attn_logit_softcapping": 50.0}, "capped at 50"),
    ],
)
def test_what_only_transformers_computes_is_left_to_torch(
    folders: Any, tmp_path: Path, changed: dict, why: str
) -> None:
    folder = Path(shutil.copytree(folders("qwen3"), tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
    facts = read_folder(folder)
    assert choose_runtime(facts, device="cpu", environ={}).engine == "torch"
    with pytest.raises(EngineError, match=why):
        choose_runtime(facts, engine="openvino", environ={})


def test_gte_is_left_to_torch_with_the_reason(folders: Any) -> None:
    facts = read_folder(folders("gte"))
    assert choose_runtime(facts, device="cpu", environ={}).engine == "torch"
    with pytest.raises(EngineError, match="it is a gte"):
        choose_runtime(facts, engine="openvino", environ={})


# -- bf16 only where it finds the same neighbours ----------------------------------------------------------


@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_bf16_is_not_taken_unmeasured(folders: Any, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setattr(runtime, "_accelerator", lambda: None)
    facts = read_folder(folders("qwen3"))
    for units, precision in ((["FP32", "BF16"], IF_CLOSE), (["FP32"], "fp32")):
        monkeypatch.setattr(runtime, "cpu_capabilities", lambda found=units: found)
        assert choose_runtime(facts, engine=engine, environ={}).precision == precision
        assert choose_runtime(facts, engine=engine, precision="fp32", environ={}).precision == "fp32"


@pytest.mark.parametrize(("name", "exact"), [("qwen3", "torch"), ("harrier", "openvino")])
def test_fp32_is_computed_by_the_faster_engine(
    folders: Any, monkeypatch: pytest.MonkeyPatch, name: str, exact: str
) -> None:
    monkeypatch.setattr(runtime, "_accelerator", lambda: None)
    facts = read_folder(folders(name))
    monkeypatch.setattr(runtime, "cpu_capabilities", lambda: ["FP32", "BF16"])
    assert choose_runtime(facts, precision="fp32", environ={}).engine == exact
    assert choose_runtime(facts, precision="bf16", environ={}).engine == "openvino"
    open_choice = choose_runtime(facts, environ={})
    assert (open_choice.engine, open_choice.otherwise.engine) == ("openvino", exact)
    asked = choose_runtime(facts, engine="openvino", environ={})
    assert (asked.otherwise.engine, asked.otherwise.precision) == ("openvino", "fp32")
    monkeypatch.setattr(runtime, "cpu_capabilities", lambda: ["FP32"])
    assert choose_runtime(facts, environ={}).engine == exact


def test_the_measurement_is_made_once_and_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path))
    texts: list[int] = []
    draw = np.random.default_rng(0)
    exact = draw.normal(size=(closeness.SENTENCES, 16)).astype(np.float32)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)

    def encode(vectors_ND: np.ndarray) -> Any:
        return lambda found: texts.append(len(found)) or vectors_ND

    near = exact + np.float32(1e-5) * draw.normal(size=exact.shape).astype(np.float32)
    far = exact + np.float32(0.3) * draw.normal(size=exact.shape).astype(np.float32)
    assert overlap(exact, exact) == 1 and overlap(exact, near) > 0.99 and overlap(exact, far) < 0.9
    assert is_close("near", encode(exact), encode(near)) and not is_close("far", encode(exact), encode(far))
    assert texts == [closeness.SENTENCES] * 4
    assert is_close("near", encode(exact), encode(far)) and len(texts) == 4
    (tmp_path / "closeness.json").write_text("damaged")
    assert not is_close("near", encode(exact), encode(far))


@pytest.mark.parametrize(
    ("name", "share", "made"),
    [
        ("harrier", 0.97, ("openvino", "bf16")),
        ("harrier", 0.95, ("openvino", "fp32")),
        ("qwen3", 0.97, ("openvino", "bf16")),
        ("qwen3", 0.95, ("torch", "fp32")),
    ],
)
def test_a_model_is_opened_in_what_was_measured(
    folders: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, share: float, made: tuple
) -> None:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path))
    if "BF16" not in runtime.cpu_capabilities():
        pytest.skip("this processor has no bf16 units")
    monkeypatch.setattr(closeness, "overlap", lambda first, second: share)
    monkeypatch.setattr(runtime, "_accelerator", lambda: None)
    for _ in range(2):  # measured, then kept
        runtime_choice = load_encoder(str(folders(name)), threads=1).runtime
        assert (runtime_choice.engine, runtime_choice.precision) == made
