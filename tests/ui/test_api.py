"""The endpoints for programs, through gradio_client: add, then search, as a script would."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("default")

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [
    "score",
    "confidence",
    "document",
    "title",
    "collection",
    "language",
    "page",
    "start",
    "end",
    "text",
]


def test_add_then_search(client: Any) -> None:
    answer = client.predict("swarm of bees in the apple tree", api_name="/search")
    assert [*answer] == ["query", "language", "took_ms", "hits"]
    best = answer["hits"][0]
    assert [*best] == FIELDS
    assert "swarm of bees" in best["text"] and best["document"].endswith(".txt")


def test_words_are_found_in_scripts_without_spaces(client: Any) -> None:
    answer = client.predict("发酵", mode="lexical", api_name="/search")
    assert "面团要发酵一整夜" in answer["hits"][0]["text"] and answer["hits"][0]["language"] == "zh"


def test_language_filter(client: Any) -> None:
    answer = client.predict("المكتبة", languages=["ar"], api_name="/search")
    hits = answer["hits"]
    assert hits and {hit["language"] for hit in hits} == {"ar"}


def test_documents_and_collections(client: Any, documents: list[Path]) -> None:
    found = client.predict(api_name="/documents")
    assert len(found) == len(documents) and {d["state"] for d in found} == {"indexed"}
    collection = client.predict(api_name="/collections")[0]
    assert collection["documents"] == len(documents) and "de" in collection["languages"]
    path = Path(client.predict("library", "", api_name="/export_documents_csv"))
    assert len(path.read_text(encoding="utf-8-sig").splitlines()) == len(documents) + 1


def test_what_is_like_a_hit(client: Any) -> None:
    best = client.predict("swarm of bees in the apple tree", api_name="/search")["hits"][0]
    near = client.predict(best["document"], "library", best["start"], True, 3, api_name="/similar")["hits"]
    assert near and best["document"] not in {hit["document"] for hit in near}
    assert best["language"] not in {hit["language"] for hit in near}


@pytest.mark.parametrize("query", ["", "  ", "?!"])
def test_errors_are_sentences_without_a_traceback(client: Any, query: str) -> None:
    with pytest.raises(Exception, match="has no words") as caught:
        client.predict(query, api_name="/search")
    assert "Traceback" not in str(caught.value) and ".py" not in str(caught.value)


def test_unknown_collections_and_jobs_are_explained(client: Any) -> None:
    with pytest.raises(Exception, match="nowhere"):
        client.predict("bees", "nowhere", api_name="/search")
    with pytest.raises(Exception, match="no job"):
        client.predict("nothing", api_name="/job")


def test_a_second_process_on_the_same_folder_is_refused(
    filled_server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = next(path / "data" for path in tmp_path_factory.getbasetemp().glob("filled*") if path.is_dir())
    command = [sys.executable, "app.py", "doctor", "--repair", "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "error: " in done.stderr and "process" in done.stderr.lower() and "Traceback" not in done.stderr


def test_what_changes_nothing_is_answered_by_the_page(
    filled_server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = next(path / "data" for path in tmp_path_factory.getbasetemp().glob("filled*") if path.is_dir())
    for verb in (["doctor"], ["models"]):
        command = [sys.executable, "app.py", *verb, "--data", str(data)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) > 3


def test_a_taken_port_is_named(filled_server: str, tmp_path: Path) -> None:
    port = filled_server.rsplit(":", 1)[1]
    command = [sys.executable, "app.py", "--port", port, "--data", str(tmp_path / "other")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"Port {port}" in done.stderr and "--port" in done.stderr


def test_nobody_listens_for_other_machines(filled_server: str) -> None:
    port = int(filled_server.rsplit(":", 1)[1])
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no other address")
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex((own, port)) != 0
