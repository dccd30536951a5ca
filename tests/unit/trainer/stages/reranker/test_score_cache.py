"""The score cache: what it keeps, over crashes and processes, and how trouble is told."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import TrainingError
from trainer.stages.reranker.score_cache import KEYS_PER_QUESTION, ScoreCache, score_key

ROOT = Path(__file__).resolve().parents[4]


def keys(count: int) -> list[bytes]:
    return [score_key("contract", "query", f"passage {number}") for number in range(count)]


def test_scores_are_found_again_and_no_others(tmp_path: Path) -> None:
    expected = {key: number / 7 for number, key in enumerate(keys(3 * KEYS_PER_QUESTION))}
    with ScoreCache(tmp_path / "deep" / "cache.sqlite") as cache:
        assert cache.known(list(expected)) == {}
        cache.add(expected)
    with ScoreCache(tmp_path / "deep" / "cache.sqlite") as cache:
        assert cache.known([*expected, score_key("contract", "query", "new")]) == expected


def test_keys_tell_everything_apart() -> None:
    parts = [("c", "ab", "c"), ("c", "a", "bc"), ("ca", "b", "c"), ("c", "ab", "\ud800"), ("", "", "")]
    assert len({score_key(*part) for part in parts}) == len(parts)
    assert score_key("c", "q", "p") == score_key("c", "q", "p") and len(score_key("c", "q", "p")) == 16


def test_a_kill_in_the_middle_of_a_write_loses_that_write_alone(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ScoreCache(path) as cache:
        cache.add(dict.fromkeys(keys(2), 1.0))
    code = (
        "import os, signal, sqlite3\n"
        f"database = sqlite3.connect({str(path)!r})\n"
        "database.execute('PRAGMA cache_size = 10')\n"  # so that much is on the disk before the commit
        "rows = [(os.urandom(16), 2.0) for _ in range(100_000)]\n"
        "database.executemany('INSERT INTO scores VALUES (?, ?)', rows)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.stat().st_size > 1_000_000
    with ScoreCache(path) as cache:
        assert cache.known(keys(3)) == dict.fromkeys(keys(2), 1.0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM scores").fetchone() == (2,)


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ScoreCache(tmp_path / "cache.sqlite") as one, ScoreCache(tmp_path / "cache.sqlite") as other:
        first, second = keys(2)
        one.add({first: 1.0})
        other.add({second: 2.0})
        assert one.known(keys(2)) == other.known(keys(2)) == {first: 1.0, second: 2.0}


def test_another_file_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello " * 1000, encoding="utf8")
    with pytest.raises(TrainingError, match="is not a score cache"):
        ScoreCache(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text(encoding="utf8").startswith("hello")


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    with ScoreCache(tmp_path / "cache.sqlite") as cache:
        cache.add(dict.fromkeys(keys(2), 1.0))
        cache._database.execute("PRAGMA max_page_count = 3")  # sqlite's own way to say that no page is left
        with pytest.raises(TrainingError, match="database or disk is full"):
            cache.add({os.urandom(16): 1.0 for _ in range(2000)})
        assert cache.known(keys(2)) == dict.fromkeys(keys(2), 1.0)


def test_a_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(TrainingError, match="null"):
        ScoreCache(Path("/dev/null/cache.sqlite"))
