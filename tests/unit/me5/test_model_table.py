"""The table of models: one source for the terminal and the page."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from me5.known_models import MODELS
from me5.model_table import COLUMNS, NON_COMMERCIAL, licence, markdown, markdown_notes, text_line
from me5.popular_models import POPULAR
from me5.spec import is_non_commercial

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"


def between(begin: str, end: str) -> str:
    """What stands on the page between two comments."""
    found = re.search(
        rf"<!-- {begin}[^>]*-->\n(.*?)\n?<!-- {end} -->", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


def test_the_page_holds_the_table_of_the_registry() -> None:
    """Made anew by: python -m tests.unit.me5.test_model_table"""
    assert between("models:", "end") == markdown(MODELS.values())
    assert between("notes", "end notes") == markdown_notes(MODELS.values())


@pytest.mark.parametrize("spec", POPULAR, ids=lambda spec: spec.name)
def test_a_row_says_what_was_read_where_and_that_its_weights_were_not_opened(spec) -> None:
    assert spec.source and spec.licence and spec.parameters and spec.raw is not None
    row = next(line for line in markdown(MODELS.values()).splitlines() if line.startswith(f"| {spec.name} |"))
    assert row.endswith("| no |") and spec.licence in row
    assert text_line(spec).startswith(spec.name) and spec.licence in text_line(spec)


def test_heads_and_cells_stand_in_line() -> None:
    heads, row = text_line(), text_line(MODELS["small"])
    for head, value in (("Ret18", "50.8"), ("MIRACL", "60.1"), ("Bit12", "69.4"), ("Tatoeba", "68.9")):
        assert heads.index(head) + len(head) == row.index(value) + len(value)
    assert len(COLUMNS) == 9


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc-by-nc-sa-4.0", True),
        ("CC_BY_NC", True),
        ("MIT", False),
        ("Apache-2.0", False),
        ("NCSA", False),
        (None, False),
    ],
)
def test_non_commercial_licences_are_marked(name: str | None, expected: bool) -> None:
    assert is_non_commercial(name) is expected
    spec = replace(MODELS["small"], licence=name)
    assert (NON_COMMERCIAL in licence(spec)) is expected
    assert (NON_COMMERCIAL in text_line(spec)) is expected


def write_page() -> None:
    """Put the table and the notes onto the page."""
    text = PAGE.read_text(encoding="utf-8")
    for begin, end, content in (
        ("models:", "end", markdown(MODELS.values())),
        ("notes", "end notes", markdown_notes(MODELS.values())),
    ):
        pattern = rf"(<!-- {begin}[^>]*-->\n).*?(<!-- {end} -->)"
        text = re.sub(pattern, lambda m, body=content: f"{m[1]}{body}\n{m[2]}", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_page()
