"""docs/architecture.md: every folder is on it, and what it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = re.findall(r"^\| `([\w/]+)/` \|", PAGE, re.MULTILINE)


def test_every_folder_of_a_package_has_its_line() -> None:
    packages = [
        path for top in ("me5", "indexer", "trainer", "ui") for path in (ROOT / top).rglob("__init__.py")
    ]
    folders = {path.parent.relative_to(ROOT).as_posix() for path in packages}
    inside = {"indexer/text/language"}  # named with the folder around them
    assert sorted(folders - inside) == sorted(FOLDERS)


def test_every_path_on_the_page_is_there() -> None:
    paths = re.findall(r"`((?:me5|indexer|trainer|ui|tests|docs)/[\w./]*)`", PAGE)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_name_on_the_page_is_in_the_code() -> None:
    names = set(re.findall(r"`(_?[A-Za-z]\w+)(?:\([^`]*)?`", PAGE)) - {"sqlalchemy", "gradio"}
    assert {"OpenCollection", "VectorStore", "job_kinds"} <= names
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for top in ("me5", "indexer", "trainer", "ui", "tests/integration/test_store")
        for path in (ROOT / top).rglob("*.py")
    )
    code += (ROOT / "app.py").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == []
