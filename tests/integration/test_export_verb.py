"""``app.py models --export``: a model as an ordinary folder, from the terminal."""

import json
from pathlib import Path

import numpy as np
import pytest

import app
from me5 import load_encoder
from me5 import neutral as neutral_module


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = app.main(["models", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_folder_or_a_registered_model_is_exported(
    static_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "--export", static_model_dir, tmp_path / "first", "--data", tmp_path / "data")
    assert code == 0 and out.endswith("its vectors as published\n")
    assert run(capsys, "--register", static_model_dir, "mine", "--data", tmp_path / "data")[0] == 0
    words = ("--export", "mine", tmp_path / "second", "--data", tmp_path / "data", "--json")
    code, out, _ = run(capsys, *words)
    assert json.loads(out) == {"name": "mine", "folder": str(tmp_path / "second"), "neutral": None}
    vectors = [load_encoder(str(tmp_path / name)).encode(["river"]) for name in ("first", "second")]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    code, _, err = run(capsys, *words)
    assert code == 1 and f"{tmp_path / 'second'} exists" in err


def test_a_model_is_exported_without_its_language(
    static_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [(language, f"{language} {n} river") for language in ("de", "el", "ja", "th", "ar") for n in "123"]
    monkeypatch.setattr(neutral_module, "bundled_sample", lambda: rows)
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    words = ("--export", static_model_dir, tmp_path / "model", "--neutral", "--json")
    code, out, _ = run(capsys, *words)
    encoder = load_encoder(str(tmp_path / "model"))
    assert code == 0 and encoder.neutral is not None
    assert json.loads(out)["neutral"] == encoder.neutral.digest
    published = load_encoder(str(static_model_dir)).encode(["river"])
    assert (encoder.encode(["river"]) * published).sum() < 0.99


def test_neutral_alone_means_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--neutral", "--data", tmp_path)
    assert code == 1 and "Add --export" in err
