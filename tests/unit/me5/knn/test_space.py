"""A full disk is said in words: no memory map is written before its space is reserved."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from me5.errors import DiskSpaceError
from me5.knn import space
from me5.knn.neighbours import both_ways
from me5.knn.space import open_array, reserve

ROOT = Path(__file__).resolve().parents[4]
HAS_BLOCKS = hasattr(os.stat_result, "st_blocks")


@pytest.fixture(params=["reserved", "written"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As this system does it, and as one does that cannot reserve."""

    def cannot(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    if request.param == "written":
        monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
        monkeypatch.setattr(space, "_PIECE", 1000)
    return str(request.param)


@pytest.mark.parametrize(
    ("dtype", "shape"), [(np.int8, (3000, 7)), (np.float32, (1, 1)), (np.int64, (0, 4)), (np.float32, (5,))]
)
def test_a_new_array_is_zero_whole_on_the_disk_and_what_numpy_reads(
    tmp_path: Path, way: str, dtype: type, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"of an earlier run")
    array = open_array(path, "w+", dtype, shape)
    assert array.shape == shape and array.dtype == dtype and not array.any()
    if HAS_BLOCKS:
        assert path.stat().st_blocks * 512 >= path.stat().st_size
    array[...] = 1
    array.flush()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.load(path), np.ones(shape, dtype))


def test_an_array_with_holes_is_filled_up_and_keeps_its_values(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a.npy"
    sparse = np.lib.format.open_memmap(path, "w+", np.float32, (100_000,))
    sparse[7], sparse[-1] = 3.5, 4.5
    sparse.flush()
    array = open_array(path, "r+", np.float32, (100_000,))
    assert (array[7], array[-1], array.sum()) == (3.5, 4.5, 8.0)
    if HAS_BLOCKS:
        assert path.stat().st_blocks * 512 >= path.stat().st_size
    with pytest.raises(ValueError, match="expected float32"):
        open_array(path, "r+", np.float32, (99_999,))
    with pytest.raises(FileNotFoundError):
        open_array(tmp_path / "none.npy", "r+", np.float32, (1,))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_an_error_of_ours_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: int) -> None:
        raise OSError(code, os.strerror(code))

    old = tmp_path / "old.npy"
    np.save(old, np.arange(5))
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DiskSpaceError, match=re.escape(str(tmp_path)) + ".*is full.*kept"):
        open_array(tmp_path / "a.npy", "w+", np.float32, (10,))
    assert not (tmp_path / "a.npy").exists()
    with pytest.raises(DiskSpaceError):
        open_array(old, "r+", np.int64, (5,))
    np.testing.assert_array_equal(np.load(old), np.arange(5))


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_array(tmp_path / "none" / "a.npy", "w+", np.float32, (10,))
    with (tmp_path / "empty").open("wb") as file:
        reserve(file, 0)


CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from me5.errors import Me5Error
from me5.knn import neighbours
from me5.knn.sweep import Plan
folder, codes_in_memory, limit = Path(sys.argv[1]), sys.argv[2] == "memory", int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
neighbours.plan_for = lambda *_: Plan(8192, 256, 2, codes_in_memory)
draw = np.random.default_rng(0)
x, y = (draw.standard_normal((count, 8)).astype(np.float32) for count in (60_000, 40))
x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
shares = []
try:
    found = neighbours.both_ways(
        x, y, 4, state_dir=folder / "state", progress=shares.append, screening=sys.argv[4])
except Me5Error as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(shares[0], found.forward_scores_NK.sum(), found.backward_ids_MK.sum())
"""


def child(folder: Path, codes: str = "memory", limit: int = 0, screening: str = "float32") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), codes, str(limit), screening],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_rows_that_do_not_fit_are_said_and_the_run_goes_on_later(tmp_path: Path) -> None:
    code, words = child(tmp_path, limit=500_000)  # 960,000 bytes are needed a file
    assert code == 1 and "DiskSpaceError" in words and "is full" in words
    code, words = child(tmp_path)
    assert code == 0 and words.split()[0] == "0.0"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.6 MB, where a test may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1600k", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_ends_in_words_and_a_larger_one_lets_the_run_go_on(small_disk: Path) -> None:
    code, words = child(small_disk)
    assert code == 1 and "DiskSpaceError" in words, (code, words)
    grown = ["mount", "-o", "remount,size=8m", str(small_disk)]
    subprocess.run(grown, check=True)
    code, words = child(small_disk)
    assert code == 0
    again, finished = child(small_disk)
    assert again == 0 and finished.split()[0] == "1.0" and finished.split()[1:] == words.split()[1:]


def test_codes_that_do_not_fit_are_said(small_disk: Path) -> None:
    from me5.knn.screens import has_fast_int8

    if not has_fast_int8():
        pytest.skip("this processor makes no codes")
    subprocess.run(["mount", "-o", "remount,size=300k", str(small_disk)], check=True)
    code, words = child(small_disk, codes="disk", screening="int8")
    assert code == 1 and "DiskSpaceError" in words, (code, words)


def test_a_disk_that_fills_while_columns_are_saved_keeps_the_strips_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from me5.knn import neighbours, saved
    from me5.knn.sweep import BLOCK_ROWS, Plan

    monkeypatch.setattr(neighbours, "plan_for", lambda *_: Plan(BLOCK_ROWS, 256, 1, True))
    draw = np.random.default_rng(0)
    x_ND, y_MD = (draw.standard_normal((count, 8)).astype(np.float32) for count in (3 * BLOCK_ROWS, 40))
    sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x_ND, y_MD)]
    real, calls = np.savez, []

    def fill(*arguments: object, **arrays: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*arguments, **arrays)  # type: ignore[arg-type]

    monkeypatch.setattr(saved.np, "savez", fill)
    with pytest.raises(DiskSpaceError, match="kept"):
        both_ways(*sides, state_dir=tmp_path)
    shares: list[float] = []
    found = both_ways(*sides, state_dir=tmp_path, progress=shares.append)
    assert shares[0] == pytest.approx(1 / 3)
    np.testing.assert_array_equal(found.forward_ids_NK, both_ways(*sides).forward_ids_NK)
