"""Signals as wishes, in a process of their own: a test run has libraries loaded that handle signals too."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def test_signals_are_wishes() -> None:
    inside = ROOT / "tests" / "support" / "signals_to_itself.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(inside)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
