"""Small SVG plots of the built-in model, from the metrics of its runs and the reports of its measuring.

    python -m research.builtin.plots curve RUN/metrics.jsonl… [--value loss]… --out loss.svg
    python -m research.builtin.plots languages old.json new.json --out tatoeba.svg

``curve`` draws values over the steps, a line per file and value; a file without a value is refused.
``languages`` draws the Tatoeba accuracy of every language, best first, a mark per report. Names are those of
the files.
"""

from __future__ import annotations

import argparse
import html
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import DataError, TrainerError

COLOURS = ("#4c78a8", "#e4572e", "#54a24b", "#b279a2", "#9d755d")
WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 46, 22, 34, 40
ROW = 11  # height of a language
COLUMNS = 3
TICKS = 5

Points = Sequence[tuple[float, float]]


def curve_svg(series: Mapping[str, Points], y_label: str, *, x_label: str = "step") -> str:
    """Lines over a common x; both axes span the values in round steps."""
    x_ticks = _ticks([x for points in series.values() for x, _ in points])
    y_ticks = _ticks([y for points in series.values() for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM),
        )

    parts = []
    for y in y_ticks:
        _, height = place(x_ticks[0], y)
        parts.append(_line(LEFT, height, WIDTH - RIGHT, height, "#dddddd"))
        parts.append(_text(LEFT - 6, height + 4, f"{y:,g}", anchor="end"))
    for x in x_ticks:
        across, _ = place(x, y_ticks[0])
        parts.append(_text(across, HEIGHT - BOTTOM + 16, f"{x:,g}", anchor="middle"))
    for (name, points), colour in zip(series.items(), _colours(series), strict=True):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in sorted(points)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8">')
        parts.append(f"<title>{html.escape(name)}</title></polyline>")
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 6, x_label, anchor="middle"))
    return _document(WIDTH, HEIGHT, [*_legend(list(series), f"{y_label}:"), *parts])


def languages_svg(scores: Mapping[str, Mapping[str, float]], *, label: str) -> str:
    """A row per language in ``COLUMNS`` columns, with a mark from 0 to 100 per model.

    The order is that of the last model; languages that it lacks are left out.
    """
    last = list(scores.values())[-1]
    languages = sorted(last, key=lambda language: (-last[language], language))
    rows = -(-len(languages) // COLUMNS)
    width, height = WIDTH, TOP + ROW * rows + 24
    column = width / COLUMNS
    parts = []
    for number, language in enumerate(languages):
        left = column * (number // rows) + 34
        middle = TOP + ROW * (number % rows) + ROW / 2
        span = column - 34 - 14
        parts.append(_text(left - 6, middle + 3.5, language, anchor="end", size=9))
        parts.append(_line(left, middle, left + span, middle, "#e8e8e8"))
        for own, colour in zip(scores.values(), _colours(scores), strict=True):
            if language in own:
                x = left + span * own[language] / 100
                parts.append(f'<circle cx="{x:.1f}" cy="{middle:.1f}" r="3.2" fill="{colour}">')
                parts.append(f"<title>{html.escape(language)} {own[language]:.1f}</title></circle>")
    for start in range(COLUMNS):
        left = column * start + 34
        for share in (0, 50, 100):
            x = left + (column - 48) * share / 100
            parts.append(_text(x, height - 8, str(share), anchor="middle", size=9))
    return _document(width, height, [*_legend(list(scores), f"{label}:"), *parts])


def _document(width: float, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="system-ui, sans-serif">'
    )
    background = f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([head, background, *parts, "</svg>", ""])


def _legend(names: Sequence[str], label: str) -> list[str]:
    x = 12.0
    parts = [_text(x, 18, label)]
    x += 6.6 * len(label) + 6
    for name, colour in zip(names, _colours(names), strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="14" r="4" fill="{colour}"/>')
        parts.append(_text(x + 8, 18, name))
        x += 6.6 * len(name) + 26
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#333333">'
        f"{html.escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _colours(names: Mapping[str, Any] | Sequence[str]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(names))]


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, evenly apart, that span the values; two at least."""
    low, high = min(values), max(values)
    rough = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(number * step, 10) for number in range(first, last + 1)]


def read_curve(path: Path, value: str) -> Points:
    """(step, value) of the lines that have it.

    Raises:
        DataError: the file has no such line.
    """
    points = []
    for number, row in enumerate(_json_lines(path), start=1):
        if not isinstance(row, dict) or "step" not in row:
            raise DataError(f"{path}:{number} has no step. Expected the metrics of a run. Check the path.")
        if value in row:
            points.append((float(row["step"]), float(row[value])))
    if not points:
        raise DataError(f"{path} has no line with {value!r}. Expected the metrics of a run. Check --value.")
    return points


def read_languages(path: Path) -> dict[str, float]:
    """Tatoeba accuracy to English per language of a report.

    Raises:
        DataError: the file is no report, or one without Tatoeba.
    """
    try:
        report = json.loads(path.read_text(encoding="utf8"))
        languages = report["tatoeba"]["languages"]
        return {language: float(own["accuracy_to_english"]) for language, own in languages.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a report with Tatoeba ({error!r}). Expected what benchmarks/builtin.py wrote "
            "with --tatoeba. Measure again."
        ) from error


def _series(paths: Sequence[Path], values: Sequence[str]) -> tuple[dict[str, Points], str]:
    """Named lines and what the y axis shows: files by one value, or values by name."""
    if len(values) == 1:
        return {path.stem: read_curve(path, values[0]) for path in paths}, values[0]
    several = len(paths) > 1
    series = {
        f"{path.stem} {value}" if several else value: read_curve(path, value)
        for path in paths
        for value in values
    }
    return series, paths[0].stem if not several else ""


def _json_lines(path: Path) -> list[Any]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({error}). Expected lines of JSON. Check the path."
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Draw one plot; 1 with a message when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m research.builtin.plots", description="Draw an SVG.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    curve = kinds.add_parser("curve", help="a value over the steps of runs")
    curve.add_argument("--value", action="append", help="name in the lines; repeatable (default: loss)")
    languages = kinds.add_parser("languages", help="Tatoeba accuracy per language, from reports")
    for kind in (curve, languages):
        kind.add_argument("files", nargs="+", type=Path)
        kind.add_argument("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args(argv)
    try:
        if args.kind == "curve":
            svg = curve_svg(*_series(args.files, args.value or ["loss"]))
        else:
            scores = {path.stem: read_languages(path) for path in args.files}
            svg = languages_svg(scores, label="Tatoeba, accuracy to English")
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(svg, encoding="utf8")
    print(args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
