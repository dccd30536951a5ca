"""Shrinking a tiny BertModel: what opens, how near its vectors are, what is kept exactly, what is refused."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trainer
from me5 import Role, atomic, load_encoder
from me5.neutral_map import FILE_NAME as NEUTRAL_FILE
from me5.neutral_map import NeutralMap, languages_beside
from me5.packed import TOKENIZER_FILE, BertWeights
from me5.registry import spec_from_folder
from me5.weights import WORDS
from tests.conftest import SAMPLE_TEXTS, write_model_dir
from trainer.config import build_config, read_recipe
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, TrainingError
from trainer.jobs import shrink
from trainer.jobs.shrink import ShrinkConfig, count_pieces, product_codes, run_shrink
from trainer.stages import STAGES

pytest.importorskip("faiss")

RECIPE = Path(trainer.__file__).parent / "recipes" / "shrink.yaml"
SAMPLE = [(f"l{number}", part) for number, text in enumerate(SAMPLE_TEXTS) for part in text.split(". ")]
TEXTS = ["Die Bibliothek öffnet um neun Uhr.", "The library opens at nine.", "图书馆早上九点开门。", "Ψ", ""]


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled sample is of 20,000 sentences, which take minutes."""
    for home in (shrink, sys.modules["me5.neutral"]):
        monkeypatch.setattr(home, "bundled_sample", lambda: SAMPLE)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 layers of 64, some 1,200 pieces."""
    return write_model_dir(tmp_path_factory.mktemp("source") / "e5", "bert", hidden=64)


@pytest.fixture
def config(source: Path, tmp_path: Path) -> ShrinkConfig:
    return ShrinkConfig(model=str(source), out=str(tmp_path / "out"), frequent=300, codes=16)


def lost(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Relative squared error of each row; the row of the padding token is zero."""
    return ((found - exact) ** 2).sum(axis=1) / np.maximum((exact**2).sum(axis=1), 1e-12)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(axis=1)


def test_the_map_that_a_model_was_trained_with_stays(
    config: ShrinkConfig, source: Path, tmp_path: Path
) -> None:
    directions = np.linalg.qr(np.random.default_rng(1).normal(size=(64, 3)))[0].T.astype(np.float32)
    trained = NeutralMap(directions, np.full(64, 0.01, np.float32), 1.0)
    trained.save(tmp_path / "map.safetensors")
    out = run_shrink(replace(config, neutral=str(tmp_path / "map.safetensors")), resume=False)
    kept = NeutralMap.load(out / NEUTRAL_FILE)
    assert kept == trained and kept.languages is not None
    assert set(kept.languages.languages) == {language for language, _ in SAMPLE}
    assert load_encoder(str(out), engine="torch", device="cpu").neutral == trained


def test_the_folder_opens_and_its_vectors_are_near(config: ShrinkConfig, source: Path) -> None:
    out = run_shrink(config, resume=False)
    names = {path.name for path in out.iterdir()}
    assert names == {
        "config.json", "config_sentence_transformers.json", "model.safetensors", NEUTRAL_FILE, TOKENIZER_FILE,
        languages_beside(Path(NEUTRAL_FILE)).name,
    }  # fmt: skip
    assert not atomic.leftovers(out.parent)
    small, whole = (sum(path.stat().st_size for path in one.rglob("*.safetensors")) for one in (out, source))
    assert small < whole / 3  # positions are in 16 bits, and many here
    exact = load_encoder(str(source), engine="torch", device="cpu", precision="fp32")
    found = load_encoder(str(out), engine="torch", device="cpu", precision="fp32")
    assert found.neutral is not None
    plain = found.with_neutral(None)
    for role in (Role.QUERY, Role.PASSAGE):
        # Random weights have no structure that codes could use: real models are nearer.
        near = cosines(plain.encode(TEXTS, role), exact.encode(TEXTS, role))
        assert near.min() > 0.9 and near.mean() > 0.94
        np.testing.assert_allclose(
            found.encode(TEXTS, role), found.neutral(plain.encode(TEXTS, role)), atol=1e-6
        )
    assert cosines(exact.encode(TEXTS[:2]), exact.encode(TEXTS[2:4])).max() < 0.85  # other texts


def test_frequent_rows_are_in_4_bits_and_the_others_near(config: ShrinkConfig, source: Path) -> None:
    exact = BertWeights(source)(WORDS)
    out = run_shrink(config, resume=False)
    found = BertWeights(out)(WORDS)
    use_V = count_pieces(config, source / "tokenizer.json", len(exact))
    order = np.argsort(-use_V, kind="stable")
    error = lost(found, exact)
    assert error[order[:300]].max() < 0.02  # a step of 4 bits is an eighth of the largest of 32 weights
    assert 0.02 < error[order[300:]].mean() < 0.2
    assert not found[~exact.any(axis=1)].any()


def test_more_codes_are_nearer(config: ShrinkConfig, source: Path) -> None:
    rows = BertWeights(source)(WORDS)
    use = np.arange(len(rows))

    def error(codes: int) -> float:
        coded = product_codes(rows, use, replace(config, codes=codes))
        near = coded.codebook.astype(np.float32)[np.arange(codes), coded.codes].reshape(rows.shape)
        return float(((near * coded.scales.astype(np.float32)[:, None] - rows) ** 2).sum() / (rows**2).sum())

    assert error(8) > error(16) > error(32)
    assert error(32) < 0.05


def test_all_rows_can_be_in_4_bits(config: ShrinkConfig, source: Path) -> None:
    out = run_shrink(replace(config, frequent=10_000), resume=False)
    exact, found = (BertWeights(one)(WORDS) for one in (source, out))
    assert lost(found, exact).max() < 0.02


def test_pieces_of_ones_own_texts_count(config: ShrinkConfig, source: Path, tmp_path: Path) -> None:
    rows = [{"query": "Wombat Wombat Wombat", "passage": "Wombat"} for _ in range(3)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    own = replace(config, sources=(PairSource(name="mine", path=str(path)),), max_characters=100)
    tokenizer, count = source / "tokenizer.json", len(BertWeights(source)(WORDS))
    more = count_pieces(own, tokenizer, count) - count_pieces(config, tokenizer, count)
    assert more.min() == 0 and more.sum() == 2 * 2 + sum(more[more > 2])  # begin and end of two texts, Wombat


def test_prompts_are_stored(config: ShrinkConfig) -> None:
    spec = spec_from_folder(run_shrink(replace(config, passage_prefix="text: "), resume=False))
    assert (spec.query_prefix, spec.passage_prefix, spec.bitext_prefix) == ("query: ", "text: ", "")
    other = replace(config, out=f"{config.out}-2", bitext_prefix=None, frequent=10_000)
    assert spec_from_folder(run_shrink(other, resume=False)).bitext_prefix is None


def test_a_finished_model_is_taken_and_a_half_one_made_anew(
    config: ShrinkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(config.out)
    with monkeypatch.context() as patch:
        patch.setattr(shrink, "estimate", lambda encoder, sample: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_shrink(config, resume=False)
    assert not out.exists() and not atomic.leftovers(out.parent)
    (atomic.name_aside(out) / out.name).mkdir(parents=True)  # as a kill leaves it
    assert run_shrink(config, resume=True) == out and not atomic.leftovers(out.parent)
    written = (out / "model.safetensors").stat().st_mtime_ns
    assert run_shrink(config, resume=True) == out
    assert (out / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(ConfigError, match=r"exists\. Choose another"):
        run_shrink(config, resume=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": 7}, "codes is 7, which does not divide the width 64"),
        ({"frequent": 1_000}, "frequent is 1000, which leaves"),
        ({"model": "fast"}, "fast is a bert of 0 layers"),
    ],
)
def test_what_cannot_be_shrunk_is_told(
    config: ShrinkConfig, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_shrink(replace(config, **changes), resume=False)  # type: ignore[arg-type]
    assert not Path(config.out).exists()


def test_another_kind_of_model_is_refused(config: ShrinkConfig, tiny_xlmr_dir: Path) -> None:
    with pytest.raises(ConfigError, match="is a xlm-roberta of 2 layers"):
        run_shrink(replace(config, model=str(tiny_xlmr_dir)), resume=False)


def test_without_faiss_the_error_says_what_to_install(
    config: ShrinkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(TrainingError, match=r"needs faiss.*pip install"):
        run_shrink(config, resume=False)
    assert not Path(config.out).exists()


def test_a_folder_that_cannot_be_written_is_told(config: ShrinkConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        run_shrink(replace(config, out=str(tmp_path / "file" / "out")), resume=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frequent": 0}, "frequent is 0"),
        ({"codes": 0}, "codes is 0"),
        ({"training_rows": 100}, "training_rows"),
    ],
)
def test_a_wrong_recipe_is_told_at_once(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ShrinkConfig(**changes)  # type: ignore[arg-type]


def test_the_recipe_makes_what_ships() -> None:
    config = build_config(ShrinkConfig, read_recipe(RECIPE))
    assert STAGES[config.stage] == ("trainer.jobs.shrink", "ShrinkConfig", "run_shrink")
    assert (config.model, config.frequent, config.codes) == ("small", 60_000, 96)
    told = ["sources=[{name: mine, path: pairs.tsv}]", "languages=[lang]", "codes=48"]
    own = build_config(ShrinkConfig, read_recipe(RECIPE, told))
    assert own.sources[0].name == "mine" and own.languages == ("lang",) and own.codes == 48
