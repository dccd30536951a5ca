"""A library without engines: fake model, dictionary for a store, SQLite file."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from indexer.catalog import Catalog
from indexer.library.library import Library
from indexer.text.chunking import ChunkSettings

SUPPORT = Path(__file__).resolve().parents[2] / "support"


def load_support(name: str) -> ModuleType:
    """A module of ``tests/support``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, SUPPORT / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake_encoder_class() -> Any:
    return load_support("fake_encoder").FakeEncoder


@pytest.fixture(scope="session")
def fake_store_class() -> Any:
    return load_support("fake_store").FakeStore


@pytest.fixture
def fake_encoder(fake_encoder_class: Any) -> Any:
    return fake_encoder_class()


@pytest.fixture
def fake_store(fake_store_class: Any) -> Any:
    return fake_store_class()


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with its tables, to copy: running the migrations takes longer than most tests."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.sqlite3"
    Catalog.open(path).close()
    return path


@pytest.fixture
def open_library(
    tmp_path: Path, fake_encoder: Any, fake_store: Any, empty_catalog: Path
) -> Iterator[Callable[..., Library]]:
    """Opens ``tmp_path/data`` with the fakes, as often as wanted; all are closed in the end."""
    opened: list[Library] = []
    (tmp_path / "data").mkdir()
    shutil.copy(empty_catalog, tmp_path / "data" / empty_catalog.name)

    def open_one(**options: Any) -> Library:
        defaults: dict[str, Any] = {
            "encoder": fake_encoder,
            "store": fake_store,
            "settings": ChunkSettings(target_tokens=32),
            "reserve_bytes": 0,
            "resume_jobs": False,
        }
        library = Library.open(tmp_path / "data", **(defaults | options))
        opened.append(library)
        return library

    yield open_one
    for library in opened:
        library.close()


@pytest.fixture
def library(open_library: Callable[..., Library]) -> Library:
    return open_library()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with three documents."""
    folder = tmp_path / "documents"
    (folder / "sub").mkdir(parents=True)
    (folder / "harbour.txt").write_text(
        "The harbour was built in 1894. Ships come in at night.", encoding="utf-8"
    )
    (folder / "turm.md").write_text("# Der Turm\n\nDer Turm steht am Fluss. Er ist alt.\n", encoding="utf-8")
    (folder / "sub" / "long.txt").write_text(
        " ".join(f"Sentence number {number} tells of the river and the town." for number in range(200)),
        encoding="utf-8",
    )
    return folder
