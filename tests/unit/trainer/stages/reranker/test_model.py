"""Cross-encoder scores: equal to those of sentence-transformers; order, padding and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from me5 import ModelFormatError, UnknownModelError
from me5.engines.torch_engine import load_backbone
from tests.support.rerankers import write_reranker_dir
from trainer.errors import TrainingError
from trainer.stages.reranker import model as reranker
from trainer.stages.reranker.model import CrossEncoder, load_classifier, model_folder, open_reranker

QUERIES = ["library hours", "Bibliothek", "河流", "a", "", "library " * 300]
PASSAGES = [
    "The library opens at nine in the morning. Rivers carry silt to the sea. " * 40,
    "Die Bibliothek öffnet um neun Uhr morgens.",
    "河流把泥沙带到大海。",
    "",
    "to the sea",
    "Rivers carry silt to the sea, and cities grow along them. " * 60,
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("rerankers")
    return {kind: write_reranker_dir(root / kind, kind) for kind in ("bert", "xlmr")}


@pytest.mark.parametrize("kind", ["bert", "xlmr"])
@pytest.mark.parametrize("max_tokens", [512, 33])
def test_scores_equal_those_of_sentence_transformers(
    folders: dict[str, Path], kind: str, max_tokens: int
) -> None:
    from sentence_transformers import CrossEncoder as Reference

    reference = Reference(
        str(folders[kind]), max_length=max_tokens, activation_fn=torch.nn.Identity(), device="cpu"
    )
    expected = reference.predict(list(zip(QUERIES, PASSAGES, strict=True)))
    scores = open_reranker(str(folders[kind]), max_tokens=max_tokens, device="cpu").score(QUERIES, PASSAGES)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert np.ptp(expected) > 0.1  # the scores are not all alike


@pytest.mark.parametrize("kind", ["BertTokenizer", "PreTrainedTokenizerFast"])
def test_segments_are_used_where_transformers_uses_them(tmp_path: Path, kind: str) -> None:
    """Settings without ``model_input_names``: the class of the tokenizer decides."""
    from transformers import AutoTokenizer

    folder = write_reranker_dir(tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf8"))
    del settings["model_input_names"]
    text = json.dumps(settings | {"tokenizer_class": kind})
    (folder / "tokenizer_config.json").write_text(text, encoding="utf8")
    expected = "token_type_ids" in AutoTokenizer.from_pretrained(folder).model_input_names
    assert CrossEncoder(folder, load_classifier(folder)).uses_segments is expected
    assert expected is (kind == "BertTokenizer")


def test_two_labels_give_the_difference_of_their_logits(tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder as Reference

    folder = write_reranker_dir(tmp_path / "two", labels=2)
    logits = Reference(str(folder), device="cpu").predict(
        list(zip(QUERIES, PASSAGES, strict=True)), activation_fn=torch.nn.Identity()
    )
    scores = open_reranker(str(folder), device="cpu").score(QUERIES, PASSAGES)
    np.testing.assert_allclose(scores, logits[:, 1] - logits[:, 0], atol=1e-5)


def test_order_and_company_do_not_change_a_score(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_reranker(str(folders["bert"]), device="cpu")
    together = model.score(QUERIES * 3, PASSAGES * 3)
    alone = np.concatenate(
        [model.score([query], [text]) for query, text in zip(QUERIES, PASSAGES, strict=True)]
    )
    np.testing.assert_allclose(together, np.tile(alone, 3), atol=1e-5)
    monkeypatch.setattr(reranker, "WINDOW_PAIRS", 4)
    done: list[int] = []
    np.testing.assert_allclose(
        model.score(QUERIES * 3, PASSAGES * 3, on_progress=done.append), together, atol=1e-5
    )
    assert done == sorted(done) and done[-1] == 18
    assert model.score([], []).shape == (0,)


def test_a_title_stands_before_its_passage(folders: dict[str, Path]) -> None:
    model = open_reranker(str(folders["bert"]), device="cpu")
    titled = model.score(["sea"] * 2, ["to the sea"] * 2, ["Rivers", ""])
    plain = model.score(["sea"] * 2, ["Rivers to the sea", "to the sea"])
    np.testing.assert_allclose(titled, plain, atol=1e-6)
    assert abs(titled[0] - titled[1]) > 1e-3


def test_the_contract_names_what_decides_scores(folders: dict[str, Path], tmp_path: Path) -> None:
    first = open_reranker(str(folders["bert"]), device="cpu")
    assert first.contract == open_reranker(str(folders["bert"]), device="cpu").contract
    others = [
        open_reranker(str(folders["bert"]), device="cpu", max_tokens=64),
        open_reranker(str(folders["bert"]), device="cpu", precision="bf16"),
        open_reranker(str(write_reranker_dir(tmp_path / "other", seed=1)), device="cpu"),
    ]
    assert len({first.contract, *(other.contract for other in others)}) == 4


def test_bf16_changes_scores_little(folders: dict[str, Path]) -> None:
    exact = open_reranker(str(folders["bert"]), device="cpu", precision="fp32").score(QUERIES, PASSAGES)
    rounded = open_reranker(str(folders["bert"]), device="cpu", precision="bf16").score(QUERIES, PASSAGES)
    np.testing.assert_allclose(rounded, exact, atol=0.25)
    assert not np.array_equal(rounded, exact)


def test_an_encoder_without_a_head_is_refused(tiny_model_dir: Path) -> None:
    with pytest.raises(
        ModelFormatError, match="without a classification head, so its scores would be random"
    ):
        open_reranker(str(tiny_model_dir))
    for shipped in ("builtin", "fast"):
        with pytest.raises(ModelFormatError, match="without a classification head"):
            open_reranker(shipped)


def test_a_packed_encoder_gets_a_fresh_head() -> None:
    folder = model_folder("builtin")
    body: Any = load_classifier(folder, fresh_head_seed=3)
    expected = load_backbone(folder).state_dict()
    found = body.bert.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    again: Any = load_classifier(folder, fresh_head_seed=3)
    assert torch.equal(again.classifier.weight, body.classifier.weight)
    model = CrossEncoder(folder, body, max_tokens=64)
    assert not model.uses_segments and body.config.num_labels == 1
    with torch.no_grad():
        scores = model.score(model.tokenize(["Wo ist der Bahnhof?"] * 2, ["Am Markt.", "Das Meer ist weit."]))
    assert scores.shape == (2,) and torch.isfinite(scores).all()


def test_three_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="a classifier of 3 labels"):
        open_reranker(str(write_reranker_dir(tmp_path / "three", labels=3)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tokenizer.json", "has no tokenizer.json"),
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no safetensors weights"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, name: str, message: str) -> None:
    folder = write_reranker_dir(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(ModelFormatError, match=message):
        open_reranker(str(folder))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    folder = write_reranker_dir(tmp_path / "model")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelFormatError, match="cannot be loaded"):
        open_reranker(str(folder))
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "tokenizer.json").write_text("{", encoding="utf8")
    with pytest.raises(ModelFormatError, match="cannot be read"):
        open_reranker(str(folder))


def test_a_head_that_is_lost_is_not_replaced(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_reranker_dir(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFormatError, match=r"lack \['classifier.weight'\]"):
        load_classifier(folder, fresh_head_seed=1)


def test_a_name_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="There is no model folder"):
        open_reranker(str(tmp_path / "none"))


def test_a_score_that_is_not_finite_is_told(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = write_reranker_dir(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="gives nan for the query 'sea' and 0 other pairs"):
        open_reranker(str(folder), device="cpu").score(["sea"], ["river"])


def test_a_fresh_head_depends_on_the_seed_alone(tiny_model_dir: Path) -> None:
    def head(seed: int) -> torch.Tensor:
        return load_classifier(tiny_model_dir, fresh_head_seed=seed).state_dict()["classifier.weight"]

    before = torch.get_rng_state()
    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert head(1).shape == (1, 32)


def test_an_encoder_with_lost_layers_gets_no_head(tmp_path: Path) -> None:
    from tests.conftest import write_model_dir

    folder = write_model_dir(tmp_path / "model", "bert")
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), encoding="utf8")
    with pytest.raises(ModelFormatError, match=r"lack .*encoder\.layer\.2"):
        load_classifier(folder, fresh_head_seed=1)


def test_a_model_without_layers_is_refused(static_model_dir: Path) -> None:
    with pytest.raises(ModelFormatError, match="has no layers"):
        load_classifier(static_model_dir, fresh_head_seed=1)
