"""When an index pays, and copying a shard."""

from pathlib import Path

import pytest

from indexer.errors import StoreError
from indexer.store.edge.rebuild import (
    HNSW_MIN_POINTS,
    build_beside,
    copy_shard,
    folder_bytes,
    is_worthwhile,
)


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


def test_a_copy_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "segments").mkdir(parents=True)
    (tmp_path / "a" / "segments" / "x").write_bytes(b"1" * 10_000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").write_text("")
    copy_shard(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.glob("b/**/*")] == ["segments", "x"]
    assert folder_bytes(tmp_path / "b") >= 10_000


def test_a_failing_build_is_reported_with_its_log(tmp_path: Path) -> None:
    started = []
    with pytest.raises(StoreError, match=r"ended with code 1 .*index\.log.*only slower"):
        build_beside(tmp_path / "missing", 4, tmp_path / "build.lock", tmp_path / "index.log", started.append)
    assert started[0].poll() == 1
    assert (tmp_path / "index.log").read_text()
