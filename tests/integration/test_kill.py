"""kill -9 at any moment of an ingest loses nothing that was acknowledged and leaves no duplicate."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.catalog import Catalog
from indexer.store import open_store

ROOT = Path(__file__).resolve().parents[2]
CHILD = ROOT / "tests" / "support" / "ingest_child.py"
WORDS = [f"{a}{b}" for a in ("hafen", "fluss", "turm", "brücke", "書庫", "река") for b in range(60)]

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")


def write_text(path: Path, rng: random.Random) -> None:
    sentences = [" ".join(rng.choices(WORDS, k=10)).capitalize() + "." for _ in range(rng.randint(1, 60))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(" ".join(sentences), encoding="utf-8")


def change_folder(folder: Path, rng: random.Random) -> None:
    """Change two files, rename one, remove one, add one."""
    files = sorted(folder.rglob("*.txt"))
    changed, also_changed, renamed, removed = rng.sample(files, 4)
    write_text(changed, rng)
    write_text(also_changed, rng)
    renamed.rename(renamed.with_name(f"moved-{rng.randrange(10**6)}.txt"))
    removed.unlink()
    write_text(folder / "late" / f"{rng.randrange(10**6)}.txt", rng)


def ingest(data_dir: Path, source: Path, moment: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(CHILD), str(data_dir), str(source), moment]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def contents(data_dir: Path) -> set[tuple[str, int, int, str]]:
    """Every passage as (path, start, end, text); the points must be exactly those of the passages."""
    catalog = Catalog.open(data_dir / "catalog.sqlite3")
    store = open_store(data_dir, reserve_bytes=0)
    try:
        collection = catalog.collections.get("library")
        states = dict(catalog.chunks.iter_states(collection.id))
        ids = list(store.iter_ids(collection.store_name))
        assert sorted(ids) == sorted(states)
        assert len(ids) == store.count(collection.store_name)
        assert set(states.values()) == {"indexed"}
        assert not catalog.documents.unfinished()
        assert not catalog.database.integrity_problems()
        passages = catalog.chunks.by_id(ids)
        for point, passage in zip(store.fetch_points(collection.store_name, ids), passages, strict=True):
            assert point.payload["document_id"] == passage.document_id
            assert str(Path(passage.document).parent) in list(point.payload["folders"])  # type: ignore[arg-type]
        found = [(one.document, one.chunk.start, one.chunk.end, one.chunk.text) for one in passages]
        assert len(found) == len(set(found))
        assert catalog.facets.count_chunks(collection.id) == len(found)
        return set(found)
    finally:
        store.close()
        catalog.close()


def test_twenty_kills_end_like_one_clean_ingest(tmp_path: Path) -> None:
    rng = random.Random(20)
    source = tmp_path / "documents"
    for number in range(30):
        write_text(source / f"part{number % 3}" / f"{number:02}.txt", rng)
    moments = [f"step:{rng.randint(1, 25)}" for _ in range(13)]
    moments += [f"time:{rng.uniform(0.01, 0.4):.3f}" for _ in range(7)]
    rng.shuffle(moments)
    killed = 0
    for moment in moments:
        change_folder(source, rng)  # each time: what is known already is not written again
        killed += ingest(tmp_path / "killed", source, moment) != 0
    assert killed >= 10  # otherwise the moments came too late to show anything
    assert ingest(tmp_path / "killed", source, "never") == 0
    assert ingest(tmp_path / "clean", source, "never") == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "clean")


def test_what_was_acknowledged_before_the_kill_is_there(tmp_path: Path) -> None:
    rng = random.Random(5)
    source = tmp_path / "documents"
    write_text(source / "first.txt", rng)
    assert ingest(tmp_path / "data", source, "never") == 0
    acknowledged = contents(tmp_path / "data")
    for number in range(8):
        write_text(source / f"later{number}.txt", rng)
    assert ingest(tmp_path / "data", source, "step:4") == -signal.SIGKILL
    catalog = Catalog.open(tmp_path / "data" / "catalog.sqlite3")
    store = open_store(tmp_path / "data", reserve_bytes=0)
    collection = catalog.collections.get("library")
    known = catalog.chunks.by_id(list(store.iter_ids(collection.store_name)))
    assert acknowledged <= {(one.document, one.chunk.start, one.chunk.end, one.chunk.text) for one in known}
    store.close()
    catalog.close()
