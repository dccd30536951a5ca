"""The tab Parallel text: as a program uses it, through gradio_client, and as a person does, in Chromium."""

import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import psutil
import pytest
from playwright.sync_api import expect

from indexer.bitext.formats import FORMATS, read_pairs
from tests.ui.conftest import add_and_wait

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "parallel"
FILTERS = ("", "", "", "best", "")
ROWS = ".bt-pairs > li"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Child processes start beside the page, so the page answers late on a busy machine."""
    expect.set_options(timeout=90_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sample under names in other scripts, with a hostile line on one side."""
    folder = tmp_path_factory.mktemp("sides")
    arabic, chinese = folder / "إعلانات.txt", folder / "通知.txt"
    arabic.write_text((SAMPLE / "notices.ar.txt").read_text("utf-8"), encoding="utf-8")
    hostile = "<img src=x onerror=\"document.title='broken'\"> 图书馆 {{title}}\n"
    chinese.write_text((SAMPLE / "notices.zh.txt").read_text("utf-8") + hostile, encoding="utf-8")
    return arabic, chinese


def start(client: Any, source: Path | None, target: Path | None, **changes: Any) -> dict[str, Any]:
    from gradio_client import handle_file

    files = [handle_file(path) if path else None for path in (source, target)]
    result = client.predict(
        changes.get("origin", "two files"), *files, *changes.get("codes", (None, None)), "library",
        changes.get("aligned", False), "builtin", "", "ratio", "max", True, True, "", "",
        *FILTERS, api_name="/parallel_start",
    )  # fmt: skip
    return dict(result[0] if isinstance(result, tuple | list) else result)


def wait_for(client: Any, identity: str) -> dict[str, Any]:
    waiting = threading.Event()
    for _ in range(900):
        found = next(one for one in client.predict(api_name="/parallel_texts") if one["bitext"] == identity)
        if ("pairs" in found and found["state"] == "done") or found["state"] == "failed":
            return dict(found)
        waiting.wait(0.1)
    raise AssertionError("no result after a minute and a half")


@pytest.fixture(scope="module")
def mined(client: Any, sides: tuple[Path, Path]) -> dict[str, Any]:
    return wait_for(client, start(client, *sides)["bitext"])


def test_a_program_mines_decides_and_exports(client: Any, mined: dict[str, Any]) -> None:
    assert mined["languages"] == ["ar", "zh"] and mined["pairs"] >= 40
    assert 0.5 < mined["estimated_precision"] <= 1 and mined["above"] <= mined["pairs"]
    first, second = client.predict(mined["bitext"], "", "", "best", 0, api_name="/parallel_pairs")[:2]
    assert first["score"] >= second["score"] and first["state"] == "open"
    changed = client.predict(mined["bitext"], [first["number"]], "accepted", api_name="/parallel_decide")
    assert changed == 1
    for name in FORMATS:
        path = Path(client.predict(mined["bitext"], "accepted", name, api_name="/parallel_export"))
        if name == "moses":
            with zipfile.ZipFile(path) as archive:
                assert len(archive.namelist()) == 2
            continue
        [pair] = read_pairs(path)
        assert (pair.source, pair.target) == (first["source"], first["target"])
    above = Path(client.predict(mined["bitext"], "above", "jsonl", api_name="/parallel_export"))
    assert len(list(read_pairs(above))) == mined["above"]


@pytest.mark.parametrize("kind", ["tmx", "xliff", "moses"])
def test_a_review_goes_on_from_a_file(client: Any, mined: dict[str, Any], kind: str) -> None:
    from gradio_client import handle_file

    path = client.predict(mined["bitext"], "all", kind, api_name="/parallel_export")
    brought = client.predict(handle_file(path), *FILTERS, api_name="/parallel_open")
    identity = next(one["bitext"] for one in brought if isinstance(one, dict) and "bitext" in one)
    found = next(one for one in client.predict(api_name="/parallel_texts") if one["bitext"] == identity)
    assert (found["kind"], found["pairs"]) == ("imported", mined["pairs"])
    if kind != "moses":
        assert found["languages"] == ["ar", "zh"]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (None, SAMPLE / "notices.zh.txt", "first file is missing"),
        (SAMPLE / "notices.zh.txt", SAMPLE / "notices.zh.txt", "same content"),
    ],
)
def test_trouble_before_the_start_is_one_sentence(
    client: Any, source: Path | None, target: Path | None, message: str
) -> None:
    with pytest.raises(Exception, match=message):
        start(client, source, target)


def test_the_same_language_twice_fails_with_words(client: Any, mined: dict[str, Any], tmp_path: Path) -> None:
    lines = (SAMPLE / "notices.zh.txt").read_text("utf-8").splitlines()
    for name, own in (("a.txt", lines[::2]), ("b.txt", lines[1::2])):
        (tmp_path / name).write_text("\n".join(own), encoding="utf-8")
    found = wait_for(client, start(client, tmp_path / "a.txt", tmp_path / "b.txt")["bitext"])
    assert "same language" in found["message"]


def stand_on_first(page: Any) -> None:
    """Click until the list answers: what is drawn just after a reload does not listen yet."""
    for _ in range(100):
        page.locator(ROWS).first.click(position={"x": 4, "y": 4})
        if page.locator(f"{ROWS}.is-current").count():
            return
        page.wait_for_timeout(200)
    raise AssertionError("no row became the current one")


def test_two_dropped_files_become_a_tmx(
    mined: dict[str, Any],
    filled_server: str,
    open_page: Callable[..., Any],
    sides: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    page = open_page(f"{filled_server}/?tab=parallel&bitext=new")
    for side, path in zip(("source", "target"), sides, strict=True):
        page.locator(f"#parallel-{side} input[type=file]").set_input_files(path)
        expect(page.locator(f"#parallel-{side}")).to_contain_text(path.stem)
    page.locator("#parallel-start").click()
    expect(page.locator("#parallel-run .job.running")).to_be_visible()
    page.wait_for_url(lambda url: "bitext=new" not in url)  # the address follows what is shown
    page.reload()
    expect(page.locator(ROWS).first).to_be_visible()
    rows = page.locator(ROWS)
    wanted = []
    rows.first.click(position={"x": 4, "y": 4})
    for key, state in (("a", "accepted"), ("r", "rejected"), ("a", "accepted")):
        row = page.locator(f"{ROWS}.is-current")
        number = row.get_attribute("data-number")
        if state == "accepted":
            wanted.append([row.locator(f"p.{side}").inner_text() for side in ("source", "target")])
        page.keyboard.press(key)
        expect(page.locator(f'{ROWS}[data-number="{number}"]')).to_have_attribute(
            "aria-label", f"Pair {int(str(number)) + 1}, {state}"
        )
    page.reload()
    expect(page.locator(".tally")).to_contain_text("2 accepted · 1 rejected")
    stand_on_first(page)
    page.keyboard.press("u")
    expect(page.locator(".tally")).to_contain_text("1 accepted · 1 rejected")
    page.keyboard.press("a")
    expect(page.locator(".tally")).to_contain_text("2 accepted · 1 rejected")
    page.keyboard.press("e")
    page.locator(f"{ROWS} textarea.target").fill("改过的句子。")
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"{ROWS} .edited")).to_have_count(1)
    with page.expect_download() as download:
        page.locator("#parallel-export").click()
    path = tmp_path / "out.tmx"
    download.value.save_as(path)
    found = [[pair.source, pair.target] for pair in read_pairs(path)]
    assert wanted[0] in found and any(target == "改过的句子。" for _, target in found)
    assert {pair.source_language for pair in read_pairs(path)} == {"ar"}
    assert page.title() == "mE5 Search"


def test_another_window_and_the_line(
    mined: dict[str, Any], filled_server: str, open_page: Callable[..., Any]
) -> None:
    address = f"{filled_server}/?tab=parallel&bitext={mined['bitext']}"
    first, second = open_page(address), open_page(address)
    expect(second.locator(ROWS).first).to_be_visible()
    expect(first.locator(ROWS).first).to_be_visible()
    before = first.locator("#parallel-scores dd").first.text_content()
    first.locator("#parallel-scores input[type=range]").focus()
    first.keyboard.press("PageDown")
    expect(first.locator("#parallel-scores dd").first).not_to_have_text(before)
    after = first.locator("#parallel-scores dd").first.text_content()
    second.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(second.locator("#parallel-scores dd").first).to_have_text(after)


def test_accepted_pairs_train_a_model_and_the_scores_before_and_after_are_shown(
    mined: dict[str, Any], client: Any, filled_server: str, open_page: Callable[..., Any]
) -> None:
    client.predict(mined["bitext"], list(range(mined["pairs"])), "accepted", api_name="/parallel_decide")
    page = open_page(f"{filled_server}/?tab=parallel&bitext={mined['bitext']}")
    expect(page.locator(ROWS).first).to_be_visible()
    page.locator("#parallel-train").click()
    expect(page.locator("#train-checked")).to_contain_text(f"{mined['pairs']} ")
    expect(page.get_by_label("Match translations")).to_be_checked()
    expect(page.locator("#train-estimate dl")).to_be_visible()
    page.locator("#train-start").click()
    expect(page.locator(".badge.done")).to_be_visible()
    rows = page.locator(".outcome tbody tr")
    expect(rows.first).to_contain_text("all languages")
    [name] = parse_qs(urlparse(page.url).query)["run"]
    run = client.predict(name, api_name="/train_run")
    [mean] = [row for row in run["scores"] if row["language"] == "mean"]
    assert mean["metric"] == "F1" and 0 <= mean["before"] <= 1 and 0 <= mean["after"] <= 1
    for share in (mean["before"], mean["after"]):
        expect(rows.first).to_contain_text(f"{100 * share:.1f}")


def test_the_sample_is_cancelled_breaks_off_and_goes_on(
    filled_server: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{filled_server}/?tab=parallel&bitext=new")
    page.locator("#parallel-sample").click()
    expect(page.locator("#parallel-run .job.running")).to_contain_text("Sample: Arabic and Chinese")
    page.locator("#parallel-run [data-cancel]").click()
    ended, again = page.locator("#parallel-run .trouble"), page.locator("#parallel-run [data-again]")
    expect(ended).to_contain_text("Cancelled. Finished work is saved")
    again.click()
    expect(page.locator("#parallel-run .job.running")).to_be_visible()
    [identity] = parse_qs(urlparse(page.url).query)["bitext"]
    [process] = [
        one for one in psutil.process_iter(["cmdline"])
        if "ui.mining_job" in (one.info["cmdline"] or ()) and any(identity in word for word in one.cmdline())
    ]  # fmt: skip
    process.kill()
    expect(ended).to_contain_text("Interrupted")
    page.reload()
    again.click()
    expect(page.locator(ROWS).first).to_be_visible()
    expect(page.locator("#parallel-heading")).to_contain_text("Arabic → Chinese")


def test_a_quick_look_takes_some_sentences_only(filled_server: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{filled_server}/?tab=parallel&bitext=new")
    page.locator("#parallel-options button").first.click()
    sample = page.get_by_label("Sample size")
    expect(sample).to_have_value("0")  # what is typed before that is lost
    sample.fill("25")
    page.locator("#parallel-sample").click()
    expect(page.locator(ROWS).first).to_be_visible()
    expect(page.locator("#parallel-heading")).to_contain_text(
        re.compile(r"25 of \d\d sentences, drawn at random")
    )


def test_two_languages_of_a_collection_become_pairs(
    empty_collection: str, open_page: Callable[..., Any]
) -> None:
    collection = parse_qs(urlparse(empty_collection).query)["collection"][0]
    files = [SAMPLE / "notices.ar.txt", SAMPLE / "notices.zh.txt"]
    assert add_and_wait(empty_collection.partition("/?")[0], files, collection)["state"] == "done"
    page = open_page(f"{empty_collection}&tab=parallel&bitext=new")
    page.get_by_label("Two languages of this collection").check()
    chosen = [page.locator(f"#parallel-{side}-language input") for side in ("source", "target")]
    for box in chosen:
        expect(box).to_have_value(re.compile("Arabic|Chinese"))
    expect(chosen[1]).not_to_have_value(chosen[0].input_value())
    page.locator("#parallel-start").click()
    expect(page.locator("#parallel-run .job.running")).to_contain_text(collection)
    expect(page.locator(ROWS).first).to_be_visible()
    expect(page.locator("#parallel-heading")).to_contain_text(re.compile("Arabic.*Chinese|Chinese.*Arabic"))
    expect(page.locator(f"{ROWS} p.source[lang=ar], {ROWS} p.target[lang=ar]").first).to_be_visible()


def test_brought_pairs_are_scored_and_keep_their_decisions(
    mined: dict[str, Any], client: Any, filled_server: str, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    found = client.predict(mined["bitext"], "", "", "best", 0, api_name="/parallel_pairs")
    texts = [[row["source"], row["target"]] for row in found]
    texts[0][1], texts[1][1] = texts[1][1], texts[0][1]
    path = tmp_path / "أزواج.tsv"
    path.write_text(
        "source\ttarget\n" + "".join(f"{one}\t{other}\n" for one, other in texts), encoding="utf-8"
    )
    page = open_page(f"{filled_server}/?tab=parallel&bitext=new")
    page.get_by_label("Pairs to review").check()
    page.locator("#parallel-pairs input[type=file]").set_input_files(path)
    expect(page.locator("#parallel-scores")).to_contain_text("no scores")
    page.locator("#parallel-scores [data-score]").click()
    expect(page.locator("#parallel-run .job.running")).to_contain_text("Scoring أزواج.tsv")
    page.locator(f'{ROWS}[data-number="1"] [data-act="rejected"]').click()
    expect(page.locator("#parallel-scores input[type=range]")).to_be_visible()
    expect(page.locator("#parallel-run .job")).to_have_count(0)
    expect(page.locator(".tally")).to_contain_text("0 accepted · 1 rejected")
    page.locator("#parallel-sort input").click()
    page.get_by_role("option", name="Worst first").click()
    expect(page.locator(ROWS).first).to_have_attribute("data-number", re.compile("^[01]$"))
    [identity] = parse_qs(urlparse(page.url).query)["bitext"]
    rows = client.predict(identity, "", "", "text", 0, api_name="/parallel_pairs")
    assert [[row["source"], row["target"]] for row in rows] == texts
    assert all(row["score"] is not None and row["cosine"] is not None for row in rows)
    assert client.predict(identity, api_name="/parallel_score") == "running"
    scored = wait_for(client, identity)
    assert scored["state"] == "done" and scored["states"] == {"open": len(texts) - 1, "rejected": 1}
    with pytest.raises(Exception, match="have scores"):
        client.predict(mined["bitext"], api_name="/parallel_score")


def test_the_page_fits_a_phone(
    mined: dict[str, Any], filled_server: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(f"{filled_server}/?tab=parallel&bitext={mined['bitext']}", 390, 844)
    expect(page.locator(ROWS).first).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"{width} px wide"


def test_endpoints_answer_in_plain_values(client: Any, mined: dict[str, Any]) -> None:
    assert json.loads(json.dumps(client.predict(api_name="/parallel_texts")))
    with pytest.raises(Exception, match="no longer there"):
        client.predict("nothing", "", "", "best", 0, api_name="/parallel_pairs")
