"""The embedded home in trouble: killed processes, damaged files, locks, full disks."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.errors import DiskFullError, StoreError, StoreLockedError
from indexer.store import open_store
from indexer.store.edge import client as edge_client
from indexer.store.edge import rebuild as edge_rebuild
from indexer.store.edge.client import child_environment
from indexer.store.edge.store import EdgeStore
from indexer.types import Point

NAME = "trouble"


@pytest.fixture
def open_edge(tmp_path: Path) -> Iterator[Callable[..., EdgeStore]]:
    stores: list[EdgeStore] = []

    def opener(**options: int) -> EdgeStore:
        stores.append(EdgeStore(tmp_path, **{"reserve_bytes": 0, **options}))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def closed_store(tmp_path_factory: pytest.TempPathFactory, make_points: Callable[..., list[Point]]) -> Path:
    """A data folder, made once, to be copied."""
    folder = tmp_path_factory.mktemp("closed")
    store = EdgeStore(folder, reserve_bytes=0)
    store.ensure(NAME, 16)
    store.upsert(NAME, make_points(60))
    store.close()
    return folder


def copy_short(source: str, target: str) -> None:
    """Copy a file without the zeros at its end, which are most of a log of 32 MB."""
    content = Path(source).read_bytes()
    Path(target).write_bytes(content.rstrip(b"\0"))
    os.truncate(target, len(content))


@pytest.fixture
def shard(closed_store: Path, tmp_path: Path) -> Path:
    """The folder of a closed shard with 60 points."""
    shutil.copytree(closed_store, tmp_path, dirs_exist_ok=True, copy_function=copy_short)
    return tmp_path / "vectors" / NAME / "shard-1"


def child_pid(store: EdgeStore) -> int:
    pid = store._processes.pid(store._path(NAME))
    assert pid is not None
    return pid


def shards(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("shard-*"))


def test_points_survive_closing(
    shard: Path, open_edge: Callable[..., EdgeStore], points: list[Point]
) -> None:
    store = open_edge()
    assert store.names() == [NAME]
    assert store.count(NAME) == 60
    np.testing.assert_array_equal(store.fetch_dense(NAME, [points[9].id])[0], points[9].dense)
    with pytest.raises(StoreError, match="dimension 16; expected 32"):
        store.ensure(NAME, 32)


def test_a_killed_child_loses_nothing_acknowledged(
    open_edge: Callable[..., EdgeStore], make_points: Callable[..., list[Point]]
) -> None:
    store = open_edge()
    store.ensure(NAME, 16)
    acknowledged: list[Point] = []
    enough, errors = threading.Event(), []

    def write() -> None:
        for first in range(0, 100_000, 50):
            batch = make_points(50, first=first)
            try:
                store.upsert(NAME, batch)
            except StoreError as error:
                errors.append(error)
                return
            acknowledged.extend(batch)
            if len(acknowledged) >= 500:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    os.kill(child_pid(store), signal.SIGKILL)
    writer.join()
    # The child may have been between two requests; then the write simply went to its successor.
    assert all("SIGKILL" in str(error) and "doctor" in str(error) for error in errors)
    found = set(store.iter_ids(NAME))
    assert {point.id for point in acknowledged} <= found
    assert len(found) <= len(acknowledged) + 50


def test_the_child_is_started_again_after_any_death(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    store = open_edge()
    for sign in (signal.SIGKILL, signal.SIGABRT, signal.SIGBUS):
        assert store.count(NAME) == 60
        os.kill(child_pid(store), sign)
        try:
            assert store.count(NAME) == 60
        except StoreError as error:
            assert sign.name in str(error)
    assert store.count(NAME) == 60
    assert store.set_aside == []


@pytest.mark.parametrize("operation", ["count", "upsert"])
def test_a_child_that_hangs_is_stopped(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    make_points: Callable[..., list[Point]],
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
) -> None:
    """Also while the request does not fit into the pipe and its sender waits."""
    store = open_edge()
    assert store.count(NAME) == 60
    monkeypatch.setattr(edge_client, "WATCH_INTERVAL_S", 0.01)
    os.kill(child_pid(store), signal.SIGKILL)  # the next child is watched more closely
    more = make_points(512, first=100)
    with contextlib.suppress(StoreError):
        store.count(NAME)
    assert store.count(NAME) == 60
    os.kill(child_pid(store), signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setitem(edge_client.LIMITS_S, operation, 0.05)
        with pytest.raises(StoreError, match=f"gave no answer to {operation} for .* starts again"):
            store.upsert(NAME, more) if operation == "upsert" else store.count(NAME)
    assert store.count(NAME) == 60
    assert store.set_aside == []


WRITER = """
    import sys, threading, uuid
    from pathlib import Path
    import numpy as np
    from indexer.types import Point, SparseVector
    from indexer.store import open_store
    from indexer.store.edge import rebuild as edge_rebuild
    edge_rebuild.HNSW_MIN_POINTS = 100
    def build():
        while True:
            store.optimize("trouble")
            print("rebuilt\\n", end="", flush=True)
    store = open_store(Path(sys.argv[1]), reserve_bytes=0)
    store.ensure("trouble", 16)
    vector = np.full(16, 0.25, np.float32)
    sparse = SparseVector(np.array([1, 2], np.uint32), np.ones(2, np.float32))
    for batch in range(100_000):
        ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{batch}:{row}")) for row in range(50)]
        store.upsert("trouble", [Point(one, vector, sparse, {"language": "en"}) for one in ids])
        print(f"{batch}\\n", end="", flush=True)  # one write a line: both threads print
        if batch == 3:
            threading.Thread(target=build, daemon=True).start()
"""


@pytest.mark.parametrize("moment", ["4", "rebuilt"])
def test_a_killed_parent_loses_nothing_acknowledged_and_leaves_no_child(
    open_edge: Callable[..., EdgeStore], tmp_path: Path, moment: str
) -> None:
    """While an index is built, and when the rebuilt shard has just come into use."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment()) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(4)]
        with pytest.raises(StoreLockedError, match=rf"process {writer.pid} .*--data"):
            open_edge()
        while lines[-1].strip() != moment:
            lines.append(writer.stdout.readline())
            assert lines[-1]
        writer.kill()
        lines += writer.stdout.readlines()
    acknowledged = len([line for line in lines if line.strip().isdigit()])
    store = open_edge()  # waits for the orphaned child to let the files go
    assert 50 * acknowledged <= store.count(NAME) <= 50 * (acknowledged + 1)


def test_the_folder_belongs_to_one_store_at_a_time(
    open_edge: Callable[..., EdgeStore], tmp_path: Path
) -> None:
    store = open_edge()
    with pytest.raises(StoreLockedError, match=f"process {os.getpid()}"):
        open_store(tmp_path)
    store.close()
    open_edge()


def test_a_missing_segment_file_is_reported(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    next(shard.glob("segments/*/segment.json")).unlink()
    store = open_edge()
    with pytest.raises(StoreError, match=r"cannot be opened.*doctor --repair"):
        store.count(NAME)
    store.drop(NAME)
    store.ensure(NAME, 16)
    assert store.count(NAME) == 0


def test_missing_files_are_reported(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    shutil.rmtree(shard)
    store = open_edge()
    for use in (lambda: store.count(NAME), lambda: store.ensure(NAME, 16)):
        with pytest.raises(StoreError, match=r"cannot be opened.*doctor --repair"):
            use()


def test_a_damaged_log_is_reported(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    (log, *_) = sorted(shard.glob("wal/open-*"))
    log.write_bytes(np.random.default_rng(0).bytes(4096))
    with pytest.raises(StoreError, match=r"cannot be opened.*doctor --repair"):
        open_edge().count(NAME)


def test_truncated_ids_show_in_the_count(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    """The engine opens such a shard without a word; the library compares the count with the catalog."""
    mappings = next(shard.glob("segments/*/mutable_id_tracker.mappings"))
    os.truncate(mappings, mappings.stat().st_size // 2)
    shutil.rmtree(shard / "wal")  # which still has the last points, and would heal it
    assert open_edge().count(NAME) < 60


def test_files_that_kill_the_child_are_set_aside(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    mappings = next(shard.glob("segments/*/mutable_id_tracker.mappings"))
    content = bytearray(mappings.read_bytes())
    content[0] = 1  # a known kind of entry, so that the engine believes the random numbers that follow
    content[1:40] = np.random.default_rng(11).bytes(39)
    mappings.write_bytes(content)
    store = open_edge()
    with pytest.raises(StoreError, match=r"damaged.*twice.*moved to.*doctor --repair"):
        store.count(NAME)
    (aside,) = store.set_aside
    assert ".damaged-" in aside.name
    assert (aside / "manifest.json").exists()
    assert not store.exists(NAME)
    assert store.names() == []
    store.ensure(NAME, 16)
    assert store.count(NAME) == 0


@pytest.mark.parametrize("text", ["", '{"name": "trouble"}'])
def test_a_damaged_manifest_is_reported(shard: Path, open_edge: Callable[..., EdgeStore], text: str) -> None:
    (shard.parent / "manifest.json").write_text(text)
    store = open_edge()
    for use in (lambda: store.count(NAME), lambda: store.ensure(NAME, 16)):
        with pytest.raises(StoreError, match=r"manifest\.json cannot be read.*doctor --repair"):
            use()
    store.drop(NAME)
    store.ensure(NAME, 16)


def test_a_manifest_of_a_later_version_is_refused(shard: Path, open_edge: Callable[..., EdgeStore]) -> None:
    path = shard.parent / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(StoreError, match="schema 99"):
        open_edge().count(NAME)


def test_files_without_manifest_are_set_aside_not_deleted(
    shard: Path, open_edge: Callable[..., EdgeStore]
) -> None:
    (shard.parent / "manifest.json").unlink()
    store = open_edge()
    store.ensure(NAME, 16)
    assert store.count(NAME) == 0
    assert (store.set_aside[0] / "shard-1").is_dir()


def test_the_disk_reserve_stops_writing_but_not_searching(
    shard: Path, open_edge: Callable[..., EdgeStore], points: list[Point]
) -> None:
    store = open_edge(reserve_bytes=1 << 60)
    with pytest.raises(DiskFullError, match=r"GiB are free.*Nothing was changed.*--data"):
        store.upsert(NAME, points)
    with pytest.raises(DiskFullError):
        store.ensure("another", 16)
    assert store.query(NAME, dense=points[2].dense, limit=1)[0].id == points[2].id
    store.delete(NAME, [points[0].id])
    assert store.count(NAME) == 59


def test_the_index_is_built_beside_and_writes_meanwhile_are_kept(
    open_edge: Callable[..., EdgeStore],
    make_points: Callable[..., list[Point]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    store = open_edge()
    store.ensure(NAME, 16)
    points, later = make_points(300), make_points(50, first=300)
    changed = make_points(20, seed=1)
    store.upsert(NAME, points)
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 300)
    build = edge_rebuild.build_beside

    def write_meanwhile(path: Path, *arguments: Any) -> None:
        build(path, *arguments)
        store.upsert(NAME, later + changed)
        store.delete(NAME, [point.id for point in points[100:110]])
        assert store.query(NAME, dense=points[50].dense, limit=1)[0].id == points[50].id

    monkeypatch.setattr("indexer.store.edge.store.build_beside", write_meanwhile)
    first = child_pid(store)
    store.optimize(NAME)
    own = child_pid(store)
    assert own != first
    kept = {point.id for point in points + later} - {point.id for point in points[100:110]}
    assert set(store.iter_ids(NAME)) == kept
    np.testing.assert_array_equal(store.fetch_dense(NAME, [changed[3].id])[0], changed[3].dense)
    assert shards(tmp_path / "vectors" / NAME) == ["shard-2"]
    store.optimize(NAME)  # nothing to do: fewer than 300 points are new
    assert shards(tmp_path / "vectors" / NAME) == ["shard-2"]
    os.kill(own, signal.SIGKILL)
    with contextlib.suppress(StoreError):
        store.count(NAME)
    assert set(store.iter_ids(NAME)) == kept
    assert child_pid(store) == first  # which takes over
    store.close()
    assert open_edge().count(NAME) == len(kept)


def test_searches_and_writes_go_on_while_an_index_is_built_twice(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    points: list[Point],
    make_points: Callable[..., list[Point]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = open_edge()
    assert store.count(NAME) == 60
    pids = {child_pid(store)}
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 1)
    done, failures = threading.Event(), []
    written: list[Point] = []

    def work() -> None:
        try:
            while not done.is_set():
                batch = make_points(5, first=100 + len(written))
                store.upsert(NAME, batch)
                written.extend(batch)
                point = points[len(written) % 60]
                hits = store.query(NAME, dense=point.dense, sparse=point.sparse, limit=3)
                assert hits[0].id == point.id
        except BaseException as error:  # noqa: BLE001 - shown by the main thread
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(2):
            store.optimize(NAME)
            pids.add(child_pid(store))
    finally:
        done.set()
        worker.join()
    assert failures == []
    assert len(pids) == 3
    assert shards(shard.parent) == ["shard-3"]
    assert set(store.iter_ids(NAME)) == {point.id for point in [*points, *written]}


@pytest.mark.parametrize("failure", [StoreError("no index today"), OSError(28, "No space left on device")])
def test_a_failed_build_leaves_the_old_shard_in_use(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    points: list[Point],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
) -> None:
    store = open_edge()
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 10)

    build = edge_rebuild.build_beside

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("indexer.store.edge.store.build_beside", fail)
    store.optimize(NAME)
    assert "was not built, which is tried again later" in caplog.text and str(failure) in caplog.text
    assert store.count(NAME) == 60
    assert shards(shard.parent) == ["shard-1"]
    store.upsert(NAME, points)
    monkeypatch.setattr("indexer.store.edge.store.build_beside", build)
    store.optimize(NAME)
    assert shards(shard.parent) == ["shard-2"]
    assert store.count(NAME) == 60


def test_little_free_disk_puts_the_index_off_and_is_no_error(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_edge()
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 10)
    monkeypatch.setattr("indexer.store.edge.store.folder_bytes", lambda _: 10**18)
    store.optimize(NAME)
    assert "GiB" in caplog.text and shards(shard.parent) == ["shard-1"]


def test_a_copy_that_finds_no_space_leaves_the_old_shard_in_use(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    points: list[Point],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = open_edge()
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 10)

    def fill(source: Path, target: Path) -> None:
        target.mkdir()
        raise shutil.Error([(str(source), str(target), "[Errno 28] No space left on device")])

    monkeypatch.setattr("indexer.store.edge.store.copy_shard", fill)
    store.optimize(NAME)
    store.upsert(NAME, points)  # writes are no longer held back
    assert shards(shard.parent) == ["shard-1"]


def test_dropping_a_name_while_its_index_is_built_drops_it(
    shard: Path,
    open_edge: Callable[..., EdgeStore],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = open_edge()
    monkeypatch.setattr(edge_rebuild, "HNSW_MIN_POINTS", 10)
    monkeypatch.setattr("indexer.store.edge.store.build_beside", lambda *_: store.drop(NAME))
    store.optimize(NAME)
    assert "was dropped" in caplog.text
    assert not store.exists(NAME)
    assert not shard.parent.exists()


def test_leftovers_of_an_interrupted_build_are_removed(
    shard: Path, open_edge: Callable[..., EdgeStore]
) -> None:
    (shard.parent / "shard-2" / "segments").mkdir(parents=True)
    (shard.parent.parent / "gone.dropped").mkdir()
    store = open_edge()
    assert not (shard.parent / "shard-2").exists()
    assert not (shard.parent.parent / "gone.dropped").exists()
    assert store.count(NAME) == 60


def test_the_child_does_not_load_the_heavy_libraries() -> None:
    program = "import indexer.store.edge.process, sys; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True, check=True
    )
    loaded = set(out.stdout.split())
    assert "qdrant_edge" in loaded
    assert not loaded & {"torch", "gradio", "sqlalchemy", "qdrant_client", "transformers"}
