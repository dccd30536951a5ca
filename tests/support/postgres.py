"""A PostgreSQL server of its own for tests: a new cluster in a temporary folder, on a free port of loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_programs() -> Path | None:
    """The folder of initdb and postgres, or None where they are not installed."""
    folders = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """The address of an empty database; the server ends with the block.

    PostgreSQL does not run as root: then the user ``postgres`` or ``nobody`` runs it.
    """
    folder = Path(tempfile.mkdtemp(prefix="me5-postgres-"))
    user = _user() if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = folder / "cluster"
    made = [programs / "initdb", "-D", cluster, "-U", "me5", "-A", "trust", "-E", "UTF8", "--no-sync"]
    try:
        subprocess.run(made, user=user, cwd=folder, check=True, capture_output=True)
        options = ("fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}")
        command = [programs / "postgres", "-D", cluster, "-p", str(port)]
        for option in options:
            command += ["-c", option]
        process = subprocess.Popen(
            command, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address = f"postgresql://me5@127.0.0.1:{port}/postgres"
            _wait_for(address, process)
            yield address
        finally:
            process.terminate()  # "smart" would wait for clients that forgot to leave
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL ended at its start"
            time.sleep(0.1)
            continue
        return
    raise AssertionError("PostgreSQL does not answer")
