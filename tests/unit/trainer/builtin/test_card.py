import json
from pathlib import Path

import trainer
from trainer.builtin.card import Measured, main, model_card
from trainer.builtin.evaluation import XTREME_36, BitextScore, RetrievalScore
from trainer.config import load_recipe

RECIPE = Path(trainer.__file__).parent / "recipes" / "builtin.yaml"


def test_the_card_holds_every_score_source_and_licence():
    config = load_recipe(RECIPE)
    tatoeba = {language: BitextScore(1000, 60.0, 50.0) for language in XTREME_36} | {
        "cym": BitextScore(575, 23.4, 12.3)
    }
    held_out = {
        "parallel": {"en-de": BitextScore(100, 90.0, 90.0)},
        "question": {"ja-ja": RetrievalScore(500, 400, 0.5, 0.6, 0.7)},
        "section": {"ko": RetrievalScore(60, 50, 0.25, 0.31, 0.35)},
    }
    rows = {source.file: 1_234 for source in config.sources}
    card = model_card(config, Measured(tatoeba, held_out, rows, 47_000_000, 86_000, "2030-01-02"))
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "mean of the 36 XTREME languages **60.0**" in card
    assert "cym | 23.4 | 12.3" in card and "deu* | 60.0 | 50.0" in card
    assert "| question | ja-ja | 500 | 400 | 50 % | 0.600 | 0.700 |" in card
    assert "| section | en → ko | 60 | 50 | 25 % | 0.310 | 0.350 |" in card
    assert "86,000 piece vectors" in card and "47.0 MB" in card and "2030-01-02" in card
    for source in config.sources:
        assert f"| {source.file} | 1,234 |" in card and source.licence in card
    for entry in config.left_out:
        assert f"- {entry}" in card


REPORT = {
    "size": {"bytes": 47_000_000, "pieces": 86_000, "dimension": 256, "load_seconds": 0.5},
    "similarity": {
        "languages": {"de (stsb)": {"pairs": 400, "value": 66.6, "low": 60.0, "high": 70.0}},
        "mean": {"value": 66.6, "low": 60.0, "high": 70.0},
    },
}


def test_a_report_gives_a_short_table_first_and_the_long_ones_last(tmp_path, capsys):
    config = load_recipe(RECIPE)
    (tmp_path / "model").mkdir()
    rows = {source.file: 1_234 for source in config.sources}
    for name, values in (("used.json", rows), ("report.json", REPORT)):
        (tmp_path / name).write_text(json.dumps(values), encoding="utf8")
    arguments = [str(RECIPE), "--run", str(tmp_path), "--report", str(tmp_path / "report.json")]
    assert main([*arguments, "--date", "2030-01-02"]) == 0
    path = tmp_path / "model" / "README.md"
    assert capsys.readouterr().out.strip() == str(path)
    card = path.read_text(encoding="utf8")
    parts = (
        "## Measured",
        "Size on disk | 47.0 MB",
        "## Training data",
        "## Training",
        "## All figures",
        "de (stsb)",
    )
    places = [card.index(part) for part in parts]
    assert places == sorted(places)
    assert "Held-out pairs" not in card and "2030-01-02" in card


def test_a_report_without_size_or_a_damaged_one_is_refused(tmp_path, capsys):
    for content, message in (
        ("{}", "Measure again without --skip size"),
        ("[1]", "expected a JSON object"),
        ("{", "cannot be read"),
    ):
        (tmp_path / "report.json").write_text(content, encoding="utf8")
        arguments = [str(RECIPE), "--run", str(tmp_path), "--report", str(tmp_path / "report.json")]
        assert main([*arguments, "--date", "2030-01-02"]) == 1
        assert message in capsys.readouterr().err
