"""``python app.py evaluate TASK… --model M [--compare M2] [--json]``: measure models on tasks.

With ``--json`` standard output holds one object::

    {"model", "compare" (name or null), "level", "resamples", "seed", "date", "command" (without folders),
     "tasks": [{"name" (as given), "task", "kind", "main_metric", "digest" (equal for equal items),
                "settings": {"model_id", "revision", "prefix": {ROLE: words}, "pooling", "precision",
                             "neutral" (digest of the map, or null)} or null, "compare_settings": the same,
                "results": [{"language", "items", "pool", "notes",
                             "metrics": {NAME: {"value", "low", "high",
                                                "compare": {"value", "low", "high", "difference",
                                                            "difference_low", "difference_high",
                                                            "p_value", "test"} or null}}}],
                "mean": one such object with "language": "mean", or null}]}

``settings`` are those of encoders; ROLE is query and passage, or both where the sides are alike.
With ``--keep-going`` a task that cannot be measured is ``{"name", "error"}`` instead.
Values are shares (Spearman: a correlation), low and high the ends of the bootstrap interval. ``difference``
is compare minus model. ``kind`` is retrieval, bitext, mining, similarity, classification or hub; for hub
tasks low, high and the difference's interval are null and items and pool 0. NAME is one of nDCG@10,
Recall@100, MRR@10, F1, accuracy, reverse F1, reverse accuracy, precision, recall, Spearman,
accuracy (logistic), accuracy (kNN), v-measure, main score. ``notes`` of mining tasks: threshold, pairs, gold.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from me5.ranks import is_first

if TYPE_CHECKING:
    from trainer.evaluation.models import Model, Opener
    from trainer.evaluation.progress import ProgressFile
    from trainer.evaluation.running import Options, Row, Score, TaskReport


def add_verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    openers: Mapping[str, Opener] | None = None,
    errors: tuple[type[Exception], ...] = (),
) -> None:
    """Register ``evaluate``; nothing heavy is imported before it runs.

    Args:
        verbs: where to register.
        openers: for ``open_model``: models that this package knows nothing of.
        errors: what such models raise on purpose.
    """
    words = "measure a model on retrieval, bitext, similarity and classification tasks"
    parser = verbs.add_parser("evaluate", help=words, description=words[0].upper() + words[1:] + ".")
    parser.add_argument(
        "tasks",
        nargs="+",
        metavar="TASK",
        help="path of a task (Tatoeba, BEIR, BUCC, aligned files, STS, judged queries), or its name in mteb",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument(
        "--model",
        default=None,
        metavar="NAME",
        help="registry name, folder, hub id, neutral:NAME, blend:FIRST+SECOND@SHARE, bm25, bm25:MODEL (its "
        "tokenizer) or bm25:words (default: builtin)",
    )
    parser.add_argument("--compare", metavar="NAME", help="a second model, tested against the first")
    parser.add_argument(
        "--neutral",
        choices=("on", "off"),
        help="whether the vectors of --model are language-neutral (default: as it is published; builtin is)",
    )
    parser.add_argument(
        "--prefix",
        choices=("query", "bitext"),
        help="role on both sides of a task whose sides are alike (default: the model's words for the task: "
        "bitext for pairs of translations, query elsewhere; the report of mE5 has query throughout)",
    )
    parser.add_argument(
        "--split", metavar="NAME", help="qrels or gold to use (default: test, else dev, training)"
    )
    parser.add_argument(
        "--language", action="append", default=[], metavar="CODE", help="as the task spells it; repeatable"
    )
    parser.add_argument("--instruction", metavar="TEXT", help="task sentence, for models that take one")
    parser.add_argument(
        "--resamples", type=_positive, default=1000, metavar="N", help="bootstrap draws, default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws, default: %(default)s")
    parser.add_argument(
        "--max-items", type=_positive, default=0, metavar="N", help="per language, for a quick look (all)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--keep-going", action="store_true", help="continue with the next task where one cannot be measured"
    )
    parser.add_argument(
        "--samples", type=Path, metavar="DIR", help="keep the values per item there, for later comparisons"
    )
    parser.add_argument("--progress", type=Path, metavar="FILE", help="write progress to FILE (JSON)")
    parser.set_defaults(run=run_evaluate, openers=openers, errors=errors)


def run_evaluate(args: argparse.Namespace) -> int:
    """Measure, then print; 1 with a message when a task or model cannot be read."""
    from me5.errors import Me5Error
    from trainer.errors import TrainerError
    from trainer.evaluation.models import open_model
    from trainer.evaluation.running import Options

    options = Options(args.split, tuple(args.language), args.resamples, args.seed, max_items=args.max_items)
    reports: list[TaskReport] = []
    entries: list[dict[str, Any]] = []
    try:
        progress = _progress_file(args, options)
        show = _show if progress is None else (lambda name, done, total: progress.step(done, total))
        common: dict[str, Any] = {"progress": show, "openers": args.openers, "prefix": args.prefix}
        model = open_model(
            args.model or "builtin",
            instruction=args.instruction,
            neutral=None if args.neutral is None else args.neutral == "on",
            **common,
        )
        other = open_model(args.compare, **common) if args.compare else None
        for name in args.tasks:
            try:
                result = _run(name, model, other, options, progress)
            except (TrainerError, Me5Error, *args.errors) as error:
                if not args.keep_going:
                    raise
                print(f"error: {error}", file=sys.stderr)
                entries.append({"name": name, "error": str(error)})
                continue
            if args.samples is not None and is_first():
                _keep(result, args.samples)
            reports += result
            entries += [{"name": name} | _task_json(report, model, other) for report in result]
        if progress is not None:
            progress.end()
    except TrainerError as error:
        _end_progress()
        print(f"error: {error}", file=sys.stderr)
        return 1
    _end_progress()
    compared = None if other is None else other.name
    if not is_first():  # the others have encoded their share
        return 0 if reports else 1
    if args.json:
        found_json = to_json(entries, model.name, compared, options)
        found_json |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "command": command_of(args)}
        print(json.dumps(found_json, ensure_ascii=False, indent=2))
    else:
        print("\n\n".join(_shown(report, model, other) for report in reports))
    return 0 if reports else 1


def _run(
    name: str, model: Model, other: Model | None, options: Options, progress: ProgressFile | None
) -> list[TaskReport]:
    from trainer.evaluation.running import find_tasks, run_hub_task, run_task

    tasks = find_tasks(name, options)
    if tasks is None:
        return run_hub_task(name, model, other, options)
    watch: dict[str, Any] = {} if progress is None else {"watch": progress.begin}
    return [run_task(task, model, other, options, **watch) for task in tasks]


def _progress_file(args: argparse.Namespace, options: Options) -> ProgressFile | None:
    """Counts the texts of all tasks first; a task that cannot be read is not counted, and fails later."""
    from trainer.errors import TrainerError
    from trainer.evaluation.progress import ProgressFile
    from trainer.evaluation.running import count_texts, find_tasks

    if args.progress is None or not is_first():
        return None
    total: int | None = 0
    for name in args.tasks:
        try:
            tasks = find_tasks(name, options)
            if tasks is None:
                total = None
            elif total is not None:
                total += sum(count_texts(task, options) for task in tasks)
        except TrainerError:
            continue
    both = 1 if args.compare is None else 2
    return ProgressFile(args.progress, None if total is None else both * total)


def command_of(args: argparse.Namespace) -> str:
    """The command that measures the same, with files by their names: where they lie says nothing."""
    words = ["python", "app.py", "evaluate", *map(_bare_name, args.tasks)]
    options = {
        "--model": _bare_name(args.model or "builtin"),
        "--compare": None if args.compare is None else _bare_name(args.compare),
        "--neutral": args.neutral, "--prefix": args.prefix, "--split": args.split,
        "--instruction": args.instruction, "--max-items": args.max_items or None,
    }  # fmt: skip
    for option, value in options.items():
        words += [] if value is None else [option, str(value)]
    for language in args.language:
        words += ["--language", language]
    return shlex.join([*words, "--json"])


def _bare_name(word: str) -> str:
    """A path without its folders, also within ``neutral:PATH`` or a blend; every other word as it is."""
    if Path(word).exists():
        return Path(word).name
    parts = re.split("([:+@])", word)
    return "".join(Path(part).name if Path(part).is_absolute() else part for part in parts)


def _keep(reports: list[TaskReport], folder: Path) -> None:
    from trainer.evaluation.samples_file import write_samples

    for report in reports:
        if report.measured:
            write_samples(folder / f"{report.digest}.npz", report.measured)


# -- for machines --------------------------------------------------------------------------------------------


def to_json(
    entries: Sequence[dict[str, Any] | TaskReport], model: str, compared: str | None, options: Options
) -> dict[str, Any]:
    """The object that the module's docstring describes, from reports and from entries made of them."""
    return {
        "model": model,
        "compare": compared,
        "level": options.level,
        "resamples": options.resamples,
        "seed": options.seed,
        "tasks": [entry if isinstance(entry, dict) else _task_json(entry) for entry in entries],
    }


def _task_json(report: TaskReport, model: Model | None = None, other: Model | None = None) -> dict[str, Any]:
    return {
        "task": report.task,
        "kind": report.kind,
        "main_metric": report.main_metric,
        "digest": report.digest,
        "settings": _settings(model, report.kind),
        "compare_settings": _settings(other, report.kind),
        "results": [_row_json(row) for row in report.rows],
        "mean": None if report.mean is None else _row_json(report.mean),
    }


def _settings(model: Model | None, kind: str) -> dict[str, Any] | None:
    from trainer.evaluation.models import EncoderModel

    return model.settings(kind) if isinstance(model, EncoderModel) else None


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "language": row.language,
        "items": row.items,
        "pool": row.pool,
        "notes": {name: _finite(value) for name, value in row.notes.items()},
        "metrics": {name: _score_json(score) for name, score in row.scores.items()},
    }


def _score_json(score: Score) -> dict[str, Any]:
    first, second, difference = score.first, score.second, score.difference
    values: dict[str, Any] = {
        "value": _finite(first.value),
        "low": _finite(first.low),
        "high": _finite(first.high),
        "compare": None,
    }
    if second is not None:
        values["compare"] = {
            "value": _finite(second.value),
            "low": _finite(second.low),
            "high": _finite(second.high),
            "difference": _finite(second.value - first.value),
            "difference_low": None if difference is None else _finite(difference.low),
            "difference_high": None if difference is None else _finite(difference.high),
            "p_value": None if difference is None else _finite(difference.p_value),
            "test": None if difference is None else difference.test,
        }
    return values


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


# -- for people ----------------------------------------------------------------------------------------------


def _shown(report: TaskReport, model: Model, other: Model | None) -> str:
    """The table, and under it what the figures were measured with."""
    from trainer.evaluation.settings import settings_words

    lines = [table(report, model.name, None if other is None else other.name)]
    for item in (model, other):
        if item is not None and (words := settings_words(_settings(item, report.kind))):
            lines.append(f"{item.name}: {words}")
    return "\n".join(lines)


def table(report: TaskReport, model: str, compared: str | None) -> str:
    """Percent with intervals: all metrics of one model, or the main metric of two and their difference."""
    rows = [*report.rows, *([] if report.mean is None else [report.mean])]
    if compared is None:
        names = list(report.rows[0].scores)
        header = ["language", "n", *names]
        lines = [
            [row.language, str(row.items), *(_percent(row.scores.get(name)) for name in names)]
            for row in rows
        ]
        title = f"{report.task}: {report.kind}, {model}, percent"
    else:
        header = ["language", "n", model, compared, "difference", "p"]
        lines = [[row.language, str(row.items), *_difference(row.scores[report.main_metric])] for row in rows]
        title = f"{report.task}: {report.kind}, {report.main_metric}, percent"
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]
    body = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [header, *lines]
    ]
    notes = [
        f"{row.language}: " + ", ".join(f"{name} {value:.4g}" for name, value in row.notes.items())
        for row in rows
        if row.notes
    ]
    return "\n".join([title, *body, *notes])


def _percent(score: Score | None) -> str:
    return "-" if score is None else _words(score.first.value, score.first.low, score.first.high)


def _difference(score: Score) -> list[str]:
    if score.second is None:
        return [_percent(score), "-", "-", "-"]
    second = _words(score.second.value, score.second.low, score.second.high)
    if score.difference is None:
        return [_percent(score), second, f"{100 * (score.second.value - score.first.value):+.1f}", "-"]
    result = score.difference
    return [
        _percent(score),
        second,
        f"{100 * result.difference:+.1f} [{100 * result.low:+.1f}, {100 * result.high:+.1f}]",
        f"{result.p_value:.3f}",
    ]


def _words(value: float, low: float, high: float) -> str:
    if not math.isfinite(low):
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _positive(word: str) -> int:
    value = int(word)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {word}")
    return value


def _show(name: str, done: int, total: int) -> None:
    if sys.stderr.isatty() and is_first():
        print(f"\r\033[K{name}: {done} of {total} texts", end="", file=sys.stderr, flush=True)


def _end_progress() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
