"""Bad input and trouble as a person meets them: on the terminal, with what happened and what to do."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app

GOLDEN = Path(__file__).parents[1] / "golden" / "readers"
Run = Callable[..., Any]

BAD_FILES = {
    "encrypted.pdf": "needs a password; expected a PDF that opens without one",
    "images-only.pdf": "no text layer on any of its 2 pages (scanned images?); expected text",
    "damaged.pdf": "is a damaged PDF",
    "bomb.zip": "This is how zip bombs look",
    "empty.txt": "is empty (0 bytes); expected a document",
    "picture.txt": "looks like binary data (a PNG image); expected a text document",
}


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    folder = tmp_path / "bad"
    folder.mkdir()
    shutil.copy(GOLDEN / "locked.pdf", folder / "encrypted.pdf")
    shutil.copy(GOLDEN / "scanned.pdf", folder / "images-only.pdf")
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.7\n" + b"garbage " * 100)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"\0" * 40_000_000)
    (folder / "empty.txt").touch()
    (folder / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (folder / "scripts.html").write_text(
        "<title>Tide table</title><script>alert('evil')</script><body onload='alert(1)'>"
        "<p>The tide turns at noon.</p><img src=x onerror=\"document.title='broken'\">",
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def run(tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``app.py`` over one data folder: exit code, standard output, standard error."""

    def run_one(*words: object, model: object = tiny_model_dir) -> SimpleNamespace:
        code = app.main([*map(str, words), "--data", str(tmp_path / "data"), "--model", str(model)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return SimpleNamespace(code=code, out=out, err=err)

    return run_one


def test_bad_files_are_explained_one_by_one_and_the_rest_goes_on(run: Run, bad_files: Path) -> None:
    added = run("add", bad_files, "--json")
    report = json.loads(added.out)
    reasons = {Path(one["document"]).name: one["reason"] for one in report["failures"]}
    assert added.code == 1 and (report["added"], report["removed"]) == (1, 0)
    assert reasons.keys() == BAD_FILES.keys()
    for name, words in BAD_FILES.items():
        assert words in reasons[name]
        assert (
            reasons[name].startswith(name) and "; expected" in reasons[name] and reasons[name].endswith(".")
        )
    (hit, *_) = json.loads(run("search", "tide noon", "--mode", "lexical", "--json").out)["hits"]
    assert (hit["title"], hit["text"].strip()) == ("Tide table", "The tide turns at noon.")
    looked_at = run("doctor")
    assert looked_at.code == 0 and looked_at.out.count("warn     documents") == len(BAD_FILES)


def test_a_full_disk_stops_adding_and_nothing_else(
    run: Run, bad_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = bad_files / "scripts.html"
    assert run("add", page).code == 0
    more = bad_files / "more.txt"
    more.write_text("The tide turns at midnight too.", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**12, used=0, free=10**9))
        refused = run("add", more)
        assert refused.code == 1 and refused.out == ""
        for words in (
            "error: ",
            "0.93 GiB are free",
            "expected at least 2.00 GiB",
            "Free some space",
            "--data",
        ):
            assert words in refused.err
        assert "Tide table" in run("search", "tide", "--mode", "lexical").out
        looked_at = run("doctor")
        assert looked_at.code == 1 and "error    disk: 1.0 GB are free" in looked_at.out
    assert run("add", more).out.startswith("1 added")
    assert run("doctor").out.count("ok       vectors: library: all 2 passages") == 1


def test_another_model_is_named_and_changes_nothing(
    run: Run, bad_files: Path, tiny_xlmr_dir: Path, tiny_model_dir: Path
) -> None:
    assert run("add", bad_files / "scripts.html").code == 0
    for words in (("search", "tide"), ("add", bad_files / "scripts.html")):
        refused = run(*words, model=tiny_xlmr_dir)
        assert refused.code == 1 and refused.out == ""
        assert "error: Collection 'library' was made with the model" in refused.err
        assert f"Start with --model {tiny_model_dir}" in refused.err
    assert "Tide table" in run("search", "tide", "--mode", "lexical").out
