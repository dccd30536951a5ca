"""The files for containers name only what the program has: options, variables, paths, ports."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import app

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
OURS = ("page", "worker")


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_everything_that_is_copied_is_there_and_all_packages_are_copied() -> None:
    copied = [source for line in instructions("COPY") for source in shlex.split(line)[:-1]]
    assert [source for source in copied if not (ROOT / source).exists()] == []
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "research"}
    assert packages <= set(copied)


def test_it_runs_as_an_ordinary_user_and_with_the_pinned_versions() -> None:
    assert instructions("USER") == ["me5"]
    installs = [part for line in instructions("RUN") for part in line.split("&&") if "pip install" in part]
    assert installs and all("--constraint constraints.txt" in part for part in installs)


@pytest.mark.parametrize("service", OURS)
def test_commands_are_understood(service: str) -> None:
    words = [re.sub(r"\$\{\w+\}", "secret", word) for word in COMPOSE["services"][service]["command"]]
    args = app.build_parser().parse_args(words)
    assert args.database_url == "postgresql://me5:secret@database/me5"
    assert args.qdrant_url == "http://vectors:6333"
    for url, port in ((args.qdrant_url, None), (args.database_url, None)):
        host = re.sub(r".*[/@]([\w-]+)(:\d+)?(/.*)?$", r"\1", url.removesuffix("/me5"))
        assert host in COMPOSE["services"], (url, port)


def test_the_image_starts_by_itself() -> None:
    command = yaml.safe_load(instructions("CMD")[0])
    args = app.build_parser().parse_args(command)
    assert args.host == "0.0.0.0" and args.auth_file == Path("/run/secrets/users")


def test_variables_are_read_by_the_program() -> None:
    code = "".join(path.read_text() for path in (ROOT / "indexer").rglob("*.py"))
    ours = re.findall(r"(ME5_\w+)=", DOCKERFILE)
    assert {"ME5_DATA", "ME5_FILES"} <= set(ours)
    for service in OURS:
        ours += list(COMPOSE["services"][service]["environment"])
    assert [name for name in ours if f'"{name}"' not in code] == []


def test_volumes_are_where_the_program_writes() -> None:
    folders = dict(re.findall(r"(ME5_DATA|ME5_FILES)=(\S+)", DOCKERFILE))
    for service in OURS:
        mounted = dict(reversed(volume.split(":")) for volume in COMPOSE["services"][service]["volumes"])
        assert set(folders.values()) == set(mounted)
        assert set(mounted.values()) <= set(COMPOSE["volumes"])
    shared = [COMPOSE["services"][service]["volumes"] for service in OURS]
    assert "files:/files" in shared[0] and "files:/files" in shared[1]
    assert shared[0][0] != shared[1][0]  # each machine has a data folder of its own


def test_the_page_is_asked_for_its_health_where_it_listens() -> None:
    page = COMPOSE["services"]["page"]
    port = app.build_parser().parse_args(["serve"]).port
    assert f":{port}/health" in page["healthcheck"]["test"][-1]
    assert page["ports"] == [f"127.0.0.1:{port}:{port}"] and instructions("EXPOSE") == [str(port)]


def test_no_password_has_a_default() -> None:
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    for name in ("POSTGRES_PASSWORD", "QDRANT_API_KEY"):
        assert f"${{{name}:?" in text
    assert not re.search(r"\$\{\w+:-", text)
