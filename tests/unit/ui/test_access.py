"""What a visitor may name, as one decision and through every endpoint of a running page."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.catalog import Catalog
from ui.serve import Address, launch_options
from ui.services import child_runs
from ui.services.access import EXAMPLES, Access, NotOfferedError
from ui.services.library import Services

pytestmark = pytest.mark.filterwarnings("default")

HUB_NAME = "someone/their-model"


@pytest.fixture
def visited(tmp_path: Path) -> Access:
    """A data folder with a registered model, the model of a finished run, and an upload."""
    for folder in (tmp_path / "models" / "harbour", tmp_path / "runs" / "first" / "model"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "runs" / "first" / "launch.json").write_text('{"started_at": 1.0, "exit_code": 0}')
    upload = tmp_path / "evaluations" / "files" / "own.csv"
    upload.parent.mkdir(parents=True)
    upload.write_text("query,document\n")
    return Access(tmp_path, "usual", is_private=False)


@pytest.mark.parametrize(
    "word",
    ["builtin", "fast", "usual", "harbour", "product", "product:dense", "product:fast:lexical", "bm25",
     "bm25:words", "bm25:fast", "neutral:harbour", "blend:fast+builtin@0.3"],
)  # fmt: skip
def test_offered_models(visited: Access, word: str) -> None:
    visited.require("model", word)


@pytest.mark.parametrize(
    "word",
    ["/etc", "~/model", "../models/harbour", "models/harbour", ".", "", HUB_NAME, "harbour/", "base", "Builtin ",
     "product:/etc", "product:/etc:dense", f"bm25:{HUB_NAME}", "neutral:/etc", f"blend:fast+{HUB_NAME}@0.3",
     "blend:fast@0.3", "blend:fast+builtin+/etc@0.1", "neutral:neutral:/etc", "intfloat/multilingual-e5-large"],
)  # fmt: skip
def test_other_models_are_refused_with_a_sentence(
    visited: Access, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("me5.hub.cached_model", lambda *_: None)
    with pytest.raises(NotOfferedError, match="is not offered on this page"):
        visited.require("model", word)
    Access(visited.data_dir).require("model", word)  # the person at this machine may name anything


def test_models_of_the_registry_are_offered_once_they_are_here(
    visited: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("me5.hub.cached_model", lambda name, revision: Path(name))
    for word in ("base", "intfloat/multilingual-e5-base", "neutral:large"):
        visited.require("model", word)
    assert not visited.allows("model", HUB_NAME)  # even where somebody has fetched it for another purpose


def test_models_of_runs_and_registered_folders(visited: Access) -> None:
    from trainer.run import records

    (run,) = records.list_runs(visited.data_dir / "runs")
    assert run.model is not None and visited.allows("model", str(run.model))
    assert visited.allows("model", str(visited.data_dir / "models" / "harbour"))
    assert not visited.allows("model", str(visited.data_dir / "models"))
    assert not visited.allows("model", str(visited.data_dir / "runs" / "first" / "data"))


def test_paths_are_followed_before_they_are_judged(visited: Access, tmp_path: Path) -> None:
    files = visited.data_dir / "evaluations" / "files"
    assert visited.allows("task", str(files / "own.csv")) and visited.allows("task", str(files / "own"))
    assert visited.allows("task", f"{files / 'a.de'},{files / 'a.en'}")
    (files / "link").symlink_to("/etc")
    for word in (files / "link" / "passwd", files / ".." / ".." / "models", files, Path("/etc"), "MIRACL",
                 f"{files / 'own.csv'},/etc/passwd", f"{files}x/own.csv", "\0"):  # fmt: skip
        assert not visited.allows("task", str(word)), word
    assert visited.allows("upload", visited.data_dir / "tmp" / "uploads" / "x" / "a.txt")
    assert visited.allows("upload", EXAMPLES / "parallel" / "notices.ar.txt")
    assert not visited.allows("upload", visited.data_dir / "catalog.sqlite3")
    assert not visited.allows("folder", visited.data_dir / "tmp" / "uploads")


# -- through the page ----------------------------------------------------------------------------------------


class Watch:
    """Notes who opens, lists or copies something below a folder in this process, and what is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self.is_on = str(folder), [], False  # type: ignore[var-annotated]
        sys.addaudithook(self._note)

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        if self.is_on and event.split(".", maxsplit=1)[0] in ("open", "os", "shutil"):
            self.seen += [str(one) for one in args if self.folder in str(one)]


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the host that could be a model, a task, documents and pairs."""
    folder = tmp_path_factory.mktemp("secret")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "pairs.tsv").write_text("query\tpassage\n" + "secret words\tother words\n" * 50)
    return folder


@pytest.fixture
def watch(
    secret: Path, fake_library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watch]:
    watch = Watch(secret)
    fake_library.catalog = Catalog.open(tmp_path / "catalog.sqlite3")

    def started(folder: Path, *words: str) -> None:
        request = json.loads((folder / "request.json").read_text())
        named = [request.get("model", ""), *request.get("models", []), *request.get("tasks", []), *words]
        watch.seen += [word for word in named if str(secret) in word or HUB_NAME in word]

    monkeypatch.setattr(child_runs, "start", started)
    monkeypatch.setattr("me5.hub.fetch_model", lambda name, revision: watch.seen.append(name) or secret)
    created, submitted = fake_library.create_collection, fake_library.jobs.submit_add

    def create(name: str, model: str | None = None, **options: Any) -> None:
        watch.seen += [model] if model in (str(secret), HUB_NAME) else []
        created(name, model, neutral=options.get("neutral"))

    def submit(paths: list[Path], collection: str, **options: Any) -> Any:
        watch.seen += [str(path) for path in paths if path.is_relative_to(secret)]
        return submitted(paths, collection, **options)

    monkeypatch.setattr(fake_library, "create_collection", create)
    monkeypatch.setattr(fake_library.jobs, "submit_add", submit)
    yield watch
    watch.is_on = False
    fake_library.catalog.close()


def hostile_value(kind: str, secret: Path) -> Any:
    """What somebody might send where a value of this kind is expected; None where nothing can be named."""
    file = {"path": str(secret / "pairs.tsv"), "meta": {"_type": "gradio.FileData"}, "orig_name": "pairs.tsv"}
    if "filepath" in kind or "path: str" in kind:
        return [file] if kind.startswith("list") else file
    if "str" in kind or kind == "Any":
        return [str(secret)] if kind.startswith("list") else str(secret)
    return None


def call(url: str, name: str, values: list[Any]) -> str:
    """Call an endpoint as a program does and wait for its answer, whatever that is."""
    begun = httpx.post(f"{url}/gradio_api/call{name}", json={"data": values})
    if begun.status_code != 200:
        return begun.text
    event = begun.json()["event_id"]
    return httpx.get(f"{url}/gradio_api/call{name}/{event}", timeout=60).text


@pytest.fixture
def page_url(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import socket

    from ui.build import build

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "tmp" / "uploads"))
    pages = []

    def open_page(*, is_private: bool) -> tuple[str, dict[str, Any]]:
        services.is_private = is_private
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        pages.append(build(services))
        pages[-1].launch(**launch_options(services.data_dir, Address(port=port), {}, services.metrics))
        url = f"http://127.0.0.1:{port}"
        return url, httpx.get(f"{url}/gradio_api/info?all_endpoints=true").json()["named_endpoints"]

    yield open_page
    for page in pages:
        page.close()


def test_no_endpoint_lets_a_visitor_read_the_host_or_fetch_a_model(
    page_url: Any, watch: Watch, secret: Path
) -> None:
    url, endpoints = page_url(is_private=False)
    assert len(endpoints) > 25
    watch.is_on = True
    for name, facts in endpoints.items():
        parameters = facts["parameters"]
        kinds = [one["python_type"]["type"] for one in parameters]
        values = [hostile_value(kind, secret) for kind in kinds]
        usual = [one.get("parameter_default") for one in parameters]
        call(url, name, values)
        assert watch.seen == [], (name, values)
        for place, value in enumerate(values):
            if value is not None:
                call(url, name, [*usual[:place], value, *usual[place + 1 :]])
                assert watch.seen == [], (name, parameters[place]["parameter_name"], value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("/create_collection", ["new", "WORD", None]),
        ("/train_estimate", ["PAIRS", "search", "WORD", None]),
        ("/parallel_start",
         ["two files", "FILE", "FILE2", None, None, "library", False, "WORD", "", "ratio", "max", True, True, "",
          "", "", "", "", "best", "", "rules", 0, 0]),
        ("/evaluate", [["WORD"], [str(EXAMPLES / "evaluation" / "sample-questions")], "", 0, ""]),
        ("/evaluate", [["builtin"], ["WORD"], "", 0, ""]),
        ("/add_path_0", ["WORD", "library"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_private", [True, False])
def test_a_full_call_is_refused_to_visitors_with_a_sentence_and_works_for_the_person_here(
    page_url: Any, watch: Watch, secret: Path, tmp_path: Path, name: str, values: list[Any], is_private: bool
) -> None:
    url, _ = page_url(is_private=is_private)
    files = []
    for number in range(2):
        lines = "".join(f"{'query' if number else 'word'} {n}\tpassage {n}\n" for n in range(60))
        (path,) = httpx.post(
            f"{url}/gradio_api/upload",
            files={"files": (f"a{number}.tsv", f"query\tpassage\n{lines}".encode())},
        ).json()
        files.append({"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": f"a{number}.tsv"})
    draft = ""
    if "PAIRS" in values:
        answer = call(url, "/train_pairs", [files[0]])
        draft = next(
            line for line in answer.split('"') if len(line) == 16 and set(line) <= set("0123456789abcdef")
        )
    swaps = {"WORD": str(secret), "FILE": files[0], "FILE2": files[1], "PAIRS": draft}

    def swapped(value: Any) -> Any:
        if isinstance(value, list):
            return [swapped(one) for one in value]
        return swaps.get(value, value) if isinstance(value, str) else value

    watch.is_on = True
    answer = call(url, name, swapped(values))
    if is_private:
        assert watch.seen, answer
    else:
        assert watch.seen == []
        assert "not offered on this page" in answer or "path of the host" in answer


@pytest.mark.parametrize("is_private", [True, False])
def test_an_address_in_place_of_a_file_is_not_fetched(
    page_url: Any, monkeypatch: pytest.MonkeyPatch, is_private: bool
) -> None:
    """Gradio would get it for whoever asks, and hand it on as an upload."""
    from gradio import processing_utils

    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"text of elsewhere")

        def log_message(self, *_: Any) -> None:
            pass

    # As if it were an address of the internet: gradio itself refuses only those of this machine.
    monkeypatch.setattr(processing_utils, "PUBLIC_HOSTNAME_WHITELIST", ["127.0.0.1", "localhost"])
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://localhost:{server.server_port}/pairs.tsv"
            url, _ = page_url(is_private=is_private)
            for key in ("path", "url"):
                file = {"path": "pairs.tsv", key: address, "meta": {"_type": "gradio.FileData"}}
                answer = call(url, "/train_pairs", [file])
                assert "error" in answer and asked == [], answer
        finally:
            server.shutdown()
