"""What is checked before anything is opened, and what is prepared after."""

import socket
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ui.errors import LaunchError
from ui.origins import is_loopback
from ui.serve import Address, _warm, check_address, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST."])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_public_addresses_need_logins(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(LaunchError, match="--auth-file"):
        check_address(Address(host, 0))


def test_public_address_with_logins_is_fine(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("ana:password1\n")
    assert check_address(Address("0.0.0.0", 0, users)) == {"ana": "password1"}


def test_a_taken_port_is_named_before_the_library_is_opened(tmp_path: Path) -> None:
    def never() -> NoReturn:
        raise AssertionError("the library was opened")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"Port {port} .*--port"):
            serve(never, tmp_path, Address(port=port))


def test_impossible_ports_are_refused() -> None:
    with pytest.raises(LaunchError, match="--port"):
        check_address(Address(port=99999))


def test_every_collection_is_prepared_even_if_one_cannot_be(
    fake_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[str] = []

    def warm(name: str) -> None:
        warmed.append(name)
        raise RuntimeError("damaged")

    monkeypatch.setattr(fake_library, "warm", warm, raising=False)
    fake_library.names = ["library", "papers"]
    _warm(fake_library, threading.Event())
    assert warmed == ["library", "papers"]
