"""The OpenVINO engine: vectors equal to PyTorch's, and the choice among the ways to compute."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5.cache import cache_folder
from me5.engines import openvino_engine
from me5.engines.openvino_engine import VARIANTS, OpenVinoEngine, Variant
from me5.errors import EngineError, ModelFormatError
from me5.loading import load_encoder

pytest.importorskip("openvino")

TEXTS = [
    "",
    "x",
    "ห้องสมุด 😀",
    "a <pad> in the [PAD] text",
    "word " * 700,
    *(f"river {n} " + "flows " * (n % 40) for n in range(80)),
]
ALL = {variant.name: variant for variant in VARIANTS}
INFINITE = float("inf")


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["tiny_model_dir", "tiny_xlmr_dir"])
def test_fp32_equals_torch(request: pytest.FixtureRequest, name: str) -> None:
    folder = str(request.getfixturevalue(name))
    encoder = load_encoder(folder, engine="openvino", precision="fp32", threads=2)
    exact = load_encoder(folder, engine="torch", device="cpu", precision="fp32").encode(TEXTS)
    assert cosines(encoder.encode(TEXTS), exact).min() >= 1 - 1e-6
    assert cosines(encoder.encode(TEXTS[:2]), exact[:2]).min() >= 1 - 1e-6
    assert cosines(encoder.encode(TEXTS[1:])[:-1], exact[:-2]).max() < 1 - 1e-6  # other rows differ
    alone = load_encoder(folder, engine="openvino", precision="fp32", threads=1).encode(TEXTS)
    assert cosines(alone, exact).min() >= 1 - 1e-6


def test_weights_that_do_not_fit_their_config_are_named(tiny_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    with pytest.raises(ModelFormatError, match=r"do not fit config.json"):
        load_encoder(str(folder), engine="openvino", precision="fp32")
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelFormatError, match=r"lack encoder\.layer\.2"):
        load_encoder(str(folder), engine="openvino", precision="fp32")


def test_nothing_is_written_for_one_precision(cache: Path, tiny_model_dir: Path) -> None:
    load_encoder(str(tiny_model_dir), engine="openvino", precision="fp32").encode(["river"])
    assert not cache.exists()


DROPPED_ELSEWHERE = """
import os, signal, sys, threading
from me5.loading import load_encoder
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
opened = [load_encoder(sys.argv[1], engine="openvino", precision="fp32")]
opened[0].encode(["river"])
dropping = threading.Thread(target=opened.clear)
dropping.start()
dropping.join()
os.kill(os.getpid(), signal.SIGTERM)
print(*heard)
"""


def test_a_signal_is_heard_after_another_thread_closed_the_model(tiny_model_dir: Path) -> None:
    command = [sys.executable, "-c", DROPPED_ELSEWHERE, str(tiny_model_dir)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "SIGTERM\n"), done.stderr


# -- which variant -------------------------------------------------------------------------------------------


def measured(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> list[str]:
    """Let the probe answer so; the names that it is asked for are gathered."""
    asked: list[str] = []

    def probe(self: OpenVinoEngine, variant: Variant, *_: Any) -> float:
        asked.append(variant.name)
        return seconds[variant.name]

    monkeypatch.setattr(OpenVinoEngine, "_probe", probe)
    return asked


@pytest.fixture
def chosen(packed_model_dir: Path) -> Callable[..., str]:
    """Open a packed model as it comes, and say how it computes."""

    def choose(precision: str = "auto", engine: str = "auto") -> str:
        encoder = load_encoder(str(packed_model_dir), engine=engine, device="cpu", precision=precision)
        assert encoder.runtime.precision == encoder._engine.precision
        return encoder._engine._variant.name  # type: ignore[attr-defined]

    return choose


SECONDS = {"fp32": 4.0, "bf16": 2.0, "int8": 3.0, "int8-bf16": 1.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "int8-bf16"),
        ({"int8-bf16": INFINITE}, "bf16"),
        ({"int8-bf16": INFINITE, "bf16": INFINITE}, "int8"),
        ({"int8-bf16": INFINITE, "bf16": INFINITE, "int8": INFINITE}, "fp32"),
    ],
)
def test_the_quickest_is_taken(
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen: Callable[..., str],
    changes: dict[str, float],
    expected: str,
) -> None:
    measured(monkeypatch, SECONDS | changes)
    assert chosen() == expected


def test_a_measurement_is_made_once_and_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str], caplog: Any
) -> None:
    asked = measured(monkeypatch, SECONDS)
    with caplog.at_level(logging.INFO, logger="me5.engines"):
        assert chosen() == "int8-bf16"
    assert "int8-bf16 is the fastest of: fp32 4000.0 ms, bf16 2000.0 ms" in caplog.text
    assert asked == list(ALL)
    measured(monkeypatch, dict.fromkeys(ALL, INFINITE))  # would be refused if it were measured again
    assert chosen() == "int8-bf16"
    kept = json.loads((cache / "measured.json").read_text())
    assert list(kept.values()) == [SECONDS]


def test_only_what_is_not_known_is_measured(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str]
) -> None:
    asked = measured(monkeypatch, SECONDS)
    assert chosen(precision="int8") == "int8-bf16" and asked == ["int8", "int8-bf16"]
    assert chosen() == "int8-bf16" and asked == ["int8", "int8-bf16", "fp32", "bf16"]
    assert chosen(precision="fp32") == "fp32" and len(asked) == 4


def test_another_number_of_threads_is_another_measurement(
    cache: Path, monkeypatch: pytest.MonkeyPatch, packed_model_dir: Path
) -> None:
    asked = measured(monkeypatch, SECONDS)
    for threads in (1, 2, 1):
        load_encoder(str(packed_model_dir), device="cpu", threads=threads)
    assert asked == 2 * list(ALL)


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1', "\x00"])
def test_a_damaged_measurement_is_made_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str], content: str
) -> None:
    cache.mkdir()
    (cache / "measured.json").write_text(content)
    asked = measured(monkeypatch, SECONDS)
    assert chosen() == "int8-bf16" and asked == list(ALL)
    kept = json.loads((cache / "measured.json").read_text())
    (cache / "measured.json").write_text(json.dumps({key: {"fp32": "quick", "bf16": None} for key in kept}))
    assert chosen() == "int8-bf16" and asked == 2 * list(ALL)


def test_a_cache_that_cannot_be_written_costs_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str], caplog: Any
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    asked = measured(monkeypatch, SECONDS)
    with caplog.at_level(logging.INFO, logger="me5.engines"):
        assert chosen() == "int8-bf16" and chosen() == "int8-bf16"
    assert asked == 2 * list(ALL) and "the measurement is not kept" in caplog.text


def test_where_nothing_runs_another_engine_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str]
) -> None:
    measured(monkeypatch, dict.fromkeys(ALL, INFINITE))
    with pytest.raises(EngineError, match="Use engine 'torch'"):
        chosen()


def test_a_variant_that_fails_is_never_chosen(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str]
) -> None:
    """At compiling or only at the first inference: both were met."""
    compile_model = OpenVinoEngine._compile

    class FailsWhenRun:
        def create_infer_request(self) -> "FailsWhenRun":
            return self

        def infer(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("Caught exception")

    def compile_or_fail(self: OpenVinoEngine, graph: Any, variant: Variant, streams: int) -> Any:
        if variant.name == "int8-bf16":
            raise RuntimeError("no such units")
        return FailsWhenRun() if variant.name == "bf16" else compile_model(self, graph, variant, streams)

    monkeypatch.setattr(OpenVinoEngine, "_compile", compile_or_fail)
    assert chosen() in ("fp32", "int8")
    kept = next(iter(json.loads((cache / "measured.json").read_text()).values()))
    assert kept["bf16"] == kept["int8-bf16"] == INFINITE
    assert 0 < kept["fp32"] < INFINITE and 0 < kept["int8"] < INFINITE


def test_units_that_the_processor_lacks_are_not_tried(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: Callable[..., str]
) -> None:
    """OpenVINO would emulate them."""
    monkeypatch.setattr(openvino_engine, "cpu_capabilities", lambda: ["FP32", "INT8"])
    assert chosen() in ("fp32", "int8")
    kept = next(iter(json.loads((cache / "measured.json").read_text()).values()))
    assert kept["bf16"] == kept["int8-bf16"] == INFINITE and kept["int8"] < INFINITE


def test_the_probe_measures_every_variant_that_runs(
    cache: Path, chosen: Callable[..., str], packed_model_dir: Path
) -> None:
    name = chosen()
    kept = next(iter(json.loads((cache / "measured.json").read_text()).values()))
    assert set(kept) == set(ALL) and kept[name] == min(kept.values()) < INFINITE


def test_int8_is_close_to_fp32_and_not_the_same(tiny_wide_dir: Path) -> None:
    exact = load_encoder(str(tiny_wide_dir), engine="openvino", precision="fp32").encode(TEXTS)
    rounded = load_encoder(str(tiny_wide_dir), engine="openvino", precision="int8").encode(TEXTS)
    assert 0.99 <= cosines(rounded, exact).min() < 1 - 1e-6


def test_exact_models_are_not_rounded_to_int8_unasked(tiny_model_dir: Path) -> None:
    assert load_encoder(str(tiny_model_dir), device="cpu").runtime.precision in ("fp32", "bf16")


def test_cache_folder_is_the_users_own() -> None:
    assert cache_folder({"ME5_CACHE": "/somewhere"}) == Path("/somewhere")
    package = Path(__file__).resolve().parents[3]
    assert package not in cache_folder({}).parents
