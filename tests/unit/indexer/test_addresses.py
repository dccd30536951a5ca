"""No password of an address is ever shown."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import app
from indexer.addresses import hide_password, hide_passwords
from indexer.catalog import Catalog
from indexer.errors import CatalogError, StoreError, StoreLockedError
from indexer.store.lock import OwnerLock
from indexer.store.qdrant import QdrantStore

ROOT = Path(__file__).resolve().parents[3]
SECRET = "s3cret"
DATABASES = (
    f"postgresql://u:{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:a@{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:a:{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:a/{SECRET}@127.0.0.1:1/x",
    f"postgresql://u:a {SECRET}@127.0.0.1:1/x",
    f"postgresql://u:{SECRET}@127.0.0.1:port/x",
    f"postgresql://u@h:{SECRET}@127.0.0.1/x",
    f"postgresql://u@127.0.0.1:1/x?password={SECRET}",
    f"postgresql:/u:{SECRET}@127.0.0.1/x",
    f"postgres//u:{SECRET}@127.0.0.1/x",
    f"u:{SECRET}@127.0.0.1",
)
STORES = (
    f"http://u:{SECRET}@127.0.0.1:1",
    f"http://:{SECRET}@127.0.0.1:1",
    f"http://u:a@{SECRET}@127.0.0.1:1",
    f"http://u:{SECRET}@127.0.0.1:port",
    f"http://127.0.0.1:1/?api_key={SECRET}",
    f"htp:/u:{SECRET}@127.0.0.1",
)


@pytest.mark.parametrize("address", [*DATABASES, *STORES])
def test_addresses_are_shown_without_what_lets_somebody_in(address: str) -> None:
    shown = hide_password(address)
    assert SECRET not in shown and "127.0.0.1" in shown
    assert hide_password(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:6333",
        "sqlite:////data/a:b.db",
        "mail me@example.org at 12:30",
        "C:\\data\\x",
        "at 12:30",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert hide_passwords(text) == text


def test_sentences_lose_only_the_password() -> None:
    words = f"see http://a:1/b and 'http://u:{SECRET}@h:2', host=h password='{SECRET} x' user=u"
    assert hide_passwords(words) == "see http://a:1/b and 'http://u:***@h:2', host=h password=*** user=u"


@pytest.mark.parametrize("url", DATABASES)
def test_databases_that_do_not_answer(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(CatalogError) as caught:
        Catalog.open(url)
    logging.getLogger("test").error("failed", exc_info=caught.value)  # as the log of the app would have it
    assert SECRET not in str(caught.value) and SECRET not in caplog.text
    assert SECRET not in repr(caught.value.__cause__)


@pytest.mark.parametrize("url", STORES)
def test_servers_that_do_not_answer(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StoreError) as caught:
        QdrantStore(url)
    logging.getLogger("test").error("failed", exc_info=caught.value)
    assert SECRET not in str(caught.value) and SECRET not in caplog.text


@pytest.mark.parametrize(
    "url", [DATABASES[0], DATABASES[4], DATABASES[7], DATABASES[8], STORES[1], STORES[4]]
)
def test_the_lock_names_the_command_without_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for words in (["--database-url", url], [f"--qdrant-url={url}"]):
        monkeypatch.setattr(sys, "argv", ["app.py", "serve", *words, "--port", "7861"])
        lock = OwnerLock(tmp_path)
        assert SECRET not in lock.path.read_text()
        command = json.loads(lock.path.read_text())["command"]
        assert command.startswith("app.py serve --") and command.endswith("--port 7861")
        with pytest.raises(StoreLockedError) as caught:
            OwnerLock(tmp_path)
        assert SECRET not in str(caught.value) and "app.py serve" in str(caught.value)
        lock.release()


def test_a_lock_of_an_earlier_version_is_quoted_without_its_password(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path)
    old = {"pid": 7, "started": "2026", "command": f"app.py --database-url postgresql://u:{SECRET}@h/x"}
    lock.path.write_text(json.dumps(old))
    with pytest.raises(StoreLockedError, match="process 7") as caught:
        OwnerLock(tmp_path)
    assert SECRET not in str(caught.value)
    lock.release()


def test_no_verb_prints_a_password(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server, database = STORES[0], DATABASES[1]
    for words in (
        ["doctor", "--json", "--qdrant-url", server],
        ["search", "q", "--json", "--database-url", database],
        ["add", str(tmp_path), "--database-url", f"postgresql://u:{SECRET}@127.0.0.1:1/x"],
    ):
        assert app.main([*words, "--data", str(tmp_path / "data")]) == 1
    with pytest.raises(SystemExit):
        app.main(["search", "q", "--database-ur1", database])
    out, err = capfd.readouterr()
    assert SECRET not in out + err and "error: " in err
    assert not [path for path in (tmp_path / "data").rglob("*.lock") if SECRET in path.read_text()]


def test_a_page_that_cannot_open_its_store_prints_no_password(tmp_path: Path) -> None:
    command = [sys.executable, "app.py", "serve", "--port", "0", "--data", str(tmp_path / "d")]
    done = subprocess.run(
        [*command, "--qdrant-url", STORES[0]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1 and SECRET not in done.stdout + done.stderr


def test_a_catalog_that_is_open_describes_itself_without_a_password() -> None:
    catalog = Catalog.open("sqlite://")
    assert catalog.database.describe().startswith("sqlite:")
    catalog.close()
