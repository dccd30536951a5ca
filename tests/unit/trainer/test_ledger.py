"""docs/ledger.md holds every score that the registry calls published."""

from pathlib import Path

import pytest

from me5.registry import MODELS

LEDGER = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"
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
