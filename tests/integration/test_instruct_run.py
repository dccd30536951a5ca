"""Runs with an instruction and with adapters: what is embedded, going on after a stop, and the saved model."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

import app
from me5 import Role, load_encoder
from me5.tokenization import Tokenization

WORDS = ("river", "city", "law", "bread", "music", "stone", "winter", "school", "engine", "harbour", "letter")


def write_groups(path: Path, count: int = 40) -> None:
    generator = np.random.default_rng(3)
    rows = []
    for number in range(count):
        first, second, third = generator.choice(WORDS, size=3, replace=False)
        rows.append(
            {
                "query": f"{first} {second} {number}",
                "positives": [{"text": f"the {second} and the {first} of {number}"}],
                "negatives": [{"text": f"the {third} of {number} alone"}],
                "instruction": "Look for it." if number % 2 else "",
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")


@pytest.fixture
def recipe(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A fine-tuning run of a second, with instructions."""
    write_groups(tmp_path / "groups.jsonl")
    values = {
        "stage": "finetune",
        "out": str(tmp_path / "run"),
        "start": {
            "model": str(tiny_model_dir),
            "query_prefix": "",
            "passage_prefix": "",
            "instruct_template": "Instruct: {task}\nQuery: {text}",
            "instruction": "Find it.",
        },
        "sources": [{"name": "made", "path": str(tmp_path / "groups.jsonl")}],
        "optim": {"batch_size": 8, "steps": 8, "learning_rate": 1e-3, "group_size": 2, "temperature": 0.05},
        "runtime": {"device": "cpu", "mini_batch_tokens": 128, "save_every": 4, "keep": 5},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf8")
    return path


def train(recipe: Path, *words: str) -> int:
    return app.main(["train", str(recipe), "--threads", "1", *words])


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_only_queries_are_embedded_with_an_instruction(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    encode = Tokenization.encode

    def note(self: Tokenization, texts: list[str]) -> list[list[int]]:
        seen.extend(texts)
        return encode(self, texts)

    monkeypatch.setattr(Tokenization, "encode", note)
    assert train(recipe) == 0
    passages = [text for text in seen if "the " in text]
    queries = [text for text in seen if text not in passages]
    assert len(passages) == 2 * len(queries) == 2 * 8 * 8
    assert not any("Instruct" in text or "Query" in text for text in passages)
    starts = {text.partition("\nQuery: ")[0] for text in queries}
    assert starts == {"Instruct: Look for it.", "Instruct: Find it."}
    card = (recipe.parent / "run" / "model" / "README.md").read_text(encoding="utf8")
    assert "before queries only" in card


def test_a_run_with_adapters_keeps_the_base_and_saves_an_ordinary_model(
    recipe: Path, tiny_model_dir: Path
) -> None:
    pytest.importorskip("peft")
    assert train(recipe, "start.lora.rank=4", "optim.learning_rate=0.02") == 0
    run = recipe.parent / "run"
    weights = load_file(run / "checkpoints" / "step-000000008" / "weights.safetensors")
    assert weights and all(".lora_" in name for name in weights)
    base, merged = (load_file(folder / "model.safetensors") for folder in (tiny_model_dir, run / "model"))
    changed = {name for name in base if not np.array_equal(base[name], merged[name])}
    assert base.keys() == merged.keys()
    assert changed and all(
        name.endswith(("dense.weight", "query.weight", "key.weight", "value.weight")) for name in changed
    )
    encoder = load_encoder(str(run / "model"), engine="torch", device="cpu")
    assert encoder.encode(["river"], Role.PASSAGE).shape == (1, 32)
    assert "| LoRA | rank 4" in (run / "model" / "README.md").read_text(encoding="utf8")
    whole = recipe.parent / "whole"
    assert train(recipe, f"out={whole}") == 0
    sizes = [
        (folder / "checkpoints" / "step-000000008" / "optimiser.pt").stat().st_size for folder in (run, whole)
    ]
    assert sizes[0] < 0.5 * sizes[1]


def test_a_run_with_adapters_goes_on_with_the_same_curve(recipe: Path) -> None:
    pytest.importorskip("peft")
    words = ["start.lora.rank=4", "start.lora.dropout=0.1", "optim.learning_rate=0.02"]
    assert train(recipe, *words) == 0
    run = recipe.parent / "run"
    expected, model = losses(run), load_file(run / "model" / "model.safetensors")
    newest = run / "checkpoints" / "step-000000008"
    for path in newest.iterdir():
        path.unlink()
    newest.rmdir()
    assert train(recipe, *words, "--resume") == 0
    assert len(expected) == 8
    np.testing.assert_allclose(losses(run), expected, atol=1e-6)
    again = load_file(run / "model" / "model.safetensors")
    assert all(np.allclose(again[name], model[name], atol=1e-6) for name in model)


def test_a_blend_is_measured_like_a_model(
    tmp_path: Path,
    tiny_model_dir: Path,
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for home in ("me5.loading", "me5.blending"):  # no time for converting models
        monkeypatch.setattr(f"{home}.load_encoder", partial(load_encoder, engine="torch", device="cpu"))
    assert train(recipe, "optim.learning_rate=0.01") == 0
    (tmp_path / "t").mkdir()
    for code, texts in {"deu": ["Fluss", "Stadt", "Brot"], "eng": ["river", "city", "bread"]}.items():
        (tmp_path / "t" / f"tatoeba.deu-eng.{code}").write_text("\n".join(texts) + "\n", encoding="utf8")
    capsys.readouterr()

    def measured(model: str) -> dict[str, Any]:
        words = ["evaluate", str(tmp_path / "t"), "--model", model, "--resamples", "5", "--json"]
        assert app.main(words) == 0
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        return report

    first, second = str(tiny_model_dir), str(tmp_path / "run" / "model")
    for share, other in ((0, first), (1, second)):
        blended = measured(f"blend:{first}+{second}@{share}")
        assert blended["model"] == f"blend:{first}+{second}@{share}"
        assert blended["tasks"][0]["results"] == measured(other)["tasks"][0]["results"]
        assert blended["tasks"][0]["settings"]["prefix"] == {
            "both": "query:  + Instruct: Retrieve parallel sentences.\nQuery: "
        }
    assert app.main(["evaluate", str(tmp_path / "t"), "--model", f"blend:{first}@0.5"]) == 1
    assert "names no blend" in capsys.readouterr().err
