"""The terminal verbs over a scripted library."""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from indexer.cli import common as cli
from indexer.cli import documents as cli_documents
from indexer.cli import encode as cli_encode
from indexer.errors import StoreLockedError
from indexer.ingest.pipeline import AddReport
from indexer.library.doctor import Finding
from indexer.types import Hit, SearchResult

if TYPE_CHECKING:
    from me5.encoder import Encoder

FIELDS = [
    "score",
    "confidence",
    "document",
    "title",
    "collection",
    "language",
    "page",
    "start",
    "end",
    "text",
]
HIT = Hit(
    "c", "d", "/docs/a.pdf", "Hafen", "library", 0.03, 0.8, "strong", "de", "pdf", 12, None, 5, 9, "Text", (0, 4)
)  # fmt: skip


class ScriptedLibrary:
    """Answers with what it was given and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, Any] = {}

    def __enter__(self) -> "ScriptedLibrary":
        return self

    def __exit__(self, *_: object) -> None:
        self.asked["closed"] = True

    def __getattr__(self, name: str) -> Any:
        def answer(*args: Any, **options: Any) -> Any:
            self.asked[name] = (args, options)
            return self.answers[name]

        return answer


def run(monkeypatch: pytest.MonkeyPatch, library: ScriptedLibrary, *words: str) -> int:
    monkeypatch.setattr(cli, "open_library", lambda args: library)
    parser = argparse.ArgumentParser()
    cli_documents.add_verbs(parser.add_subparsers(required=True))
    return cli.run_safely(parser.parse_args(words))


def answer(*hits: Hit) -> SearchResult:
    return SearchResult("Wo?", "de", 18.44, hits, (), {})


def test_search_json_has_the_contracted_fields(monkeypatch: Any, capsys: Any) -> None:
    library = ScriptedLibrary(search=answer(HIT))
    code = run(
        monkeypatch,
        library,
        "search",
        "Wo?",
        "--language",
        "de",
        "--language",
        "th",
        "--top-k",
        "3",
        "--mode",
        "dense",
        "--json",
    )
    out = json.loads(capsys.readouterr().out)
    assert code == 0
    assert list(out) == ["query", "language", "took_ms", "hits"]
    assert list(out["hits"][0]) == FIELDS
    assert (out["took_ms"], out["hits"][0]["document"], out["hits"][0]["page"]) == (18.4, "/docs/a.pdf", 12)
    (query,), options = library.asked["search"]
    assert query == "Wo?" and options["where"].languages == ("de", "th")
    assert (options["top_k"], options["mode"], options["collection"]) == (3, "dense", "library")
    assert library.asked["closed"]


def test_nothing_found_is_an_answer(monkeypatch: Any, capsys: Any) -> None:
    assert run(monkeypatch, ScriptedLibrary(search=answer()), "search", "Wo?") == 0
    assert "Nothing relevant found" in capsys.readouterr().out


def test_search_prints_place_language_and_text(monkeypatch: Any, capsys: Any) -> None:
    run(monkeypatch, ScriptedLibrary(search=answer(HIT)), "search", "Wo?")
    assert capsys.readouterr().out.startswith("1. Hafen, p. 12 [de] strong 0.0300\n   /docs/a.pdf\n   Text")


def test_add_reports_and_fails_when_a_file_failed(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    good = ScriptedLibrary(add=AddReport(added=3, chunks=9), warm=None)
    assert run(monkeypatch, good, "add", str(tmp_path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["added"] == 3
    bad = ScriptedLibrary(add=AddReport(added=1, failures=(("b.pdf", "encrypted"),)), warm=None)
    assert run(monkeypatch, bad, "add", str(tmp_path)) == 1
    out = capsys.readouterr().out
    assert "1 added, 1 failed" in out and "b.pdf: encrypted" in out


def test_adding_says_how_long_it_takes_and_hints_once_at_a_faster_way(monkeypatch: Any, capsys: Any) -> None:
    shown: list[str] = []
    monkeypatch.setattr(cli, "show_line", shown.append)
    hints: list[float] = []
    seconds = iter((0.0, 5.0, 20.0, 40.0, 60.0))
    line = cli.ProgressLine(hints.append, clock=lambda: next(seconds))
    for done in (0, 1, 4, 8, 12):
        line(done, 1000, "bytes", "/docs/a.txt")
    assert shown[0].endswith("% a.txt") and "left" not in shown[0]
    assert "about an hour left  a.txt" in shown[-1]
    (left,) = hints  # not within the first seconds, and not again
    assert 4000 < left < 6000


def test_the_hint_names_the_models_and_the_collection(capsys: Any) -> None:
    infos = [SimpleNamespace(name="my docs", model="builtin"), SimpleNamespace(name="quick", model="fast")]
    library: Any = ScriptedLibrary(collections=infos)
    cli_documents._suggest_fast(library, "quick", 2400.0)
    assert capsys.readouterr().err == ""
    cli_documents._suggest_fast(library, "my docs", 2400.0)
    words = capsys.readouterr().err
    assert words.startswith("About 40 minutes left. Faster: ") and words.count("\n") == 1
    assert "app.py use fast --collection 'my docs'" in words
    assert "app.py use builtin --collection 'my docs'" in words


def test_without_a_verdict_the_closest_passages_are_printed_without_a_band(
    monkeypatch: Any, capsys: Any
) -> None:
    weak = replace(HIT, confidence="none", score=0.5, title="Turm")
    result = replace(answer(HIT), weak_hits=(weak,), can_tell=False)
    run(monkeypatch, ScriptedLibrary(search=result), "search", "Wo?")
    out = capsys.readouterr().out
    assert out.startswith("Closest passages:\n1. Turm, p. 12 [de] 0.5000\n")
    assert "strong" not in out and "Nothing relevant" not in out


def test_add_of_a_missing_path_opens_nothing(monkeypatch: Any, capsys: Any) -> None:
    library = ScriptedLibrary()
    assert run(monkeypatch, library, "add", "/no/such/place") == 1
    assert "/no/such/place" in capsys.readouterr().err and not library.asked


@pytest.mark.parametrize(
    ("finding", "code", "word"),
    [
        (Finding("ok", "disk", "900 GB are free."), 0, "ok "),
        (Finding("warn", "disk", "3 GB are free.", "Make room."), 0, "Make room."),
        (Finding("error", "vectors", "3 are missing.", repaired=True), 0, "repaired "),
        (Finding("error", "vectors", "3 are missing.", "Repair."), 1, "error "),
    ],
)
def test_doctor_fails_on_errors_that_were_not_repaired(
    monkeypatch: Any, capsys: Any, finding: Finding, code: int, word: str
) -> None:
    library = ScriptedLibrary(doctor=[finding])
    assert run(monkeypatch, library, "doctor", "--repair") == code
    assert word in capsys.readouterr().out and library.asked["doctor"] == ((), {"repair": True})
    assert run(monkeypatch, library, "doctor", "--json") == code
    assert json.loads(capsys.readouterr().out)[0]["check"] == finding.check


def test_errors_are_one_line_on_stderr(monkeypatch: Any, capsys: Any) -> None:
    def locked(args: Any) -> None:
        raise StoreLockedError("Process 7 owns it.")

    monkeypatch.setattr(cli, "open_library", locked)
    args = argparse.Namespace(run=cli_documents.run_doctor, repair=True, json=False)
    assert cli.run_safely(args) == 1
    assert capsys.readouterr().err == "error: Process 7 owns it.\n"


def test_an_interrupt_is_no_success(capsys: Any) -> None:
    def interrupted(args: Any) -> int:
        raise KeyboardInterrupt

    assert cli.run_safely(argparse.Namespace(run=interrupted)) == 130
    assert "kept" in capsys.readouterr().err


def test_encode_writes_unit_rows_in_order(monkeypatch: Any, tmp_path: Path, tiny_encoder: "Encoder") -> None:
    monkeypatch.setattr("me5.load_encoder", lambda name: tiny_encoder, raising=False)
    monkeypatch.setattr(cli_encode, "BLOCK", 2)
    source, out = tmp_path / "t.txt", tmp_path / "deep" / "v.npy"
    texts = ["one", "", "трі", "القهوة", "最後"]
    source.write_text("\n".join(texts) + "\n", encoding="utf-8")
    args = argparse.Namespace(file=str(source), role="passage", out=out, model=None, data=None, json=True)
    assert cli_encode.run_encode(args) == 0
    vectors = np.load(out)
    assert vectors.dtype == np.float32 and vectors.shape == (5, tiny_encoder.dimension)
    from me5 import Role

    np.testing.assert_allclose(vectors, tiny_encoder.encode(texts, Role.PASSAGE), atol=1e-5)
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("name", ["folder", "file/v.npy", "device"])
def test_encode_to_a_place_that_takes_no_file_is_one_line(
    monkeypatch: Any, capsys: Any, tmp_path: Path, tiny_encoder: "Encoder", name: str
) -> None:
    monkeypatch.setattr("me5.load_encoder", lambda name: tiny_encoder, raising=False)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("one\n")
    (tmp_path / "device").symlink_to(os.devnull)
    before = sorted(tmp_path.iterdir())
    args = argparse.Namespace(
        run=cli_encode.run_encode, file=str(tmp_path / "file"), role="query", out=tmp_path / name,
        model=None, data=None, json=False,
    )  # fmt: skip
    assert cli.run_safely(args) == 1
    assert f"{tmp_path / name} cannot be written" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "device").is_symlink()


def test_encode_of_bytes_that_are_no_text_leaves_no_file(
    monkeypatch: Any, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setattr(
        "me5.load_encoder", lambda name: SimpleNamespace(encode=None, dimension=3), raising=False
    )
    source, out = tmp_path / "t.txt", tmp_path / "v.npy"
    source.write_bytes(b"\xff\xfe\x80")
    args = argparse.Namespace(
        run=cli_encode.run_encode,
        file=str(source),
        role="query",
        out=out,
        model=None,
        data=None,
        json=False,
    )
    assert cli.run_safely(args) == 1
    assert "UTF-8" in capsys.readouterr().err and not out.exists()


def test_data_folder_from_the_environment(monkeypatch: Any) -> None:
    monkeypatch.setenv("ME5_DATA", "/somewhere/else")
    assert cli.default_data_dir() == Path("/somewhere/else")
    monkeypatch.delenv("ME5_DATA")
    assert cli.default_data_dir() == Path.home() / ".me5-search"


def test_add_says_what_it_kept_and_yes_means_it(monkeypatch: Any, capsys: Any, tmp_path: Path) -> None:
    library = ScriptedLibrary(add=AddReport(kept=(("/drive", 12), ("/other", 3))), warm=None)
    assert run(monkeypatch, library, "add", str(tmp_path)) == 0
    assert library.asked["add"][1]["is_sure"] is False
    out = capsys.readouterr().out
    assert "15 kept though their files are gone" in out and "/drive" in out and "12" in out and "--yes" in out
    run(monkeypatch, library, "add", str(tmp_path), "--yes", "--json")
    assert library.asked["add"][1]["is_sure"] is True
    kept = json.loads(capsys.readouterr().out)["kept"]
    assert kept == [{"folder": "/drive", "documents": 12}, {"folder": "/other", "documents": 3}]


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-that-name/x"])
def test_add_of_a_name_that_cannot_be_is_an_error(monkeypatch: Any, capsys: Any, name: str) -> None:
    assert run(monkeypatch, ScriptedLibrary(), "add", name) == 1
    assert "There is nothing at" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--check"]])
def test_add_looks_into_every_file_when_asked(monkeypatch: Any, tmp_path: Path, words: list[str]) -> None:
    library = ScriptedLibrary(add=AddReport(), warm=None)
    assert run(monkeypatch, library, "add", str(tmp_path), *words) == 0
    assert library.asked["add"][1]["check"] is bool(words)
