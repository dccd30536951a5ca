"""A tiny folder of each architecture that people choose, on the page: create a collection, add, search, evaluate."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.architectures import ARCHITECTURES, write_architecture
from tests.ui.conftest import add_and_wait, serving

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]


QUERY = "#query textarea, #query input"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {one.name: write_architecture(root / one.name, one) for one in ARCHITECTURES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # models so small are slower with more
        with serving(tmp_path_factory.mktemp("chosen") / "data", model) as url:
            yield url


@pytest.fixture(scope="module")
def program(server: str) -> Iterator[Any]:
    from gradio_client import Client

    client = Client(server, verbose=False)
    yield client
    client.close()


@pytest.mark.parametrize("name", [one.name for one in ARCHITECTURES])
def test_create_add_search(
    name: str, folders: dict[str, Path], server: str, program: Any, documents: list[Path]
) -> None:
    assert program.predict(name, str(folders[name]), False, api_name="/create_collection") == name
    job = add_and_wait(server, documents, name)
    assert job["state"] == "done" and job["done"] > 0, job
    answer = program.predict("when do the bees leave", name, "dense", 10, None, api_name="/search")
    found = {hit["document"] for hit in answer["hits"]}
    assert len(found) == len(documents)  # names come without what a browser would not send


def test_search_in_the_browser(folders: dict[str, Path], server: str, open_page: Callable[..., Any]) -> None:
    page = open_page(f"{server}/?collection=embeddinggemma")
    page.locator(QUERY).fill("متى تفتح المكتبة")
    page.locator(QUERY).press("Enter")
    expect(page.locator("#results")).to_contain_text("تفتح المكتبة في الساعة التاسعة", timeout=60_000)


def test_evaluate(folders: dict[str, Path], program: Any, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "query,document,language\n"
        "متى تفتح المكتبة,تفتح المكتبة في الساعة التاسعة صباحا,ar\n"
        "when does the library open,the library opens at nine,en\n",
        encoding="utf-8",
    )
    models = [str(folder) for folder in folders.values()]
    program.predict(models, [str(own)], "", 0, "", api_name="/evaluate")
    waiting = threading.Event()
    for _ in range(1_200):
        rows = json.loads(Path(program.predict(api_name="/export_evaluations_json")).read_text("utf-8"))
        if len({row["model"] for row in rows}) == len(models):
            break
        waiting.wait(0.1)
    means = [row for row in rows if (row["language"], row["metric"]) == ("mean", "nDCG@10")]
    assert len(means) == len(models) and all(0 <= row["value"] <= 100 for row in means)
