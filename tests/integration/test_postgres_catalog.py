"""What the catalog's tests hold of SQLite holds of PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import find_programs, server

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    find_programs() is None or not hasattr(os, "getuid"), reason="PostgreSQL is not installed"
)
def test_the_catalog_does_the_same_in_postgresql() -> None:
    programs = find_programs()
    assert programs is not None
    command = [sys.executable, "-m", "pytest", "-q", "-k", "postgresql"]
    command.append("tests/unit/indexer/catalog")
    with server(programs) as address:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": address},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
