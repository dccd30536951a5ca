"""Charts: round ticks, nothing outside the box, peaks kept, everything escaped."""

import json
import re
from html import unescape

import pytest

from ui.charts import MAX_POINTS, Series, chart, short, smoothed, thinned


def drawn(**options: object) -> str:
    points = [(float(n), 1.0 / n) for n in range(1, 101)]
    return chart("Loss", [Series("loss", points, smooth=True)], **options)  # type: ignore[arg-type]


def test_lines_stay_in_the_box() -> None:
    numbers = [
        float(n) for path in re.findall(r' d="M([^"]+)"', drawn()) for n in re.findall(r"-?[\d.]+", path)
    ]
    assert len(numbers) == 400 and min(numbers) >= 0 and max(numbers) <= 100


def test_steps_that_are_still_to_come_leave_room() -> None:
    half = drawn(x_max=200)
    assert "200 steps" in half
    ends = [path.split("L")[-1].split()[0] for path in re.findall(r' d="M([^"]+)"', half)]
    assert {round(float(end)) for end in ends} == {50}


@pytest.mark.parametrize("values", [(96.0, 96.0), (96.0, 99.9), (0.0, 100.0), (3.0, 3.1)])
def test_percentages_end_at_a_hundred(values: tuple[float, float]) -> None:
    made = chart("F1", [Series("F1", [(0.0, values[0]), (5.0, values[1])], dots=True)], is_percent=True)
    ticks = [float(tick) for tick in re.findall(r'class="y"[^>]*>([^<]+)<', made)]
    assert 3 <= len(ticks) <= 7 and min(ticks) >= 0 and max(ticks) <= 100
    assert min(ticks) <= min(values) and max(ticks) >= max(values)


def test_a_single_point_is_a_dot() -> None:
    made = chart("Loss", [Series("loss", [(3.0, 0.5)])])
    assert made.count('class="dot') == 1 and "<path" not in made


def test_nothing_to_draw_is_nothing() -> None:
    assert chart("Loss", []) == chart("Loss", [Series("loss", [])]) == ""
    assert chart("Loss", [Series("loss", [(1.0, float("nan"))])]) == ""


def test_names_are_escaped_everywhere() -> None:
    bad = '<img src=x onerror="alert(1)">'
    made = chart(bad, [Series(bad, [(1.0, 1.0), (2.0, 2.0)]), Series("b", [(1.0, 1.0)])], note=bad)
    assert "<img" not in made
    data = re.search(r'data-chart="([^"]+)"', made)
    assert data and json.loads(unescape(data.group(1)))["series"][0]["label"] == bad


def test_thinning_keeps_mean_and_end() -> None:
    points = [(float(n), float(n % 7)) for n in range(10_000)]
    thin = thinned(points)
    assert len(thin) <= MAX_POINTS and thin[-1][0] == 9999.0
    assert sum(y for _, y in thin) / len(thin) == pytest.approx(3, abs=0.05)
    assert thinned(points[:5]) == points[:5]


def test_smoothing_takes_noise_away() -> None:
    noisy = [(float(n), float(n % 2)) for n in range(100)]
    assert all(abs(y - 0.5) < 0.1 for _, y in smoothed(noisy)[10:-10])


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (0.05, "0.05"), (1.25, "1.25"), (12000, "12\u202f000"), (2e-5, "2e-5"), (-1.5, "-1.5")],
)
def test_labels(value: float, label: str) -> None:
    assert short(value) == label
