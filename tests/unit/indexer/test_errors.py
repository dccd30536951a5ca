"""One error means one thing."""

import ast
from collections.abc import Iterator
from pathlib import Path

from indexer import errors

PACKAGE = Path(errors.__file__).parent
OF_JOBS = ("library/jobs.py", "library/offers.py", "library/model_jobs.py")


def raised() -> Iterator[tuple[str, str, str]]:
    """Module, name and words of everything that is raised in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = getattr(node.exc.func, "id", "")
                yield path.relative_to(PACKAGE).as_posix(), name, ast.unparse(node.exc)


def test_being_asked_to_stop_is_one_error_and_nothing_else_is() -> None:
    assert not issubclass(errors.Cancelled, errors.JobError)
    found = list(raised())
    assert {name for _, name, words in found if "was cancelled" in words} == {"Cancelled"}
    assert all("cancelled" in words for _, name, words in found if name == "Cancelled")
    assert {module for module, name, _ in found if name == "JobError"} == set(OF_JOBS)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    assert all(one.__name__ in errors.__doc__ for one in classes) and len(classes) > 10
