"""What travels through the pipe."""

import io
import uuid

import numpy as np
import pytest

from indexer.store.edge.wire import pack_points, receive, send, unpack_points
from indexer.types import Point, SparseVector


def test_points_come_back_from_the_pipe() -> None:
    generator = np.random.default_rng(0)
    points = [
        Point(
            str(uuid.uuid5(uuid.NAMESPACE_URL, str(size))),
            generator.standard_normal(8).astype(np.float32),
            SparseVector(np.arange(size, dtype=np.uint32), generator.random(size).astype(np.float32)),
            {"language": "th", "folders": ["/ก", "/ก/ข"]},
        )
        for size in (3, 0, 200)
    ]
    pipe = io.BytesIO()
    send(pipe, ("first", 1))
    send(pipe, pack_points(points, np.stack([point.dense for point in points])))
    pipe.seek(0)
    assert receive(pipe) == ("first", 1)
    read = unpack_points(receive(pipe))
    assert [point.id for point in read] == [point.id for point in points]
    for one, other in zip(read, points, strict=True):
        np.testing.assert_array_equal(one.dense, other.dense)
        np.testing.assert_array_equal(one.sparse.indices, other.sparse.indices)
        np.testing.assert_array_equal(one.sparse.values, other.sparse.values)
        assert one.payload == other.payload
    assert read[0].sparse.indices.dtype == np.uint32


@pytest.mark.parametrize("keep", [0, 3, 12])
def test_a_cut_message_is_the_end(keep: int) -> None:
    pipe = io.BytesIO()
    send(pipe, list(range(100)))
    with pytest.raises(EOFError):
        receive(io.BytesIO(pipe.getvalue()[:keep]))


def test_no_points_make_an_empty_batch() -> None:
    assert unpack_points(pack_points([], np.empty((0, 4), np.float32))) == []
