"""A real server on a free port over a fresh data folder, and headless Chromium to look at it."""

import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_SECONDS = 120
TABS = ("library", "parallel", "train", "evaluate")
"""Those that are not open at first."""

DOCUMENTS = {
    "hafen.md": "# Hafenordnung\n\nJedes Schiff meldet sich beim Hafenmeister, bevor es anlegt. "
    "Die Gebühr für eine Nacht im Hafen beträgt drei Mark.\n",
    "مكتبة.txt": "تفتح المكتبة في الساعة التاسعة صباحا وتغلق في السادسة مساء. "
    "يوم الجمعة تبقى المكتبة مغلقة.\n",
    "面包.txt": "烤面包之前，面团要发酵一整夜。第二天早上把面包放进热炉子里烤四十分钟。\n",
    "bees <script>alert(1)</script> & co.txt": "The bees leave the hive in May. A swarm of bees settled in the old "
    "apple tree. ${document.title='broken'} {{title}} <img src=x onerror=\"document.title='broken'\">\n",
}  # fmt: skip
"""Small texts in four scripts, one of them hostile in name and content."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(data: Path, model: str, *options: str) -> Iterator[str]:
    """Run ``app.py serve`` and yield the address that it prints; stopped with SIGTERM, which must succeed."""
    command = [
        sys.executable,
        "app.py",
        "--data",
        str(data),
        "--model",
        model,
        "--port",
        str(free_port()),
        *options,
    ]
    log = data.parent / f"{data.name}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    with process.stdout as out:
        threading.Thread(target=lambda: [lines.put(line) for line in out], daemon=True).start()
        try:
            line = lines.get(timeout=START_SECONDS)
            assert "Running at http://127.0.0.1:" in line
            yield line.split()[-1]
        finally:
            process.terminate()
            code = process.wait(timeout=120)
    assert code == 0, log.read_text()


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> str:
    """The built-in model, or a tiny random one where it is missing."""
    if (ROOT / "me5" / "builtin" / "config.json").exists():
        return "builtin"
    return str(request.getfixturevalue("tiny_model_dir"))


@pytest.fixture(scope="session")
def document_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, content in DOCUMENTS.items():
        (folder / name.replace("/", "∕")).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def documents(document_folder: Path) -> list[Path]:
    return sorted(document_folder.iterdir())


@pytest.fixture(scope="session")
def filled_server(
    tmp_path_factory: pytest.TempPathFactory, model: str, documents: list[Path]
) -> Iterator[str]:
    """A page whose default collection holds the small documents; tests leave that one as it is."""
    with serving(tmp_path_factory.mktemp("filled") / "data", model) as url:
        add_and_wait(url, documents)
        yield url


@pytest.fixture(scope="module")  # closing one takes a second
def client(filled_server: str) -> Iterator[Any]:
    """A program that calls the endpoints of that page."""
    from gradio_client import Client

    client = Client(filled_server, verbose=False)
    yield client
    client.close()


@pytest.fixture
def fresh_server(tmp_path: Path, model: str) -> Iterator[str]:
    """A page over a data folder that did not exist."""
    with serving(tmp_path / "data", model) as url:
        yield url


@pytest.fixture
def empty_collection(filled_server: str, request: pytest.FixtureRequest) -> str:
    """The address of the page with an empty collection of its own."""
    from gradio_client import Client

    client = Client(filled_server, verbose=False)
    name = client.predict(request.node.name[:60].replace("_", " "), api_name="/create_collection")
    client.close()
    return f"{filled_server}/?collection={quote(name)}"


def add_and_wait(
    url: str, paths: list[Path], collection: str = "library", *, seconds: int = 60
) -> dict[str, Any]:
    """Upload through the API and return the job once it has ended."""
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False)
    try:
        _, job = client.predict([handle_file(path) for path in paths], collection, api_name="/add")
        waiting = threading.Event()
        for _ in range(10 * seconds):
            job = client.predict(job["job"], api_name="/job")
            if job["state"] not in ("queued", "running"):
                return dict(job)
            waiting.wait(0.1)
        raise AssertionError(f"job still {job['state']} after {seconds} s")
    finally:
        client.close()


@pytest.fixture(scope="module")  # not longer: while Playwright is open, asyncio.run() fails in this thread
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed; .ci/run installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(CHROMIUM_ARGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def contexts(browser: Any) -> Iterator[dict[tuple[int, int, bool], Any]]:
    """Browser profiles by window size and colours; kept, so that only the first page fetches the scripts."""
    made: dict[tuple[int, int, bool], Any] = {}
    yield made
    for context in made.values():
        context.close()


def first_seen(url: str) -> str:
    """The selector of what shows that the tab of an address is there: Search is only passed on the way to another."""
    tab = parse_qs(urlsplit(url).query).get("tab", ["search"])[0]
    if tab in TABS:
        return f"#tab-{tab}:visible"
    return "#query textarea:visible, #query input:visible, #try-samples:visible"


@pytest.fixture
def open_page(browser: Any, contexts: dict[tuple[int, int, bool], Any]) -> Iterator[Callable[..., Any]]:
    """Open a page; when the test ends, nothing may have left this machine and no script may have failed."""
    pages: list[Any] = []
    outside: list[str] = []
    broken: list[str] = []

    def look(request: Any) -> None:
        if not request.url.startswith(
            ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:http://127.0.0.1:")
        ):
            outside.append(request.url)

    def open_one(url: str, width: int = 1280, height: int = 800, *, dark: bool = False) -> Any:
        if (width, height, dark) not in contexts:
            contexts[width, height, dark] = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
                locale="en-GB",
                accept_downloads=True,
            )
        page = contexts[width, height, dark].new_page()
        pages.append(page)
        page.on("request", look)
        page.set_default_timeout(90_000)  # child processes share the processor with the page
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(url)
        page.wait_for_selector(first_seen(url))
        # until the page is filled, the box of Search stands where an empty library shows its welcome
        page.wait_for_function("() => document.querySelector('#counts')?.textContent.trim()")
        return page

    yield open_one
    for page in pages:
        page.close()
    assert not outside
    assert not broken
