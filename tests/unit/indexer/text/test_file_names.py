"""The words of a file's name beside its title."""

import pytest

from indexer.text.file_names import stem, with_file_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("docs/report.final.pdf", "report.final"),
        ("a.zip/inner/Brief.txt", "Brief"),
        ("README", "README"),
        (".txt", ".txt"),
        ("docs/", "docs/"),
    ],
)
def test_a_stem_is_never_empty(path: str, name: str) -> None:
    assert stem(path) == name


@pytest.mark.parametrize(
    ("title", "path", "expected"),
    [
        ("Tea garden", "docs/cay.txt", "Tea garden\ncay"),
        ("Tea garden", "docs/tea-garden.txt", "Tea garden"),
        ("Tea garden", "docs/garden_plan.txt", "Tea garden\ngarden_plan"),
        ("Plan", "docs/GardenPlan2.txt", "Plan\nGardenPlan2\nGarden Plan 2"),
        ("harbour", "harbour.txt", "harbour"),
        ("IMG2041", "IMG2041.jpg", "IMG2041\nIMG 2041"),
        ("A title", "0/17", "A title"),
        ("A title", "0/17.txt", "A title\n17"),
    ],
)
def test_only_new_words_join_the_title(title: str, path: str, expected: str) -> None:
    assert with_file_name(title, path) == expected
