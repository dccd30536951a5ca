"""Real files through readers, catalog and the embedded vector store, and back to the page they came from."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from indexer.errors import StoreError, StoreLockedError
from indexer.library.library import Library

if TYPE_CHECKING:
    from me5.encoder import Encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "hafen.txt").write_text("Der Hafen wurde 1894 gebaut. Nachts kommen Schiffe.", encoding="utf-8")
    (folder / "old.txt").write_bytes(
        "Библиотека открывается в девять часов утра. Реки несут ил.".encode("cp1251")
    )
    (folder / "page.html").write_text(
        "<html><title>The river</title><script>alert(1)</script><p>The river carries silt to the sea.</p></html>",
        encoding="utf-8",
    )
    (folder / "towns.csv").write_text("town,built\nHamburg,808\nNagoya,1610\n", encoding="utf-8")
    (folder / "films.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n図書館は朝九時に開きます。\n", encoding="utf-8"
    )
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("inner/note.md", "# Note\n\nห้องสมุดเปิดเก้าโมงเช้า แม่น้ำพาตะกอนไปสู่ทะเล\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing follows")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def test_files_of_many_kinds_are_found_again(
    tmp_path: Path, documents: Path, tiny_encoder: "Encoder"
) -> None:
    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        report = library.add([documents])
        assert (report.added, report.skipped) == (6, 1)
        assert [Path(path).name for path, _ in report.failures] == ["broken.pdf"]
        found = {Path(one.path).name: one for one in library.documents()}
        assert found["page.html"].title == "The river"
        assert found["broken.pdf"].state == "failed"
        assert "more.zip/inner/note.md" in found["note.md"].path
        for words, name in (("図書館", "films.srt"), ("Библиотека", "old.txt"), ("ห้องสมุด", "note.md")):
            result = library.search(words, mode="lexical")
            hits = [*result.hits, *result.weak_hits]
            assert Path(hits[0].document).name == name, words
        assert [one for one in library.doctor() if one.level == "error"] == []
    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        assert library.add([documents]).unchanged == 6
        assert library.search("Hafen", mode="lexical").facets["file_type"]["txt"] == 2


def test_the_vectors_are_those_of_the_encoder(
    tmp_path: Path, documents: Path, tiny_encoder: "Encoder"
) -> None:
    from me5.prefixes import Role

    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        library.add([documents / "page.html", documents / "hafen.txt"])
        collection = library.catalog.collections.get("library")
        ids = list(library.store.iter_ids(collection.store_name))
        passages = library.chunks_by_id(ids)
        expected = tiny_encoder.encode(
            [one.chunk.text for one in passages], Role.PASSAGE, titles=[one.title for one in passages]
        )
        without_title = tiny_encoder.encode([one.chunk.text for one in passages], Role.PASSAGE)
        stored = library.store.fetch_dense(collection.store_name, ids)
    assert stored == pytest.approx(expected, abs=1e-5)
    assert stored != pytest.approx(without_title, abs=1e-2)


def test_a_second_process_is_refused_by_name(tmp_path: Path, tiny_encoder: "Encoder") -> None:
    with (
        Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0),
        pytest.raises(StoreLockedError, match=f"process {os.getpid()}"),
    ):
        Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0)


def test_lost_vectors_come_back_from_the_catalog(
    tmp_path: Path, documents: Path, tiny_encoder: "Encoder"
) -> None:
    import shutil

    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        library.add([documents])
        before = library.search("Hafen", mode="lexical")
    shutil.rmtree(tmp_path / "data" / "vectors")
    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        after = library.search("Hafen", mode="lexical")
        assert [one.level for one in library.doctor() if one.check == "vectors"] == ["ok"]
    assert [hit.chunk_id for hit in after.hits] == [hit.chunk_id for hit in before.hits]


@pytest.mark.parametrize("damage", ["segments/*/segment.json", "wal/open-*", "../manifest.json"])
def test_damaged_vectors_are_reported_and_rebuilt_by_the_doctor(
    tmp_path: Path, documents: Path, tiny_encoder: "Encoder", damage: str
) -> None:
    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        library.add([documents / "hafen.txt"])
    (shard,) = (tmp_path / "data" / "vectors").glob("*/shard-1")
    for file in [shard.parent / "manifest.json"] if damage.startswith("..") else shard.glob(damage):
        file.write_bytes(b"\x01noise" * 500)
    with Library.open(tmp_path / "data", encoder=tiny_encoder, reserve_bytes=0) as library:
        with pytest.raises(StoreError, match=r"cannot be .*doctor --repair.*no document is lost"):
            library.search("Hafen")
        (finding,) = [one for one in library.doctor() if one.check == "vectors"]
        assert finding.is_problem and "doctor --repair" in finding.message
        (finding,) = [one for one in library.doctor(repair=True) if one.check == "vectors"]
        assert finding.repaired and "1 passages were embedded again" in finding.message
        result = library.search("Hafen", mode="lexical")
        assert [Path(hit.document).name for hit in result.hits] == ["hafen.txt"]
        assert [one.level for one in library.doctor() if one.check == "vectors"] == ["ok"]


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="needs a PostgreSQL server in DATABASE_URL")
def test_the_catalog_may_live_in_postgresql(tmp_path: Path, documents: Path, tiny_encoder: "Encoder") -> None:
    address = os.environ["DATABASE_URL"]
    with Library.open(
        tmp_path / "data", encoder=tiny_encoder, database_url=address, reserve_bytes=0
    ) as library:
        for info in library.collections():
            library.drop_collection(info.name)
        assert library.add([documents]).added == 6
        job = library.jobs.wait(library.jobs.submit_reindex([library.documents()[0].id], "library").id)
        assert job.state == "done"
        assert library.search("図書館", mode="lexical").facets["file_type"]["srt"] == 1
        assert [one for one in library.doctor() if one.level == "error"] == []
    assert not (tmp_path / "data" / "catalog.sqlite3").exists()


MEASURE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from fake_encoder import FakeEncoder
from indexer.text.chunking import ChunkSettings
from indexer.library.library import Library
library = Library.open(Path(sys.argv[1]), encoder=FakeEncoder(), reserve_bytes=0, resume_jobs=False)
library.add([Path(sys.argv[2]).with_name("small.txt")])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = library.add([Path(sys.argv[2])])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, report.chunks, len(report.failures))
library.close()
"""


def peak_growth_kb(tmp_path: Path, megabytes: int) -> int:
    """How much the peak memory grows while a text of that size is added."""
    line = "The harbour was built in 1894, and ships from many countries came in at night. "
    (tmp_path / "small.txt").write_text(line * 3000, encoding="utf-8")
    with (tmp_path / "big.txt").open("w", encoding="utf-8") as file:
        for _ in range(megabytes):
            file.write(line * (2**20 // len(line)) + "\n")
    command = [
        sys.executable,
        "-c",
        MEASURE,
        str(tmp_path / "data"),
        str(tmp_path / "big.txt"),
        str(ROOT / "tests" / "support"),
    ]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    growth, chunks, failures = map(int, done.stdout.split())
    assert failures == 0
    assert chunks > megabytes * 1000
    return growth


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts kilobytes on Linux only")
def test_a_text_of_one_gigabyte_stays_below_its_limit(tmp_path: Path) -> None:
    assert peak_growth_kb(tmp_path, 1024) < 1.5 * 2**20
