"""docs/python.md: each program on the page runs as it stands and prints what the page says."""

import re
from pathlib import Path

import pytest

import indexer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_program_says_what_it_prints() -> None:
    assert len(PROGRAMS) == PAGE.count("```python") >= 3


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=["library", "vectors", "pairs"])
def test_a_program_prints_what_the_page_says(
    program: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/python.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_what_the_package_exports_is_there() -> None:
    for name in indexer.__all__:
        assert getattr(indexer, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        indexer.Nothing  # noqa: B018
