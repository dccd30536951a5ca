import json

from trainer.evaluation.cli import table, to_json
from trainer.evaluation.running import Options, Row, Score, TaskReport
from trainer.evaluation.statistics import Comparison, Interval

NOTHING = float("nan")
HUB = TaskReport(
    "Rivers (test)",
    "hub",
    "main score",
    [
        Row(
            "de",
            0,
            0,
            {"main score": Score(Interval(0.5, NOTHING, NOTHING), Interval(0.75, NOTHING, NOTHING))},
        )
    ],
    None,
)
COMPARED = Score(
    Interval(0.5, 0.4, 0.6), Interval(0.45, 0.35, 0.55), Comparison(-0.05, -0.1, 0.01, 0.0812, "bootstrap")
)
MINED = TaskReport(
    "bucc (mining)", "mining", "F1", [Row("de-en", 5, 4, {"F1": COMPARED}, {"threshold": float("inf")})], None
)


def test_what_is_unknown_is_null_in_json():
    text = json.dumps(to_json([HUB, MINED], "m", "n", Options()), allow_nan=False)  # refuses NaN and infinity
    hub, mined = json.loads(text)["tasks"]
    assert hub["results"][0]["metrics"]["main score"] == {
        "value": 0.5,
        "low": None,
        "high": None,
        "compare": {
            "value": 0.75,
            "low": None,
            "high": None,
            "difference": 0.25,
            "difference_low": None,
            "difference_high": None,
            "p_value": None,
            "test": None,
        },
    }
    assert mined["results"][0]["notes"] == {"threshold": None}
    assert mined["results"][0]["metrics"]["F1"]["compare"]["p_value"] == 0.0812


def test_tables_show_percent_intervals_and_differences():
    assert table(HUB, "m", "n").splitlines()[1:] == [
        "language  n     m     n  difference  p",
        "de        0  50.0  75.0       +25.0  -",
    ]
    lines = table(MINED, "m", "n").splitlines()
    assert lines[0] == "bucc (mining): mining, F1, percent"
    assert lines[2].split("  ")[-2:] == ["-5.0 [-10.0, +1.0]", "0.081"]
    assert lines[3] == "de-en: threshold inf"
    assert "50.0 [40.0, 60.0]" in table(MINED, "m", None)
