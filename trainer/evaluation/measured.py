"""What this project measured: ``docs/measured.json``, and how an evaluation becomes rows of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.errors import DataError
from trainer.evaluation.published import TATOEBA, benchmark_of
from trainer.evaluation.settings import prefix_words
from trainer.evaluation.tatoeba import XTREME_36

MEASURED = Path(__file__).resolve().parents[2] / "docs" / "measured.json"
TITLES = {
    "tatoeba": "Tatoeba v1",
    "tatoeba-v1": "Tatoeba v1",
    "stsb-multi-mt": "STS-B multilingual, train and dev",
}
KEPT_METRICS = {
    "retrieval": ("nDCG@10", "Recall@100"),
    "bitext": ("F1", "accuracy"),
    "mining": ("F1",),
    "similarity": ("Spearman",),
    "classification": ("accuracy (logistic)",),
    "hub": ("main score",),
}
REVERSE = "reverse accuracy"


@dataclass(frozen=True)
class Measurement:
    """One number measured here, in percent; ``benchmark`` is named where somebody published the same.

    ``over`` is the number of languages it is the mean of, ``languages`` their values where they are kept.
    ``settings`` are those that ``app.py evaluate --json`` gives: prefix, pooling, precision, neutral and
    more; None for models that have none.
    """

    task: str
    metric: str
    model: str
    value: float
    date: str
    command: str
    low: float | None = None
    high: float | None = None
    over: int = 1
    benchmark: str | None = None
    settings: dict[str, Any] | None = None
    languages: dict[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """``49.1 [48.8, 49.5]``."""
        interval = "" if self.low is None else f" [{self.low:.1f}, {self.high:.1f}]"
        return f"{self.value:.1f}{interval}"

    @property
    def base(self) -> str:
        """The model's name in the registry: ``small`` of ``small (neutral)``."""
        return self.model.partition(" (")[0]

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """Two measurements with one key are the same thing measured twice."""
        prefix = "" if self.settings is None else prefix_words(self.settings["prefix"])
        return self.task, self.metric, self.model, self.over, prefix


def read_measurements(path: Path = MEASURED) -> list[Measurement]:
    """The measurements of the project, in the order of the file."""
    return [Measurement(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def write_measurements(measured: Iterable[Measurement], path: Path = MEASURED) -> None:
    """A line for each, without what is not said."""
    defaults = {item.name: item.default for item in fields(Measurement)}
    rows = [
        {name: value for name, value in asdict(item).items() if value != {} and value != defaults[name]}
        for item in measured
    ]
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


def with_new(known: Sequence[Measurement], new: Iterable[Measurement]) -> list[Measurement]:
    """New measurements in the place of those of the same thing, else behind the last of their model."""
    rows = list(known)
    for item in new:
        places = [place for place, row in enumerate(rows) if row.key == item.key]
        if places:
            rows[places[0]] = item
            continue
        own = [place for place, row in enumerate(rows) if row.base == item.base]
        rows.insert(own[-1] + 1 if own else len(rows), item)
    return rows


def read_evaluation(path: Path) -> list[Measurement]:
    """The rows of a file that ``app.py evaluate … --json`` printed.

    Raises:
        DataError: it is no such file, or a task in it could not be measured.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return [row for task in result["tasks"] for row in _of_task(result, task)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not an evaluation ({type(error).__name__}: {error}). Expected what "
            "`python app.py evaluate … --json` prints, with every task measured. Measure again."
        ) from error


def _of_task(result: Mapping[str, Any], task: Mapping[str, Any]) -> Iterator[Measurement]:
    """The means of a task, or the values of its only language."""
    title = TITLES.get(task["task"], task["task"])
    benchmark = benchmark_of(task["task"])
    rows, mean = task["results"], task["mean"] or task["results"][0]
    is_tatoeba = benchmark == TATOEBA and task["kind"] == "bitext"
    for model, settings, place in (
        (result["model"], task["settings"], None),
        (result["compare"], task["compare_settings"], "compare"),
    ):
        if model is None:
            continue
        common: dict[str, Any] = {
            "model": model if ":" in model else Path(model).name,
            "date": result["date"],
            "command": result["command"],
            "settings": settings,
        }
        for metric in KEPT_METRICS[task["kind"]]:
            yield Measurement(
                task=f"{title}, X → eng" if is_tatoeba else title, metric=metric, over=len(rows),
                benchmark=benchmark, languages=_by_language(rows, metric, place) if len(rows) > 1 else {},
                **_value(mean, metric, place, has_interval=len(rows) == 1 or task["kind"] != "similarity"),
                **common,
            )  # fmt: skip
        if REVERSE in mean["metrics"]:
            yield Measurement(
                task=f"{title}, eng → X" if is_tatoeba else f"{title}, reverse", metric="accuracy",
                over=len(rows), **_value(mean, REVERSE, place), **common,
            )  # fmt: skip
        if is_tatoeba and set(XTREME_36) < {row["language"] for row in rows}:
            for metric in KEPT_METRICS["bitext"]:
                values = [_score(row, metric, place)["value"] for row in rows if row["language"] in XTREME_36]
                yield Measurement(
                    task=f"{title}, X → eng, the XTREME languages", metric=metric, over=len(XTREME_36),
                    value=_percent(sum(values) / len(values)), **common,
                )  # fmt: skip


def _by_language(rows: Sequence[Mapping[str, Any]], metric: str, place: str | None) -> dict[str, float]:
    return {row["language"]: _percent(_score(row, metric, place)["value"]) for row in rows}


def _value(
    row: Mapping[str, Any], metric: str, place: str | None, *, has_interval: bool = True
) -> dict[str, Any]:
    """Value and interval; the languages of a similarity task may be translations of the same pairs."""
    score = _score(row, metric, place)
    ends = {end: _percent(score[end]) for end in ("low", "high") if has_interval and score[end] is not None}
    return {"value": _percent(score["value"])} | ends


def _score(row: Mapping[str, Any], metric: str, place: str | None) -> Mapping[str, Any]:
    score: Mapping[str, Any] = row["metrics"][metric]
    return score if place is None else score[place]


def _percent(share: float) -> float:
    return round(100 * share, 1)
