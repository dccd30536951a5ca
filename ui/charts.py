"""Line charts as inline SVG and HTML: sharp at every width, in the colours of the page, without a script.

The lines are drawn in a box of 100 by 100 that is stretched to its place; words stand beside it as HTML, so
that they are never stretched. ``data-chart`` holds the points for the script that shows values on hover.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ui import formatting as fmt

MAX_POINTS = 240
SMOOTH_FROM = 24
Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line; ``colour`` picks one of the page's nine. ``dots`` marks each point."""

    label: str
    points: Sequence[Point]
    colour: int = 0
    dots: bool = False
    smooth: bool = False


def chart(
    title: str, series: Sequence[Series], *, is_percent: bool = False, x_max: float = 0, note: str = ""
) -> str:
    """A chart with its title; empty where there is nothing to draw.

    Args:
        title: what is drawn.
        series: the lines.
        is_percent: the values end at 0 and 100.
        x_max: how far the steps go, when that is known.
        note: the latest value or so, beside the title.
    """
    series = [item for item in series if item.points]
    if not series:
        return ""
    values = [y for item in series for _, y in item.points if math.isfinite(y)]
    if not values:
        return ""
    low, high, ticks = _scale(min(values), max(values), limits=(0.0, 100.0) if is_percent else None)
    first = min(item.points[0][0] for item in series)
    last = max(x_max, *(item.points[-1][0] for item in series))
    first = 0.0 if first <= 1 else first
    box = _Box(first, max(last, first + 1), low, high)
    lines = "".join(_line(item, box) for item in series)
    grid = "".join(f'<line x1="0" x2="100" y1="{box.y(t):.2f}" y2="{box.y(t):.2f}"/>' for t in ticks)
    marks = "".join(_dots(item, box) for item in series if item.dots or len(item.points) == 1)
    labels = "".join(f'<span class="y" style="top:{box.y(t):.2f}%">{short(t, 6)}</span>' for t in ticks)
    ends = (
        f'<span class="x first">{short(box.left)}</span><span class="x last">{short(box.right)} steps</span>'
    )
    legend = _legend(series) if len(series) > 1 else ""
    data = fmt.text(json.dumps(_data(series, box)))
    head = f"<b>{fmt.text(title)}</b><span>{fmt.text(note)}</span>"
    return (
        f'<figure class="chart" data-chart="{data}"><figcaption>{head}</figcaption>'
        f'<div class="plot" role="img" aria-label="{fmt.text(_spoken(title, series))}">'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<g class="grid">{grid}</g>{lines}</svg>{marks}{labels}{ends}'
        f'<i class="cross" hidden></i><span class="tip" hidden></span></div>{legend}</figure>'
    )


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return 100 * (value - self.left) / (self.right - self.left)

    def y(self, value: float) -> float:
        return 100 - 100 * (value - self.low) / (self.high - self.low)


def thinned(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most ``limit`` points: neighbours are averaged, so that a peak is lowered but never lost."""
    size = math.ceil(len(points) / limit)
    if size <= 1:
        return list(points)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """A running mean over about a twentieth of the points, which leaves the ends where they are."""
    reach = max(1, len(points) // 20)
    result = []
    for number, (x, _) in enumerate(points):
        near = points[max(0, number - reach) : number + reach + 1]
        result.append((x, sum(y for _, y in near) / len(near)))
    return result


def short(value: float, digits: int = 3) -> str:
    """A number as a label: ``0.05``, ``1.2``, ``12 000``, ``2e-5``."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1_000:
        return fmt.number(round(value))
    if size < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.{digits}g}"


def last_value(points: Sequence[Point]) -> str:
    """The latest value as a label; empty where there is none."""
    return short(points[-1][1]) if points else ""


def _scale(
    low: float, high: float, limits: tuple[float, float] | None = None
) -> tuple[float, float, list[float]]:
    """Ends of the axis and three to six round values on it."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        room = abs(high) / 20 or 0.5
        low, high = low - room, high + room
    if limits is not None:
        low, high = max(low, limits[0]), min(high, limits[1])
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(number * step, 12) for number in range(start, stop + 1)]
    return ticks[0], ticks[-1], ticks


def _line(one: Series, box: _Box) -> str:
    points = [point for point in thinned(one.points) if math.isfinite(point[1])]
    if len(points) < 2:
        return ""
    if one.smooth and len(points) >= SMOOTH_FROM:
        return _path(points, box, one.colour, "raw") + _path(smoothed(points), box, one.colour, "")
    return _path(points, box, one.colour, "")


def _path(points: Sequence[Point], box: _Box, colour: int, kind: str) -> str:
    path = "M" + "L".join(f"{box.x(x):.2f} {box.y(y):.2f}" for x, y in points)
    return f'<path class="s{colour} {kind}" d="{path}"/>'


def _dots(one: Series, box: _Box) -> str:
    return "".join(
        f'<i class="dot c{one.colour}" style="left:{box.x(x):.2f}%;top:{box.y(y):.2f}%"></i>'
        for x, y in thinned(one.points)
        if math.isfinite(y)
    )


def _legend(series: Sequence[Series]) -> str:
    items = "".join(f'<li><i class="c{item.colour}"></i>{fmt.isolated(item.label)}</li>' for item in series)
    return f"<ul>{items}</ul>"


def _data(series: Sequence[Series], box: _Box) -> dict[str, object]:
    return {
        "left": box.left,
        "right": box.right,
        "series": [
            {
                "label": item.label if len(series) > 1 else "",
                "points": [[round(x, 2), short(y)] for x, y in thinned(item.points) if math.isfinite(y)],
            }
            for item in series
        ],
    }


def _spoken(title: str, series: Sequence[Series]) -> str:
    """The chart in a sentence, for those who do not see it."""
    parts = [
        f"{item.label}: from {short(item.points[0][1])} to {short(item.points[-1][1])}" for item in series
    ]
    return f"{title}. {'; '.join(parts)}."
