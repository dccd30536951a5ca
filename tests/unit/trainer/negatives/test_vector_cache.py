"""Rows and vectors on disk: whole blocks survive, other texts have other files, a full disk is told."""

import resource
from pathlib import Path

import numpy as np
import pytest

from me5 import Role
from me5.encoder import Encoder
from trainer.errors import TrainingError
from trainer.negatives import vector_cache
from trainer.negatives.text_file import TextFile
from trainer.negatives.vector_cache import RowFile, cached_vectors, content_name, locked, require_space


def test_of_an_unfinished_file_whole_blocks_are_kept(tmp_path: Path) -> None:
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    rows = RowFile(tmp_path / "rows", rows=10, width=3, dtype=np.float32, block=4)
    rows.append(values[:4])
    rows.append(values[4:7])  # a block that was cut short
    with (tmp_path / "rows").open("ab") as stream:
        stream.write(b"half a row"[:5])
    again = RowFile(tmp_path / "rows", rows=10, width=3, dtype=np.float32, block=4)
    assert again.done == 4
    again.append(values[4:8])
    again.append(values[8:])
    finished = RowFile(tmp_path / "rows", rows=10, width=3, dtype=np.float32, block=4)
    assert finished.done == 10  # the last block is smaller and still whole
    np.testing.assert_array_equal(finished.read(), values)
    assert RowFile(tmp_path / "none", rows=0, width=3, dtype=np.float32).read().shape == (0, 3)


def test_vectors_are_encoded_once_and_gone_on_with(
    tiny_encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_cache, "BLOCK_TEXTS", 4)
    texts = [f"river {number} carries silt" for number in range(10)]
    asked: list[int] = []

    def block(start: int, stop: int) -> tuple[list[str], None]:
        asked.append(start)
        if start == 8 and len(asked) == 3:
            raise KeyboardInterrupt
        return texts[start:stop], None

    def encode(keys: range = range(10), role: Role = Role.QUERY) -> np.ndarray:
        return cached_vectors(tiny_encoder, block, np.array(keys), role=role, folder=tmp_path)

    with pytest.raises(KeyboardInterrupt):
        encode()
    found = encode()
    assert asked == [0, 4, 8, 8]
    np.testing.assert_array_equal(encode(), found)
    assert asked == [0, 4, 8, 8]
    plain = [tiny_encoder.encode(texts[i : i + 4], Role.QUERY) for i in (0, 4, 8)]
    np.testing.assert_array_equal(found, np.concatenate(plain))
    encode(role=Role.PASSAGE)
    encode(keys=range(1, 11))
    assert len(asked) == 10  # neither another role nor other texts meet the old vectors


def test_names_follow_every_part() -> None:
    one, other = np.array([1, 2]), np.array([1, 3])
    names = [
        content_name("a", "b", one),
        content_name("ab", "", one),
        content_name("a", "b", other),
        content_name("a", "b"),
    ]
    assert len(set(names)) == 4
    assert names[0] == content_name("a", "b", one)


def test_a_full_disk_is_told_and_what_is_finished_stays(tmp_path: Path) -> None:
    rows = RowFile(tmp_path / "rows", rows=4096, width=64, dtype=np.float32)
    rows.append(np.ones((16, 64)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))  # what a full disk does: writing fails
    try:
        with pytest.raises(TrainingError, match=r"rows cannot be written .*Make room and run again"):
            rows.append(np.ones((1024, 64)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert RowFile(tmp_path / "rows", rows=4096, width=64, dtype=np.float32).done >= 16


def test_missing_space_is_told_before_the_work(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(TrainingError, match=r"GB free, the vectors need 1000000000\.0 GB.*cache=FOLDER"):
        require_space(tmp_path, 10**18)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(TrainingError, match="Another run is working"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_texts_come_back_by_number_and_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    with TextFile(path) as texts:
        for number in range(2000):
            texts.append(f"Zeile\n{number}", "título", "\ud800")
        assert texts[1999] == ["Zeile\n1999", "título", "\ud800"]
        texts.append("after a read", "", "")
        assert texts[0][0] == "Zeile\n0" and texts[2000][0] == "after a read" and len(texts) == 2001
    assert not path.exists()
