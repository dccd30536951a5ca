"""Header, job lines, bar of languages and table of documents."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from indexer.library.offers import ModelOffer
from indexer.library.watching import WatchedFolder
from ui import markup_library as markup


def test_header_counts(fake_library: Any) -> None:
    html = markup.header(fake_library.collections()[0], "builtin")
    assert "4 documents · 4 passages · 4 languages" in html and "model: builtin" in html
    assert "empty" in markup.header(None, "builtin")


def test_a_running_job_is_one_line_with_what_how_far_how_long_and_cancel(make_job: Any) -> None:
    html = markup.jobs([make_job()], None)
    assert html.count('class="job ') == 1
    for words in ("Indexing", "1 of 3 files", "about 40 seconds left", 'data-cancel="j"'):
        assert words in html


def test_a_waiting_job_says_so(make_job: Any) -> None:
    html = markup.jobs([make_job(state="queued", seconds_left=None)], None)
    assert "Waiting" in html and "left" not in html


def test_the_outcome_of_the_last_job_is_shown_when_nothing_runs(make_job: Any) -> None:
    failed = make_job(state="failed", message="No space <left>. Free some.")
    assert "Stopped" in markup.jobs([], failed) and "&lt;left&gt;" in markup.jobs([], failed)
    assert "Stopped" not in markup.jobs([make_job()], failed)
    assert markup.jobs([], None) == ""


def test_a_long_ingest_offers_the_fast_model(make_job: Any) -> None:
    html = markup.jobs([make_job(id="slow"), make_job(id="<b>")], None, faster=["<b>"])
    assert html.count("Use the fast model first") == 1 and 'data-fast="&lt;b&gt;"' in html


def test_a_finished_switch_can_be_undone(make_job: Any) -> None:
    done = make_job(kind="switch", state="done", collection="a&b")
    html = markup.jobs([], done, undo="<fast>")
    assert 'data-undo="a&amp;b"' in html and "Return to &lt;fast&gt;" in html
    assert "Undo" not in markup.jobs([], done)


def test_the_offer_of_a_model_says_what_it_does_and_how_long_it_takes() -> None:
    html = markup.offer(ModelOffer("library", "fast", "builtin", 12408, 540.0))
    for words in ("Use <bdi>builtin</bdi>", "passages, about 9 minutes;", 'data-answer="no">Not now<'):
        assert words in html
    neutral = markup.offer(ModelOffer("library", "<b>", "<b>", 1))
    assert "Language-neutral" in neutral and "1 passage; search" in neutral and "<b>" not in neutral
    assert markup.offer(None) == ""


def test_language_bar_takes_the_small_ones_together() -> None:
    html = markup.language_bar({f"x{n}": 10 for n in range(12)} | {"de": 1000, "sw": 1})
    assert "German" in html and "more" in html and html.count("<li>") == markup.BAR_LANGUAGES + 1
    assert markup.language_bar({}) == ""
    assert markup.share(1, 1000) == "&lt;1 %"


@pytest.mark.parametrize(
    ("words", "count"), [("", 4), ("german", 1), ("HAFEN pdf", 1), ("docs", 4), ("ready", 4), ("nothing", 0)]
)
def test_filter_looks_at_title_path_type_language_and_state(
    fake_library: Any, words: str, count: int
) -> None:
    assert len(markup.select_documents(fake_library.documents("library"), words)) == count


def test_sorting_by_each_column(fake_library: Any) -> None:
    documents = fake_library.documents("library")
    for key, _ in markup.COLUMNS:
        up = markup.select_documents(documents, sort=key, descending=False)
        assert {d.id for d in up} == {d.id for d in documents}
    sizes = [d.size_bytes for d in markup.select_documents(documents, sort="size", descending=True)]
    assert sizes == sorted(sizes, reverse=True)
    failed = replace(documents[2], state="failed")
    assert markup.select_documents([*documents, failed], sort="state", descending=False)[0] is failed


def test_table_escapes_and_explains_failures(fake_library: Any) -> None:
    documents = [
        replace(d, state="failed", error="'<a.pdf>' is encrypted. Remove the password and add it again.")
        for d in fake_library.documents("library")
    ]
    html = markup.table(documents, 4)
    assert "&lt;a.pdf&gt;" in html and "Remove the password" in html and "<script>" not in html
    assert "could not be read" in html


def test_long_tables_are_cut_and_say_so(fake_library: Any) -> None:
    documents = fake_library.documents("library") * 100
    html = markup.table(documents, 400)
    assert html.count("<tr class=") == markup.PAGE_ROWS and "200 more" in html


def test_empty_tables_say_what_to_do() -> None:
    assert "Drop some files" in markup.table([], 0)
    assert "No document matches" in markup.table([], 5)


def test_the_question_before_a_deletion_escapes_the_name_and_says_what_goes() -> None:
    words = markup.deletion_question("<b>x", 1)
    assert "&lt;b&gt;x" in words and "1 document?" in words and "stay" in words


def test_a_job_that_kept_documents_asks(make_job: Any) -> None:
    done = make_job(id="<j>", state="done", message="12 kept")
    html = markup.jobs([], done, lost=12)
    assert 'data-lost="&lt;j&gt;"' in html and "Remove 12 documents" in html and ">Keep</button>" in html
    assert "data-lost" not in markup.jobs([], done) and ">Hide</button>" in markup.jobs([], done)


def test_documents_with_warnings_are_counted_and_found(services: Any) -> None:
    first, *others = services.documents("library")
    many = replace(first, warnings=("3 of 9 pages have no <text> layer", "b", "c", "d", "e"))
    documents = [many, *others]
    html = markup.table(documents, len(documents))
    assert "1 document with warnings" in html and "no &lt;text&gt; layer; b; c; and 2 more" in html
    assert markup.select_documents(documents, "warnings") == [many]
    assert "warning" not in markup.table(others, len(others))


def test_what_a_job_waits_for_is_said_in_full(make_job: Any) -> None:
    waiting = "waiting for the Qdrant server at http://10.0.0.7:6333"
    begun = make_job(kind="add", done=3, total=9, unit="bytes", message=waiting)
    assert waiting in markup.jobs([begun], None)
    assert waiting in markup.jobs([replace(begun, total=0)], None)
    assert "looking at the files" in markup.jobs([replace(begun, total=0, message="starting")], None)
    move = replace(begun, kind="move", total=0, message="starting")
    assert "starting" in markup.jobs([move], None) and "looking" not in markup.jobs([move], None)


def test_an_index_under_way_is_said_with_and_without_jobs() -> None:
    words = "Searchable, index still being built"
    assert words in markup.jobs([], None, is_indexing=True)
    assert markup.jobs([], None) == ""


def test_the_present_version_of_a_model_is_offered_in_its_own_words() -> None:
    html = markup.offer(ModelOffer("library", "builtin", "builtin", 1200, 61.0, is_newer=True))
    assert "An earlier version of" in html and "only words are searched" in html and "Embed again" in html


def test_watched_folders_say_how_it_goes_and_what_can_be_done() -> None:
    assert "None yet" in markup.watched([])
    folders = [
        WatchedFolder("/a<b>", "library", looked_at=datetime.now(UTC)),
        WatchedFolder("/c", "library", is_paused=True),
        WatchedFolder("/d", "library", trouble="The folder is not there."),
        WatchedFolder("/e", "library"),
    ]
    html = markup.watched(folders)
    assert "<b>" not in html and html.count("<li") == 4
    for words in ("looked through just now", "paused", "Go on", "not there", "being looked through"):
        assert words in html
    assert html.count('data-action="pause"') == 3 and html.count('data-action="remove"') == 4
