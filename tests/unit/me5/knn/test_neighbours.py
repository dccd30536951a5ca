"""Nearest neighbours both ways: the definition, whatever the sizes, the screen and the interruptions."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from me5.errors import ShapeError, WorkCancelledError
from me5.knn import neighbours, sweep
from me5.knn import scores as pair_scores
from me5.knn.codes import CodedPair, Extent, encode_sides, extent
from me5.knn.neighbours import Neighbours, both_ways, plan_for
from me5.knn.screens import has_fast_int8
from me5.knn.sweep import BLOCK_ROWS, Plan

ROOT = Path(__file__).resolve().parents[4]
SCREENS = ["float32", "int8"] if has_fast_int8() else ["float32"]


def unit(x_ND: np.ndarray) -> np.ndarray:
    return (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32)


def crowded(rows: int, columns: int, dimensions: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two sides as E5 makes them: cosines from 0.7 to 1.0, a few large coordinates, half are translations."""
    draw = np.random.default_rng(seed)
    topics_KD = draw.standard_normal((20, dimensions)) * 0.2
    spread_D = np.where(np.arange(dimensions) < 2, 1.5, 0.25)

    def side(count: int) -> np.ndarray:
        return draw.standard_normal((count, dimensions)) * spread_D + topics_KD[draw.integers(0, 20, count)]

    x_ND, y_MD = side(rows), side(columns)
    paired = min(rows, columns) // 2
    y_MD[:paired] = x_ND[:paired] + draw.standard_normal((paired, dimensions)) * 0.05
    centre_D = draw.standard_normal(dimensions) * 1.2
    return unit(x_ND + centre_D), unit(y_MD[draw.permutation(columns)] + centre_D)


def by_definition(scores_NM: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.argsort(-scores_NM, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores_NM, ids, axis=1), ids


def assert_is_exact(found: Neighbours, x_ND: np.ndarray, y_MD: np.ndarray, k: int) -> None:
    """Same ids as float64, but for pairs whose float64 scores differ by less than 1e-6."""
    scores_NM = x_ND.astype(np.float64) @ y_MD.astype(np.float64).T
    for own_scores, own_ids, full in (
        (found.forward_scores_NK, found.forward_ids_NK, scores_NM),
        (found.backward_scores_MK, found.backward_ids_MK, scores_NM.T),
    ):
        scores, ids = by_definition(full, k)
        np.testing.assert_allclose(own_scores[:, : ids.shape[1]], scores, atol=1e-6)
        of_own_ids = np.take_along_axis(full, own_ids[:, : ids.shape[1]], axis=1)
        np.testing.assert_array_less(np.abs(of_own_ids - scores)[own_ids[:, : ids.shape[1]] != ids], 1e-6)
        assert all(len(set(row)) == len(row) for row in own_ids[:, : ids.shape[1]].tolist())


def assert_same(left: Neighbours, right: Neighbours) -> None:
    """Bit for bit."""
    for name in vars(left):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


@pytest.mark.parametrize("screening", SCREENS)
@pytest.mark.parametrize("k", [1, 4, 40])
def test_is_the_definition_on_crowded_vectors(screening: str, k: int) -> None:
    x_ND, y_MD = crowded(1300, 2500)
    scores = x_ND @ y_MD.T
    assert scores.mean() > 0.6  # crowded indeed
    assert_is_exact(both_ways(x_ND, y_MD, k, screening=screening), x_ND, y_MD, k)


@pytest.mark.parametrize("screening", SCREENS)
@pytest.mark.parametrize("sizes", [(1, 1), (3, 700), (700, 3), (513, 2049), (64, 64)])
def test_ties_go_to_the_smaller_id(screening: str, sizes: tuple[int, int]) -> None:
    # Small whole numbers have exact float32 scores, and most of them tie.
    draw = np.random.default_rng(1)
    x_ND, y_MD = (draw.integers(-1, 2, (count, 6)).astype(np.float32) for count in sizes)
    found = both_ways(x_ND, y_MD, 4, screening=screening)
    for scores, ids, full in (
        (found.forward_scores_NK, found.forward_ids_NK, x_ND @ y_MD.T),
        (found.backward_scores_MK, found.backward_ids_MK, y_MD @ x_ND.T),
    ):
        expected_scores, expected_ids = by_definition(full, 4)
        width = expected_ids.shape[1]
        np.testing.assert_array_equal(ids[:, :width], expected_ids)
        np.testing.assert_array_equal(scores[:, :width], expected_scores)
        assert (ids[:, width:] == -1).all()
        assert np.isneginf(scores[:, width:]).all()


@pytest.mark.parametrize("screening", SCREENS)
def test_identical_vectors_are_all_neighbours(screening: str) -> None:
    same_ND = np.repeat(unit(np.ones((1, 16))), 600, axis=0)
    found = both_ways(same_ND, same_ND, 3, screening=screening)
    np.testing.assert_array_equal(found.forward_ids_NK, np.tile([0, 1, 2], (600, 1)))
    np.testing.assert_array_equal(found.backward_ids_MK, np.tile([0, 1, 2], (600, 1)))


def test_sizes_threads_and_screens_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND, y_MD = crowded(1700, 1400)
    expected = both_ways(x_ND, y_MD, screening="float32")
    for screening in SCREENS:
        for strip_rows, tile_columns, threads, in_memory, waiting in (
            (BLOCK_ROWS, 256, 2, True, 1 << 18),
            (3 * BLOCK_ROWS, 1024, 1, False, 1 << 18),
            (4 * BLOCK_ROWS, 256, 3, True, 100),
        ):
            plan = Plan(strip_rows, tile_columns, threads, in_memory)
            monkeypatch.setattr(neighbours, "plan_for", lambda *_, plan=plan: plan)
            monkeypatch.setattr(sweep, "_MAX_WAITING", waiting)
            assert_same(both_ways(x_ND, y_MD, screening=screening), expected)


def test_a_device_answers_as_the_processor_does() -> None:
    x_ND, y_MD = crowded(600, 900)
    expected = both_ways(x_ND, y_MD)
    assert_same(both_ways(x_ND, y_MD, device="cpu:0"), expected)


def test_swapping_the_sides_swaps_the_directions() -> None:
    x_ND, y_MD = crowded(700, 300)
    forth, back = both_ways(x_ND, y_MD), both_ways(y_MD, x_ND)
    np.testing.assert_array_equal(forth.forward_ids_NK, back.backward_ids_MK)
    np.testing.assert_array_equal(forth.backward_ids_MK, back.forward_ids_NK)


def above_scores(coded: CodedPair, x_ND: np.ndarray, y_MD: np.ndarray) -> np.ndarray:
    """How far the bounds lie above the scores."""
    product = coded.rows.astype(np.int64) @ coded.columns.astype(np.int64).T
    return product * coded.unit + coded.base - x_ND.astype(np.float64) @ y_MD.astype(np.float64).T


@settings(max_examples=25)
@given(st.integers(0, 999), st.integers(1, 70), st.sampled_from([0.0, 1.0, 30.0]), st.booleans())
def test_codes_bound_every_score_from_above(
    seed: int, dimensions: int, outlier: float, is_centred: bool
) -> None:
    draw = np.random.default_rng(seed)
    sides = [
        draw.standard_normal((60, dimensions)).astype(np.float32) + (0 if is_centred else 3) for _ in "xy"
    ]
    sides[0][7] *= outlier  # a zero row, an ordinary one, or one far outside
    coded = encode_sides(
        sides[0],
        sides[1],
        (extent(sides[0], "X"), extent(sides[1], "Y")),
        lambda name, shape: np.empty(shape, dtype=np.int8),
    )
    assert (above_scores(coded, *sides) >= 0).all()


def test_taking_the_means_off_brings_the_bound_close_on_crowded_vectors() -> None:
    x_ND, y_MD = crowded(500, 500, 96)

    def looseness(extents: tuple[Extent, Extent]) -> float:
        coded = encode_sides(x_ND, y_MD, extents, lambda name, shape: np.empty(shape, dtype=np.int8))
        return float(above_scores(coded, x_ND, y_MD).mean())

    centred = looseness((extent(x_ND, "X"), extent(y_MD, "Y")))
    as_given = looseness((Extent(np.zeros(96, np.float32), 1.0), Extent(np.zeros(96, np.float32), 1.0)))
    assert centred < 0.4 * as_given


def test_gathered_scores_are_those_of_the_sparse_product() -> None:
    x_ND, y_MD = crowded(50, 40)
    pairs = np.flatnonzero(np.random.default_rng(0).random(50 * 40) < 0.3)
    left = pair_scores.scores_of_pairs(x_ND, y_MD, pairs)
    np.testing.assert_allclose(pair_scores._gathered(x_ND, y_MD, pairs), left, atol=1e-6)


@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_side_has_no_neighbours(sizes: tuple[int, int]) -> None:
    found = both_ways(np.ones((sizes[0], 3), np.float32), np.ones((sizes[1], 3), np.float32), 2)
    assert found.forward_ids_NK.shape == (sizes[0], 2)
    assert (found.backward_ids_MK == -1).all()


def test_reads_memory_maps_and_keeps_codes_on_disk_when_memory_is_short(tmp_path: Path) -> None:
    x_ND, y_MD = crowded(900, 800, 64)
    maps = []
    for name, side in (("x", x_ND), ("y", y_MD)):
        np.save(tmp_path / f"{name}.npy", side)
        maps.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    state = tmp_path / "state"
    found = both_ways(maps[0], maps[1], screening=SCREENS[-1], memory_mb=16, state_dir=state)
    assert_same(found, both_ways(x_ND, y_MD))
    assert not list(state.glob("codes-*"))


def test_the_plan_fits_the_memory() -> None:
    small, large = plan_for(384, 2_000_000, 64, 2), plan_for(384, 200_000, 512, 2)
    assert not small.codes_in_memory
    assert large.codes_in_memory
    assert small.strip_rows < large.strip_rows
    assert plan_for(1024, 10**9, 16, 64).strip_rows >= BLOCK_ROWS


def test_progress_rises_to_one() -> None:
    heard: list[float] = []
    both_ways(*crowded(600, 9000), progress=heard.append)
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == 1
    assert len(heard) >= 4


def test_a_cancelled_run_goes_on_after_its_last_strip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_ND, y_MD = crowded(2000, 700)
    expected = both_ways(x_ND, y_MD)
    monkeypatch.setattr(neighbours, "plan_for", lambda *_: Plan(BLOCK_ROWS, 256, 2, True))
    shares: list[float] = []
    with pytest.raises(WorkCancelledError, match="same folder"):
        both_ways(x_ND, y_MD, state_dir=tmp_path, progress=shares.append, cancelled=lambda: shares[-1] > 0.6)
    again: list[float] = []
    assert_same(both_ways(x_ND, y_MD, state_dir=tmp_path, progress=again.append), expected)
    assert again[0] == pytest.approx(2 * BLOCK_ROWS / 2000)
    finished: list[float] = []
    assert_same(both_ways(x_ND, y_MD, state_dir=tmp_path, progress=finished.append), expected)
    assert finished == [1.0]


CHILD = """
import os, signal, sys
import numpy as np
from me5.knn import neighbours
from me5.knn.sweep import Plan
folder, die_at = sys.argv[1], float(sys.argv[2])
neighbours.plan_for = lambda *_: Plan(512, 256, 2, True)
x, y = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in "xy")
def progress(share):
    if share > die_at:
        os.kill(os.getpid(), signal.SIGKILL)
neighbours.both_ways(x, y, state_dir=__import__("pathlib").Path(folder) / "state", progress=progress)
"""


def test_a_killed_run_goes_on_after_its_last_strip(tmp_path: Path) -> None:
    x_ND, y_MD = crowded(2000, 700)
    np.save(tmp_path / "x.npy", x_ND)
    np.save(tmp_path / "y.npy", y_MD)
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), "0.6"], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    again: list[float] = []
    found = both_ways(x_ND, y_MD, state_dir=tmp_path / "state", progress=again.append)
    assert again[0] == pytest.approx(2 * BLOCK_ROWS / 2000)
    assert_same(found, both_ways(x_ND, y_MD))


def test_a_folder_of_other_vectors_or_with_damage_is_started_over(tmp_path: Path) -> None:
    x_ND, y_MD = crowded(300, 200)
    both_ways(y_MD, x_ND, state_dir=tmp_path)
    assert_same(both_ways(x_ND, y_MD, state_dir=tmp_path), both_ways(x_ND, y_MD))
    next(iter(tmp_path.glob("columns-*.npz"))).write_bytes(b"cut short")
    assert_same(both_ways(x_ND, y_MD, state_dir=tmp_path), both_ways(x_ND, y_MD))
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    assert_same(both_ways(x_ND, y_MD, state_dir=tmp_path), both_ways(x_ND, y_MD))


def test_wrong_input_is_refused() -> None:
    good = unit(np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"\(4, 2\)"):
        both_ways(good, unit(np.ones((4, 2))))
    with pytest.raises(ShapeError, match="k is 0"):
        both_ways(good, good, 0)
    with pytest.raises(ShapeError, match="memory_mb is 1"):
        both_ways(good, good, memory_mb=1)
    with pytest.raises(ShapeError, match="vectors of Y hold"):
        both_ways(good, np.where(np.eye(4, 3), np.nan, good).astype(np.float32))
