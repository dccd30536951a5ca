"""What the options of the tab Parallel text come to."""

from typing import Any

import pytest

from ui.errors import UiError
from ui.tabs.parallel_form import request_from, to_code

SETTINGS = ("builtin", "", "ratio", "max", True, True, "", "")
READING = ("rules", 0, 0)


def test_options_that_nobody_touched_take_every_sentence() -> None:
    found = request_from(SETTINGS, READING)
    assert (found.segmenter, found.sample, found.seed) == ("rules", None, 0)
    assert (found.threshold, found.languages, found.aligned) == (None, ("und", "und"), False)


@pytest.mark.parametrize(
    ("reading", "wanted"), [(("icu", 500, 7), ("icu", 500, 7)), ((None,) * 3, ("rules", None, 0))]
)
def test_a_quick_look_and_a_segmenter(reading: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
    found = request_from(SETTINGS, reading)
    assert (found.segmenter, found.sample, found.seed) == wanted


def test_a_line_is_a_number_with_point_or_comma() -> None:
    said = list(SETTINGS)
    said[1] = "1,06"
    assert request_from(tuple(said), READING).threshold == 1.06
    for wrong in ("high", "nan", "1e9"):
        said[1] = wrong
        with pytest.raises(UiError, match=f"The threshold is '{wrong}'"):
            request_from(tuple(said), READING)


def test_a_language_is_a_code_or_nothing() -> None:
    assert (to_code(" zh-Hant "), to_code(None), to_code("PT_br")) == ("zh-Hant", "und", "pt-BR")
    for wrong in ("German please", "german", "x-own", "d"):
        with pytest.raises(UiError, match="Expected a code such as de"):
            to_code(wrong)
