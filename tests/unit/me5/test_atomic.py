"""Files and folders that are replaced at once: an error or a kill at any step leaves the old or the new."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from me5 import atomic

ROOT = Path(__file__).resolve().parents[3]
POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")

KILLED = """
import os, sys
from pathlib import Path
from me5 import atomic

steps = int(sys.argv[2])

def dying(real):
    def call(*args, **kwargs):
        global steps
        if steps == 0:
            os._exit(9)
        steps -= 1
        return real(*args, **kwargs)
    return call

for name in ("open", "write", "fsync", "replace", "rename", "rmdir", "unlink", "chmod"):
    setattr(os, name, dying(getattr(os, name)))
place = Path(sys.argv[1])
if sys.argv[3] == "file":
    atomic.write(place, "new" * 1000)
elif sys.argv[3] == "files":
    with atomic.replacing_all((place, place.with_name("second"))) as asides:
        for aside in asides:
            aside.write_text("new" * 1000)
else:
    with atomic.replacing_folder(place, exist_ok=True) as folder:
        for name in "ab":
            (folder / name).write_text("new" * 1000)
"""


def content(place: Path) -> Any:
    if place.is_dir():
        return {path.name: path.read_text() for path in place.iterdir()}
    return place.read_text()


def killed_at_every_step(place: Path, kind: str, reset: Callable[[], None]) -> Iterator[Any]:
    """What stands there after a kill before step 0, 1, 2, … until the work is done."""
    for step in range(100):
        reset()
        command = [sys.executable, "-c", KILLED, str(place), str(step), kind]
        code = subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode
        yield content(place) if place.exists() else None
        atomic.remove_leftovers(place.parent)
        assert {path.name for path in place.parent.iterdir()} <= {place.name, "second"}
        if code == 0:
            return
        assert code == 9
    raise AssertionError("it never ended")


def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    seen = list(killed_at_every_step(place, "file", lambda: place.write_text("old") and None))
    assert set(seen) == {"old", "new" * 1000} and seen[0] == "old" and len(seen) > 4


def test_a_kill_leaves_no_file_or_a_whole_one_where_there_was_none(tmp_path: Path) -> None:
    place = tmp_path / "state.json"
    seen = list(killed_at_every_step(place, "file", lambda: place.unlink(missing_ok=True)))
    assert set(seen) == {None, "new" * 1000}


def test_a_kill_leaves_both_of_two_files_whole(tmp_path: Path) -> None:
    place, second = tmp_path / "first", tmp_path / "second"

    def reset() -> None:
        place.write_text("old")
        second.write_text("old")

    for found in killed_at_every_step(place, "files", reset):
        assert {found, content(second)} <= {"old", "new" * 1000}


def test_a_kill_never_leaves_half_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "model"
    old, new = {"a": "old"}, {"a": "new" * 1000, "b": "new" * 1000}

    def reset() -> None:
        for path in place.iterdir() if place.exists() else ():
            path.unlink()
        place.mkdir(exist_ok=True)
        (place / "a").write_text("old")

    seen = list(killed_at_every_step(place, "folder", reset))
    assert all(found in (None, old, new) for found in seen) and seen[0] == old and seen[-1] == new


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_step_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    place = tmp_path / "list.txt"
    place.write_text("old")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, step, fail)
    with pytest.raises(OSError) as found:
        atomic.write(place, "new")
    monkeypatch.undo()
    assert found.value.errno == number
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_of_the_writer_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    place = tmp_path / "list.txt"
    place.write_text("old")
    with pytest.raises(error), atomic.replacing(place) as aside:
        aside.write_text("half of the new")
        raise error
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]


def test_no_file_is_replaced_before_all_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.write_text("old")
    real, calls = os.fsync, []

    def fail_later(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(atomic.os, "fsync", fail_later)
    with pytest.raises(OSError, match="No space"), atomic.replacing_all(places) as asides:
        for aside in asides:
            aside.write_text("new")
    assert [place.read_text() for place in places] == ["old", "old"]


def test_a_folder_that_cannot_take_its_place_gives_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "a").write_text("old")
    real = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if target == place and self.parent != tmp_path:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input"), atomic.replacing_folder(place, exist_ok=True) as folder:
        (folder / "a").write_text("new")
    assert content(place) == {"a": "old"} and list(tmp_path.iterdir()) == [place]


def test_a_folder_with_something_in_it_is_replaced_on_request_only(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "model"
    with atomic.replacing_folder(place) as folder:
        assert folder.name == place.name and not place.exists()
    with atomic.replacing_folder(place) as folder:  # empty
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("first")
    with pytest.raises(FileExistsError), atomic.replacing_folder(place) as folder:
        (folder / "b").write_text("second")
    assert (place / "sub" / "a").read_text() == "first"
    with atomic.replacing_folder(place, exist_ok=True) as folder:
        (folder / "b").write_text("third")
    assert content(place) == {"b": "third"} and list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("is_durable", [True, False])
def test_only_what_is_durable_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    flushed: list[tuple[int, int]] = []

    def note(handle: int) -> None:
        flushed.append((os.fstat(handle).st_ino, os.fstat(handle).st_size))

    monkeypatch.setattr(atomic.os, "fsync", note)
    atomic.write(tmp_path / "a", b"12345", durable=is_durable)
    file, folder = (tmp_path / "a").stat().st_ino, tmp_path.stat().st_ino
    if not is_durable:
        assert flushed == []
    elif os.name != "nt":
        assert flushed[0] == (file, 5) and [number for number, _ in flushed] == [file, folder]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, "fsync", refuse)
    atomic.write(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


@POSIX
def test_private_files_are_private_from_the_first_byte(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "token", mode=0o600) as aside:
        assert aside.stat().st_mode & 0o777 == 0o600
        aside.write_text("secret")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_permissions_of_the_old_file_stay(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "list.txt"
    place.write_text("old")
    place.chmod(mode)
    with atomic.replacing(place) as aside:
        assert aside.stat().st_mode & 0o077 == 0
        aside.write_text("new")
    assert place.stat().st_mode & 0o777 == mode and place.read_text() == "new"


@POSIX
def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("as anybody writes it")
    atomic.write(tmp_path / "ours", "new")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@POSIX
def test_devices_and_folders_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OSError, match="not a file"):
            atomic.write(tmp_path / name, "new")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "a.npz", "no suffix", "\u202e.txt", "line\nend"])
def test_any_name_that_a_file_may_have_can_be_written(tmp_path: Path, name: str) -> None:
    if os.name == "nt" and "\n" in name:
        pytest.skip("no name on Windows")
    place = tmp_path / name
    with atomic.replacing(place) as aside:
        assert atomic.leftovers(tmp_path) == [aside]
        aside.write_bytes(b"new")
    assert place.read_bytes() == b"new" and list(tmp_path.iterdir()) == [place]


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    place = tmp_path / "state"
    texts = [str(number) * 50_000 for number in range(8)]
    seen = set()

    def write(text: str) -> None:
        for _ in range(5):
            atomic.write(place, text, durable=False)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if place.exists():
            seen.add(place.read_text())
    assert seen | {place.read_text()} <= set(texts) and list(tmp_path.iterdir()) == [place]


def test_only_leftovers_are_removed_and_what_others_may_be_writing_stays(tmp_path: Path) -> None:
    for name in ("a.part", ".part", ".a.part", "film.12-0badcafe.part", ".git", ".a.1-0badcafe.parts"):
        (tmp_path / name).write_text("of the user")
    before = set(tmp_path.iterdir())
    old, new, folder = (atomic.name_aside(tmp_path / name) for name in ("old", "new", "folder"))
    old.write_text("half")
    new.write_text("half")
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_text("half, and growing")
    day_ago = time.time() - atomic.IDLE_S - 60
    for path in (old, folder, folder / "model"):
        os.utime(path, (day_ago, day_ago))
    atomic.remove_leftovers(tmp_path, idle_s=atomic.IDLE_S)
    assert set(tmp_path.iterdir()) == before | {new, folder}
    atomic.remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == before
    atomic.remove_leftovers(tmp_path / "missing")
