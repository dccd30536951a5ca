"""Folders that collections follow: each kind of event, and random sequences of them against a model."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import ReadError
from indexer.library import watching
from indexer.library.library import Library
from indexer.library.watching import is_wanted

PATIENCE_S = 40.0


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "DEBOUNCE_MS", 60)
    monkeypatch.setattr(watching, "LOOK_AROUND_MS", 150)
    monkeypatch.setattr(watching, "QUIET_S", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "watched"
    made.mkdir()
    for name in ("one", "two", "three"):
        (made / f"{name}.txt").write_text(f"The {name} text.")
    return made


@pytest.fixture
def library(open_library: Callable[..., Library]) -> Iterator[Library]:
    opened = open_library(resume_jobs=True)
    yield opened
    opened.watching.close()


def texts(library: Library) -> dict[str, str]:
    """The text of every document by the place it was read from."""
    if library.catalog.collections.find("library") is None:
        return {}
    found = {}
    for document in library.documents():
        if document.state != "indexed":
            continue
        chunks = library.catalog.chunks.records(library.catalog.chunks.of_documents([document.id]))
        found[document.stored_path] = "".join(record.chunk.text for record in chunks).strip()
    return found


def there(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text().strip() for path in folder.rglob("*.txt") if path.is_file()}


def until(holds: Callable[[], bool], what: Callable[[], Any] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def in_step(library: Library, folder: Path) -> None:
    until(lambda: texts(library) == there(folder), lambda: (texts(library), there(folder)))


def test_what_is_there_and_what_happens_is_followed(library: Library, folder: Path) -> None:
    library.watching.add(folder, "library")
    in_step(library, folder)
    ids = {document.stored_path: document.id for document in library.documents()}
    (folder / "new.txt").write_text("A new text.")
    in_step(library, folder)
    (folder / "one.txt").write_text("Another first text.")
    in_step(library, folder)
    (folder / "two.txt").rename(folder / "second.txt")
    in_step(library, folder)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "three.txt").rename(folder / "deep" / "er" / "three.txt")
    in_step(library, folder)
    after = {document.stored_path: document.id for document in library.documents()}
    assert after[str(folder / "second.txt")] == ids[str(folder / "two.txt")]  # reviews go by it
    assert after[str(folder / "deep" / "er" / "three.txt")] == ids[str(folder / "three.txt")]
    assert after[str(folder / "one.txt")] == ids[str(folder / "one.txt")]
    (folder / "new.txt").unlink()
    in_step(library, folder)
    (known,) = library.watching.folders()
    assert known.trouble == "" and known.looked_at is not None


def test_a_folder_that_is_gone_loses_nothing_and_is_followed_when_it_is_back(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    library.watching.add(folder, "library")
    in_step(library, folder)
    before = texts(library)
    folder.rename(tmp_path / "elsewhere")
    until(lambda: "not there" in library.watching.folders()[0].trouble)
    assert texts(library) == before
    (tmp_path / "elsewhere" / "more.txt").write_text("One more text.")
    (tmp_path / "elsewhere").rename(folder)
    in_step(library, folder)
    assert library.watching.folders()[0].trouble == "" and len(texts(library)) == 4


def test_most_files_gone_at_once_are_asked_about(library: Library, folder: Path) -> None:
    (folder / "deep").mkdir()
    for name in ("two", "three"):
        (folder / f"{name}.txt").rename(folder / "deep" / f"{name}.txt")
    library.watching.add(folder, "library")
    in_step(library, folder)
    before = texts(library)
    (folder / "deep").rename(folder.with_name("away"))
    until(lambda: any("kept" in job.message for job in library.jobs.list()))
    assert texts(library) == before


def test_a_growing_file_is_waited_for(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_S", 2.0)
    library.watching.add(folder, "library")
    in_step(library, folder)
    looks = len(library.jobs.list())
    with (folder / "long.txt").open("w") as file:
        for number in range(12):
            file.write(f"Sentence number {number}. ")
            file.flush()
            time.sleep(0.1)
        assert len(library.jobs.list()) == looks  # not a part of it
    in_step(library, folder)
    assert "number 11" in texts(library)[str(folder / "long.txt")]


def test_the_list_is_kept_and_caught_up_with(
    open_library: Callable[..., Library], folder: Path, tmp_path: Path
) -> None:
    first = open_library(resume_jobs=True)
    other = tmp_path / "other"
    other.mkdir()
    first.watching.add([folder, other], "library")
    in_step(first, folder)
    until(lambda: all(item.looked_at for item in first.watching.folders()))
    first.watching.pause(str(other))
    first.watching.close()
    (folder / "meanwhile.txt").write_text("Written while nobody watched.")
    (other / "paused.txt").write_text("Of a paused folder.")
    first.watching.start()
    in_step(first, folder)
    states = {item.path: item.is_paused for item in first.watching.folders()}
    assert states == {str(folder): False, str(other): True}
    first.watching.pause(str(other), is_paused=False)
    until(lambda: str(other / "paused.txt") in texts(first))
    first.watching.remove(str(folder))
    (folder / "after.txt").write_text("Nobody looks any more.")
    time.sleep(0.6)
    assert str(folder / "after.txt") not in texts(first) and str(folder / "one.txt") in texts(first)
    assert [item.path for item in first.watching.folders()] == [str(other)]


def test_what_cannot_be_watched_is_refused(library: Library, folder: Path) -> None:
    with pytest.raises(ReadError, match="is not a folder"):
        library.watching.add([folder, folder / "one.txt"], "library")
    assert library.watching.folders() == []
    with pytest.raises(ReadError, match="is not watched"):
        library.watching.pause(str(folder))


def test_a_folder_looked_through_already_waits_once(
    library: Library, folder: Path, fake_encoder: Any
) -> None:
    go_on = threading.Event()
    fake_encoder.before_encode = lambda _: go_on.wait(20)
    library.watching.add(folder, "library")
    until(lambda: any(job.state == "running" for job in library.jobs.list()))
    for number in range(4):
        (folder / f"{number}.txt").write_text(f"Text {number}.")
        time.sleep(0.3)
    until(lambda: any(job.state == "queued" for job in library.jobs.list()))
    time.sleep(0.5)
    assert len([job for job in library.jobs.list() if job.state == "queued"]) == 1
    fake_encoder.before_encode = None
    go_on.set()
    in_step(library, folder)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.txt", True), ("deep/a.txt", True), (".hidden", False), (".git/config", False),
        ("deep/.a.txt.swp", False), ("~$letter.docx", False), ("folder", True), ("data/catalog.sqlite3", False),
    ],
)  # fmt: skip
def test_hidden_files_locks_of_office_programs_and_our_own_wake_nobody(path: str, wanted: bool) -> None:
    root = Path("/root/.watched")
    assert is_wanted(root / path, root, root / "data") == wanted


def test_a_folder_around_the_library_itself_comes_to_rest(library: Library, folder: Path) -> None:
    around = library.data_dir.parent
    library.watching.add(around, "library")
    until(lambda: set(there(folder)) <= set(texts(library)))
    until(lambda: not any(job.finished_at is None for job in library.jobs.list()))
    before = len(library.jobs.list())
    time.sleep(1.0)
    assert len(library.jobs.list()) == before


class Person:
    """Does random things in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.root, self.random = folder, random.Random(seed)
        self.written = 1000 * seed  # so that names of later ones are new

    def act(self) -> None:
        files = sorted(path for path in self.root.rglob("*.txt"))
        folders = sorted(path for path in self.root.rglob("*") if path.is_dir())
        # Never more than a few of the files at once: that is another case.
        actions = ["create", "create", "make folder"]
        actions += ["change", "rename", "move", "copy"] * bool(files) + ["delete"] * (len(files) > 4)
        actions += ["move folder"] * bool(folders)
        getattr(self, self.random.choice(actions).replace(" ", "_"))(files, folders)

    def _place(self, folders: list[Path]) -> Path:
        return self.random.choice([self.root, *(path for path in folders if path.is_dir())])

    def _new(self, folders: list[Path], kind: str = ".txt") -> Path:
        self.written += 1
        return self._place(folders) / f"{self.written}{kind}"

    def create(self, files: list[Path], folders: list[Path]) -> None:
        self._new(folders).write_text(f"Text {self.written}, {self.random.random()}.")

    def make_folder(self, files: list[Path], folders: list[Path]) -> None:
        self._new(folders, "").mkdir()

    def change(self, files: list[Path], folders: list[Path]) -> None:
        self.written += 1
        self.random.choice(files).write_text(f"Changed {self.written}, {self.random.random()}.")

    def rename(self, files: list[Path], folders: list[Path]) -> None:
        path = self.random.choice(files)
        path.rename(self._new([path.parent]).with_name(f"r{self.written}.txt"))

    def move(self, files: list[Path], folders: list[Path]) -> None:
        self.random.choice(files).rename(self._new(folders))

    def copy(self, files: list[Path], folders: list[Path]) -> None:
        shutil.copy(self.random.choice(files), self._new(folders))

    def delete(self, files: list[Path], folders: list[Path]) -> None:
        self.random.choice(files).unlink()

    def move_folder(self, files: list[Path], folders: list[Path]) -> None:
        path = self.random.choice(folders)
        path.rename(self.root / f"m{self.written}-{path.name}")
        self.written += 1


def follow_random_events(library: Library, folder: Path, seeds: range) -> None:
    library.watching.add(folder, "library")
    for seed in seeds:
        person = Person(folder, seed)
        for _ in range(person.random.randint(1, 6)):
            person.act()
            time.sleep(person.random.choice((0, 0, 0.03, 0.2)))
        in_step(library, folder)
    assert all(job.state == "done" for job in library.jobs.list() if job.finished_at)


def test_random_sequences_of_events(library: Library, folder: Path) -> None:
    follow_random_events(library, folder, range(15))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_random_sequences_of_events(library: Library, folder: Path) -> None:
    follow_random_events(library, folder, range(1_000))
