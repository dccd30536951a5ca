"""Writes ``docs/ledger.md``: every published number beside what this project measured.

    python app.py evaluate TASK… --model M --json > FILE
    python -m trainer.evaluation.ledger [FILE…]

Published numbers come from :mod:`trainer.evaluation.published`, measured ones from ``docs/measured.json``,
which takes in the files first (:mod:`trainer.evaluation.measured`). The words around the tables are in
``docs/templates/ledger.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from me5.prefixes import Role, prefix_of
from me5.registry import MODELS
from trainer.errors import DataError
from trainer.evaluation.measured import (
    Measurement,
    read_evaluation,
    read_measurements,
    with_new,
    write_measurements,
)
from trainer.evaluation.published import (
    BUCC,
    BUCC2,
    MAIN_SCORE,
    ME5,
    MEAN,
    MIRACL,
    MTEB_EN,
    PAPER,
    RESULTS,
    TATOEBA,
    Published,
    Source,
    mteb_english,
    published,
)
from trainer.evaluation.settings import settings_words

DOCS = Path(__file__).resolve().parents[2] / "docs"
LEDGER, TEMPLATE = DOCS / "ledger.md", DOCS / "templates" / "ledger.md"
NAMES = {
    "builtin": "builtin",
    "fast": "fast",
    "bm25": "BM25",
    "mdpr": "mDPR",
    "mcontriever": "mContriever",
    "labse": "LaBSE",
    "cohere-multilingual-v3": "Cohere multilingual v3",
    "bge-large-en-v1.5": "BGE-large-en-v1.5",
} | {name: f"mE5-{name}" for name in ME5}
SHIPPED = ("builtin", "fast")
NEEDS_WEIGHTS = "n"
OTHER_REASONS = {
    "builtin": "not measured yet",
    "fast": "not measured yet",
    "cohere-multilingual-v3": "not measured here: a service, not weights",
    "bm25": "not measured here: needs the corpora",
}


def render(measured: Sequence[Measurement], template: str) -> str:
    """The template with a table in the place of every ``{{name}}``."""
    text = template
    for name, table in TABLES.items():
        text = text.replace("{{" + name + "}}", "\n".join(table(measured)))
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Take evaluations in and write the ledger; 1 with a message where one cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.evaluation.ledger", description="Write docs/ledger.md."
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="output of `app.py evaluate … --json`, taken in"
    )
    args = parser.parse_args(argv)
    measured = read_measurements()
    try:
        for path in args.files:
            measured = with_new(measured, read_evaluation(path))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    if args.files:
        write_measurements(measured)
    LEDGER.write_text(render(measured, TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    print(f"wrote {LEDGER}")  # noqa: T201 - a command prints its result
    return 0


# -- tables --------------------------------------------------------------------------------------------------


def _measured(measured: Sequence[Measurement]) -> list[str]:
    heads = ("task", "languages", "metric", "model", "with", "measured", "date")
    rows = [
        [
            *(item.task, f"{item.over}", item.metric, _name(item.model)),
            *(settings_words(item.settings) or "-", item.words, item.date),
        ]
        for item in measured
    ]
    commands = dict.fromkeys(item.command for item in measured)
    return [*_table(heads, rows, numbers=(1, 5)), "", "```", *commands, "```"]


def _english(measured: Sequence[Measurement]) -> list[str]:
    rows = [
        [NAMES[row.model], f"{row.value:.1f}", row.source, _here(measured, row.model, MTEB_EN, "mean", 56)]
        for row in _of(MTEB_EN)
    ]
    return _table(("model", "published", "source", "measured here"), rows, numbers=(1,))


def _miracl(measured: Sequence[Measurement]) -> list[str]:
    rows = []
    for model in ("bm25", "mdpr", *ME5):
        paper = [_one(model, MIRACL, metric, PAPER, over=16) for metric in ("nDCG@10", "Recall@100")]
        results = [
            " / ".join(
                _one(model, MIRACL, metric, RESULTS, over=over) for metric in ("nDCG@10", "Recall@100")
            )
            for over in (16, 18)
        ]
        if model == "large":
            results[0] = "only fa: 59.0 / 92.9"
        shown = ["-" if pair == "- / -" else pair for pair in results]
        rows.append([NAMES[model], *paper, *shown, _here(measured, model, MIRACL, "nDCG@10", 16, 18)])
    heads = ("model", "nDCG@10, paper, 16", "Recall@100, paper, 16", "results, 16", "results, 18")
    return _table((*heads, "measured here"), rows, numbers=(1, 2, 3, 4))


def _miracl_languages(measured: Sequence[Measurement]) -> list[str]:
    metrics = ("nDCG@10", "Recall@100")
    rows = [
        [language, *(" / ".join(_cells(MIRACL, metric, language)) for metric in metrics), NEEDS_WEIGHTS]
        for language in _languages(MIRACL)
    ]
    return _table(("language", *metrics, "measured here"), rows)


def _bitext(measured: Sequence[Measurement]) -> list[str]:
    columns: tuple[tuple[str, Source, int], ...] = (
        (BUCC, PAPER, 4), (BUCC, RESULTS, 4), (BUCC2, RESULTS, 4),
        (TATOEBA, PAPER, 112), (TATOEBA, RESULTS, 112),
    )  # fmt: skip
    rows = []
    for model in ("mcontriever", "labse", *ME5, *SHIPPED):
        cells = [_one(model, benchmark, "F1", source, over=over) for benchmark, source, over in columns]
        result = _found(measured, model, TATOEBA, "F1", 112)
        rows.append([NAMES[model], *cells, f"Tatoeba {result}" if result else _reason(model)])
    heads = (
        "BUCC (4), paper",
        "BUCC, results",
        "BUCC.v2, results",
        "Tatoeba (112), paper",
        "Tatoeba, results",
    )
    return _table(("model", *heads, "measured here"), rows, numbers=(1, 2, 3, 4, 5))


def _bucc_pairs(measured: Sequence[Measurement]) -> list[str]:
    pairs = ("de-en", "fr-en", "ru-en", "zh-en")
    rows = [
        [NAMES[model], *(_one(model, BUCC, "F1", RESULTS, language=pair) for pair in pairs), NEEDS_WEIGHTS]
        for model in ME5
    ]
    return _table(("model", *pairs, "measured here"), rows, numbers=(1, 2, 3, 4))


def _tatoeba_languages(measured: Sequence[Measurement]) -> list[str]:
    models = (*SHIPPED, "small")
    own = [[_per_language(measured, model, metric) for metric in ("F1", "accuracy")] for model in models]
    rows = [
        [language, *_cells(TATOEBA, "F1", language), *(_pair(both, language) for both in own)]
        for language in _languages(TATOEBA)
    ]
    heads = ("language", *_headings(), *SHIPPED, f"{NAMES['small']}, here")
    return _table(heads, rows, numbers=range(1, len(heads)))


def _per_language(measured: Sequence[Measurement], model: str, metric: str) -> dict[str, float]:
    """As the model is published, with its own words for bitext; else with others."""
    spec = MODELS[model]
    words = {"both": prefix_of(spec, Role.BITEXT, spec.default_instruction)}
    result = [
        item
        for item in measured
        if (item.model, item.benchmark, item.metric, item.over) == (model, TATOEBA, metric, 112)
    ]
    result.sort(key=lambda item: item.settings is None or item.settings["prefix"] != words)
    return result[0].languages if result else {}


def _pair(both: Sequence[dict[str, float]], language: str) -> str:
    """``57.1 / 62.0``."""
    shown = [f"{values[language]:.1f}" if language in values else "-" for values in both]
    return "-" if set(shown) == {"-"} else " / ".join(shown)


def _others(measured: Sequence[Measurement]) -> list[str]:
    known = {MIRACL, TATOEBA, BUCC, BUCC2, MTEB_EN}
    names = dict.fromkeys(row.benchmark for row in published() if row.source == RESULTS)
    rows = [
        [name, str(max(row.over for row in _of(name))), *_cells(name, MAIN_SCORE, MEAN), NEEDS_WEIGHTS]
        for name in names
        if name not in known
    ]
    return _table(("task", "parts", *_headings(), "measured here"), rows, numbers=(1, 2, 3, 4, 5))


def _english_detail(measured: Sequence[Measurement]) -> list[str]:
    rows = [[kind, name, *_cells(name, MAIN_SCORE, MEAN), NEEDS_WEIGHTS] for kind, name in mteb_english()]
    return _table(("kind", "data set", *_headings(), "measured here"), rows, numbers=(2, 3, 4, 5))


TABLES: dict[str, Callable[[Sequence[Measurement]], list[str]]] = {
    "measured": _measured,
    "english": _english,
    "miracl": _miracl,
    "miracl_languages": _miracl_languages,
    "bitext": _bitext,
    "bucc_pairs": _bucc_pairs,
    "tatoeba_languages": _tatoeba_languages,
    "others": _others,
    "english_detail": _english_detail,
}


# -- cells ---------------------------------------------------------------------------------------------------


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> list[str]:
    rules = ["---:" if column in numbers else "---" for column in range(len(heads))]
    return [f"| {' | '.join(heads)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)]


def _headings() -> list[str]:
    return [NAMES[model] for model in ME5]


def _of(benchmark: str) -> list[Published]:
    return [row for row in published() if row.benchmark == benchmark]


def _languages(benchmark: str) -> list[str]:
    """In the order of the table; MIRACL's two that the paper leaves out come last."""
    result = dict.fromkeys(row.language for row in _of(benchmark) if row.language != MEAN)
    return sorted(result, key=lambda name: (benchmark == MIRACL and name in ("de", "yo"), name))


def _one(
    model: str, benchmark: str, metric: str, source: Source, *, over: int = 1, language: str = MEAN
) -> str:
    wanted = (model, metric, source, over, language)
    for row in _of(benchmark):
        if (row.model, row.metric, row.source, row.over, row.language) == wanted:
            return f"{row.value:.2f}".removesuffix("0")
    return "-"


def _cells(benchmark: str, metric: str, language: str) -> list[str]:
    result: dict[str, Published] = {}
    for row in _of(benchmark):
        if (row.metric, row.language) == (metric, language):
            result.setdefault(row.model, row)
    return [f"{result[model].value:.1f}" if model in result else "-" for model in ME5]


def _here(measured: Sequence[Measurement], model: str, benchmark: str, metric: str, *over: int) -> str:
    return _found(measured, model, benchmark, metric, *over) or _reason(model)


def _reason(model: str) -> str:
    return OTHER_REASONS.get(model, NEEDS_WEIGHTS)


def _found(measured: Sequence[Measurement], model: str, benchmark: str, metric: str, *over: int) -> str:
    """Everything that was measured of a model, and with what."""
    return "; ".join(
        f"{item.words}{_with(item)}, {item.date}"
        for item in measured
        if (item.base, item.benchmark, item.metric) == (model, benchmark, metric) and item.over in over
    )


def _with(one: Measurement) -> str:
    words = settings_words(one.settings)
    return f" ({words})" if words else ""


def _name(model: str) -> str:
    """``mE5-small (neutral)`` of ``small (neutral)``."""
    base, bracket, rest = model.partition(" (")
    return f"{NAMES.get(base, base)}{bracket}{rest}"


if __name__ == "__main__":
    raise SystemExit(main())
