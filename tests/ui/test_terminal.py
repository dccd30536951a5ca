"""The terminal beside a page that runs: the same answers, though the page has the data folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ui.conftest import ROOT, serving

pytestmark = pytest.mark.filterwarnings("default")


def run(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "app.py", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def test_search_and_add_in_the_terminal_while_the_page_runs(
    tmp_path: Path, model: str, document_folder: Path
) -> None:
    data = tmp_path / "data"
    with serving(data, model):
        code, out, err = run("add", str(document_folder), "--data", str(data), "--json")
        assert code == 0, err
        assert json.loads(out)["added"] == 4
        code, asked, err = run("search", "when does the library open?", "--data", str(data), "--json")
        assert code == 0, err
    assert not (data / "app.json").exists()
    code, opened, err = run(
        "search", "when does the library open?", "--data", str(data), "--json", "--model", model
    )
    assert code == 0, err
    first, second = (json.loads(text)["hits"] for text in (asked, opened))
    assert first == second and first
