import json
from pathlib import Path

import trainer
from research.builtin.card import Measured, main, model_card
from trainer.stages.static.recipe import load_recipe

RECIPE = Path(trainer.__file__).parent / "recipes" / "static.yaml"


REPORT = {
    "size": {"bytes": 47_000_000, "pieces": 86_000, "dimension": 256, "load_seconds": 0.5},
    "similarity": {
        "languages": {"de (stsb)": {"pairs": 400, "value": 66.6, "low": 60.0, "high": 70.0}},
        "mean": {"value": 66.6, "low": 60.0, "high": 70.0},
    },
}


def test_the_card_holds_every_source_and_licence():
    config = load_recipe(RECIPE)
    rows = {source.file: 1_234 for source in config.sources}
    card = model_card(config, Measured(rows, 47_000_000, 86_000, "2030-01-02", REPORT))
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "86,000 piece vectors" in card and "47.0 MB" in card and "2030-01-02" in card
    for source in config.sources:
        assert f"| {source.file} | 1,234 |" in card and source.licence in card
    for entry in config.left_out:
        assert f"- {entry}" in card


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
    assert "2030-01-02" in card


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
