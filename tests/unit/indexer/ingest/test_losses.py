"""A folder that lost most of its files at once keeps its documents until a person is sure."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.ingest.losses import large_losses
from indexer.ingest.report import KEPT
from indexer.library.library import Library

OpenLibrary = Callable[..., Library]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"This is {name}.", encoding="utf-8")


def names(library: Library) -> set[str]:
    return {Path(document.path).name for document in library.documents()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten files, and five of a drive that is mounted below."""
    fill(tmp_path / "root", *[f"{n}.txt" for n in range(10)], *[f"drive/d{n}.txt" for n in range(5)])
    return tmp_path / "root"


def test_an_empty_folder_keeps_all_documents(library: Library, folder: Path) -> None:
    library.add([folder])
    before = names(library)
    unplugged = folder.rename(folder.with_name("unplugged"))
    folder.mkdir()
    report = library.add([folder], prune=True)
    assert (report.removed, report.kept) == (0, ((str(folder), 15),))
    assert names(library) == before
    folder.rmdir()
    unplugged.rename(folder)
    again = library.add([folder], prune=True)
    assert (again.unchanged, again.kept_count, again.removed) == (15, 0, 0)


def test_whoever_is_sure_removes_them(library: Library, folder: Path) -> None:
    library.add([folder])
    for path in folder.glob("*.txt"):
        path.unlink()
    assert library.add([folder], prune=True).removed == 0
    assert library.add([folder], prune=True, is_sure=True).removed == 10
    assert library.add([folder], prune=True).kept_count == 0
    assert len(names(library)) == 5


def test_an_empty_mount_point_below_is_noticed_and_the_rest_goes_on(library: Library, folder: Path) -> None:
    library.add([folder])
    for path in (*folder.glob("drive/*"), folder / "0.txt"):
        path.unlink()
    report = library.add([folder], prune=True)
    assert (report.removed, report.kept) == (1, ((str(folder / "drive"), 5),))
    assert "0.txt" not in names(library) and "d0.txt" in names(library)


def test_a_few_deleted_files_or_a_deleted_folder_are_no_accident(library: Library, folder: Path) -> None:
    library.add([folder])
    for path in (*folder.glob("drive/*"), folder / "0.txt"):
        path.unlink()
    (folder / "drive").rmdir()
    report = library.add([folder], prune=True)
    assert (report.removed, report.kept) == (6, ())


def test_moved_files_are_not_lost(library: Library, folder: Path) -> None:
    library.add([folder])
    for path in folder.glob("drive/*"):
        path.rename(folder / f"{path.stem} moved.txt")
    report = library.add([folder], prune=True)
    assert (report.renamed, report.removed, report.kept) == (5, 0, ())


def test_a_loss_is_not_forgotten_when_other_files_come(open_library: OpenLibrary, folder: Path) -> None:
    library = open_library()
    library.add([folder])
    for path in folder.glob("*.txt"):
        path.unlink()
    fill(folder, *[f"new{n}.txt" for n in range(40)])
    assert library.add([folder], prune=True).kept_count == 10
    library = open_library()
    (folder / "new0.txt").unlink()
    for _ in range(2):
        report = library.add([folder], prune=True)
        assert (report.removed, report.kept) == (0, ((str(folder), 11),))
    assert library.add([folder], prune=True, is_sure=True).removed == 11
    (folder / "new1.txt").unlink()
    assert library.add([folder], prune=True).removed == 1


def test_a_loss_elsewhere_stays_remembered(library: Library, folder: Path, tmp_path: Path) -> None:
    fill(tmp_path / "other", "a.txt", "b.txt")
    library.add([folder, tmp_path / "other"])
    for path in folder.glob("*.txt"):
        path.unlink()
    library.add([folder], prune=True)
    library.add([tmp_path / "other"], prune=True, is_sure=True)
    fill(folder, *[f"new{n}.txt" for n in range(40)])
    library.add([folder])
    assert library.add([folder], prune=True).kept_count == 10


def test_an_archive_counts_as_one_file(library: Library, folder: Path) -> None:
    with zipfile.ZipFile(folder / "papers.zip", "w") as archive:
        for number in range(40):
            archive.writestr(f"{number}.txt", f"Paper {number}.")
    library.add([folder])
    (folder / "papers.zip").unlink()
    report = library.add([folder], prune=True)
    assert (report.removed, report.kept) == (40, ())


def test_a_link_to_an_unplugged_drive_keeps_its_document(library: Library, folder: Path) -> None:
    target = folder.with_name("target.txt")
    target.write_text("It lies elsewhere.", encoding="utf-8")
    (folder / "link.txt").symlink_to(target)
    library.add([folder])
    target.unlink()
    report = library.add([folder], prune=True)
    assert report.removed == 0 and [Path(path).name for path, _ in report.failures] == ["link.txt"]
    assert "link.txt" in names(library)


def test_the_job_says_what_it_kept_and_which_documents_those_are(library: Library, folder: Path) -> None:
    library.add([folder])
    for path in folder.glob("*.txt"):
        path.unlink()
    job = library.jobs.submit_add([folder], prune=True)
    assert f"10 {KEPT}" in library.jobs.wait(job.id).message
    lost = library.lost_documents(job.id)
    assert {Path(one.path).name for one in library.documents_by_id(lost)} == {f"{n}.txt" for n in range(10)}
    fill(folder, "0.txt")  # the drive is back in part
    assert len(library.lost_documents(job.id)) == 9


@pytest.mark.parametrize(
    ("gone", "known", "expected"),
    [
        (["a"], ["a"], ["."]),
        (["a"], ["a", "b"], []),
        (["a", "b"], ["a", "b", "c"], ["."]),
        (["sub/a"], ["sub/a", "b", "c"], []),
        (["sub/a", "sub/b", "sub/c"], ["sub/a", "sub/b", "sub/c", "b", "c", "d", "e"], ["sub"]),
        (["sub/a", "sub/b", "sub/c"], ["sub/a", "sub/b", "sub/c", "b"], ["."]),
        (["cut/a", "cut/b", "cut/c"], ["cut/a", "cut/b", "cut/c", "b", "c", "d", "e"], []),
        ([], ["a", "b"], []),
    ],
)
def test_more_than_half_is_most(
    tmp_path: Path, gone: list[str], known: list[str], expected: list[str]
) -> None:
    (tmp_path / "sub").mkdir()
    losses = large_losses([tmp_path / name for name in gone], [tmp_path / name for name in known], [tmp_path])
    assert losses == [tmp_path / name for name in expected]
