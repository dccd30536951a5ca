"""An evaluation becomes rows of docs/measured.json, and measuring again replaces them."""

import json
from dataclasses import replace

import pytest

from trainer.errors import DataError
from trainer.evaluation.measured import (
    MEASURED,
    Measurement,
    read_evaluation,
    read_measurements,
    with_new,
    write_measurements,
)
from trainer.evaluation.tatoeba import XTREME_36

SETTINGS = {"prefix": {"both": ""}, "pooling": "mean", "precision": "bf16", "neutral": None}


def score(value, *, interval=True, compare=None):
    ends = {"low": value - 0.01, "high": value + 0.01} if interval else {"low": None, "high": None}
    return {"value": value, **ends, "compare": compare}


def bitext_row(language, value, **more):
    metrics = {name: score(value + extra, **more) for name, extra in
               (("F1", 0), ("accuracy", 0.05), ("reverse F1", 0.02), ("reverse accuracy", 0.07))}  # fmt: skip
    return {"language": language, "items": 10, "pool": 10, "notes": {}, "metrics": metrics}


def evaluation(tmp_path, *tasks, **more):
    result = {"model": "small", "compare": None, "date": "2026-12-01", "command": "c", "tasks": tasks, **more}
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result), encoding="utf-8")
    return path


def task(name, kind, rows, mean=None, **more):
    return {"task": name, "kind": kind, "results": rows, "mean": mean, "settings": SETTINGS,
            "compare_settings": None, **more}  # fmt: skip


def tatoeba_task(**more):
    languages = [*XTREME_36, "kzj"]
    rows = [bitext_row(language, 0.6 if language == "kzj" else 0.5, **more) for language in languages]
    return task("tatoeba-v1", "bitext", rows, bitext_row("mean", 0.55, **more))


def test_tatoeba_gives_both_directions_and_the_languages_of_xtreme(tmp_path):
    rows = read_evaluation(evaluation(tmp_path, tatoeba_task()))
    told = [(row.task, row.metric, row.over, row.value, row.low) for row in rows]
    assert told == [
        ("Tatoeba v1, X → eng", "F1", 37, 55.0, 54.0),
        ("Tatoeba v1, X → eng", "accuracy", 37, 60.0, 59.0),
        ("Tatoeba v1, eng → X", "accuracy", 37, 62.0, 61.0),
        ("Tatoeba v1, X → eng, the XTREME languages", "F1", 36, 50.0, None),
        ("Tatoeba v1, X → eng, the XTREME languages", "accuracy", 36, 55.0, None),
    ]
    assert rows[0].benchmark == "Tatoeba" and rows[2].benchmark is None
    assert rows[0].languages["kzj"] == 60.0 and rows[1].languages["deu"] == 55.0
    assert all((row.model, row.date, row.command) == ("small", "2026-12-01", "c") for row in rows)
    assert all(row.settings == SETTINGS for row in rows)


def test_the_compared_model_is_taken_in_too(tmp_path):
    other = {**SETTINGS, "neutral": "12ab"}
    measured = {**tatoeba_task(compare=score(0.9)), "compare_settings": other}
    rows = read_evaluation(evaluation(tmp_path, measured, compare="small (neutral)"))
    assert len(rows) == 10
    assert {row.model: row.settings for row in rows} == {"small": SETTINGS, "small (neutral)": other}
    assert {row.value for row in rows if row.model == "small (neutral)"} == {90.0}
    assert {row.base for row in rows} == {"small"}


def test_translations_of_the_same_pairs_give_no_interval_for_their_mean(tmp_path):
    rows = [{"language": code, "metrics": {"Spearman": score(0.7)}} for code in ("de", "en")]
    (of_both,) = read_evaluation(
        evaluation(tmp_path, task("stsb-multi-mt", "similarity", rows, {**rows[0], "language": "mean"}))
    )
    assert (of_both.task, of_both.over, of_both.low) == ("STS-B multilingual, train and dev", 2, None)
    (of_one,) = read_evaluation(evaluation(tmp_path, task("sts", "similarity", rows[:1])))
    assert (of_one.task, of_one.over, of_one.low, of_one.languages) == ("sts", 1, 69.0, {})


@pytest.mark.parametrize("content", ["", "[]", '{"tasks": [{"name": "t", "error": "e"}]}'])
def test_what_is_no_evaluation_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.json is not an evaluation"):
        read_evaluation(path)


def test_measuring_again_replaces_and_other_words_do_not():
    def row(model, value, prefix="", **more):
        return Measurement(task="t", metric="F1", model=model, value=value, date="d", command="c",
                           settings={**SETTINGS, "prefix": {"both": prefix}}, **more)  # fmt: skip

    known = [row("small", 1), row("fast", 2), replace(row("bm25", 3), settings=None)]
    again = row("small", 4)
    assert with_new(known, [again]) == [again, *known[1:]]
    others = [row("small", 5, "query: "), row("small (neutral)", 6), row("base", 7)]
    assert with_new(known, others) == [known[0], *others[:2], *known[1:], others[2]]
    words = replace(known[2], value=8)
    assert with_new(known, [words]) == [*known[:2], words]


def test_the_file_is_read_as_it_was_written(tmp_path):
    write_measurements(read_measurements(), tmp_path / "measured.json")
    assert (tmp_path / "measured.json").read_text(encoding="utf-8") == MEASURED.read_text(encoding="utf-8")
    zero = Measurement(task="t", metric="F1", model="m", value=0.0, date="d", command="c", low=0.0, high=0.0)
    write_measurements([zero], tmp_path / "measured.json")
    assert read_measurements(tmp_path / "measured.json") == [zero]
