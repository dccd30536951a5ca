"""Pictures of the page over the sample library, for docs/images. Run with ``ME5_SCREENSHOTS=1``."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
QUERY = "#query textarea, #query input"
QUESTION = "library rules"
ARABIC_QUESTION = "لقاح الحصبة للأطفال"
PDF_QUESTION = "moulin à marée"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(
        os.environ.get("ME5_SCREENSHOTS") != "1", reason="set ME5_SCREENSHOTS=1 to take pictures"
    ),
    pytest.mark.skipif(not (ROOT / "examples" / "library").is_dir(), reason="examples/library is missing"),
]


def shoot(page: Any, name: str) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def ask(page: Any, words: str) -> None:
    page.fill(QUERY, words)
    page.press(QUERY, "Enter")
    expect(page.locator("#status .status")).to_be_visible()


@pytest.fixture
def sample_page(fresh_server: str, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """Opens the page over a collection with the sample library."""
    page = open_page(fresh_server)
    expect(page.locator("#try-samples")).to_be_visible()
    shoot(page, "empty")
    page.locator("#try-samples").click()
    expect(page.locator("#jobs .job.running, #jobs .job.done").first).to_be_visible()
    shoot(page, "indexing")
    expect(page.locator("#jobs .job.done")).to_contain_text("added", timeout=60_000)
    page.locator("[data-dismiss]").click()
    expect(page.locator("#jobs .job")).to_have_count(0)
    return lambda *args, **options: open_page(fresh_server, *args, **options)


def test_pictures(sample_page: Callable[..., Any]) -> None:
    for name, width, height, dark in (
        ("", 1280, 800, False),
        ("-dark", 1280, 800, True),
        ("-phone", 390, 844, False),
    ):
        page = sample_page(width, height, dark=dark)
        ask(page, QUESTION)
        if not page.locator("#results > * .card:visible").count():
            page.locator("details.weak summary").click()
        shoot(page, f"search{name}")
        page.locator(".card:visible").first.click()
        expect(page.locator("#preview .chosen")).to_be_in_viewport()
        shoot(page, f"preview{name}")
        page.get_by_role("tab", name="Library").click()
        expect(page.locator("#documents tbody tr").first).to_be_visible()
        shoot(page, f"library{name}")
    page = sample_page()
    ask(page, ARABIC_QUESTION)
    page.locator(".card:visible").first.click()
    expect(page.locator("#preview .chosen")).to_be_in_viewport()
    shoot(page, "arabic")
    page = sample_page()
    ask(page, PDF_QUESTION)
    card = page.locator(".card", has_text="pdf").first
    if not card.is_visible():
        page.locator("details.weak summary").click()
    card.click()
    expect(page.locator("#page-image img")).to_be_in_viewport()
    shoot(page, "pdf")
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filter-language")).to_be_visible()
    shoot(page, "filters")


def test_pictures_of_evaluate(fresh_server: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{fresh_server}/?tab=evaluate", 1280, 1100)
    page.locator("#evaluate-models input").fill("bm25")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # closes the list, which lies over the buttons
    page.locator("#evaluate-sample").click()
    expect(page.locator("#evaluate-status .job.running")).to_be_visible(timeout=30_000)
    expect(page.locator("#evaluate-detail")).to_contain_text("points", timeout=120_000)
    for name, width, height, dark in (
        ("", 1280, 1180, False),
        ("-dark", 1280, 1180, True),
        ("-phone", 390, 844, False),
    ):
        page = open_page(f"{fresh_server}/?tab=evaluate", width, height, dark=dark)
        expect(page.locator("#evaluate-detail")).to_contain_text("points", timeout=60_000)
        shoot(page, f"evaluate{name}")


def test_pictures_of_train(sample_page: Callable[..., Any]) -> None:
    page = sample_page()
    page.get_by_role("tab", name="Train").click()
    page.locator("#train-from-collection").click()
    expect(page.locator("dl.estimate")).to_be_visible(timeout=120_000)
    page.fill("#train-name textarea, #train-name input", "Sample library")
    shoot(page, "train-form")
    page.locator("#train-start").click()
    expect(page.locator(".badge.done")).to_be_visible(timeout=250_000)
    for name, width, height, dark in (
        ("", 1280, 1180, False),
        ("-dark", 1280, 1180, True),
        ("-phone", 390, 844, False),
    ):
        page = sample_page(width, height, dark=dark)
        page.get_by_role("tab", name="Train").click()
        expect(page.locator("figure.chart")).to_have_count(4, timeout=60_000)
        shoot(page, f"train{name}")


def test_pictures_of_parallel(fresh_server: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{fresh_server}/?tab=parallel", 1280, 1180)
    page.locator("#parallel-sample").click()
    expect(page.locator(".bt-pairs > li").first).to_be_visible(timeout=120_000)
    page.locator(".bt-pairs > li").first.click(position={"x": 4, "y": 4})
    for number, key in enumerate("aaaaaarraaaaaaaaaaaaaa"):
        page.keyboard.press(key)
        expect(page.locator(".tally")).to_contain_text(f"{62 - number} to review", timeout=30_000)
    for name, width, height, dark in (
        ("", 1280, 1180, False),
        ("-dark", 1280, 1180, True),
        ("-phone", 390, 844, False),
    ):
        page = open_page(f"{fresh_server}/?tab=parallel", width, height, dark=dark)
        expect(page.locator(".bt-pairs > li").first).to_be_visible(timeout=60_000)
        shoot(page, f"parallel{name}")
