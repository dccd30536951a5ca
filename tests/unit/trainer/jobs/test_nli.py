"""Groups out of inference rows."""

from pathlib import Path

import pytest

import app
from trainer.data.groups import read_groups
from trainer.data.sources import PairSource
from trainer.errors import DataError
from trainer.jobs.nli import NliConfig, nli_groups

SOURCE = PairSource("nli", query="premise", passage="hypothesis", path="nli.tsv")
CONFIG = NliConfig("nli", "groups.jsonl", SOURCE, language="en")


def row(premise: str, hypothesis: str, label: object) -> dict[str, object]:
    return {"premise": premise, "hypothesis": hypothesis, "label": label}


ROWS = [
    row("A dog runs.", "An animal moves.", 0),
    row("A cat sleeps.", "A cat is awake.", 2),
    row("A dog runs.", "A dog sleeps.", 2),
    row("A dog runs.", "It is for a walk.", 1),
    row("A dog runs.", "A dog moves.", "entailment"),
    row("A dog runs.", "An animal moves.", "contradiction"),  # annotators may disagree
    row("", "Nothing.", 0),
]


def test_what_follows_is_positive_and_what_contradicts_is_negative() -> None:
    (group,) = nli_groups(ROWS, CONFIG)
    assert (group.query, group.language, group.source) == ("A dog runs.", "en", "nli")
    assert [passage.text for passage in group.positives] == ["An animal moves.", "A dog moves."]
    assert [passage.text for passage in group.negatives] == ["A dog sleeps."]
    assert group.scores is None


def test_labels_of_another_kind_are_told() -> None:
    with pytest.raises(DataError, match=r"no row labelled entailment or 0. Its labels: no, yes"):
        list(nli_groups([row("a", "b", "yes"), row("a", "c", "no")], CONFIG))


def test_a_missing_label_column_is_told() -> None:
    with pytest.raises(DataError, match=r"no column 'label'. Its columns: premise, hypothesis"):
        list(nli_groups([{"premise": "a", "hypothesis": "b"}], CONFIG))


def test_the_stage_writes_a_file_of_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = ["premise\thypothesis\tlabel", "A dog runs.\tA dog moves.\t0", "A dog runs.\tA dog sleeps.\t2"]
    (tmp_path / "nli.tsv").write_text("\n".join(table) + "\n", encoding="utf8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"stage: nli\nout: {tmp_path}/groups.jsonl\n"
        f"source: {{name: nli, path: {tmp_path}/nli.tsv, query: premise, passage: hypothesis}}\n"
    )
    assert app.main(["train", str(recipe)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "groups.jsonl")
    (group,) = read_groups(tmp_path / "groups.jsonl")
    assert (group.positives[0].text, group.negatives[0].text) == ("A dog moves.", "A dog sleeps.")
