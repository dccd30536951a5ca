"""The command that measures the models that ship: what it can do without data, what it keeps of earlier runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def measured(model, out, tatoeba, *skipped):
    parts = [word for part in skipped for word in ("--skip", part)]
    command = [sys.executable, "benchmarks/builtin.py", model, "--tatoeba", str(tatoeba), "--out", str(out)]
    command += parts
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, json.loads(out.read_text(encoding="utf8"))


@pytest.mark.parametrize(
    ("model", "most_bytes", "pieces"), [("fast", 48_000_000, 160_000), ("builtin", 50_000_000, 250_037)]
)
def test_parts_are_measured_apart_and_gathered(tmp_path, model, most_bytes, pieces):
    sentences = {"eng": "The child drinks milk.\nWhere is the station?\n", "deu": "Das Kind trinkt Milch.\nWo ist der Bahnhof?\n"}  # fmt: skip
    for end, lines in sentences.items():
        (tmp_path / f"tatoeba.deu-eng.{end}").write_text(lines, encoding="utf8")
    out = tmp_path / "report.json"
    _, first = measured(model, out, tmp_path, "speed", "library", "size")
    assert first["tatoeba"]["languages"]["deu"]["sentences"] == 2
    assert first["tatoeba"]["all"]["accuracy_to_english"]["value"] == 100
    assert not {"size", "rankings", "across"} & first.keys()
    text, second = measured(model, out, tmp_path, "speed", "library", "tatoeba")
    assert second["tatoeba"] == first["tatoeba"]
    assert second["size"]["bytes"] < most_bytes and second["size"]["pieces"] == pieces
    assert "| Size on disk |" in text and "Tatoeba, mean of 1 languages" in text
    out.write_text(json.dumps({**second, "model": "another"}), encoding="utf8")
    _, third = measured(model, out, tmp_path, "speed", "library", "tatoeba")
    assert "tatoeba" not in third, "figures of another model"
