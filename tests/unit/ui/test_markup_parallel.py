"""Parallel text as HTML: everything is escaped, directions are isolated, states have words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.bitext.reviews import Bitext, PairCounts, Precision, ReviewPair
from indexer.bitext.values import Pair
from ui import markup_parallel as markup
from ui.services.parallel import Job, Request
from ui.services.reviews import ThresholdSummary

EVIL = '"><script>alert(1)</script>'
BITEXT = Bitext("b1", EVIL, "mined", "ar", "zh", 1.1, 5.0, details={"cap": 1.8, "dropped": {"numbers": 2}})
COUNTS = PairCounts(3, {"open": 2, "accepted": 1}, {"numbers": 1})
SCORES = np.linspace(0.9, 2.0, 400, dtype=np.float32)


def job(state: Any, **changes: Any) -> Job:
    return Job("j1", Path("j1"), Request(EVIL, "", "", "builtin"), state, **changes)


def page(*pairs: Pair, **changes: Any) -> markup.Page:
    rows = [ReviewPair(number, pair) for number, pair in enumerate(pairs)]
    return markup.Page(rows, changes.pop("number", 0), changes.pop("pages", 1), len(rows), **changes)


def test_hostile_text_stays_text() -> None:
    evil = Pair(EVIL, EVIL, 1.2, EVIL, EVIL, flags=(EVIL,), source_origin=EVIL)
    rows = [ReviewPair(0, evil, (EVIL, EVIL))]
    html = "".join(
        (
            markup.texts([BITEXT], [job("failed")], "b1"),
            *(markup.run(job(state, message=EVIL), 0) for state in ("running", "failed", "cancelled")),
            markup.heading(BITEXT, COUNTS),
            markup.grid(BITEXT, COUNTS, markup.Page(rows, 0, 1, 1)),
        )
    )
    assert "<script" not in html and "&lt;script" in html
    assert '"alert' not in html


def test_a_row_has_directions_languages_and_states() -> None:
    html = markup.grid(
        BITEXT, COUNTS, page(Pair("مرحبا", "你好", 1.25, flags=("numbers",), state="accepted"))
    )
    assert '<p class="source" dir="auto" lang="ar">مرحبا</p>' in html
    assert '<p class="target" dir="auto" lang="zh">你好</p>' in html
    assert 'class="accepted"' in html and "numbers differ" in html and "1.250" in html
    assert "2 to review · 1 accepted · 0 rejected" in html


def test_a_pair_without_a_score_shows_none() -> None:
    html = markup.grid(BITEXT, COUNTS, page(Pair("a", "b")))
    assert "nan" not in html.casefold()


def test_a_megabyte_is_cut_on_the_page() -> None:
    html = markup.grid(BITEXT, COUNTS, page(Pair("x" * 1_000_000, "b", 1.0)))
    assert len(html) < 10_000 and "data-long" in html


def test_pages_end_where_pairs_do() -> None:
    first = markup.grid(BITEXT, COUNTS, page(Pair("a", "b"), pages=3))
    last = markup.grid(BITEXT, COUNTS, page(Pair("a", "b"), number=2, pages=3))
    assert 'data-page="-1" disabled' in first and 'data-page="1">' in first
    assert 'data-page="3" disabled' in last and 'data-page="1">' in last


def test_nothing_to_see_is_said() -> None:
    assert "No pair fits" in markup.grid(BITEXT, COUNTS, page())
    assert "No pairs were found" in markup.grid(BITEXT, PairCounts(0, {}, {}), page())


def test_a_quick_look_says_what_it_was_drawn_from() -> None:
    drawn = replace(BITEXT, details={"sentences": [500, 6_000], "drawn_from": 5_234})
    words = markup.heading(drawn, COUNTS)
    assert "500 of 5 234 sentences, drawn at random, and 6 000 · 3 pairs" in words.replace("\u202f", " ")
    whole = markup.heading(replace(BITEXT, details={"sentences": [500, 6_000]}), COUNTS)
    assert "500 and 6 000 sentences" in whole.replace("\u202f", " ")


def test_the_line_the_cap_and_what_they_mean() -> None:
    summary = ThresholdSummary(1.45, 200, 400, 0.9, Precision(0.8, 0.7, 0.87, 40))
    html = markup.scores(BITEXT, SCORES, summary)
    assert "--at:50" in html and 'class="cap"' in html and "threshold 1.450" in html
    assert "about 90 %" in html and "70 % to 87 %, from 40 reviewed" in html
    assert f"<dd>{(np.float32(1.8) < SCORES).sum()}<small>above 1.8" in html


def test_without_decisions_and_scores() -> None:
    assert "after 20 decisions" in markup.scores(BITEXT, SCORES, ThresholdSummary(1.4, 1, 2, None, None))
    assert "no scores" in markup.scores(BITEXT, SCORES[:0], None)


def test_a_model_is_offered_to_score_pairs_that_were_brought() -> None:
    bare, scored = (np.zeros(0, np.float32), None), (SCORES, ThresholdSummary(1.4, 1, 2, None, None))
    for (values, summary), words in ((bare, "Score these pairs"), (scored, "Score again")):
        html = markup.scores(BITEXT, values, summary, EVIL)
        assert "data-score" in html and words in html and "<script" not in html
        assert "data-score" not in markup.scores(BITEXT, values, summary)


@pytest.mark.parametrize("count", [1, 2, 5_000])
def test_any_number_of_scores_can_be_drawn(count: int) -> None:
    html = markup.scores(
        BITEXT, np.full(count, 1.2, np.float32), ThresholdSummary(1.2, count, count, None, None)
    )
    assert "<path" in html and "nan" not in html


def test_a_run_says_how_far_it_is_and_what_to_do() -> None:
    running = markup.run(job("running", phase="encoding", share=0.5, started_at=0.0), 100.0)
    assert "encoding · 50 % · about 2 minutes left" in running and "data-cancel" in running
    scoring = replace(job("running"), request=replace(job("running").request, scored=True))
    assert "Finding translations in" in running and "Scoring" in markup.run(scoring, 0)
    assert "Resume" in markup.run(job("interrupted"), 0) and "Start again" in markup.run(job("failed"), 0)
    assert markup.run(job("done"), 0) == "" == markup.run(None, 0)
