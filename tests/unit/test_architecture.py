"""Who may import whom (docs: packages depend one way), read from the syntax trees."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("me5", "indexer", "trainer", "ui")
MAY_IMPORT = {
    "me5": set(),
    "indexer": {"me5"},
    "trainer": {"me5"},
    "ui": {"me5", "indexer", "trainer"},
    "app": {"me5", "indexer", "trainer", "ui"},
}
# Library -> path prefixes of the modules that may import it.
HOMES = {
    "torch": ("me5/", "trainer/"),
    "transformers": ("me5/", "trainer/"),
    "openvino": ("me5/",),
    "tokenizers": ("me5/", "trainer/"),
    "qdrant_client": ("indexer/store/",),
    "qdrant_edge": ("indexer/store/",),
    "sqlalchemy": ("indexer/catalog/",),
    "alembic": ("indexer/catalog/",),
    "gradio": ("ui/", "app.py"),
}
# Slow to import: at the top only in modules that are themselves imported when needed.
LAZY = {
    "torch",
    "transformers",
    "openvino",
    "gradio",
    "qdrant_client",
    "qdrant_edge",
    "pypdfium2",
    "py3langid",
}
MAY_BE_SLOW = ("trainer/", "ui/", "indexer/store/")


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [*found, *(path for path in [ROOT / "app.py"] if path.is_file())]


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top package and line of every absolute import below a node, type-checking blocks left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0], node.lineno
        yield from imported(node)


def broken_rules(name: str, source: str) -> list[str]:
    """What a module does against the rules; ``name`` is its path from the root, with slashes."""
    tree = ast.parse(source)
    home = name.split("/", maxsplit=1)[0].removesuffix(".py")
    problems = []
    for library, line in imported(tree):
        if library in MAY_IMPORT and library != home and library not in MAY_IMPORT[home]:
            problems.append(f"{name}:{line} imports {library}, which {home} may not")
        if library in HOMES and not name.startswith(HOMES[library]):
            problems.append(f"{name}:{line} imports {library}, whose home is {HOMES[library]}")
    top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    if not name.startswith(MAY_BE_SLOW):
        problems += [f"{name}:{line} imports {lib} at the top" for lib, line in imported(top) if lib in LAZY]
    return problems


def test_the_tree_keeps_the_rules() -> None:
    found = modules()
    assert len(found) > 10
    problems = [
        problem
        for path in found
        for problem in broken_rules(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("me5/x.py", "from indexer.types import Block"),
        ("indexer/x.py", "def f():\n    import trainer.runs.loop"),
        ("trainer/x.py", "import ui"),
        ("ui/x.py", "def f():\n    from qdrant_client import QdrantClient"),
        ("ui/x.py", "def f():\n    import torch"),
        ("indexer/search/search.py", "import sqlalchemy.orm"),
        ("me5/x.py", "import torch"),
        ("me5/x.py", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        ("me5/x.py", "if True:\n    import app"),
        ("ui/x.py", "from app import main"),
    ],
)
def test_a_broken_rule_is_seen(name: str, source: str) -> None:
    assert broken_rules(name, source)


def test_allowed_imports_pass() -> None:
    allowed = "from typing import TYPE_CHECKING\nimport me5\nif TYPE_CHECKING:\n    import torch\n"
    assert not broken_rules("indexer/x.py", allowed)
    assert not broken_rules("me5/engines/x.py", "def f():\n    import torch")
    assert not broken_rules("indexer/store/edge/store.py", "def f():\n    import qdrant_edge")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("me5", LAZY | {"numpy"}),
        ("app", LAZY | {"sqlalchemy"}),
        ("indexer.cli.common", LAZY | {"sqlalchemy"}),
    ],
)
def test_importing_what_a_command_imports_is_light(module: str, heavy: set[str]) -> None:
    if not list(ROOT.glob(module.replace(".", "/") + "*")):
        pytest.skip(f"{module} is not written yet")
    program = (
        f"import sys, {module}; found = {heavy} & set(sys.modules); sys.exit(str(found) if found else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
