import json

import pytest

from trainer import cli
from trainer.evaluation import BitextScore, RetrievalScore

WORDS = ("river", "city", "bread", "house", "library", "winter", "garden", "mountain", "school", "engine")
COLOURS = ("red", "blue", "green", "black", "white", "golden", "silver", "broken", "ancient", "quiet")
RECIPE = """
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
    arguments = ["builtin", str(root / "recipe.yaml"), f"data={root}", f"out={root / 'run'}"]
    assert cli.main(arguments) == 0
    return root, arguments


def test_the_run_leaves_a_model_that_learned_held_out_translations(trained, capsys):
    root, _ = trained
    capsys.readouterr()
    held_out = str(root / "run" / "held_out.json")
    assert (
        cli.main(["evaluate-held-out", "--model", str(root / "run" / "model"), "--data", held_out, "--json"])
        == 0
    )
    scores = json.loads(capsys.readouterr().out)
    parallel, question = (
        BitextScore(**scores["parallel"]["en-xx"]),
        RetrievalScore(**scores["question"]["xx-en"]),
    )
    assert parallel.sentences >= 50
    assert parallel.to_english > 80
    assert question.mrr_10 > 0.5


def test_running_again_goes_on_from_the_checkpoint_and_ends_the_same(trained):
    root, arguments = trained
    path = root / "run" / "model" / "model.safetensors"
    before = path.read_bytes()
    assert cli.main(arguments) == 0
    assert path.read_bytes() == before


def test_tatoeba_scores_as_json(trained, capsys):
    root, _ = trained
    folder = root / "tatoeba-v1"
    folder.mkdir()
    english = [f"the {colour} {word}" for colour in COLOURS[:5] for word in WORDS[:5]]
    (folder / "tatoeba.deu-eng.eng").write_text("\n".join(english) + "\n", encoding="utf8")
    (folder / "tatoeba.deu-eng.deu").write_text("\n".join(map(translated, english)) + "\n", encoding="utf8")
    capsys.readouterr()
    assert (
        cli.main(
            ["evaluate-tatoeba", "--model", str(root / "run" / "model"), "--data", str(folder), "--json"]
        )
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["languages"]["deu"]["sentences"] == 25
    assert result["mean"] == result["languages"]["deu"]["to_english"] > 50


def test_a_wrong_recipe_is_an_error_in_words(tmp_path, capsys):
    assert cli.main(["builtin", str(tmp_path / "none.yaml")]) == 1
    assert "does not exist" in capsys.readouterr().err
