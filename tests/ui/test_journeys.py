"""What a person does, in headless Chromium."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import add_and_wait

FAST = Path(__file__).resolve().parents[2] / "me5" / "fast"
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

OpenPage = Callable[..., Any]
QUERY = "#query textarea, #query input"


def ask(page: Any, words: str) -> None:
    page.fill(QUERY, words)
    page.press(QUERY, "Enter")


def test_from_an_empty_library_to_an_answer(
    empty_collection: str, open_page: OpenPage, documents: list[Path]
) -> None:
    page = open_page(empty_collection)
    expect(page.locator("#welcome")).to_contain_text("Drop documents here to begin")
    expect(page.locator("#query")).to_be_hidden()
    page.set_input_files("#welcome-drop input[type=file]", documents)
    expect(page.locator("#jobs .job.done")).to_contain_text("4 added", timeout=60_000)
    expect(page.locator("#counts")).to_contain_text("4 documents")
    expect(page.locator("#welcome")).to_be_hidden()
    ask(page, "Hafenmeister")
    card = page.locator(".card").first
    expect(card.locator(".title")).to_contain_text("Hafenordnung")
    expect(card.locator(".place")).to_contain_text("German")
    expect(card.locator("mark")).to_contain_text("Hafenmeister")
    expect(page.locator("#status")).to_contain_text(re.compile(r"asked in .* ms"))
    card.click()
    preview = page.locator("#preview .preview")
    expect(preview.locator("h2")).to_contain_text("Hafenordnung")
    expect(preview.locator("mark")).to_be_in_viewport()
    expect(card).to_have_attribute("aria-current", "true")


def test_the_sample_library_comes_with_questions(empty_collection: str, open_page: OpenPage) -> None:
    page = open_page(empty_collection)
    page.locator("#try-samples").click()
    questions = page.locator("#questions .question")
    expect(questions).to_have_count(6, timeout=60_000)
    expect(page.locator("#jobs .job.done")).to_contain_text("added", timeout=60_000)
    directions = questions.evaluate_all("all => all.map((one) => getComputedStyle(one).direction)")
    assert sorted(directions) == ["ltr"] * 5 + ["rtl"]
    asked = questions.nth(4).inner_text()
    questions.nth(4).focus()
    page.keyboard.press("Enter")
    expect(page.locator(QUERY)).to_have_value(asked)
    expect(page.locator(QUERY)).to_be_focused()
    expect(page.locator(".card").first).to_be_attached()
    expect(page.locator("#questions")).to_be_hidden()
    page.fill(QUERY, "")
    asked = questions.first.inner_text()
    questions.first.click()
    expect(page.locator(QUERY)).to_have_value(asked)
    page.wait_for_url("**q=Why*")
    phone = open_page(page.url, 390, 844)
    expect(phone.locator(QUERY)).to_have_value(asked)
    expect(phone.locator("#questions")).to_be_hidden()
    phone.fill(QUERY, "")
    expect(phone.locator("#questions .question").last).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_other_documents_come_without_questions(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    expect(page.locator("#counts")).to_contain_text("4 documents")
    expect(page.locator("#questions")).to_be_hidden()


def test_a_reload_and_a_second_tab_show_the_same(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    ask(page, "bees")
    expect(page.locator(".card").first).to_contain_text("bees")
    page.reload()
    expect(page.locator(QUERY)).to_have_value("bees")
    expect(page.locator(".card").first).to_contain_text("bees")
    expect(page.locator("#jobs .job.done")).to_contain_text("4 added")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#documents tbody tr")).to_have_count(4)
    other = open_page(page.url)
    expect(other.get_by_role("tab", name="Library")).to_have_attribute("aria-selected", "true")
    expect(other.locator("#documents tbody tr")).to_have_count(4)


def test_texts_of_documents_never_become_part_of_the_page(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    ask(page, "swarm of bees")
    page.locator(".card", has_text="swarm of bees").first.click()
    preview = page.locator("#preview .reading")
    expect(preview).to_contain_text("${document.title='broken'} {{title}} <img src=x")
    assert page.title() == "mE5 Search"
    assert page.locator("#results img, #results script, #preview img, #documents script").count() == 0


def test_every_script_reads_in_its_own_direction(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    for query, language, direction in (("المكتبة مغلقة", "ar", "rtl"), ("面包 发酵", "zh", "ltr")):
        ask(page, query)
        snippet = page.locator(f'.card .snippet[lang="{language}"]').first
        expect(snippet).to_be_visible()
        assert snippet.evaluate("element => getComputedStyle(element).direction") == direction


def test_the_keyboard_is_enough(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    expect(page.locator(QUERY)).to_be_focused()
    page.keyboard.type("bees")
    page.keyboard.press("Enter")
    title = page.locator(".card .title").first
    expect(title).to_be_visible()
    title.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#preview .chosen")).to_contain_text("bees")


def test_nothing_relevant_is_an_answer(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    page.locator("#filters button").first.click()
    page.locator("#filter-mode input").click()
    page.get_by_role("option", name="words", exact=True).click()
    ask(page, "zzxqw vvkpt")
    expect(page.locator("#results .nothing")).to_contain_text("Nothing relevant found")


@pytest.mark.skipif(not (FAST / "config.json").is_file(), reason="the model fast is missing")
def test_a_fast_collection_gets_a_better_model_and_goes_back(
    filled_server: str, open_page: OpenPage, documents: list[Path]
) -> None:
    page = open_page(f"{filled_server}/?tab=library")
    page.locator("#collections button").first.click()
    page.locator("#collection-model input").click()
    page.get_by_role("option").filter(has_text="90 times as fast").click()
    expect(page.locator("#collection-published")).to_be_hidden()
    page.fill("#collection-name input, #collection-name textarea", "quick 快")
    page.locator("#collection-create").click()
    expect(page.locator("#counts")).to_contain_text("model: fast")
    page.set_input_files("#drop input[type=file]", documents)
    offer = page.locator("#model-offer .offer")
    expect(offer).to_contain_text("4 passages, ", timeout=60_000)
    expect(offer).to_contain_text("search goes on meanwhile")
    phone = open_page(page.url, 390, 844)
    expect(phone.locator("#model-offer [data-answer=no]")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    offer.get_by_text("Use builtin").click()
    undo = page.locator("#jobs [data-undo]")
    expect(undo).to_be_visible(timeout=60_000)
    expect(page.locator("#counts")).to_contain_text("model: builtin")
    undo.click()
    expect(page.locator("#counts")).to_contain_text("model: fast", timeout=60_000)
    expect(page.locator("#jobs .job.done")).to_contain_text("Return to fast")
    expect(offer).to_have_count(0)  # asked once


@pytest.mark.skipif(not (FAST / "config.json").is_file(), reason="the model fast is missing")
def test_not_now_is_remembered(filled_server: str, open_page: OpenPage, documents: list[Path]) -> None:
    from gradio_client import Client

    client = Client(filled_server, verbose=False)
    client.predict("later", "fast", api_name="/create_collection")
    client.close()
    add_and_wait(filled_server, documents, "later")
    page = open_page(f"{filled_server}/?collection=later&tab=library")
    offer = page.locator("#model-offer .offer")
    offer.get_by_text("Not now").click()
    expect(offer).to_have_count(0)
    page.reload()
    expect(page.locator("#documents tbody tr")).to_have_count(4)
    page.get_by_role("tab", name="Search").click()
    page.get_by_role("tab", name="Library").click()
    page.wait_for_timeout(1_000)
    expect(offer).to_have_count(0)


def test_a_query_without_words_gets_one_calm_sentence(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    ask(page, "?!")
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("has no words")
    expect(toast).not_to_contain_text("Traceback")


def test_further_passages_of_a_document_are_one_click_away(
    empty_collection: str, open_page: OpenPage, tmp_path: Path
) -> None:
    lines = [f"Chapter {n}. " + "The lighthouse keeper trims the lamp at dusk. " * 30 for n in range(4)]
    (tmp_path / "lighthouse.txt").write_text("\n\n".join(lines), encoding="utf-8")
    page = open_page(f"{empty_collection}&tab=library")
    page.set_input_files("#drop input[type=file]", tmp_path / "lighthouse.txt")
    expect(page.locator("#jobs .job.done")).to_contain_text("1 added", timeout=60_000)
    page.get_by_role("tab", name="Search").click()
    ask(page, "lighthouse keeper lamp")
    expect(page.locator(".card")).to_have_count(1)
    more = page.locator(".card [data-document]")
    expect(more).to_have_text(re.compile(r"\+ \d+ more in this document"))
    further = int(more.inner_text().split()[1])
    more.click()
    expect(page.locator("#status")).to_contain_text("only in lighthouse")
    expect(page.locator(".card")).to_have_count(1 + further)
    page.locator("[data-everywhere]").click()
    expect(page.locator(".card")).to_have_count(1)


def test_from_a_passage_to_others_like_it_and_back(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    ask(page, "swarm of bees")
    expect(page.locator(".card").first).to_contain_text("bees")
    page.locator(".card").first.click()
    page.locator("#preview [data-similar=any]").click()
    expect(page.locator("#status")).to_contain_text("like this")
    expect(page.locator(".card", has_text="swarm of bees")).to_have_count(0)
    assert page.locator("#results .band").count() == 0
    page.locator(".card", has_text="面包").first.click()
    expect(page.locator("#preview .chosen")).to_contain_text("面包")
    page.locator("#preview [data-similar=other]").click()
    expect(page.locator("#status")).to_contain_text("in other languages")
    expect(page.locator("#results .place", has_text="Chinese")).to_have_count(0)
    page.locator("#status [data-everywhere]").click()
    expect(page.locator(".card").first).to_contain_text("swarm of bees")


def test_a_watched_folder_is_followed_paused_and_forgotten(
    empty_collection: str, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(empty_collection)
    page.get_by_role("tab", name="Library").click()
    page.locator("#watched button").first.click()
    expect(page.locator("#watched-folders")).to_contain_text("None yet")
    page.fill("#watched-path textarea, #watched-path input", str(tmp_path / "nowhere"))
    page.locator("#watched-add").click()
    expect(page.locator(".toast-body")).to_contain_text("is not a folder")
    (tmp_path / "lighthouse.txt").write_text("The lighthouse burns at night.", encoding="utf8")
    page.fill("#watched-path textarea, #watched-path input", str(tmp_path))
    page.locator("#watched-add").click()
    row = page.locator("#watched-folders li")
    expect(row).to_contain_text(str(tmp_path))
    expect(page.locator("#documents tbody tr")).to_have_count(1, timeout=30_000)
    expect(row).to_contain_text("looked through just now", timeout=30_000)
    (tmp_path / "lighthouse.txt").rename(tmp_path / "beacon.txt")
    row.locator("[data-action=pause]").click()
    expect(row).to_contain_text("paused")
    row.locator("[data-action=remove]").click()
    expect(row).to_have_count(0)


def test_filters_and_chips(filled_server: str, open_page: OpenPage) -> None:
    page = open_page(filled_server)
    ask(page, "bees")
    page.locator(".chip", has_text="German").click()
    expect(page.locator('.chip[aria-pressed="true"]')).to_contain_text("German")
    expect(page.locator('#results .snippet:not([lang="de"])')).to_have_count(0)
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filter-language")).to_contain_text("German (")


def test_results_export(filled_server: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(filled_server)
    ask(page, "bees")
    expect(page.locator(".card").first).to_be_visible()
    for kind in ("csv", "json", "xlsx"):
        with page.expect_download() as download:
            page.locator(f"#export-{kind}").click()
        assert download.value.suggested_filename.endswith(f".{kind}")
        path = tmp_path / f"file.{kind}"
        download.value.save_as(path)
        assert path.stat().st_size > 100
    rows = csv.DictReader((tmp_path / "file.csv").read_text(encoding="utf-8-sig").splitlines())
    assert "bees" in next(rows)["text"]


def test_a_file_of_questions(filled_server: str, open_page: OpenPage, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("swarm of bees\n发酵\nHafenmeister\n", encoding="utf-8")
    page = open_page(filled_server)
    page.get_by_role("button", name="Ask many questions at once").click()
    page.set_input_files("#many input[type=file]", questions)
    expect(page.locator("#many-summary tbody tr")).to_have_count(3)
    with page.expect_download() as download:
        page.locator("#many-csv").click()
    path = tmp_path / "answers.csv"
    download.value.save_as(path)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert {row["query"] for row in rows} == {"swarm of bees", "发酵", "Hafenmeister"}


def test_looking_after_documents(
    empty_collection: str, open_page: OpenPage, document_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 this is not a pdf")
    (tmp_path / "empty.txt").write_bytes(b"")
    page = open_page(f"{empty_collection}&tab=library")
    page.fill("#server-path textarea, #server-path input", str(document_folder))
    page.locator("#add-path").click()
    rows = page.locator("#documents tbody tr")
    expect(rows).to_have_count(4, timeout=60_000)
    page.set_input_files("#drop input[type=file]", [tmp_path / "broken.pdf", tmp_path / "empty.txt"])
    failed = page.locator("#documents tr.failed")
    expect(failed.filter(has_text="broken")).to_contain_text("could not be read", timeout=60_000)
    expect(failed.filter(has_text="broken").locator(".reason")).not_to_be_empty()
    page.fill("#document-filter textarea, #document-filter input", "chinese")
    expect(rows).to_have_count(1)
    page.fill("#document-filter textarea, #document-filter input", "")
    expect(rows.nth(4)).to_be_visible()
    page.locator('[data-sort="title"]').click()
    expect(page.locator("th.title")).to_have_attribute("aria-sort", "ascending")
    rows.filter(has_text="broken").locator("input[type=checkbox]").check()
    expect(page.locator("[data-chosen]")).to_have_text("1 chosen")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator('[data-act="remove"]').click()
    expect(rows.filter(has_text="broken")).to_have_count(0, timeout=30_000)


def test_collections_are_made_and_chosen(
    filled_server: str, open_page: OpenPage, documents: list[Path]
) -> None:
    page = open_page(f"{filled_server}/?tab=library")
    page.get_by_role("button", name="Collections").click()
    page.fill("#collection-name textarea, #collection-name input", "Hafen архив")
    page.locator("#collection-create").click()
    expect(page.locator("#collection input")).to_have_value("Hafen архив")
    page.set_input_files("#drop input[type=file]", documents[:1])
    expect(page.locator("#documents tbody tr")).to_have_count(1, timeout=60_000)
    page.reload()
    expect(page.locator("#collection input")).to_have_value("Hafen архив")
    page.locator("#collection input").click()
    expect(page.get_by_role("option", name="library", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Collections").click()
    page.locator("#collection-delete").click()
    expect(page.locator("#collection-words")).to_contain_text("Delete Hafen архив with 1 document?")
    page.locator("#collection-delete-no").click()
    expect(page.locator("#collection-words")).to_be_hidden()
    page.locator("#collection-delete").click()
    page.locator("#collection-delete-yes").click()
    expect(page.locator("#collection input")).to_have_value("library")
    expect(page.locator("#jobs .job.done")).to_contain_text("Delete collection Hafen архив", timeout=30_000)
    expect(page.locator("#documents tbody tr")).to_have_count(4)


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_without_scrolling_sideways(
    filled_server: str, open_page: OpenPage, dark: bool
) -> None:
    page = open_page(filled_server, 390, 844, dark=dark)
    ask(page, "bees")
    page.locator(".card .title").first.click()
    expect(page.locator("#preview .chosen")).to_be_in_viewport()
    page.locator("[data-back]").click()
    expect(page.locator(".card[aria-current]")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#documents tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_documents_of_an_unplugged_drive_wait_for_an_answer(
    empty_collection: str, open_page: OpenPage, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    for number in range(3):
        (drive / f"{number}.txt").write_text(f"Paper number {number} is on the drive.", encoding="utf-8")
    page = open_page(f"{empty_collection}&tab=library")
    rows = page.locator("#documents tbody tr")

    def add() -> None:
        page.fill("#server-path textarea, #server-path input", str(drive))
        page.locator("#add-path").click()

    add()
    expect(rows).to_have_count(3, timeout=60_000)
    for path in drive.iterdir():
        path.unlink()
    add()
    remove = page.locator("#jobs [data-lost]")
    expect(remove).to_have_text("Remove 3 documents", timeout=30_000)
    expect(page.locator("#jobs")).to_contain_text("kept")
    expect(rows).to_have_count(3)
    remove.click()
    expect(rows).to_have_count(0, timeout=30_000)
