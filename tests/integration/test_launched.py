"""``accelerate launch app.py …``: several processes write what one writes."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = [f"{a}{b}" for a in ("hafen", "fluss", "turm", "brücke", "書庫", "река") for b in "abcdefghij"]


def app(*words: str | Path, processes: int = 1) -> str:
    launch = ["-m", "accelerate.commands.launch", "--cpu", f"--num_processes={processes}", "--num_machines=1"]
    launch += ["--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"]
    command = [sys.executable, *(launch if processes > 1 else []), str(ROOT / "app.py"), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("launched")
    generator = random.Random(1)
    lines = [" ".join(generator.choices(WORDS, k=9)) for _ in range(300)]
    (made / "en.txt").write_text("\n".join(f"the {line}" for line in lines) + "\n", encoding="utf-8")
    (made / "de.txt").write_text("\n".join(f"das {line}" for line in lines) + "\n", encoding="utf-8")
    return made


def test_encoding_is_shared_out(folder: Path, tiny_model_dir: Path) -> None:
    options = ["--role", "query", "--model", tiny_model_dir, "--json", "--out"]
    many = folder / "many.txt"  # several blocks for each
    many.write_text((folder / "en.txt").read_text(encoding="utf-8") * 5, encoding="utf-8")
    one = json.loads(app("encode", many, *options, folder / "one.npy"))
    two = json.loads(app("encode", many, *options, folder / "two.npy", processes=2))
    assert one | {"out": ""} == two | {"out": ""} and one["rows"] == 1_500
    np.testing.assert_allclose(np.load(folder / "one.npy"), np.load(folder / "two.npy"), atol=1e-6)
    assert not (folder / "two.npy.parts").exists()


def test_mining_is_shared_out(folder: Path, tiny_model_dir: Path) -> None:
    options = ["--model", tiny_model_dir, "--no-language-check", "--threshold", "1.0", "--drop", "none"]
    options += ["--source-language", "en", "--target-language", "de"]
    for name, processes in (("one", 1), ("two", 2)):
        out = folder / f"{name}.tsv"
        app("mine", folder / "en.txt", folder / "de.txt", "--out", out, *options, processes=processes)
    first, second = ((folder / f"{name}.tsv").read_text(encoding="utf-8") for name in ("one", "two"))
    pairs = [[line.split("\t")[1:3] for line in text.splitlines()] for text in (first, second)]
    assert pairs[0] == pairs[1] and len(pairs[0]) > 100
    assert not list(folder.glob("*.work"))
