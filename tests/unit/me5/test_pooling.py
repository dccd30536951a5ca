import numpy as np
import pytest

from me5.errors import ShapeError
from me5.pooling import POOLERS, cls_pool, l2_normalize, last_pool, mean_pool

HIDDEN = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])


def test_mean_is_over_real_tokens() -> None:
    pooled = mean_pool(HIDDEN, MASK)
    np.testing.assert_allclose(pooled[1], HIDDEN[1, :2].mean(axis=0), rtol=1e-6)
    assert not pooled[2].any() and pooled.dtype == np.float32
    assert np.abs(pooled[1] - HIDDEN[1].mean(axis=0)).max() > 1e-2  # a mean over padding differs


def test_cls_and_last_take_one_token() -> None:
    np.testing.assert_array_equal(cls_pool(HIDDEN, MASK), HIDDEN[:, 0])
    np.testing.assert_array_equal(last_pool(HIDDEN, MASK)[:2], HIDDEN[[0, 1], [4, 1]])


@pytest.mark.parametrize("name", POOLERS)
def test_shapes_must_fit(name) -> None:
    with pytest.raises(ShapeError, match=r"\(3, 5, 4\)"):
        POOLERS[name](HIDDEN, MASK[:, :4])


@pytest.mark.parametrize("name", POOLERS)
def test_torch_pools_the_same(name) -> None:
    import torch

    from me5.engines.torch_engine import pool_states

    mask = MASK[:2]
    twin = pool_states(torch.from_numpy(HIDDEN[:2]), torch.from_numpy(mask), name).numpy()
    np.testing.assert_allclose(twin, POOLERS[name](HIDDEN[:2], mask), rtol=1e-6)


def test_l2_normalize_keeps_zero_rows() -> None:
    rows = l2_normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert rows.dtype == np.float32
