"""Several processes over one PostgreSQL: every document is read once, and what a dead one left is finished."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import text

from indexer.catalog import Catalog
from tests.support.postgres import find_programs, server

ROOT = Path(__file__).resolve().parents[2]
CHILD = ROOT / "tests" / "support" / "machine_child.py"
WORDS = [f"{a}{b}" for a in ("hafen", "fluss", "turm", "brücke", "書庫", "река") for b in range(60)]

pytestmark = pytest.mark.skipif(
    find_programs() is None or not hasattr(os, "getuid"), reason="PostgreSQL is not installed"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    programs = find_programs()
    assert programs is not None
    with server(programs) as address:
        yield address


@pytest.fixture
def address(cluster: str) -> str:
    catalog = Catalog.open(cluster)
    with catalog.database.write() as connection:
        for table in ("collections", "jobs", "claims", "processes", "settings"):
            connection.execute(text(f"DELETE FROM {table}"))
    catalog.close()
    return cluster


@dataclass
class Machines:
    """Starts processes over one catalog and one store, each with a data folder of its own."""

    folder: Path
    address: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, name: str, command: str, *paths: Path, pause_s: float = 0.0) -> subprocess.Popen[str]:
        words = [self.folder / name, self.folder / "store.sqlite3", self.address, command, *paths]
        process = subprocess.Popen(
            [sys.executable, str(CHILD), *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(ROOT), "MACHINE_PAUSE_S": str(pause_s)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        return process

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def machines(tmp_path: Path, address: str) -> Iterator[Machines]:
    result = Machines(tmp_path, address)
    yield result
    result.end()


@pytest.fixture
def catalog(address: str) -> Iterator[Catalog]:
    opened = Catalog.open(address)
    yield opened
    opened.close()


def write_documents(folder: Path, count: int, seed: int) -> Path:
    rng = random.Random(seed)
    folder.mkdir()
    for number in range(count):
        sentences = [" ".join(rng.choices(WORDS, k=10)).capitalize() + "." for _ in range(rng.randint(5, 60))]
        (folder / f"{number:02}.txt").write_text(" ".join(sentences), encoding="utf-8")
    return folder


def wait_until(holds: Callable[[], bool], timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def states(catalog: Catalog) -> list[str]:
    collection = catalog.collections.find("library")
    return [] if collection is None else [item.state for item in catalog.documents.infos(collection.id)]


def assert_whole(catalog: Catalog, folder: Path, documents: int) -> None:
    """Every document once, every passage indexed, a point for each and no other, the counters right."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from shared_store import SharedStore

    collection = catalog.collections.get("library")
    assert states(catalog) == ["indexed"] * documents
    assert not catalog.documents.unfinished()
    chunk_states = dict(catalog.chunks.iter_states(collection.id))
    assert set(chunk_states.values()) == {"indexed"}
    assert sorted(chunk_states) == list(SharedStore(folder / "store.sqlite3").iter_ids(collection.store_name))
    assert not catalog.counts.problems(collection.id)
    assert not catalog.claims.owners()


def test_two_machines_share_out_what_both_are_given(
    machines: Machines, catalog: Catalog, tmp_path: Path
) -> None:
    folder = write_documents(tmp_path / "documents", 40, seed=1)
    (tmp_path / "one.txt").write_text("The collection is there before.")
    first = machines.start("a", "add", tmp_path / "one.txt")
    assert first.communicate()[0] == "1\n"
    both = [machines.start(name, "add", folder, pause_s=0.01) for name in "ab"]
    added = [int(process.communicate(timeout=120)[0]) for process in both]
    assert sum(added) == 40 and min(added) >= 5
    assert_whole(catalog, tmp_path, 41)


@pytest.mark.parametrize("seed", [2, 3])
def test_what_a_killed_machine_left_is_finished_by_another(
    machines: Machines, catalog: Catalog, tmp_path: Path, seed: int
) -> None:
    folder = write_documents(tmp_path / "documents", 12, seed)
    killed = machines.start("a", "add", folder, pause_s=0.02)
    wait_until(lambda: len(catalog.documents.unfinished()) > 0)
    time.sleep(random.Random(seed).uniform(0.0, 1.0))
    killed.kill()
    killed.wait()
    left = {item.id for item in catalog.documents.unfinished()}
    assert left
    machines.start("b", "stay")
    wait_until(lambda: not catalog.documents.unfinished())
    known = len(states(catalog))
    again = machines.start("c", "add", folder)
    assert int(again.communicate(timeout=120)[0]) == 12 - known
    assert_whole(catalog, tmp_path, 12)


def test_work_on_files_that_no_other_machine_has_waits_for_its_own(
    machines: Machines, catalog: Catalog, tmp_path: Path
) -> None:
    folder = write_documents(tmp_path / "documents", 12, seed=5)
    killed = machines.start("a", "job", folder, pause_s=0.02)
    wait_until(lambda: len(catalog.documents.unfinished()) > 0)
    killed.kill()
    killed.wait()
    folder.rename(tmp_path / "away")  # as the second machine sees it
    machines.start("b", "stay")
    wait_until(lambda: [job.state for job in catalog.jobs.infos()] == ["interrupted"])
    assert catalog.documents.unfinished() and "failed" not in states(catalog)
    (tmp_path / "away").rename(folder)
    machines.start("a", "stay")
    wait_until(lambda: {job.state for job in catalog.jobs.infos()} == {"done"})
    assert_whole(catalog, tmp_path, 12)


def test_a_page_that_only_searches_leaves_the_work_to_a_worker(
    machines: Machines, catalog: Catalog, tmp_path: Path
) -> None:
    folder = write_documents(tmp_path / "documents", 3, seed=6)
    machines.start("page", "search", folder)
    time.sleep(1.0)
    assert [job.state for job in catalog.jobs.infos()] == ["queued"]
    machines.start("worker", "worker")
    wait_until(lambda: [job.state for job in catalog.jobs.infos()] == ["done"])
    assert_whole(catalog, tmp_path, 3)
    assert {item.role for item in catalog.claims.alive(time.time())} == {"worker"}
