"""The package as a whole."""

import subprocess
import sys

from indexer.store.edge.client import child_environment


def test_importing_the_package_loads_no_engine() -> None:
    program = "import indexer.store, indexer.store.protocol, sys; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", program], env=child_environment(), capture_output=True, text=True, check=True
    )
    assert not {"qdrant_edge", "qdrant_client"} & set(out.stdout.split())
