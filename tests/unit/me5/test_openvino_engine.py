from pathlib import Path

import numpy as np
import pytest

from me5.engines.openvino_engine import cache_folder
from me5.errors import EngineError
from me5.loading import load_encoder

pytest.importorskip("openvino")

TEXTS = ["", "x", "ห้องสมุด 😀", "word " * 700] + [f"river {n} " + "flows " * (n % 40) for n in range(80)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ME5_CACHE", str(folder))
        yield folder


@pytest.mark.parametrize("name", ["tiny_model_dir", "tiny_xlmr_dir"])
def test_fp32_equals_torch_and_the_graph_is_cached(request, cache: Path, monkeypatch, name: str) -> None:
    folder = str(request.getfixturevalue(name))
    encoder = load_encoder(folder, engine="openvino", precision="fp32", threads=2)
    exact = load_encoder(folder, engine="torch", device="cpu", precision="fp32").encode(TEXTS)
    assert np.sum(encoder.encode(TEXTS) * exact, axis=1).min() >= 1 - 1e-6
    assert np.sum(encoder.encode(TEXTS[:2]) * exact[:2], axis=1).min() >= 1 - 1e-6
    assert np.sum(encoder.encode(TEXTS[1:])[:-1] * exact[:-2], axis=1).max() < 1 - 1e-6  # other rows differ
    assert list(cache.glob("openvino/*/model.xml")) and not list(cache.glob("openvino/.converting-*"))
    monkeypatch.setattr("me5.engines.openvino_engine._convert", None)  # would fail if it were called again
    load_encoder(folder, engine="openvino", precision="fp32")


def test_a_cache_that_cannot_be_written_is_named(tiny_model_dir: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="ME5_CACHE"):
        load_encoder(str(tiny_model_dir), engine="openvino", precision="fp32")


def test_cache_folder_is_the_users_own() -> None:
    assert cache_folder({"ME5_CACHE": "/somewhere"}) == Path("/somewhere")
    package = Path(__file__).resolve().parents[3]
    assert package not in cache_folder({}).parents
