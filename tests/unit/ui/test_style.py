"""What the style sheet must keep to, because of what Gradio does with it."""

import re

from ui.theme import STYLE

LISTS = re.compile(r":(?:not|has|is)\((?:[^()]|\([^()]*\))*,")


def test_no_selector_has_a_comma_in_brackets() -> None:
    """Gradio puts its own class after every comma, so that ``:not(:has(.a, .b))`` would no longer see ``.b``."""
    assert LISTS.search("#x:not(:has(.a, .b))") and not LISTS.search("#x:not(:has(.a)), #y")
    assert not LISTS.findall(STYLE.read_text("utf-8"))
