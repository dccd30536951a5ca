"""``evaluate --model product``: a retrieval task through chunking, store and search."""

import json
from pathlib import Path

import pytest

import app
from indexer.library.encoders import ModelFolder

TEXTS = [
    "The harbour was built in 1894 and ships come in at night.",
    "Der Turm steht am Fluss und ist sehr alt.",
    "Bread is baked before dawn in the lower town.",
]
QUERIES = ["harbour ships 1894", "alter Turm am Fluss", "bread before dawn"]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", TEXTS), ("queries", QUERIES)):
        rows = [json.dumps({"_id": f"{name}{number}", "text": text}) for number, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    judged = [f"queries{number}\tcorpus{number}\t1" for number in range(len(TEXTS))]
    (folder / "qrels" / "test.tsv").write_text(
        "\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8"
    )
    return folder


def test_the_product_is_measured_beside_its_model(
    task: Path, static_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ModelFolder(tmp_path / "data" / "models").register(static_model_dir, "mine")
    words = ["evaluate", str(task), "--model", "product:mine:lexical", "--compare", "mine", "--json"]
    assert app.main([*words, "--data", str(tmp_path / "data")]) == 0
    report = json.loads(capsys.readouterr().out)
    (result,) = report["tasks"][0]["results"]
    assert (report["model"].partition(":")[0], result["items"], result["pool"]) == ("product", 3, 3)
    assert result["metrics"]["nDCG@10"]["value"] == 1.0  # words alone find all three
    assert 0 <= result["metrics"]["nDCG@10"]["compare"]["value"] <= 1


def test_what_the_product_cannot_be_measured_on_is_told(
    static_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "sts.tsv"
    pairs.write_text("sentence1\tsentence2\tscore\na b\ta b\t5\nc d\te f\t1\n", encoding="utf-8")
    assert app.main(["evaluate", str(pairs), "--model", f"product:{static_model_dir}"]) == 1
    assert "retrieval task" in capsys.readouterr().err
