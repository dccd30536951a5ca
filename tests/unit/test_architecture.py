"""Who may import whom, read from the syntax trees: one way between packages, no circle inside one."""

import ast
import subprocess
import sys
from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
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


def imported(tree: ast.AST, *, also_typing: bool = False) -> Iterator[tuple[str, int]]:
    """Dotted name and line of every absolute import below a node; of ``from a import b`` it is ``a.b``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not also_typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        yield from imported(node, also_typing=also_typing)


def packages(tree: ast.AST, *, also_typing: bool = False) -> Iterator[tuple[str, int]]:
    """Top package and line of every absolute import below a node."""
    return ((name.split(".")[0], line) for name, line in imported(tree, also_typing=also_typing))


def broken_rules(name: str, source: str) -> list[str]:
    """What a module does against the rules; ``name`` is its path from the root, with slashes."""
    tree = ast.parse(source)
    home = name.split("/", maxsplit=1)[0].removesuffix(".py")
    problems = []
    for library, line in packages(tree, also_typing=True):
        if library in MAY_IMPORT and library != home and library not in MAY_IMPORT[home]:
            problems.append(f"{name}:{line} imports {library}, which {home} may not")
    for library, line in packages(tree):
        if library in HOMES and not name.startswith(HOMES[library]):
            problems.append(f"{name}:{line} imports {library}, whose home is {HOMES[library]}")
    problems += [
        f"{name}:{node.lineno} imports by a relative name, which these rules do not follow"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)], [])
    if not name.startswith(MAY_BE_SLOW):
        problems += [f"{name}:{line} imports {lib} at the top" for lib, line in packages(top) if lib in LAZY]
    return problems


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """What each module imports, anywhere in it and for types too; ``sources`` by dotted name."""
    return {
        name: {
            module
            for full, _ in imported(ast.parse(source), also_typing=True)
            for module in modules_run(full, name, sources)
        }
        for name, source in sources.items()
    }


def modules_run(full: str, importer: str, known: Container[str]) -> Iterator[str]:
    """The modules among ``known`` that an import needs: its own, and packages above that are entered by it."""
    module = full if full in known else full.rpartition(".")[0]  # else a name in a module
    if module in known and module != importer:
        yield module
    package = module.rpartition(".")[0]
    while package:
        if package in known and not f"{importer}.".startswith(f"{package}."):
            yield package
        package = package.rpartition(".")[0]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, the first one again at the end; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_the_tree_keeps_the_rules() -> None:
    found = modules()
    assert len(found) > 10
    problems = [
        problem
        for path in found
        for problem in broken_rules(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n".join(problems)


def test_no_modules_import_each_other_in_a_ring() -> None:
    graph = import_graph({dotted(path): path.read_text(encoding="utf-8") for path in modules()})
    assert sum(map(len, graph.values())) > 100
    assert not circle(graph), " -> ".join(circle(graph))


@pytest.mark.parametrize(
    "sources",
    [
        {"a.x": "import a.y", "a.y": "from a.x import f"},
        {"a.x": "from a import y", "a.y": "def f():\n    from a import x"},
        {"a.x": "from a.y import f", "a.y": "from a.z import g", "a.z": "import a.x"},
        {"a.x": "if TYPE_CHECKING:\n    from a.y import Y", "a.y": "from a.x import X"},
        {"a.p": "from a.p.x import f", "a.p.x": "from a.p import LIMIT"},
        {"a.x": "from a.p.y import f", "a.p": "from a.x import g", "a.p.y": ""},  # a.p runs before a.p.y
    ],
)
def test_a_ring_is_seen(sources: dict[str, str]) -> None:
    assert len(circle(import_graph(sources))) > 2


def test_what_is_no_ring_passes() -> None:
    sources = {"a": "", "a.x": "from a import y", "a.y": "import b.z", "b.z": "", "b": "from b.z import f"}
    assert not circle(import_graph(sources))
    inside = {"a.p": "from a.p.x import f", "a.p.x": "from a.p.y import g", "a.p.y": ""}
    assert not circle(import_graph(inside))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("me5/x.py", "from indexer.types import Block"),
        ("indexer/x.py", "def f():\n    import trainer.run.loop"),
        ("trainer/x.py", "import ui"),
        ("ui/x.py", "def f():\n    from qdrant_client import QdrantClient"),
        ("ui/x.py", "def f():\n    import torch"),
        ("indexer/search/search.py", "import sqlalchemy.orm"),
        ("me5/x.py", "import torch"),
        ("me5/x.py", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
        ("me5/x.py", "if True:\n    import app"),
        ("ui/x.py", "from app import main"),
        ("ui/x.py", "def f():\n    from . import y"),
        ("me5/x.py", "if TYPE_CHECKING:\n    from indexer.types import Hit"),
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
        ("indexer", LAZY | {"numpy", "sqlalchemy"}),
        ("app", LAZY | {"sqlalchemy"}),
        ("indexer.cli.common", LAZY | {"sqlalchemy"}),
        ("indexer.cli.documents", LAZY | {"sqlalchemy"}),
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
