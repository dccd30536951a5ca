"""Who is answered: real requests to a running page, under its own names and under others."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from ui.errors import LaunchError
from ui.origins import Served, parse_allowed
from ui.serve import Address, check_address, launch_options
from ui.services.library import Services

pytestmark = pytest.mark.filterwarnings("default")

EVIL = "evil.example"
PATHS = ("/", "/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x", "/theme.css")
CHANGING = (
    "/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/call/collections", "/gradio_api/run/jobs",
    "/gradio_api/cancel", "/gradio_api/reset", "/login", "/gradio_api/call/v2/collections",
)  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(services: Services, host: str = "127.0.0.1", *names: str) -> Iterator[int]:
    from ui.build import build

    port = free_port()
    page = build(services)
    try:
        address = Address(host, port, allow_hosts=names)
        page.launch(**launch_options(services.data_dir, address, {}, services.metrics))
        yield port
    finally:
        page.close()


@pytest.fixture
def port(services: Services) -> Iterator[int]:
    with served(services) as port:
        yield port


def test_a_name_pointed_at_this_machine_reads_nothing(port: int) -> None:
    hosts = (EVIL, f"{EVIL}:{port}", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.7", "[::2]")
    for path, host in product(PATHS, hosts):
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
        assert answer.status_code == 403, (path, host)
        assert "--allow-host" in answer.text


def test_pages_of_others_change_nothing(port: int) -> None:
    page = f"http://127.0.0.1:{port}"
    origins = (
        f"http://{EVIL}", f"http://{EVIL}:{port}", "null", f"http://127.0.0.1:{port + 1}", "http://localhost",
        f"ftp://127.0.0.1:{port}", f"http://127.0.0.1:{port}.evil.example", "",
    )  # fmt: skip
    for path in CHANGING:
        for origin in origins:
            answer = httpx.post(f"{page}{path}", headers={"Origin": origin}, json={})
            assert answer.status_code == 403, (path, origin)
        own = httpx.post(f"{page}{path}", headers={"Origin": page}, json={})
        assert own.status_code != 403, path


def test_uploads_from_elsewhere_leave_no_file(services: Services, port: int) -> None:
    url = f"http://127.0.0.1:{port}/gradio_api/upload"
    files = {"files": ("a.txt", b"text")}
    assert httpx.post(url, files=files, headers={"Origin": f"http://{EVIL}"}).status_code == 403
    assert httpx.post(url, files=files, headers={"Host": EVIL}).status_code == 403
    assert httpx.post(url, files=files).status_code == 200  # as curl sends it
    own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"}
    assert httpx.post(url, files=files, headers=own).status_code == 200


def test_scripts_of_other_pages_read_no_answers_either(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/config", headers={"Origin": f"http://{EVIL}"})
    assert answer.status_code == 403


def test_loopback_names_are_answered_on_any_port(port: int) -> None:
    names = ("localhost", "LocalHost.", "127.0.0.1", "127.9.9.9", "[::1]")
    for name, end in product(names, ("", f":{port}", ":8080")):  # the last is the end of a tunnel
        host = f"{name}{end}"
        headers = {"Host": host, "Origin": f"http://{host}"}
        assert httpx.get(f"http://127.0.0.1:{port}/config", headers=headers).status_code == 200, host


def test_a_request_without_a_name_or_with_two_is_refused(port: int) -> None:
    for lines in ("", "Host: localhost\r\nHost: evil.example\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(f"GET /config HTTP/1.0\r\n{lines}\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.split(b"\r\n")[0].split()[1] in (b"400", b"403")


def test_programs_are_answered_as_ever(
    services: Services, fake_library: Any, tmp_path: Path, port: int
) -> None:
    from gradio_client import Client, handle_file

    file = tmp_path / "a.txt"
    file.write_text("text")
    for host in ("127.0.0.1", "localhost"):
        client = Client(f"http://{host}:{port}", verbose=False)
        assert client.predict("bees", api_name="/search")["hits"]
        client.predict([handle_file(file)], "library", api_name="/add")
        client.close()
    assert len(fake_library.jobs.submitted) == 2


def test_a_page_on_ipv6_answers_to_its_address(services: Services) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(services, "::1") as port:
        url = f"http://[::1]:{port}"
        own = httpx.post(f"{url}/gradio_api/call/collections", json={"data": []}, headers={"Origin": url})
        assert own.status_code == 200
        assert httpx.get(f"{url}/config", headers={"Host": EVIL}).status_code == 403


def test_names_of_a_proxy_are_answered_when_they_are_allowed(services: Services) -> None:
    with served(services, "127.0.0.1", "Search.example.org", "other.example:8443") as port:
        url = f"http://127.0.0.1:{port}/gradio_api/call/collections"

        def status(host: str, origin: str) -> int:
            return httpx.post(url, json={"data": []}, headers={"Host": host, "Origin": origin}).status_code

        assert status("search.example.org", "https://search.example.org") == 200
        assert status(f"127.0.0.1:{port}", "https://search.example.org") == 200  # the proxy put its own Host
        assert status("other.example", "https://other.example:8443") == 200
        assert status("search.example.org", f"https://{EVIL}") == 403
        assert status(f"127.0.0.1:{port}", "https://other.example") == 403
        assert status("sub.search.example.org", "https://sub.search.example.org") == 403


def test_a_page_on_all_addresses_answers_to_addresses_and_names_of_the_machine() -> None:
    page = Served("0.0.0.0", 7860)
    assert page.answers_to("192.168.1.5:7860") and page.answers_to(f"{socket.gethostname()}:7860")
    assert not page.answers_to(f"{EVIL}:7860")
    assert Served("me5.example", 80).answers_to("ME5.example") and not Served("me5.example", 80).answers_to(
        EVIL
    )


@pytest.mark.parametrize("name", ["https://search.example.org", "a/b", "", "*", "a b", "name:port"])
def test_names_that_are_none_are_refused_before_anything_is_opened(name: str) -> None:
    with pytest.raises(LaunchError, match="--allow-host"):
        check_address(Address(port=free_port(), allow_hosts=(name,)))


def test_addresses_may_be_allowed_too() -> None:
    assert parse_allowed(["::1", "[::2]:80", "10.0.0.7"]) == (("::1", None), ("::2", 80), ("10.0.0.7", None))
