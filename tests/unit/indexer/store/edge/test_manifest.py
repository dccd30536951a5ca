"""The record beside the shards."""

from pathlib import Path

import pytest

from indexer.errors import StoreError
from indexer.store.edge.manifest import Manifest, read_manifest, write_manifest


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    manifest = Manifest("文書", 384, "2026-01-01T00:00:00+00:00", generation=3)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert manifest.shard(tmp_path) == tmp_path / "shard-3"
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "[1]",
        '{"name": "a"}',
        '{"name": "a", "dimension": "x", "created": "", "schema": 1}',
        '{"name": "a", "dimension": 4, "created": "", "schema": 2}',
        "\ufffe",
    ],
)
def test_a_manifest_that_is_none_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="doctor --repair"):
        read_manifest(tmp_path)
