"""One way to tell what stands between the cells of a table, for documents, pairs, training data and questions."""

import time

import pytest

from me5.delimited import DELIMITERS, START_CHARS, delimiter_of, stated_delimiter

PAIRS = [("Good, or not?", "Gut; oder nicht?"), ("Yes", "Ja"), ("a, b", "c"), ("1,5", "2;5")]


@pytest.mark.parametrize("mark", DELIMITERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_mark_between_quoted_cells_is_found(mark: str, end: str) -> None:
    rows = [mark.join(f'"{cell}"' for cell in row) for row in PAIRS]
    assert delimiter_of(end.join(rows) + end) == mark


@pytest.mark.parametrize(
    ("start", "mark"),
    [
        ("sep=;\na,b;c\n", ";"),
        ("\ufeffsep=|\r\na,b|c\n", "|"),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";"),
        ("one, two\teins, zwei\nthree, four\tdrei, vier\n", "\t"),  # as many commas in every line
        ("one\ttwo", "\t"),
        ("one column\nonly\n", ","),
        ("", ","),
        ("\n\n", ","),
        ("a|b\n", "|"),
        ('a,b\n"x\ny",z\n', ","),
    ],
)
def test_what_stands_between_the_cells(start: str, mark: str) -> None:
    assert delimiter_of(start) == mark


def test_known_names_of_columns_decide() -> None:
    start = "source;target\n" + "a, b; c, d, e\n" * 3 + "x, y\n" * 40

    def is_header(cells: list[str]) -> bool:
        return {"source", "target"} <= set(cells)

    assert delimiter_of(start) == "," and delimiter_of(start, is_header=is_header) == ";"
    assert delimiter_of(f"\ufeff{start}", is_header=is_header) == ";"


def test_only_a_first_line_states_the_mark() -> None:
    assert stated_delimiter("sep=;\n") == ";" and stated_delimiter("SEP=\t") == "\t"
    for start in ("", "a\nsep=;\n", "sep=;;\n", "sep=\n"):
        assert stated_delimiter(start) is None


@pytest.mark.parametrize(
    "start", ['"' * 10_000_000, "," * 10_000_000, "a\n" * 5_000_000, 'a,"\n' * 3_000_000]
)
def test_a_long_text_takes_no_longer(start: str) -> None:
    began = time.monotonic()
    found = delimiter_of(start)
    assert time.monotonic() - began < 2
    assert found == delimiter_of(start[:START_CHARS])
