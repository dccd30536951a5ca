"""The tab Parallel text: as a program uses it, through gradio_client, and as a person does, in Chromium."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from indexer.bitext.formats import FORMATS, read_pairs

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
def client(filled_server: str) -> Iterator[Any]:
    from gradio_client import Client

    client = Client(filled_server, verbose=False)
    yield client
    client.close()


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
        if "pairs" in found or found["state"] == "failed":
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


def test_accepted_pairs_go_to_the_trainer(
    mined: dict[str, Any], client: Any, filled_server: str, open_page: Callable[..., Any]
) -> None:
    rows = client.predict(mined["bitext"], "", "", "best", 0, api_name="/parallel_pairs")
    client.predict(
        mined["bitext"], [row["number"] for row in rows[:30]], "accepted", api_name="/parallel_decide"
    )
    page = open_page(f"{filled_server}/?tab=parallel&bitext={mined['bitext']}")
    expect(page.locator(ROWS).first).to_be_visible()
    page.locator("#parallel-train").click()
    expect(page.locator("#train-checked")).to_contain_text("30 ")
    expect(page.get_by_label("Match translations")).to_be_checked()
    expect(page.locator("#train-start")).to_be_enabled()


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
