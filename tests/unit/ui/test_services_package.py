"""``ui.services`` is what page, endpoints and terminal may do: it needs no page."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import ui.services

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(module.name for module in pkgutil.iter_modules(ui.services.__path__))


def imported(code: str) -> set[str]:
    """The packages that are loaded after ``code``."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_each_subject_has_its_module() -> None:
    subjects = {"library", "search", "parallel", "training", "evaluation", "models", "access", "jobs"}
    assert subjects <= set(MODULES)


def test_services_import_no_gradio() -> None:
    found = imported("\n".join(f"import ui.services.{name}" for name in MODULES))
    assert "gradio" not in found and "indexer" in found
    assert "gradio" in imported("import ui.tabs.library")  # the look would show it
