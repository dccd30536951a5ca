"""Packed rows are a sequence like any other."""

import pytest

from trainer.data.packed import PackedRows

ROWS = [[1, 2, 3], [], [250_036], [7] * 500]


def test_rows_come_back_as_they_were() -> None:
    packed = PackedRows(ROWS[:2])
    packed.extend(ROWS[2:])
    assert len(packed) == 4
    assert [list(row) for row in packed] == ROWS
    assert list(packed[-1]) == ROWS[-1]
    assert [list(row) for row in packed[1:3]] == ROWS[1:3]
    assert [list(row) for row in PackedRows()] == []


@pytest.mark.parametrize("index", [4, -5])
def test_there_is_no_row_beyond_the_ends(index: int) -> None:
    with pytest.raises(IndexError):
        PackedRows(ROWS)[index]
