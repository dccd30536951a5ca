import importlib.util
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from me5 import runtime
from me5.errors import EngineError
from me5.folders import FolderFacts, read_folder
from me5.runtime import choose_runtime


@pytest.fixture
def facts(tiny_model_dir: Path) -> FolderFacts:
    return read_folder(tiny_model_dir)


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_accelerator", lambda: None)


def choose(facts: FolderFacts, **wishes):
    choice = choose_runtime(facts, **({"environ": {}} | wishes))
    return choice.engine, choice.device, choice.precision


def test_models_without_layers_need_no_torch(facts: FolderFacts) -> None:
    assert choose(replace(facts, layers=0)) == ("static", "cpu", "fp32")
    assert choose(replace(facts, layers=0), engine="torch", device="cpu") == ("torch", "cpu", "fp32")
    assert choose(replace(facts, layers=0, model_type="xlm-roberta"), precision="fp32")[0] == "torch"


@pytest.mark.parametrize(("units", "precision"), [(["FP32", "BF16"], "bf16"), (["FP32"], "fp32")])
def test_openvino_in_the_best_precision_of_the_processor(
    facts: FolderFacts, monkeypatch: pytest.MonkeyPatch, units: list[str], precision: str
) -> None:
    monkeypatch.setattr(runtime, "cpu_capabilities", lambda: units)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert choose(facts) == ("openvino", "cpu", precision)
    assert choose(facts, precision="fp32") == ("openvino", "cpu", "fp32")


def test_plain_torch_where_openvino_is_missing(facts: FolderFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert choose(facts) == ("torch", "cpu", "fp32")
    with pytest.raises(EngineError, match="not installed"):
        choose(facts, engine="openvino")


def test_arguments_win_over_the_environment(facts: FolderFacts) -> None:
    environ = {"ME5_ENGINE": "torch", "ME5_DEVICE": "cpu", "ME5_PRECISION": "bf16"}
    assert choose(facts, environ=environ) == ("torch", "cpu", "bf16")
    assert choose(facts, environ=environ, precision="fp32") == ("torch", "cpu", "fp32")


def test_the_choice_and_its_reason_are_logged(facts: FolderFacts, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="me5.runtime"):
        choose(replace(facts, layers=0))
    assert "static on cpu in fp32: the model has no layers" in caplog.text


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"engine": "onnx"}, "Unknown engine 'onnx'"),
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"environ": {"ME5_PRECISION": "int4"}}, "ME5_PRECISION"),
        ({"engine": "static"}, "BertModel without layers"),
        ({"engine": "openvino", "device": "cuda"}, "Use engine 'torch'"),
        ({"engine": "torch", "precision": "fp16", "device": "cpu"}, "slow and inexact"),
        ({"engine": "torch", "device": "mps"}, "not available"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_what_cannot_run_is_refused(facts: FolderFacts, wishes: dict, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        choose(facts, **wishes)


@pytest.mark.parametrize("kind", ["gemma3_text", "gemma2", "t5gemma"])
def test_gemma_is_never_computed_in_fp16(
    facts: FolderFacts, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    gemma = replace(facts, model_type=kind)
    for has_bf16, precision, other in ((True, "bf16", "bf16"), (False, "fp32", "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has_bf16: has)
        assert choose(gemma, device="cuda") == ("torch", "cuda", precision)
        assert choose(facts, device="cuda") == ("torch", "cuda", other)
    with pytest.raises(EngineError, match="overflows in fp16"):
        choose(gemma, device="cuda", precision="fp16")
