"""docs/trainer.md shows the code as it is, and names what is there."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from trainer.losses import autograd
from trainer.run import loop
from trainer.stages.pretrain import PairObjective

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "trainer.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shown",
    [loop.train, PairObjective.next_batch, PairObjective.loss, autograd.info_nce],
    ids=lambda f: f.__qualname__,
)
def test_the_code_is_shown_as_it_is(shown: object) -> None:
    source = textwrap.dedent(inspect.getsource(shown)).rstrip()  # type: ignore[arg-type]
    assert source in PAGE


def test_every_file_on_the_page_is_there() -> None:
    paths = re.findall(r"`(trainer/[\w/.]+)`", PAGE)
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "trainer").rglob("*.py"))
    names = re.findall(r"`([A-Za-z_]+)`", PAGE)
    assert [name for name in names if name not in code] == []
