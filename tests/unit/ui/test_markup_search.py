"""Cards, status line and preview."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from indexer.types import Chunk, ChunkInfo, Filters, SearchResult
from ui import markup_search as markup
from ui.questions import SampleQuestion


class Tags(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.append(tag)
        if tag not in ("input", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def result(fake_library: Any) -> SearchResult:
    return fake_library.search("everything", collection="library", mode="hybrid", top_k=10, where=Filters())


def test_cards_show_title_place_language_band_and_evidence(result: SearchResult) -> None:
    html = markup.cards(result)
    assert Tags(html).names.count("li") == 4
    for words in ("Hafenordnung 1894", "p. 12", "German", "strong match", "+ 2 more in this document"):
        assert words in html
    assert "<mark>Jedes Schiff meldet sich beim Hafenmeister.</mark>" in html


def test_cards_let_no_markup_of_documents_through(result: SearchResult) -> None:
    hostile = '"><img src=x onerror=alert(1)><script>1</script>'
    hits = [
        replace(
            hit,
            title=hostile,
            document=hostile,
            text=hostile,
            section=hostile,
            language=hostile,
            chunk_id=hostile,
        )
        for hit in result.hits
    ]
    names = Tags(markup.cards(replace(result, hits=tuple(hits)))).names
    assert "img" not in names and "script" not in names


def test_right_to_left_text_is_marked_as_such(result: SearchResult) -> None:
    html = markup.cards(result)
    assert '<p class="snippet" dir="auto" lang="ar">' in html
    assert "<bdi>مذكرات الميناء</bdi>" in html


def test_nothing_found_is_an_answer_with_weak_hits_folded(result: SearchResult) -> None:
    unrelated = tuple(replace(hit, confidence="none") for hit in result.hits)
    html = markup.cards(replace(result, hits=(), weak_hits=unrelated))
    assert "Nothing relevant found" in html
    assert '<details class="weak">' in html
    beside = markup.cards(replace(result, weak_hits=unrelated))
    assert '<details class="weak">' in beside
    weak = tuple(replace(hit, confidence="weak") for hit in result.hits)
    assert '<details class="weak" open>' in markup.cards(replace(result, hits=(), weak_hits=weak))
    assert "fewer filters" in markup.cards(replace(result, hits=(), weak_hits=()))


def test_without_a_verdict_the_closest_passages_follow_each_other_by_score(result: SearchResult) -> None:
    by_words = replace(result.hits[3], confidence="strong")
    others = tuple(replace(hit, confidence="none") for hit in result.hits[:3])
    unsure = replace(result, hits=(by_words,), weak_hits=others, can_tell=False)
    html = markup.cards(unsure)
    assert "Closest passages</h2>" in html and Tags(html).names.count("li") == 4
    assert html.index("Hafenordnung") < html.index("Bees")
    for words in ('class="band', "not relevant", "Nothing relevant found", "<details"):
        assert words not in html
    assert "4 results" in markup.status(unsure)
    table = markup.many_table([unsure])
    assert "1 of 1 question found" in table and "Hafenordnung" in table and "strong match" not in table
    nothing = replace(unsure, hits=(), weak_hits=())
    assert "fewer filters" in markup.cards(nothing)
    assert "Nothing relevant found" not in markup.cards(nothing) + markup.many_table([nothing])


def test_status_says_language_and_time_and_counts(result: SearchResult) -> None:
    html = markup.status(result, ["de"])
    assert "asked in English · 4 results · 18 ms" in html
    assert 'data-language="de" title="Only German" aria-pressed="true"' in html
    assert "asked in" not in markup.status(replace(result, language="und"))


def test_status_of_a_narrowed_search_offers_the_way_back(result: SearchResult) -> None:
    html = markup.status(result, document_title="<i>Title</i>")
    assert "search everywhere" in html and "<i>" not in html


def test_status_shows_notices(result: SearchResult) -> None:
    assert "&lt;512&gt; tokens" in markup.status(replace(result, notices=("only <512> tokens",)))


def test_evidence_travels_on_the_card() -> None:
    assert markup.evidence_from("3-17") == (3, 17)
    for broken in ("", None, "3", "-", "a-b", "3-x"):
        assert markup.evidence_from(broken) is None


def passages(*spans: tuple[int, str]) -> list[ChunkInfo]:
    return [
        ChunkInfo(
            f"c{n}",
            "d",
            "library",
            "a.txt",
            "A",
            "txt",
            Chunk(n, start, start + len(text), text, language="en"),
        )
        for n, (start, text) in enumerate(spans)
    ]


def test_preview_shows_neighbours_and_marks_only_the_chosen_one() -> None:
    html = markup.preview(passages((0, "One. "), (5, "Two <b>. "), (14, "Three.")), "c1", (0, 3))
    assert (
        html.count("<mark>") == 1
        and '<p class="chosen" tabindex="-1" dir="auto" lang="en"><mark>Two</mark>' in html
    )
    assert "One. " in html and "Three." in html and "<b>" not in html


def test_preview_does_not_repeat_overlaps() -> None:
    html = markup.preview(passages((0, "One two"), (4, "two three")), "c0", None)
    assert html.count("two") == 1


def test_preview_of_a_removed_passage_says_so() -> None:
    assert "no longer" in markup.preview([], "c9", None)


def test_page_image_is_inside_the_answer() -> None:
    html = markup.page_image(b"\x89PNG", 3)
    assert 'src="data:image/png;base64,' in html and 'alt="Page 3"' in html


def test_many_table_counts_answers(result: SearchResult) -> None:
    html = markup.many_table([result, replace(result, hits=(), query="<b>?")])
    assert "1 of 2 questions found something" in html and "<b>" not in html
    Tags(html)


def test_sample_questions_are_buttons_in_their_own_language_and_direction() -> None:
    html = markup.questions(
        [SampleQuestion("لماذا؟", "ar", "a.html", "el"), SampleQuestion("Why?", "en", "b.txt", "fa")]
    )
    assert Tags(html).names.count("button") == html.count('type="button"') == html.count('dir="auto"') == 2
    assert 'data-question="لماذا؟"' in html and 'lang="ar"' in html
    assert 'title="Asked in Arabic, answered in Greek"' in html
    assert markup.questions([]) == ""


def test_sample_questions_let_no_markup_through() -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    html = markup.questions([SampleQuestion(hostile, hostile, hostile, hostile)])
    assert set(Tags(html).names) == {"div", "p", "button"}
    assert html.count("&lt;img") == 5  # twice as the question, as two languages in words and once as a tag


def test_what_is_like_a_passage_has_no_band_and_a_way_back(result: SearchResult) -> None:
    near = replace(result, query="<b>Hafen</b>", hits=(), weak_hits=result.hits, can_tell=False)
    line, cards = markup.onwards(near, in_other_languages=False)
    assert Tags(cards).names.count("li") == 4 and "match" not in cards
    assert "4 passages like this" in line and "&lt;b&gt;Hafen" in line and "data-everywhere" in line
    line, nothing = markup.onwards(replace(near, weak_hits=()), in_other_languages=True)
    assert "No other document is in another language." in nothing and "0 passages in other" in line
