"""The tab Train with real runs of seconds on a tiny model: through the endpoints, and as a person."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect

from me5.states import ACTIVE
from tests.ui.conftest import add_and_wait

pytestmark = pytest.mark.filterwarnings("default")

OpenPage = Callable[..., Any]
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> ${document.title='broken'}"
TEXTS = (
    ("متى تفتح المكتبة", "تفتح المكتبة في الساعة التاسعة صباحا"),
    ("什么时候烤面包", "烤面包之前，面团要发酵一整夜"),
    ("when do the bees leave", "The bees leave the hive in May"),
)
SETTINGS = {"steps": 4, "batch_size": 16, "max_tokens": 32, "evaluate_every": 2, "learning_rate": 1e-3}


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Runs share the processor with the page, so that everything takes longer than elsewhere."""
    expect.set_options(timeout=120_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pairs in three scripts; the first is hostile."""
    lines = [f"{HOSTILE}\t{HOSTILE} and more"]
    lines += [f"{query} {n}\t{passage} {n}" for n in range(100) for query, passage in TEXTS]
    path = tmp_path_factory.mktemp("pairs") / "pairs & more.tsv"
    path.write_text("query\tpassage\n" + "\n".join(lines) + "\n", encoding="utf8")
    return path


def upload(client: Any, path: Path) -> dict[str, Any]:
    from gradio_client import handle_file

    answer = client.predict(handle_file(path), api_name="/train_pairs")
    return dict(next(value for value in answer if isinstance(value, dict) and "usable" in value))


def ended(client: Any, name: str) -> dict[str, Any]:
    waiting = threading.Event()
    for _ in range(600):
        run = client.predict(name, api_name="/train_run")
        if run["state"] not in ACTIVE:
            return dict(run)
        waiting.wait(0.2)
    raise AssertionError(f"still {run['state']} after two minutes")


def test_a_program_trains_a_model(client: Any, pairs: Path, tiny_model_dir: Path) -> None:
    found = upload(client, pairs)
    assert found["usable"] == 301 and found["columns"] == ["query", "passage"]
    base = str(tiny_model_dir)
    needed = client.predict(found["pairs"], "search", base, SETTINGS, api_name="/train_estimate")
    assert needed["refusal"] == "" and needed["memory_bytes"] > 0 and needed["disk_bytes"] > 0
    run = client.predict(found["pairs"], "search", base, "By a program", SETTINGS, api_name="/train_start")
    assert run["run"] == "by-a-program" and run["state"] == "running"
    with pytest.raises(Exception, match=r"by-a-program.* is running"):
        client.predict(found["pairs"], "search", base, "Another", SETTINGS, api_name="/train_start")
    run = ended(client, run["run"])
    assert (run["state"], run["step"], run["steps"]) == ("done", 4, 4), run
    scores = {row["language"]: row for row in run["scores"]}
    assert {"mean", "ar", "zh", "en"} <= set(scores)
    assert scores["mean"]["metric"] == "nDCG@10" and scores["mean"]["after"] is not None
    assert run["run"] in {one["run"] for one in client.predict(api_name="/train_runs")}
    client.predict(run["run"], "delete", api_name="/train_act")
    assert run["run"] not in {one["run"] for one in client.predict(api_name="/train_runs")}


def test_errors_of_programs_are_sentences(client: Any, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "few.tsv").write_text("query\tpassage\none\ttwo\n", encoding="utf8")
    with pytest.raises(Exception, match="1 usable pairs"):
        upload(client, tmp_path / "few.tsv")
    found = upload(client, pairs)
    for values, words in (
        ((found["pairs"], "search", "./no-such-model"), "There is no model folder"),
        ((found["pairs"], "fame", "builtin"), "cannot be trained for .*fame"),
        (("nothing", "search", "builtin"), "no pairs to train on"),
        ((found["pairs"], "search", "builtin", "", {"stepps": 1}), "no setting .*stepps"),
    ):
        with pytest.raises(Exception, match=words) as caught:
            client.predict(*values, api_name="/train_start")
        assert "Traceback" not in str(caught.value)
    with pytest.raises(Exception, match="no run called"):
        client.predict("../../etc", "delete", api_name="/train_act")


def fill(page: Any, name: str, value: str) -> None:
    box = page.locator(f"#train-{name} textarea, #train-{name} input").first
    box.fill(value)
    box.press("Tab")


@pytest.mark.browser
def test_a_language_is_added_with_one_click(
    filled_server: str, client: Any, open_page: OpenPage, pairs: Path, tiny_model_dir: Path
) -> None:
    """One run learns pieces of the new language, then trains."""
    page = open_page(f"{filled_server}/?tab=train&pairs={upload(client, pairs)['pairs']}&run=new")
    expect(page.locator(".checked")).to_contain_text("usable pairs")
    fill(page, "base", str(tiny_model_dir))
    page.get_by_role("button", name="Settings").click()
    expect(page.locator("#train-batch_size input")).to_have_value("32")
    expect(page.locator("#train-new_pieces")).to_be_hidden()
    page.get_by_role("radio", name="Add a language").check()
    expect(page.locator("#train-new_pieces input")).to_have_value(str(301 // 16))
    fill(page, "steps", "2")
    fill(page, "name", "لغة جديدة New")
    page.locator("#train-start").click()
    expect(page.locator(".badge.done")).to_be_visible()
    expect(page.locator("#train-new")).to_be_hidden()
    expect(page.locator('[data-fold="log"] pre')).to_contain_text("Learning up to 18 new pieces of words")
    expect(page.locator("article.run")).to_contain_text("The vocabulary has 18 new pieces of words")
    run = client.predict("new-2", api_name="/train_run")  # "new" in the address is the form
    assert run["vocabulary"]["tokens_after"] < run["vocabulary"]["tokens_before"]
    assert {row["metric"] for row in run["scores"]} == {"F1"} and run["scores"][0]["after"] is not None
    assert page.title() == "mE5 Search"


@pytest.mark.browser
def test_from_pairs_to_a_model_in_use(
    empty_collection: str, open_page: OpenPage, pairs: Path, documents: list[Path], tiny_model_dir: Path
) -> None:
    address = f"{empty_collection}&tab=train"
    collection = parse_qs(urlparse(address).query)["collection"][0]
    assert add_and_wait(empty_collection.partition("/?")[0], documents, collection)["state"] == "done"
    page = open_page(address)
    other = open_page(address)  # a second window follows the newest run
    expect(page.locator("#train-start, [data-new]").first).to_be_visible()  # the form, or runs of other tests
    if page.locator("[data-new]").count():
        page.locator("[data-new]").click()
    expect(page.locator("#train-start")).to_be_disabled()
    page.set_input_files("#train-upload input[type=file]", pairs)
    expect(page.locator(".checked")).to_contain_text("usable pairs")
    directions = page.locator("ol.pairs p").evaluate_all(
        "all => all.map((p) => getComputedStyle(p).direction)"
    )
    assert len(directions) == 6 and "rtl" in directions and page.title() == "mE5 Search"
    expect(page.locator("dl.estimate")).to_contain_text("about", timeout=120_000)
    page.reload()
    expect(page.locator(".checked")).to_contain_text("usable pairs")
    fill(page, "base", str(tiny_model_dir))
    page.get_by_role("button", name="Settings").click()
    for name, value in (("batch_size", "16"), ("steps", "400"), ("evaluate_every", "200")):
        expect(page.locator("#train-estimate dl")).to_be_visible()
        fill(page, name, value)
    fill(page, "name", "الميناء Harbour")
    page.locator("#train-start").click()
    expect(page.locator("article.run h2")).to_contain_text("الميناء Harbour", timeout=60_000)
    expect(page.locator("figure.chart").first).to_be_visible(timeout=120_000)
    page.locator('[data-act="stop"]').click()
    expect(page.locator(".badge.cancelled")).to_be_visible(timeout=60_000)
    expect(other.locator("article.run h2")).to_contain_text("الميناء Harbour")
    expect(other.locator(".badge.cancelled")).to_be_visible(timeout=60_000)
    expect(page.locator(".trouble")).to_contain_text("Stopped at step")
    page.locator('.run-actions [data-act="resume"]').click()
    expect(page.locator(".badge.done")).to_be_visible(timeout=180_000)
    expect(page.locator("figure.chart")).to_have_count(4)
    expect(page.locator(".outcome tbody tr").first).to_contain_text("all languages")
    expect(page.locator(".outcome")).to_contain_text("Arabic")
    page.locator('[data-act="register"]').click()
    expect(page.locator(".used code")).to_have_text("harbour", timeout=60_000)
    page.locator('[data-act="use"]').click()
    expect(page.locator(".run-actions")).to_contain_text(f"Used for {collection}", timeout=60_000)
    page.locator('[data-act="undo"]').click()
    expect(page.locator('[data-act="use"]')).to_be_visible(timeout=60_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator('[data-act="delete"]').click()
    expect(page.locator(".runs li", has_text="Harbour")).to_have_count(0)


@pytest.mark.browser
def test_an_open_page_without_runs_sees_one_that_starts_elsewhere(
    fresh_server: str, open_page: OpenPage, pairs: Path, tiny_model_dir: Path
) -> None:
    from gradio_client import Client

    page = open_page(f"{fresh_server}/?tab=train")
    expect(page.locator("#train-start")).to_be_visible()
    client = Client(fresh_server, verbose=False)
    found = upload(client, pairs)
    run = client.predict(
        found["pairs"], "translation", str(tiny_model_dir), "Elsewhere", SETTINGS, api_name="/train_start"
    )
    expect(page.locator("#train-runs")).to_contain_text("Elsewhere")
    ended(client, run["run"])
    client.close()


@pytest.mark.browser
def test_a_failed_run_says_why_and_two_runs_are_compared(
    filled_server: str, client: Any, open_page: OpenPage, pairs: Path, tiny_model_dir: Path
) -> None:
    found = upload(client, pairs)
    for name, changed in (("Calm", {}), ("Wild", {"learning_rate": 1.0, "temperature": 0.001, "steps": 6})):
        run = client.predict(
            found["pairs"],
            "translation",
            str(tiny_model_dir),
            name,
            SETTINGS | changed,
            api_name="/train_start",
        )
        assert ended(client, run["run"])["step"] > 0
    page = open_page(f"{filled_server}/?tab=train&run=calm", 390, 844, dark=True)
    expect(page.locator(".badge.done")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for box in page.locator("[data-pick]").all()[:2]:
        box.check()
    page.locator("[data-compare]").click()
    expect(page.locator("article.compare")).to_contain_text("optim.learning_rate")
    expect(page.locator("[data-pick]").first).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.reload()
    expect(page.locator("article.compare .chart")).to_have_count(2)
