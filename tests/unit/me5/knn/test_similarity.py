import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from me5.errors import ShapeError
from me5.knn.similarity import top_k


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.integers(0, 99))
def test_equals_a_full_sort_for_every_block_size(passages: int, block: int, k: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    # Small integers give exact scores and many ties.
    queries_QD = draw.integers(-1, 2, (5, 3)).astype(np.float32)
    passages_PD = draw.integers(-1, 2, (passages, 3)).astype(np.float32)
    scores, indices = top_k(queries_QD, passages_PD, k, block)
    full = queries_QD @ passages_PD.T
    expected = np.argsort(-full, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(scores, np.take_along_axis(full, expected, axis=1))


def test_no_passages_give_no_columns() -> None:
    scores, indices = top_k(np.ones((2, 3), np.float32), np.ones((0, 3), np.float32), 5)
    assert scores.shape == indices.shape == (2, 0)


@pytest.mark.parametrize("k", [0, -1])
def test_wrong_input_is_refused(k: int) -> None:
    with pytest.raises(ShapeError, match="at least 1"):
        top_k(np.ones((1, 2), np.float32), np.ones((1, 2), np.float32), k)
    with pytest.raises(ShapeError, match=r"\(1, 2\)"):
        top_k(np.ones((1, 2), np.float32), np.ones((1, 3), np.float32), 1)
