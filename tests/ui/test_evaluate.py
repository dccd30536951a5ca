"""The tab Evaluate: as a program uses it, through gradio_client, and as a person does, in Chromium."""

import csv
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "evaluation" / "sample-questions"
OWN = (
    "query,document,language\n"
    "متى تفتح المكتبة,تفتح المكتبة في الساعة التاسعة صباحا,ar\n"
    "图书馆 几点 开门,图书馆 早上九点 开门,zh\n"
    "when does the library open,the library opens at nine,en\n"
)


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Child processes start beside the page, so the page answers late on a busy machine."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def own_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "أسئلة 问题.csv"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def measured(client: Any, own_csv: Path) -> list[dict[str, Any]]:
    """Two models on the sample task and on own questions; the rows of the JSON export."""
    started, *_ = client.predict(
        ["builtin", "bm25:words"], [str(SAMPLE), str(own_csv)], "", 0, "", api_name="/evaluate"
    )
    assert started["state"] == "running"
    waiting = threading.Event()
    for _ in range(1_200):
        rows = json.loads(Path(client.predict(api_name="/export_evaluations_json")).read_text("utf-8"))
        if {(row["model"], row["task"]) for row in rows} >= {("BM25 of words", own_csv.stem)}:
            return list(rows)
        waiting.wait(0.1)
    raise AssertionError("no result after two minutes")


def test_a_program_measures_and_reads_the_values(measured: list[dict[str, Any]], client: Any) -> None:
    means = {
        (row["model"], row["task"]): row
        for row in measured
        if (row["language"], row["metric"]) == ("mean", "nDCG@10")
    }
    assert set(means) == {(m, t) for m in ("builtin", "BM25 of words") for t in (SAMPLE.name, "أسئلة 问题")}
    sample = means["builtin", SAMPLE.name]
    assert sample["items"] == 156 and 0 < sample["low"] < sample["value"] < sample["high"] < 100
    table = Path(client.predict(api_name="/export_evaluations_csv"))
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(measured)


@pytest.mark.parametrize(
    ("models", "tasks", "message"),
    [([], [str(SAMPLE)], "No model is chosen"), (["builtin"], [], "No task is chosen")],
)
def test_nothing_to_measure_is_one_sentence(
    client: Any, models: list[str], tasks: list[str], message: str
) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(models, tasks, "", 0, "", api_name="/evaluate")


def test_a_value_opens_its_languages_and_two_models_get_a_verdict(
    measured: list[dict[str, Any]], filled_server: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{filled_server}/?tab=evaluate")
    expect(page.locator("#evaluate-table tbody tr")).to_have_count(2)
    page.locator("#evaluate-table tr", has_text="BM25").locator("[data-task]").first.click()
    detail = page.locator("#evaluate-detail")
    expect(detail.locator("h2")).to_have_text(SAMPLE.name)
    expect(page.locator('#evaluate-table [aria-pressed="true"]')).to_have_count(1)
    expect(detail.locator("ul.ev-bars li")).to_have_count(6)
    page.locator("#evaluate-second input").click()
    page.get_by_role("option", name="builtin").click()
    expect(detail).to_contain_text(re.compile(r"builtin is better than BM25 of words by .* points"))
    expect(detail.locator("ul.ev-bars .line")).to_have_count(12)
    page.reload()
    expect(page.locator("#evaluate-table tbody tr")).to_have_count(2)
    expect(detail).to_contain_text("points")


def test_own_questions_are_uploaded_measured_and_removed(
    measured: list[dict[str, Any]], filled_server: str, open_page: Callable[..., Any], own_csv: Path
) -> None:
    page = open_page(f"{filled_server}/?tab=evaluate")
    expect(page.locator("#evaluate-table tbody tr")).to_have_count(2)
    with page.expect_file_chooser() as chooser:
        page.locator("#evaluate-upload").click()
    chooser.value.set_files(own_csv)
    expect(page.locator("#evaluate-tasks")).to_contain_text("أسئلة-问题.csv")
    page.locator("#evaluate-models input").fill("no-such-model")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#evaluate-status .job.running")).to_contain_text("Measuring")
    status = page.locator("#evaluate-status .job")
    expect(status).to_contain_text("not everything")
    expect(status).to_contain_text("Unknown model")
    expect(page.locator("#evaluate-table thead")).to_contain_text("أسئلة-问题")
    page.get_by_role("button", name="History").click()
    rows = page.locator("#evaluate-history tbody tr")
    expect(rows).to_have_count(2)
    rows.first.locator("[data-log]").click()
    expect(page.locator("#evaluate-log textarea")).to_have_value(re.compile("Unknown model"))
    page.on("dialog", lambda dialog: dialog.accept())
    rows.first.locator("[data-remove]").click()
    expect(rows).to_have_count(1)
    expect(page.locator("#evaluate-status .job")).to_have_count(0)


def test_a_running_evaluation_can_be_cancelled_and_survives_a_reload(
    measured: list[dict[str, Any]], client: Any, filled_server: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{filled_server}/?tab=evaluate")
    expect(page.locator("#evaluate-table tbody tr").first).to_be_visible()
    client.predict(["bm25", "builtin"] * 4, [str(SAMPLE)], "", 0, "", api_name="/evaluate")
    page.reload()
    expect(page.locator("#evaluate-status .job.running")).to_contain_text("of 8")
    page.locator("#evaluate-status [data-cancel]").click()
    expect(page.locator("#evaluate-status .job")).to_contain_text("Cancelled")
    page.locator("#evaluate-status [data-hide]").click()
    expect(page.locator("#evaluate-status .job")).to_have_count(0)


def test_the_page_fits_a_phone(
    measured: list[dict[str, Any]], filled_server: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{filled_server}/?tab=evaluate", 390, 844)
    expect(page.locator("#evaluate-table tbody tr").first).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"{width} px wide"
