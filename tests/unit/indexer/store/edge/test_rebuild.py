"""When an index pays, and copying a shard."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import StoreError
from indexer.store.edge import build
from indexer.store.edge.rebuild import (
    HNSW_MIN_POINTS,
    build_beside,
    copy_shard,
    folder_bytes,
    is_worthwhile,
    require_index,
)
from indexer.store.edge.wire import ShardState

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("points", "indexed", "expected"),
    [
        (HNSW_MIN_POINTS - 1, 0, False),
        (HNSW_MIN_POINTS, 0, True),
        (HNSW_MIN_POINTS, HNSW_MIN_POINTS, False),
        (2 * HNSW_MIN_POINTS, HNSW_MIN_POINTS, True),
        (0, HNSW_MIN_POINTS, False),
    ],
)
def test_only_points_since_the_last_build_count(points: int, indexed: int, expected: bool) -> None:
    assert is_worthwhile(points, indexed) is expected


def test_copies_grow_with_the_shard_and_not_with_its_square() -> None:
    """To a million points, as ingest asks: each build copies what is there."""
    indexed = copied = builds = 0
    for points in range(5_000, 1_000_001, 5_000):
        if is_worthwhile(points, indexed):
            indexed, copied, builds = points, copied + points, builds + 1
    assert builds <= 17 and copied < 9_000_000  # 20 and 10,500,000 with equal steps
    assert 1_000_000 - indexed <= 110_000
    assert not is_worthwhile(10_900_000, 10_000_000) and is_worthwhile(11_000_000, 10_000_000)


def test_a_copy_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "segments").mkdir(parents=True)
    (tmp_path / "a" / "segments" / "x").write_bytes(b"1" * 10_000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").write_text("")
    copy_shard(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.glob("b/**/*")] == ["segments", "x"]
    assert folder_bytes(tmp_path / "b") >= 10_000


def test_a_build_whose_parent_is_gone_says_so_and_builds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "indexer.store.edge.build", str(tmp_path / "shard"), "4", "1"]
    done = subprocess.run(
        [*command, str(tmp_path / "lock")], stdin=subprocess.DEVNULL, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == build.PARENT_ENDED  # not 0, which would pass for an index
    assert not (tmp_path / "shard").exists()


def test_a_build_goes_on_though_another_process_stands_between_it_and_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the launcher of a virtual environment does on Windows; the missing shard shows that it was begun."""
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))\n",
        encoding="utf-8",
    )
    popen = subprocess.Popen

    def through_launcher(command: list[str], **options: Any) -> Any:
        return popen([command[0], str(launcher), *command[1:]], **options)

    monkeypatch.setattr(subprocess, "Popen", through_launcher)
    with pytest.raises(StoreError, match="ended with code 1 "):
        build_beside(tmp_path / "missing", 4, tmp_path / "build.lock", tmp_path / "index.log", lambda _: None)
    assert "missing" in (tmp_path / "index.log").read_text()


@pytest.mark.parametrize(
    ("state", "is_fine"),
    [
        (ShardState(1, 50_000, 50_000), False),  # the sparse vectors only
        (ShardState(1, 50_000, 100_000), True),
        (ShardState(3, 50_000, 60_000), True),  # one segment above the threshold
        (ShardState(60, 50_000, 50_000), True),  # none above it
        (ShardState(1, 6_000, 6_000), True),
        (ShardState(0, 0, 0), True),
    ],
)
def test_a_build_without_a_graph_is_noticed(state: ShardState, is_fine: bool) -> None:
    if is_fine:
        require_index(state, 384)
    else:
        with pytest.raises(StoreError, match="50000 points in 1 segments have no index"):
            require_index(state, 384)


def test_a_failing_build_is_reported_with_its_log(tmp_path: Path) -> None:
    started = []
    with pytest.raises(StoreError, match=r"ended with code 1 .*index\.log.*only slower"):
        build_beside(tmp_path / "missing", 4, tmp_path / "build.lock", tmp_path / "index.log", started.append)
    assert started[0].poll() == 1
    assert (tmp_path / "index.log").read_text()
