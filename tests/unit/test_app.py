"""The command line: verbs, defaults, exit codes, and what is not imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app

ROOT = Path(__file__).resolve().parents[2]


def parse(*words: str) -> Any:
    return app.build_parser().parse_args(list(words))


def test_every_verb_has_a_handler_and_a_data_option() -> None:
    required = {
        "add": ["p"],
        "search": ["q"],
        "similar": ["d"],
        "encode": ["f", "--role", "query", "--out", "o.npy"],
        "evaluate": ["t"],
        "mine": ["s", "t", "--out", "p.tmx"],
        "move": ["--to", "embedded"],
        "remove": ["p"],
        "pairs": ["--out", "p.jsonl"],
        "train": ["r"],
    }
    for verb in app.VERBS:
        args = parse(verb, "--data", "d", *required.get(verb, []))
        assert callable(args.run) and args.data == Path("d")


def test_help_lists_the_verbs_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, app\n"
        "try: app.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'gradio', 'transformers', 'sqlalchemy', 'qdrant_client', 'openvino', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(verb in done.stdout for verb in app.VERBS)


@pytest.mark.parametrize("words", [[], ["--port", "8123"], ["serve"]])
def test_without_a_verb_the_page_is_served(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    seen = []
    monkeypatch.setattr(app.cli, "run_safely", lambda args: seen.append(args) or 0)
    assert app.main(words) == 0
    assert seen[0].verb == "serve" and seen[0].host == "127.0.0.1"


@pytest.mark.parametrize(
    "words", [["fly"], ["search"], ["search", "q", "--mode", "magic"], ["search", "q", "--top-k", "0"]]
)
def test_wrong_usage_exits_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        app.main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().out == ""


def test_a_public_host_without_logins_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert app.main(["--host", "0.0.0.0", "--data", str(tmp_path / "d")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "--auth-file" in err and "Traceback" not in err
    assert not (tmp_path / "d").exists()


def test_models_lists_the_registry_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert models["small"]["dimension"] == 384 and models["large"]["published"]
    assert app.main(["models"]) == 0
    assert "large-instruct" in capsys.readouterr().out


def test_an_unknown_model_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "t.txt"
    text.write_text("one\n")
    out = tmp_path / "v.npy"
    code = app.main(["encode", str(text), "--role", "query", "--out", str(out), "--model", "e5-smal"])
    captured = capsys.readouterr()
    assert code == 1 and captured.out == "" and not out.exists()
    assert "error: " in captured.err and "e5-smal" in captured.err and "Traceback" not in captured.err
