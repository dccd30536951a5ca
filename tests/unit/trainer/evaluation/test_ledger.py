"""docs/ledger.md is what its generator makes, and holds every score that the registry calls published."""

from pathlib import Path

import pytest

from me5.registry import MODELS
from trainer.evaluation import ledger
from trainer.evaluation.ledger import render
from trainer.evaluation.measured import Measurement, read_measurements

LEDGER = Path(__file__).resolve().parents[4] / "docs" / "ledger.md"
NAMES = {
    "small": "mE5-small",
    "base": "mE5-base",
    "large": "mE5-large",
    "large-instruct": "mE5-large-instruct",
    "labse": "LaBSE",
    "mcontriever": "mContriever",
    "bge-large-en-v1.5": "BGE-large-en-v1.5",
    "mdpr": "mDPR",
}
HEADINGS = {"MTEB-56": "## MTEB English", "MIRACL": "## MIRACL", "BUCC": "## Bitext", "Tatoeba": "## Bitext"}


def numbers_of(section, model):
    rows = [line for line in section.splitlines() if line.startswith(f"| {model} |")]
    cells = [cell for row in rows for cell in row.strip("|").replace("/", "|").split("|")]
    return {float(cell) for cell in cells if cell.strip().replace(".", "", 1).isdigit()}


@pytest.mark.parametrize("model", NAMES)
def test_published_scores_stand_in_the_ledger(model):
    text = LEDGER.read_text(encoding="utf-8")
    assert MODELS[model].published
    for score in MODELS[model].published:
        start = text.index(HEADINGS[score.benchmark])
        section = text[start : text.find("\n## ", start + 1) if "\n## " in text[start + 1 :] else None]
        assert score.value in numbers_of(section, NAMES[model]), (score, NAMES[model])


def test_the_committed_ledger_is_what_the_generator_makes():
    made = render(read_measurements(), ledger.TEMPLATE.read_text(encoding="utf-8"))
    assert LEDGER.read_text(encoding="utf-8") == made, "run: python -m trainer.evaluation.ledger"
    assert "{{" not in made


def test_a_measurement_fills_the_cell_of_its_model():
    template = ledger.TEMPLATE.read_text(encoding="utf-8")
    row = Measurement(
        task="MIRACL dev",
        metric="nDCG@10",
        model="small",
        value=60.8,
        date="2026-12-01",
        command="python app.py evaluate MIRACL --model small",
        over=16,
        benchmark="MIRACL",
    )
    before, after = render([], template), render([row], template)
    cell = "| mE5-small | 60.8 | 92.4 | 60.84 / 92.36 | 59.3 / 91.24 | "
    assert f"{cell}n |" in before
    assert f"{cell}60.8, 2026-12-01 |" in after and row.command in after


def tatoeba(model, value, prefix, neutral=None, metric="F1"):
    settings = {"prefix": {"both": prefix}, "pooling": "mean", "precision": "bf16", "neutral": neutral}
    return Measurement(
        task="Tatoeba v1, X → eng", metric=metric, model=model, value=value, date="2026-12-01", over=112,
        command="c", benchmark="Tatoeba", settings=settings, languages={"deu": value + 1},
    )  # fmt: skip


def test_a_model_measured_in_several_ways_is_shown_in_all_of_them():
    rows = [
        tatoeba("small", 65.3, "query: "),
        tatoeba("small", 69.0, ""),
        tatoeba("small", 73.0, "", metric="accuracy"),
        tatoeba("small (neutral)", 71.0, "", neutral="12ab"),
        tatoeba("builtin", 70.6, "query: ", neutral="34cd"),
    ]
    after = render(rows, ledger.TEMPLATE.read_text(encoding="utf-8"))
    assert (
        "| 68.94 | Tatoeba 65.3 (`query: `, mean, bf16), 2026-12-01; 69.0 (no prefix, mean, bf16), 2026-12-01; "
        "71.0 (no prefix, mean, bf16, language-neutral), 2026-12-01 |"
    ) in after
    assert "| mE5-small (neutral) | no prefix, mean, bf16, language-neutral | 71.0 | 2026-12-01 |" in after
    # By language: with the words of the model for bitext where that was measured, else with others.
    assert "| deu | 97.4 | 97.1 | 99.1 | 99.3 | 71.6 / - | - | 70.0 / 74.0 |" in after


def test_the_command_takes_evaluations_in(tmp_path, monkeypatch, capsys):
    files = {"LEDGER": tmp_path / "ledger.md", "TEMPLATE": tmp_path / "template.md"}
    for name, path in files.items():
        monkeypatch.setattr(ledger, name, path)
    taken = []
    monkeypatch.setattr(ledger, "write_measurements", taken.extend)
    files["TEMPLATE"].write_text("{{measured}}", encoding="utf-8")
    row = tatoeba("small", 69.0, "")
    monkeypatch.setattr(ledger, "read_measurements", lambda: [tatoeba("small", 68.0, "")])
    monkeypatch.setattr(ledger, "read_evaluation", lambda path: [row])
    assert ledger.main([]) == 0 and "| 68.0 |" in files["LEDGER"].read_text(encoding="utf-8")
    assert not taken
    assert ledger.main(["some.json"]) == 0
    assert taken == [row] and "| 69.0 |" in files["LEDGER"].read_text(encoding="utf-8")
    monkeypatch.undo()
    assert ledger.main([str(tmp_path / "none.json")]) == 1
    assert "is not an evaluation" in capsys.readouterr().err
