"""The weights of two models blended: both ends, the middle, and what cannot be blended."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import app
from me5 import Role, load_encoder
from tests.conftest import write_model_dir
from trainer.errors import ConfigError
from trainer.jobs.blend import BlendConfig, run_blend

TEXTS = ["The library opens at nine.", "Die Bibliothek öffnet um neun."]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shape and tokenizer of ``tiny_model_dir``, other weights, and an instruction."""
    folder = write_model_dir(tmp_path_factory.mktemp("blend") / "other", "bert", seed=1)
    path = folder / "config_sentence_transformers.json"
    template = {"instruct_template": "Instruct: {task}\nQuery: {text}", "default_instruction": "Find it."}
    prompts = {"prompts": {"query": "Instruct: Find it.\nQuery: ", "passage": ""}}
    path.write_text(json.dumps(prompts | template), encoding="utf8")
    return folder


def blend(first: Path, second: Path, out: Path, **values: object) -> Path:
    config = BlendConfig("blend", str(out), str(first), str(second), **{"share": 0.3} | values)
    return run_blend(config, resume=False)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_weights_lie_between_those_of_both(
    tiny_model_dir: Path, other: Path, tmp_path: Path, share: float
) -> None:
    folder = blend(tiny_model_dir, other, tmp_path / "out", share=share)
    first, second, blended = (
        load_file(path / "model.safetensors") for path in (tiny_model_dir, other, folder)
    )
    assert blended.keys() == first.keys()
    for name, tensor in blended.items():
        expected = (1 - share) * first[name] + share * second[name]
        if share in (0, 1):
            assert torch.equal(tensor, expected)
        torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_share_is_the_first_model_and_all_the_second(
    tiny_model_dir: Path, other: Path, tmp_path: Path
) -> None:
    ends = {
        "first": (blend(tiny_model_dir, other, tmp_path / "0", share=0), tiny_model_dir),
        "second": (blend(tiny_model_dir, other, tmp_path / "1", share=1, prompts="second"), other),
    }
    for blended, original in ends.values():
        ours, theirs = (
            load_encoder(str(path), engine="torch", device="cpu", threads=1) for path in (blended, original)
        )
        for role in Role:
            np.testing.assert_allclose(ours.encode(TEXTS, role), theirs.encode(TEXTS, role), atol=1e-6)
        assert ours.spec.instruct_template == theirs.spec.instruct_template
    assert ours.spec.default_instruction == "Find it."


def test_the_recipe_runs_in_the_terminal(
    tiny_model_dir: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Path("trainer/recipes/blend.yaml")
    words = [str(recipe), f"first={tiny_model_dir}", f"second={other}", f"out={tmp_path / 'out'}"]
    assert app.main(["train", *words, "share=0.25"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf8")
    assert f"| Second model | `{other}`, part 0.25 |" in card
    assert app.main(["train", *words]) == 1
    assert "exists. Expected a new folder" in capsys.readouterr().err


def test_models_that_do_not_fit_are_refused(
    tiny_model_dir: Path, tiny_xlmr_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="have different vocabularies"):
        blend(tiny_model_dir, tiny_xlmr_dir, tmp_path / "out")
    smaller = write_model_dir(tmp_path / "smaller", "bert", hidden=16)
    with pytest.raises(ConfigError, match="differ in shape: embeddings"):
        blend(tiny_model_dir, smaller, tmp_path / "out")
    cls = write_model_dir(tmp_path / "cls", "bert", pooling="cls")
    with pytest.raises(ConfigError, match="pools by mean"):
        blend(tiny_model_dir, cls, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"share is 1\.5"):
        blend(tiny_model_dir, tiny_model_dir, tmp_path / "out", share=1.5)
    assert not (tmp_path / "out").exists()
