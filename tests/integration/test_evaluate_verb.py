"""``app.py evaluate`` with a real model folder: table, JSON, comparison, errors."""

import json
import shutil

import pytest

import app
from trainer.evaluation.tatoeba import evaluate_tatoeba

FILES = {
    "tatoeba/tatoeba.deu-eng.deu": "Die Bibliothek öffnet um neun.\nFlüsse tragen Schlick.\nDas Meer ist weit.\n",
    "tatoeba/tatoeba.deu-eng.eng": "The library opens at nine.\nRivers carry silt.\nThe sea is wide.\n",
    "tatoeba/tatoeba.fra-eng.fra": "La bibliothèque ouvre.\nLa mer.\n",
    "tatoeba/tatoeba.fra-eng.eng": "The library opens.\nThe sea.\n",
    "notes/README.md": "nothing to measure",
    "sts.tsv": "The sea is wide.\tThe sea is wide.\t5\ten\nThe sea.\tA library.\t0\ten\nThe sea.\tThe seas.\t4\ten\n",
    "own.csv": "query,document,grade,language\nlibrary,The library opens at nine.,1,en\nsilt,Rivers carry silt.,2,en\n",
}


@pytest.fixture
def data(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def evaluate(capsys, *words):
    code = app.main(["evaluate", *map(str, words), "--resamples", "50"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_of_several_tasks(data, static_model_dir, capsys):
    code, out, _ = evaluate(
        capsys, data / "tatoeba", data / "sts.tsv", data / "own.csv", "--model", static_model_dir, "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert (found["model"], found["compare"], found["level"], found["resamples"], found["seed"]) == (
        str(static_model_dir),
        None,
        0.95,
        50,
        0,
    )
    assert [(task["task"], task["kind"], task["main_metric"]) for task in found["tasks"]] == [
        ("tatoeba", "bitext", "F1"),
        ("sts", "similarity", "Spearman"),
        ("own", "retrieval", "nDCG@10"),
    ]
    bitext, sts, own = found["tasks"]
    prefixes = [task["settings"]["prefix"] for task in found["tasks"]]
    assert prefixes == [
        {"both": "query: "},
        {"both": "query: "},
        {"query": "query: ", "passage": "passage: "},
    ]
    assert all(task["compare_settings"] is None for task in found["tasks"])
    assert found["command"] == (
        f"python app.py evaluate tatoeba sts.tsv own.csv --model {static_model_dir.name} --json"
    )
    assert [(row["language"], row["items"], row["pool"]) for row in bitext["results"]] == [
        ("deu", 3, 3),
        ("fra", 2, 2),
    ]
    assert bitext["mean"]["language"] == "mean" and sts["mean"] is None
    for task in found["tasks"]:
        for row in task["results"]:
            for score in row["metrics"].values():
                assert -1 <= score["low"] <= score["high"] <= 1 and score["compare"] is None
    assert set(own["results"][0]["metrics"]) == {"nDCG@10", "Recall@100", "MRR@10"}
    assert own["results"][0]["metrics"]["Recall@100"]["value"] == 1


def test_accuracy_is_that_of_the_model_card(data, static_model_dir, capsys):
    import me5

    _, out, _ = evaluate(capsys, data / "tatoeba", "--model", static_model_dir, "--json")
    card = evaluate_tatoeba(data / "tatoeba", me5.load_encoder(str(static_model_dir)).encode)
    for row in json.loads(out)["tasks"][0]["results"]:  # no ties here, on which the two differ
        metrics = row["metrics"]
        assert 100 * metrics["accuracy"]["value"] == pytest.approx(card[row["language"]].to_english, abs=1e-3)
        assert 100 * metrics["reverse accuracy"]["value"] == pytest.approx(
            card[row["language"]].from_english, abs=1e-3
        )


def test_two_models_side_by_side(data, static_model_dir, capsys):
    words = (data / "own.csv", "--model", "bm25:words", "--compare", static_model_dir)
    code, out, _ = evaluate(capsys, *words, "--json")
    score = json.loads(out)["tasks"][0]["results"][0]["metrics"]["nDCG@10"]
    assert code == 0 and score["value"] == 1
    compared = score["compare"]
    assert compared["difference"] == pytest.approx(compared["value"] - 1, abs=1e-6)
    assert compared["difference_low"] <= compared["difference"] <= compared["difference_high"]
    assert 0 < compared["p_value"] <= 1 and compared["test"] == "randomisation"
    code, out, _ = evaluate(capsys, *words)
    assert code == 0 and "difference" in out and "bm25:words" in out


def test_the_table_has_a_row_per_language(data, static_model_dir, capsys):
    code, out, err = evaluate(capsys, data / "tatoeba", "--model", static_model_dir, "--language", "fra")
    title, header, row, settings = out.splitlines()
    assert code == 0 and err == "" and title.startswith("tatoeba: bitext")
    assert header.split()[:3] == ["language", "n", "F1"]
    assert row.startswith("fra") and "[" in row
    assert settings == f"{static_model_dir}: `query: `, mean, fp32"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere/task", "--model", "bm25:words"], "BEIR"),
        (["{data}/notes", "--model", "bm25:words"], "no known layout"),
        (["{data}/sts.tsv", "--model", "bm25:words"], "no vectors"),
        (["{data}/own.csv", "--model", "e5-smal"], "Unknown model"),
        (["{data}/own.csv", "--model", "bm25:words", "--instruction", "Find."], "takes no instruction"),
    ],
)
def test_errors_are_one_line_on_stderr(data, capsys, words, message):
    code, out, err = evaluate(capsys, *(word.format(data=data) for word in words))
    assert code == 1 and out == ""
    assert err.startswith("error: ") and message in err and len(err.splitlines()) == 1


def test_values_per_item_are_kept_and_progress_is_told(data, static_model_dir, capsys, tmp_path):
    from trainer.evaluation.samples_file import read_samples

    kept, told = tmp_path / "samples", tmp_path / "progress.json"
    words = ("--model", static_model_dir, "--json", "--samples", kept, "--progress", told)
    code, out, _ = evaluate(capsys, data / "own.csv", data / "sts.tsv", *words)
    assert code == 0
    for task in json.loads(out)["tasks"]:
        samples = read_samples(kept / f"{task['digest']}.npz")
        for row in task["results"]:
            for metric, score in row["metrics"].items():
                assert samples[metric][row["language"]].value == pytest.approx(score["value"], abs=1e-6)
    assert json.loads(told.read_text())["done"] == json.loads(told.read_text())["total"] == 4 + 6


def test_a_task_that_cannot_be_measured_does_not_stop_the_others(data, capsys):
    words = ("--model", "bm25:words", "--json", "--keep-going")
    code, out, err = evaluate(capsys, data / "sts.tsv", data / "own.csv", *words)
    refused, measured = json.loads(out)["tasks"]
    assert code == 0 and "no vectors" in err
    assert "no vectors" in refused["error"] and refused["name"] == str(data / "sts.tsv")
    assert measured["name"] == str(data / "own.csv") and measured["results"]
    code, out, _ = evaluate(capsys, data / "sts.tsv", *words)
    assert code == 1 and json.loads(out)["tasks"][0]["error"]


def test_a_quick_look_measures_few_items(data, capsys):
    code, out, _ = evaluate(capsys, data / "tatoeba", "--model", "bm25:words", "--json", "--max-items", "2")
    assert code == 0
    assert [row["items"] for row in json.loads(out)["tasks"][0]["results"]] == [2, 2]


def test_prefix_and_neutral_decide_the_vectors_and_are_recorded(
    data, static_model_dir, capsys, tmp_path, monkeypatch
):
    sample = [(language, f"{word} {number}") for language, word in (("de", "Meer"), ("en", "sea"), ("fr", "mer"))
              for number in range(4)]  # fmt: skip
    monkeypatch.setattr("me5.neutral.bundled_sample", lambda: sample)
    monkeypatch.setattr("me5.neutral.DIRECTIONS", 2)
    model = tmp_path / "mine"
    shutil.copytree(static_model_dir, model)
    prompts = {"query": "query: ", "passage": "passage: ", "bitext": ""}
    (model / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))

    def measured(*words):
        code, out, _ = evaluate(capsys, data / "tatoeba", "--model", model, "--json", *words)
        assert code == 0
        found = json.loads(out)
        task = found["tasks"][0]
        return found["model"], task["settings"], task["compare_settings"], found["command"].split(" ", 5)[5]

    name, own, _, _ = measured()
    assert name == str(model) and own["prefix"] == {"both": ""} and own["neutral"] is None
    _, query, _, command = measured("--prefix", "query")
    assert query["prefix"] == {"both": "query: "} and command == "mine --prefix query --json"
    name, neutral, other, command = measured("--neutral", "on", "--compare", model)
    assert name == f"{model} (neutral)" and neutral["neutral"] and other["neutral"] is None
    assert command == "mine --compare mine --neutral on --json"
    _, _, other, command = measured("--compare", f"neutral:{model}")
    assert other == neutral and command == "mine --compare neutral:mine --json"
