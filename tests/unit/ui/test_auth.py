"""Logins."""

import asyncio
from pathlib import Path

import pytest

from ui import auth
from ui.errors import LaunchError


def test_hashes_are_salted_and_verify() -> None:
    first, second = (auth.hash_password("correct horse", iterations=1000) for _ in range(2))
    assert first != second
    assert auth.verify_password("correct horse", first)
    assert not auth.verify_password("wrong horse", first)


@pytest.mark.parametrize("stored", ["", "pbkdf2_sha256$x", "pbkdf2_sha256$a$b$c", "plain"])
def test_damaged_hashes_let_nobody_in(stored: str) -> None:
    assert not auth.verify_password(stored, stored)


def test_plain_and_hashed_lines(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(
        f"# people\nana:plain:password\nben:{auth.hash_password('sesame seeds', iterations=1000)}\n\n"
    )
    may_enter = auth.checker(auth.read_auth_file(path))
    answers = [
        asyncio.run(may_enter(user, password))
        for user, password in (
            ("ana", "plain:password"),
            ("ben", "sesame seeds"),
            ("ana", "x"),
            ("eve", "plain:password"),
        )
    ]
    assert answers == [True, True, False, False]


@pytest.mark.parametrize("content", ["", "# only\n", "ana\n", "ana:short\n", ":password1\n"])
def test_bad_files_are_explained(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users"
    path.write_text(content)
    with pytest.raises(LaunchError, match="user:password"):
        auth.read_auth_file(path)


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="cannot be read"):
        auth.read_auth_file(tmp_path / "none")


def test_the_helper_prints_a_line_that_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda _: "open sesame")
    assert auth.main(["ana"]) == 0
    path = tmp_path / "users"
    path.write_text(capsys.readouterr().out)
    assert asyncio.run(auth.checker(auth.read_auth_file(path))("ana", "open sesame"))
    monkeypatch.setattr("getpass.getpass", lambda _: "short")
    assert auth.main(["ana"]) == 1
