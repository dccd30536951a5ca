"""Progress, the table of models and tasks, and the detail of one, as HTML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trainer.evaluation.statistics import Comparison
from ui import markup_evaluate as markup
from ui import markup_scores as scores
from ui.evaluation_exports import COLUMNS, rows_to_export
from ui.language_codes import task_language
from ui.services.evaluation import Entry, Evaluation, Request, merged_pairs


def score(value: float, spread: float | None = 0.05) -> dict[str, Any]:
    low, high = (None, None) if spread is None else (value - spread, value + spread)
    return {"value": value, "low": low, "high": high, "compare": None}


def entry(
    model: str, values: Mapping[str, float], *, task: str = "own", kind: str = "bitext", metric: str = "F1"
) -> Entry:
    rows = [
        {"language": code, "items": 40, "pool": 90, "notes": {}, "metrics": {metric: score(value)}}
        for code, value in values.items()
    ]
    mean = {**rows[0], "language": "mean", "metrics": {metric: score(sum(values.values()) / len(values))}}
    report = {
        "name": task, "task": task, "kind": kind, "main_metric": metric, "digest": f"{task}:{sorted(values)}",
        "results": rows, "mean": mean if len(rows) > 1 else None,
    }  # fmt: skip
    return Entry("e", 0, model, report, 1_000.0, Path("x.npz"))


def evaluation(**changes: Any) -> Evaluation:
    values: dict[str, Any] = {
        "id": "e1", "folder": Path("e1"), "request": Request(("a<b>", "n"), ("t",), created_at=1.0),
        "state": "running", "started_at": 100.0, "done_texts": 50, "total_texts": 100, "task": "أسئلة",
    }  # fmt: skip
    return Evaluation(**(values | changes))


def test_a_running_evaluation_is_one_line_with_what_how_far_how_long_and_cancel() -> None:
    html = markup.progress(evaluation(), {}, now=130.0)
    for words in (
        "a&lt;b&gt;", "<bdi>أسئلة</bdi>", "model 1 of 2", "50 of 100 texts", "about 2 minutes left",
        'data-cancel="e1"', 'value="0.250"',
    ):  # fmt: skip
        assert words in html
    loading = markup.progress(evaluation(done_texts=0, total_texts=None), {}, now=101.0)
    assert "loading the model" in loading and "left" not in loading and "value=" not in loading


@pytest.mark.parametrize(
    ("state", "words"),
    [("failed", "Nothing could be measured"), ("cancelled", "Cancelled"), ("interrupted", "Interrupted")],
)
def test_an_evaluation_that_ended_badly_says_how(state: Any, words: str) -> None:
    html = markup.progress(evaluation(state=state, errors=(("/a/b.csv", "Bad <line>."),)), {}, now=0.0)
    assert words in html and "b.csv" in html and "/a/" not in html and "Bad &lt;line&gt;." in html


def test_what_went_well_needs_no_line() -> None:
    assert markup.progress(evaluation(state="done"), {}, now=0.0) == ""
    assert "not everything" in markup.progress(evaluation(state="done", errors=(("n", "No."),)), {}, now=0.0)
    assert markup.progress(None, {}, now=0.0) == ""


def test_the_table_shows_the_published_number_and_why_the_measured_one_differs() -> None:
    good = entry("small", {"deu": 0.974, "fra": 0.912}, task="tatoeba-v1")
    bad = entry("base", {"deu": 0.5, "fra": 0.5}, task="tatoeba-v1")
    html = markup.table([good, bad, entry("builtin", {"de": 0.2})], {}, (good.key, "small"))
    assert "94.3" in html and "published 94.3" in html
    assert "published 95.0" in html and "−" not in html and "-45.0 points; check" in html
    assert html.count('class="why"') == 1, "only where they differ"
    assert html.count('aria-pressed="true"') == 1
    assert '<tr class="reference"><th scope="row">mE5-large ' in html
    assert "nothing" in markup.table([], {})


def test_the_best_of_each_task_is_marked() -> None:
    html = markup.table([entry("m", {"de": 0.2}), entry("n", {"de": 0.4})], {"n": "<mine>"})
    best = html[html.index("class=best") :]
    assert best.index("40.0") < 200 and html.count("class=best") == 1 and "&lt;mine&gt;" in html


TOLD = Comparison(-0.2, -0.3, -0.1, 0.001, "randomisation")
OPEN = Comparison(0.01, -0.1, 0.12, 0.8, "randomisation")


def test_the_verdict_of_two_models_is_a_sentence() -> None:
    first, second = entry("m", {"de": 0.4, "ar": 0.2}), entry("n", {"de": 0.2, "ar": 0.2})
    html = scores.detail(first, second, {"de": TOLD, "ar": OPEN, "mean": TOLD}, {})
    assert "<bdi>m</bdi></b> is better than <b><bdi>n</bdi></b> by 20.0 points [10.0, 30.0]" in html
    assert "fewer than 2 of 1,000 tests" in html
    assert "is better in 1, <b><bdi>n</bdi></b> in 0, undecided in 1" in html
    assert 'class="told down">−20.0' in html
    swapped = scores.detail(second, first, {"mean": Comparison(0.2, 0.1, 0.3, 0.02, "bootstrap")}, {})
    assert "<bdi>m</bdi></b> is better" in swapped and "about 20 of 1,000" in swapped
    unclear = scores.detail(first, second, {"mean": OPEN}, {})
    assert "No significant difference" in unclear and "+1.0 points [−10.0, +12.0]" in unclear
    assert "no &lt;values&gt;" in scores.detail(first, second, "no <values>", {})


def test_bars_are_by_language_best_first_with_interval_and_published_mark() -> None:
    html = scores.detail(entry("large", {"fra": 0.5, "deu": 0.99}, task="tatoeba-v1"), None, None, {})
    assert html.index("German") < html.index("French")
    assert 'style="left:94.0%;width:6.0%"' in html, "the interval ends at 100"
    assert 'title="published 99.1"' in html and "public runs" in html
    assert "Small sample (40 sentences per language)" in html


def test_what_was_measured_with_is_told_once_or_of_each() -> None:
    def measured(model: str, prefix: str, neutral: str | None = None) -> Entry:
        found = entry(model, {"deu": 0.5})
        settings = {"prefix": {"both": prefix}, "pooling": "mean", "precision": "bf16", "neutral": neutral}
        found.report["settings"] = settings  # type: ignore[index]
        return found

    first, second = measured("small", "query: "), measured("neutral:small", "", "12ab")
    labels = {"neutral:small": "small (neutral)"}
    assert " · &quot;query: &quot;, mean, bf16</p>" in scores.detail(first, None, None, labels)
    both = scores.detail(first, second, None, labels)
    assert "<bdi>small</bdi>: &quot;query: &quot;, mean, bf16" in both
    assert "<bdi>small (neutral)</bdi>: no prefix, mean, bf16, language-neutral" in both
    assert scores.detail(first, measured("m", "query: "), None, {}).count("mean, bf16") == 1
    assert "no vectors" in scores.detail(first, entry("bm25", {"deu": 0.1}), None, {})
    assert rows_to_export([second], labels)[0]["measured_with"] == "no prefix, mean, bf16, language-neutral"
    assert rows_to_export([entry("m", {"deu": 0.1})], {"m": "m"})[0]["measured_with"] is None


def test_tasks_of_the_hub_have_no_interval() -> None:
    hub = entry("small", {"de": 0.5}, task="MIRACLRetrieval (dev)", kind="hub", metric="main score")
    hub.report["results"][0]["metrics"]["main score"] = score(0.5, None)
    html = scores.detail(hub, None, None, {})
    assert "no interval" in html and "no zero-shot figure" in html and "<em" not in html
    hard = entry("small", {"de": 0.5}, task="MIRACLRetrievalHardNegatives (dev)", kind="hub")
    assert "cannot be compared with MIRACL" in scores.detail(hard, None, None, {})


def test_history_names_what_was_asked_for_and_offers_to_remove_it() -> None:
    done = evaluation(state="done", id="x&y", request=Request(("m",), ("/data/own.csv",), created_at=1.0))
    html = markup.history([evaluation(), done], {"m": "Mine"})
    assert html.count("data-remove") == 1 and 'data-remove="x&amp;y"' in html and html.count("data-log") == 2
    assert "<bdi>own.csv</bdi>" in html and "Mine" in html and "No evaluation yet" in markup.history([], {})


def test_exports_hold_every_value_and_the_published_one_beside_the_mean() -> None:
    found = entry("small", {"deu": 0.974, "fra": 0.912}, task="tatoeba-v1")
    rows = rows_to_export([found], {"small": "small"})
    assert [row["language"] for row in rows] == ["deu", "fra", "mean"]
    assert [row["published"] for row in rows] == [None, None, 94.3]
    assert rows[0]["value"] == 97.4 and list(rows[0]) == list(COLUMNS)
    single = rows_to_export([entry("large", {"deu": 0.991}, task="tatoeba-v1")], {"large": "large"})
    assert [row["published"] for row in single] == [99.1]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("de", "German"), ("cmn", "Mandarin Chinese"), ("de-en", "German – English"), ("mean", "mean of the languages"),
        ("zh-Hant", "Chinese (traditional)"), ("xx", "xx"), ("pool/de", "pool/de"), ("und", "all"),
        ("deu-eng", "German – English"), ("de-xx", "de-xx"), ("nds", "Low German"),
    ],
)  # fmt: skip
def test_codes_of_tasks_have_names(code: str, name: str) -> None:
    assert task_language(code) == name


def test_two_files_that_differ_in_their_suffix_are_one_task() -> None:
    words = ["/u/news.de", "/u/news.en", "/u/own.csv", "/u/a.tsv", "/u/tatoeba-v1.tar.xz", "/u/left.txt"]
    assert merged_pairs(words) == ["/u/news", "/u/own.csv", "/u/a.tsv", "/u/tatoeba-v1.tar.xz", "/u/left.txt"]
