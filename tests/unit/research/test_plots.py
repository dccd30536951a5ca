import json
import re
from xml.etree import ElementTree

import pytest

from research.builtin.plots import curve_svg, languages_svg, main

SVG = "{http://www.w3.org/2000/svg}"


def points_of(svg, number=0):
    line = ElementTree.fromstring(svg).findall(f"{SVG}polyline")[number]
    return [tuple(float(part) for part in point.split(",")) for point in line.get("points").split()]


def test_a_curve_runs_from_corner_to_corner():
    svg = curve_svg({"one": [(0, 0.0), (100, 1.0)], "two": [(50, 0.5)]}, "loss")
    (left, bottom), (right, top) = points_of(svg)
    ((middle_x, middle_y),) = points_of(svg, 1)
    assert left < right and bottom > top, "SVG counts downwards"
    assert middle_x == pytest.approx((left + right) / 2, abs=0.1)
    assert middle_y == pytest.approx((bottom + top) / 2, abs=0.1)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([(0, 0.73), (3600, 0.941)], ["0.7", "0.75", "0.95", "0", "1,000", "4,000"]),
        ([(5, 2.0)], ["2", "3", "5", "6"]),
        ([(0, -1.0), (10, 1.0)], ["-1", "-0.5", "1", "10"]),
    ],
)
def test_axes_are_marked_with_round_numbers(points, labels):
    svg = curve_svg({"x": points}, "y")
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert set(labels) <= set(texts)


def test_names_are_escaped_and_a_flat_line_is_drawn():
    svg = curve_svg({"<a&b>": [(1, 2.0)]}, "x")
    assert points_of(svg)
    assert "<a&b>" in [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_languages_are_ordered_by_the_last_model_and_marked_per_model():
    svg = languages_svg({"old": {"deu": 50.0, "fra": 70.0}, "new": {"deu": 90.0, "fra": 80.0}}, label="x")
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts.index("deu") < texts.index("fra")
    marks = [float(one.get("cx")) for one in ElementTree.fromstring(svg).iter(f"{SVG}circle") if len(one)]
    assert len(marks) == 4
    assert marks[1] - marks[0] == pytest.approx(4 * (marks[3] - marks[2]), abs=0.5)  # 40 points and 10


def test_the_command_draws_files(tmp_path, capsys):
    rows = [{"step": step, "loss": 1 / step, "dev": 1.0} for step in (1, 2, 3)]
    (tmp_path / "first.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf8")
    out = tmp_path / "images" / "loss.svg"
    assert main(["curve", str(tmp_path / "first.jsonl"), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert len(points_of(out.read_text(encoding="utf8"))) == 3
    both = ["--value", "loss", "--value", "dev"]
    assert main(["curve", str(tmp_path / "first.jsonl"), *both, "--out", str(out)]) == 0
    assert len(points_of(out.read_text(encoding="utf8"), 1)) == 3
    report = {"tatoeba": {"languages": {"deu": {"accuracy_to_english": 88.5}}}}
    (tmp_path / "new.json").write_text(json.dumps(report), encoding="utf8")
    assert main(["languages", str(tmp_path / "new.json"), "--out", str(out)]) == 0
    assert "deu 88.5" in out.read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ('{"step": 1}', ["curve"], "no line with 'loss'"),
        ('{"loss": 1}', ["curve"], "has no step"),
        ("{", ["curve"], "cannot be read"),
        ('{"tatoeba": 1}', ["languages"], "not a report with Tatoeba"),
    ],
)
def test_other_files_are_refused(tmp_path, capsys, content, arguments, message):
    (tmp_path / "x").write_text(content, encoding="utf8")
    assert main([*arguments, str(tmp_path / "x"), "--out", str(tmp_path / "x.svg")]) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "x.svg").exists()
