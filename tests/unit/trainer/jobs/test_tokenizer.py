"""``stage: tokenizer``: its sample, its folder, and what takes the folder."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

import app
from tests.conftest import SAMPLE_TEXTS
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError
from trainer.jobs.tokenizer import TokenizerRecipe, run_tokenizer, sample_texts
from trainer.models.backbone import ShapeConfig, StartConfig, build_model


def write_rows(path: Path, rows: list[dict[str, str]]) -> PairSource:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return PairSource(path.stem, path=str(path))


@pytest.fixture
def source(tmp_path: Path) -> PairSource:
    """100 pairs in German and English and 4 in Swahili, marked by language."""
    rows = [{"query": f"de {n}", "passage": f"en {n}", "from": "de", "to": "en"} for n in range(100)]
    rows += [{"query": f"sw {n}", "passage": f"en {n}", "from": "sw", "to": "en"} for n in range(4)]
    return write_rows(tmp_path / "pairs.jsonl", rows)


def recipe(source: PairSource, out: Path, **values: object) -> TokenizerRecipe:
    return TokenizerRecipe(stage="tokenizer", out=str(out), sources=(source,), **values)


def test_small_languages_are_lifted(source: PairSource, tmp_path: Path) -> None:
    def shares(**values: object) -> Counter[str]:
        texts = sample_texts(recipe(source, tmp_path, languages=("from", "to"), sample_texts=60, **values))
        assert len(set(texts)) == len(texts)  # a text that comes twice counts once
        return Counter(text[:2] for text in texts)

    assert shares(exponent=0.0)["sw"] == 4
    assert shares(exponent=1.0)["sw"] <= 3


def test_the_sample_depends_on_the_seed_alone(source: PairSource, tmp_path: Path) -> None:
    one, same, other = (
        sample_texts(recipe(source, tmp_path, sample_texts=50, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == same and one != other


def test_the_recipe_makes_a_folder_that_start_tokenizer_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"query": text, "passage": text.upper()} for text in SAMPLE_TEXTS]
    source = write_rows(tmp_path / "pairs.jsonl", rows)
    out = tmp_path / "tokenizer"
    words = [f"sources.0.path={source.path}", f"out={out}", "vocab_size=900"]
    assert app.main(["train", "trainer/recipes/tokenizer.yaml", *words]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert {path.name for path in out.iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    shape = ShapeConfig(layers=1, hidden=32, heads=4, intermediate=64)
    model = build_model(StartConfig(shape=shape, tokenizer=str(out)), max_tokens=32, seed=0)
    model.save(tmp_path / "model")

    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert theirs("Hello")["input_ids"] == model.tokenization.encode(["Hello"])[0]
    assert theirs.pad_token == "[PAD]" and theirs.pad_token_id == model.tokenization.pad_id
    assert app.main(["train", "trainer/recipes/tokenizer.yaml", *words]) == 1
    assert "has a tokenizer" in capsys.readouterr().err
    assert app.main(["train", "trainer/recipes/tokenizer.yaml", *words, "--resume"]) == 0


def test_a_new_vocabulary_fits_an_xlmr_body(tiny_xlmr_dir: Path, tmp_path: Path) -> None:
    rows = [{"query": text, "passage": text} for text in SAMPLE_TEXTS]
    source = write_rows(tmp_path / "pairs.jsonl", rows)
    learned = recipe(source, tmp_path / "new", vocab_size=900, specials="xlm-roberta")
    extended = recipe(source, tmp_path / "more", base=str(tiny_xlmr_dir), new_pieces=40)
    for config, size in ((learned, 900), (extended, None)):
        folder = run_tokenizer(config, resume=False)
        start = StartConfig(model=str(tiny_xlmr_dir), tokenizer=str(folder))
        rows_VH = build_model(start, max_tokens=32, seed=0).body.get_input_embeddings().weight
        assert size is None or len(rows_VH) == size
    settings = json.loads((tmp_path / "more" / "tokenizer_config.json").read_text(encoding="utf8"))
    assert settings["pad_token"] == "<pad>"


def test_what_cannot_work_is_told(source: PairSource, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'lang'\. Its columns: query, passage, from, to"):
        sample_texts(recipe(source, tmp_path, languages=("lang",)))
    with pytest.raises(DataError, match="have no text"):
        sample_texts(recipe(write_rows(tmp_path / "none.jsonl", [{"query": "", "passage": ""}]), tmp_path))
    with pytest.raises(ConfigError, match="specials is 'gpt'"):
        recipe(source, tmp_path, specials="gpt")
    with pytest.raises(ConfigError, match=r"start.tokenizer: .* does not exist"):
        run_tokenizer(recipe(source, tmp_path, base=str(tmp_path / "none")), resume=False)


def test_the_recipe_in_the_package_is_yaml_with_a_stage() -> None:
    values = yaml.safe_load(Path("trainer/recipes/tokenizer.yaml").read_text(encoding="utf8"))
    assert values["stage"] == "tokenizer"
