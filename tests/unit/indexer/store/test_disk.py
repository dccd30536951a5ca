"""The disk reserve."""

import shutil
from pathlib import Path

import pytest

from indexer.errors import DiskFullError
from indexer.store.disk import check_reserve


def test_the_reserve_counts_what_is_about_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 50, 50))
    check_reserve(tmp_path, 40)
    check_reserve(tmp_path, 40, 10)
    with pytest.raises(DiskFullError, match="Nothing was changed"):
        check_reserve(tmp_path, 40, 11)
    with pytest.raises(DiskFullError, match="expected at least"):
        check_reserve(tmp_path, 51)
