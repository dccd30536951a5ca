"""Runs as HTML: every state has its words and buttons, every text is escaped, scores are set side by side."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.data.import_pairs import Columns, Intake
from trainer.data.pairs import Pair
from trainer.run.estimate import Estimate
from trainer.run.records import Evaluation, Run
from ui.failure_advice import advice
from ui.markup_recipe import card
from ui.markup_runs import comparison, run_list
from ui.markup_train import run_page
from ui.markup_train_form import checked, estimate_line
from ui.run_scores import before_after, language_label
from ui.run_view import RunView, state_words

BAD = '<script>alert("x")</script>'
ARABIC = "تفتح المكتبة في الساعة التاسعة"
ROWS = [
    {"step": n, "loss": 1 / n, "learning_rate": 1e-3, "pairs_per_s": 90.0, "seconds": 1.0}
    for n in range(1, 6)
]


def run(state: Any = "running", **values: Any) -> Run:
    base = Run(
        "harbour", Path("/runs/harbour"), state, 5, 10, config={"optim": {"steps": 10}}, has_checkpoint=True
    )
    return replace(base, **values)


def score(step: int, language: str, value: float, metric: str = "nDCG@10") -> Evaluation:
    return Evaluation(
        step, "held-out", "retrieval", metric, language, value, value - 0.1, min(1.0, value + 0.1)
    )


SCORES = [score(0, "mean", 0.5), score(0, "de", 0.4), score(0, "ar", 0.6), score(0, "mean", 0.9, "Recall@100"),
          score(10, "mean", 0.7), score(10, "de", 0.8), score(10, "ar", 0.55)]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "there", "absent"),
    [
        ("running starting", ["stop"], ["delete", "resume"]),
        ("running", ["stop"], ["delete", "resume"]),
        ("running stopping", ["kill"], ["delete", "resume"]),
        ("cancelled", ["resume", "delete"], ["stop", "use"]),
        ("interrupted", ["resume", "delete"], ["stop", "use"]),
        ("failed", ["resume", "delete"], ["stop", "use"]),
        ("done", ["use", "register", "delete"], ["stop", "resume"]),
    ],
)
def test_every_state_offers_what_can_be_done(state: str, there: list[str], absent: list[str]) -> None:
    model = Path("/m") if state == "done" else None
    word, _, phase = state.partition(" ")
    page = run_page(RunView(run(word, model=model, phase=phase), rows=ROWS, collection="library"))
    assert all(f'data-act="{action}"' in page for action in there)
    assert not any(f'data-act="{action}"' in page for action in absent)
    assert state_words(run(word, phase=phase)) in page


def test_a_used_model_can_be_given_back() -> None:
    view = RunView(run("done", model=Path("/m")), collection="library", is_registered=True, is_used=True,
                   previous_model="builtin")  # fmt: skip
    page = run_page(view)
    assert "Used for" in page and "Back to builtin" in page and 'data-act="use"' not in page
    empty = run_page(replace(view, collection="", is_used=False))
    assert 'data-act="use"' not in empty


def test_texts_are_escaped_and_turn_their_own_way() -> None:
    about = {"title": BAD, "base": BAD, "data": BAD, "train": 100}
    view = RunView(run("failed", message=BAD, name=BAD, config={"x": BAD}), about, ROWS, SCORES, [BAD], f"# {BAD}\n\n| {BAD} |",
                   collection=BAD)  # fmt: skip
    for page in (run_page(view), run_list([view]), comparison([view, view])):
        assert "<script" not in page and "alert" in page
    pair = Pair(ARABIC, BAD, BAD)
    shown = checked(BAD, Intake(1, samples=(pair,), columns=Columns(BAD, BAD)))
    assert "<script" not in shown and f'<p dir="auto">{ARABIC}</p>' in shown


def test_what_was_left_out_of_the_pairs_is_told() -> None:
    intake = Intake(1200, empty=3, copies=2, query_languages={"de": 5}, passage_languages={"en": 5})
    shown = checked("a.tsv", intake)
    assert "1\u202f200 usable pairs" in shown and "3 with an empty side, 2 repeated" in shown
    assert "German → English" in shown and "That is little" not in shown
    assert "That is little" in checked("a.tsv", replace(intake, usable=100))


def test_before_and_after_are_set_side_by_side() -> None:
    changes = before_after(SCORES)
    assert [(row.language, row.before, row.after) for row in changes] == [
        ("mean", 0.5, 0.7), ("ar", 0.6, 0.55), ("de", 0.4, 0.8)
    ]  # fmt: skip
    page = run_page(RunView(run("done", model=Path("/m")), evaluations=SCORES))
    assert "Before and after" in page and "+40.0" in page and "−5.0" in page and "German" in page
    assert "Recall" not in page
    assert "Before and after" not in run_page(RunView(run(), evaluations=SCORES))
    assert before_after(SCORES[:3])[0].after is None
    assert "nDCG@10 50.0 → <b>70.0</b>" in run_list([RunView(run("done"), evaluations=SCORES)])


def test_curves_wait_for_the_first_step() -> None:
    assert "Charts appear after" in run_page(RunView(run(phase="starting"))) and "Starting …" in run_page(
        RunView(run(phase="starting"))
    )
    page = run_page(RunView(run(), rows=ROWS, evaluations=SCORES, seconds_left=100))
    assert page.count('<figure class="chart"') == 4 and "about 2 minutes left" in page
    assert "step 5 of 10" in page


def test_a_run_says_what_it_does_outside_its_steps() -> None:
    view = RunView(run(message="Learning up to 500 new pieces of words"), rows=ROWS, seconds_left=100)
    page = run_page(view)
    assert "Learning up to 500 new pieces of words …" in page and "left</span>" not in page
    stopped = run_page(replace(view, run=run("cancelled", message="stopped by SIGTERM")))
    assert "SIGTERM" not in stopped
    pieces = {"pieces": 488, "tokens_before": 66.44, "tokens_after": 50.65}
    page = run_page(replace(view, run=run(), pieces=pieces))
    assert "488 new pieces of words" in page and "takes 50.6 tokens, 66.4 without" in page


def test_comparison_shows_only_what_differs() -> None:
    one = RunView(
        run("done", config={"seed": 1, "optim": {"steps": 5, "temperature": 0.01}, "out": "/a"}),
        {"title": "A"},
        ROWS,
        SCORES,
    )
    two = RunView(
        run("done", name="b", config={"seed": 1, "optim": {"steps": 9, "temperature": 0.01}, "out": "/b"}),
        {"title": "B"},
        ROWS,
    )
    page = comparison([one, two])
    assert "optim.steps" in page and "temperature" not in page and "<td>out</td>" not in page
    assert page.count("<bdi>A</bdi>") >= 2 and "nDCG@10 50.0" in page
    assert "Tick two or more" in comparison([one])


def test_the_estimate_says_about_and_refuses() -> None:
    needed = Estimate(200.0, 2 * 10**9, 10**10, 10**9, 10**11)
    shown = estimate_line(needed)
    assert "about 3 minutes" in shown and "about 2.0 GB" in shown and "trouble-words" not in shown
    assert "unknown" in estimate_line(replace(needed, seconds=None))
    assert "trouble-words" in estimate_line(replace(needed, disk_free_bytes=10**9))
    assert "Download" in estimate_line(replace(needed, fetch_bytes=10**9))


@pytest.mark.parametrize(
    ("values", "what", "action"),
    [
        ({"state": "cancelled"}, "Stopped at step 5, everything", ""),
        ({"state": "cancelled", "has_checkpoint": False}, "nothing was saved", ""),
        ({"state": "interrupted"}, "was interrupted", ""),
        ({"state": "interrupted", "exit_code": -9}, "ended from outside", "smaller"),
        ({"state": "failed", "message": "Memory ran out in step 3."}, "Memory ran out", "smaller"),
        ({"state": "failed", "message": "CUDA out of memory"}, "Memory ran out", "smaller"),
        ({"state": "failed", "message": "Step 3 has loss nan and gradient norm nan. Expected finite numbers."}, "diverged", "slower"),
        ({"state": "failed", "message": "[Errno 28] No space left on device"}, "disk is full", ""),
        ({"state": "failed", "message": "the model hub cannot be reached (X)"}, "could not be fetched", ""),
        ({"state": "failed", "message": "something else"}, "The run failed", ""),
    ],
)  # fmt: skip
def test_trouble_is_told_in_plain_words(values: dict[str, Any], what: str, action: str) -> None:
    told = advice(run(**values))
    assert what in told.what and told.action == action and told.remedy
    if values["state"] == "failed":
        assert told.said == values["message"]


def test_cards_are_drawn_without_their_front_matter() -> None:
    drawn = card(
        "---\nlicense: x\n---\n\n# Title\n\nText `code`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n"
    )
    assert "license" not in drawn and "<h4>Title</h4>" in drawn and "<code>code</code>" in drawn
    assert drawn.count("<tr>") == 2 and "<pre>x = 1</pre>" in drawn
    assert card("") == ""


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("de", "German"),
        ("de-en", "German – English"),
        ("zh-Hant", "Chinese (traditional)"),
        ("und", "not sure"),
    ],
)
def test_languages_and_pairs_of_them_have_names(code: str, name: str) -> None:
    assert language_label(code) == name
