import json

import numpy as np
import pytest

import app
from me5 import Role, load_encoder
from trainer.stages.static.held_out import evaluate_dev

WORDS = ("river", "city", "bread", "house", "library", "winter", "garden", "mountain", "school", "engine")
COLOURS = ("red", "blue", "green", "black", "white", "golden", "silver", "broken", "ancient", "quiet")
RECIPE = """
stage: static
data: ""
out: ""
seed: 1
dimension: 32
held_out_one_in: 5
tokenizer: {vocab_size: 600, alphabet_size: 100, sample_texts: 100000}
optim: {batch_size: 32, steps: 60, matmul_bf16: false}
mixture: {parallel: 0.8, question: 0.2}
sources:
  - {file: p.tsv, kind: parallel, licence: CC0, origin: made here}
  - {file: q.jsonl, kind: question, licence: CC0, origin: made here}
"""


def translated(text):
    return " ".join(word[::-1] for word in text.split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("builtin")
    english = [
        f"the {colour} {word} near the {other}" for colour in COLOURS for word in WORDS for other in WORDS[:5]
    ]
    rows = ["\t".join(("en", "xx", text, translated(text))) for text in english]
    (root / "p.tsv").write_text("\n".join(rows) + "\n", encoding="utf8")
    questions = [
        {"lang": "xx", "question": translated(text), "passage": text + " of old", "passage_lang": "en"}
        for text in english
    ]
    (root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions), encoding="utf8")
    (root / "recipe.yaml").write_text(RECIPE, encoding="utf8")
    arguments = ["train", str(root / "recipe.yaml"), f"data={root}", f"out={root / 'run'}", "--threads", "1"]
    assert app.main(arguments) == 0
    return root, arguments


def test_the_run_leaves_a_model_that_learned_held_out_translations(trained):
    root, _ = trained
    encoder = load_encoder(str(root / "run" / "model"))
    held_out = json.loads((root / "run" / "held_out.json").read_text(encoding="utf8"))
    scores = evaluate_dev(held_out, encoder.encode, lambda texts: encoder.encode(texts, Role.PASSAGE))
    assert scores["parallel"]["en-xx"].sentences >= 50
    assert scores["parallel"]["en-xx"].to_english > 80
    assert scores["question"]["xx-en"].mrr_10 > 0.5


def test_a_resumed_run_ends_the_same(trained, capsys):
    root, arguments = trained
    path = root / "run" / "model" / "model.safetensors"
    before = path.read_bytes()
    assert app.main(arguments) == 1
    assert "Add --resume" in capsys.readouterr().err
    assert app.main([*arguments, "--resume"]) == 0
    assert capsys.readouterr().out.strip() == str(root / "run" / "model")
    assert path.read_bytes() == before


def test_texts_are_also_cut_with_dropout_when_asked(trained):
    root, _ = trained
    out = root / "dropout"
    arguments = ["train", str(root / "recipe.yaml"), f"data={root}", f"out={out}", "--threads", "1"]
    assert app.main([*arguments, "tokenizer.dropout=0.1", "optim.steps=5"]) == 0
    whole, dropped = (np.load(out / name)["pieces"] for name in ("pieces.npz", "pieces-dropout.npz"))
    assert len(dropped) > len(whole)  # words fall into more pieces
