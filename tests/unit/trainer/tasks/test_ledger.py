"""docs/ledger.md is what its generator makes, and holds every score that the registry calls published."""

from pathlib import Path

import pytest

from me5.registry import MODELS
from trainer.tasks import ledger
from trainer.tasks.ledger import Measurement, read_measurements, render

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
    assert LEDGER.read_text(encoding="utf-8") == made, "run: python -m trainer.tasks.ledger"
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
