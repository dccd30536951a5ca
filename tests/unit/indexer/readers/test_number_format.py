"""Cells as a spreadsheet program shows them."""

import pytest

from indexer.readers.format_code import code_of
from indexer.readers.number_format import general, show_number, show_text


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"), (0.5, "0%", "50%"), (-0.125, "0.00%", "-12.50%"), (12.5, "0.00", "12.50"),
        (123, "00000", "00123"), (7, "000-00", "000-07"), (1234567.891, "#,##0", "1,234,568"), (1234.5, "#,##0.00", "1,234.50"),
        (2.5, "0", "3"), (0.125, "0.00", "0.13"), (1.005, "0.00", "1.01"), (0, "#", ""), (0, "#,##0", "0"), (5, "0.##", "5"),
        (5.5, "0.0#", "5.5"), (1234, '[$€-407]#,##0.00', "€1,234.00"), (12.5, '#,##0.00\\ [$€-1]', "12.50 €"), (3, '0" kg"', "3 kg"),
        (-3, '0" kg";[Red]-0" kg"', "-3 kg"), (-3, "0;(0)", "(3)"), (0, '0;-0;"none"', "none"), (5, '"x";;', "x"),
        (1234.5, '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\)', "$1,234.50"), (-8, '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\)', "$(8.00)"),
        (1500000, '0.0,,"M"', "1.5M"), (12000, "#,", "12"), (0.00012, "0.00E+00", "1.20E-04"), (12345, "##0.0E+0", "12.3E+3"),
        (1.25, "# ?/?", "1 1/4"), (0.333, "?/8", "3/8"), (150, '[>=100]"many";[<10]"few";0', "many"), (5, '[>=100]"many";[<10]"few";0', "few"),
        (50, '[>=100]"many";[<10]"few";0', "50"), (5551234567, "(000) 000-0000", "(555) 123-4567"), (-0.001, "0.00", "0.00"),
        (45356, "yyyy-mm-dd", "2024-03-05"), (45356, "yyyy-mm-dd hh:mm:ss", "2024-03-05"), (45356, "yyyy\\-mm\\-dd\\ h:mm", "2024-03-05"),
        (45356.5, "yyyy-mm-dd hh:mm:ss", "2024-03-05 12:00:00"), (45356, "dd/mm/yyyy", "05/03/2024 (2024-03-05)"), (45356, "d. mmmm yyyy", "5. March 2024 (2024-03-05)"),
        (45356, "[$-407]d. mmmm yyyy", "2024-03-05"), (45356, "[$-409]d-mmm-yy;@", "5-Mar-24 (2024-03-05)"), (45356, "dddd", "Tuesday"),
        (45356, '[$-411]yyyy"年"m"月"d"日"', "2024年3月5日 (2024-03-05)"), (45356, "[$-F800]dddd, mmmm dd, yyyy", "2024-03-05"), (45356, "dd.mm.yyyy", "05.03.2024 (2024-03-05)"),
        (0.5, "h:mm AM/PM", "12:00 PM"), (0.0, "h:mm AM/PM", "12:00 AM"), (0.78125, "h:mm", "18:45"), (1.5, "[h]:mm", "36:00"),
        (0.0104166667, "mm:ss", "15:00"), (45356.999999, "h:mm", "23:59"), (59, "yyyy-mm-dd", "1900-02-28"), (61, "yyyy-mm-dd", "1900-03-01"),
        (-1, "yyyy-mm-dd", "-1"), (1e300, "yyyy", "1E+300"), (3, "General", "3"), (3, 'General" m"', "3 m"), (5, ";;;", ""), (12, "@", "12"), (-2.5, "@", "-2.5"), (7, '@" kg"', "7 kg"), (1234567890123, "@", "1234567890123"),
    ],
)  # fmt: skip
def test_a_number_is_shown_in_its_format(value: float, code: str, shown: str) -> None:
    assert show_number(value, code) == shown


def test_the_calendar_of_1904() -> None:
    assert show_number(0, "yyyy-mm-dd", since_1904=True) == "1904-01-01"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333"),
        (4006381333931, "4006381333931"),
        (12345.678901234, "12345.6789"),
        (1e20, "1E+20"),
        (-2.50, "-2.5"),
        (0.00001, "1E-05"),
    ],
)
def test_a_number_without_format(value: float, shown: str) -> None:
    assert general(value) == shown


def test_texts_and_ids() -> None:
    assert (
        show_text("12", '@" pieces"') == "12 pieces"
        and show_text("a", "0.00") == "a"
        and show_text("a", "General;@") == "a"
    )
    assert (
        code_of(10, {}) == "0.00%"
        and code_of(164, {164: "0.000"}) == "0.000"
        and code_of(9999, {}) == "General"
    )


@pytest.mark.parametrize(
    "code",
    [
        "[",
        '"',
        "\\",
        "_",
        "*",
        "[$",
        "0/0",
        "?/0",
        "E+",
        "0E+",
        ".",
        ",",
        "0" * 2000,
        "[h",
        "@;@;@;@;@",
        "m",
        "s.000",
        "ggge",
        "//",
        "[>x]0",
        "%",
        "0.0.0",
    ],
)
def test_nonsense_is_no_error(code: str) -> None:
    for value in (0, -1.5, 1e10, 3.25, 45356.25):
        assert isinstance(show_number(value, code), str)
    assert isinstance(show_text("x", code), str)
