"""Evaluations of the page: each is a folder, run by a process of its own that outlives the page.

``data_dir/evaluations/ID`` holds ``request.json`` (what was asked for), ``result.json`` (state, and per model
what ``app.py evaluate --json`` printed), ``progress.json``, ``log.txt`` and ``samples/N`` (values per item,
for paired tests). ``data_dir/evaluations/files`` holds uploads. The process is ``ui.evaluating_job``.
"""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from me5.states import State
from trainer.run.records import log_tail, read_json, write_json
from ui.errors import UiError
from ui.services import child_runs
from ui.services.access import EXAMPLES, Access, unquoted

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_TASK = EXAMPLES / "evaluation" / "sample-questions"
MAX_MODELS, MAX_TASKS = 8, 20
LOG_LINES = 400
UPLOAD_NAME = re.compile(r"[^\w.-]+")


class EvaluationError(UiError):
    """Raised when an evaluation cannot be started, found or compared."""


@dataclass(frozen=True)
class Request:
    """What was asked for. ``models`` and ``tasks`` are words for ``app.py evaluate``."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    languages: tuple[str, ...] = ()
    max_items: int = 0
    instruction: str = ""
    created_at: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """One evaluation as it stands. ``current`` is the number of the model that is measured now."""

    id: str
    folder: Path
    request: Request
    state: State
    current: int = 0
    finished_at: float | None = None
    started_at: float | None = None
    done_texts: int = 0
    total_texts: int | None = None
    task: str = ""
    errors: tuple[tuple[str, str], ...] = ()  # (model or task, sentence)

    @property
    def share(self) -> float | None:
        """How much is done, in [0, 1]; None while unknown."""
        if not self.total_texts:
            return None
        within = min(1.0, self.done_texts / self.total_texts)
        return (self.current + within) / len(self.request.models)

    def seconds_left(self, now: float) -> float | None:
        """Time left at the pace so far; None before there is one."""
        return child_runs.seconds_left(self.share, self.started_at, now)


@dataclass(frozen=True)
class Entry:
    """One model's report of one task, as ``app.py evaluate --json`` gives it, and where it comes from."""

    evaluation: str
    number: int  # of the model in its evaluation
    model: str
    report: Mapping[str, Any]
    measured_at: float
    samples: Path = field(compare=False)

    @property
    def key(self) -> str:
        """The same for the same items."""
        return str(self.report["digest"])

    @property
    def main(self) -> Mapping[str, Any]:
        """The row to show first: the mean over languages, or the only language."""
        return dict(self.report["mean"] or self.report["results"][0])

    @property
    def settings(self) -> str:
        """Prefix, pooling and precision in words; empty for what has none and for old reports."""
        from trainer.evaluation.settings import settings_words

        return settings_words(self.report.get("settings")).replace("`", '"')

    def score(self, row: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Value and interval of the main metric."""
        return dict((row or self.main)["metrics"][self.report["main_metric"]])


@dataclass(frozen=True)
class Evaluations:
    """What the page may do with evaluations.

    Args:
        access: what may be named, for the data folder of the library.
    """

    access: Access

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.access.data_dir

    @property
    def folder(self) -> Path:
        """Where evaluations are."""
        return self.data_dir / "evaluations"

    # -- starting and stopping --------------------------------------------------------------------------

    def start(self, request: Request) -> Evaluation:
        """Check what is asked for and measure it in the background.

        Raises:
            EvaluationError: nothing to measure, or another one is running.
            NotOfferedError: a model or task is not offered on this page.
        """
        _require_choice(request)
        models, tasks = tuple(map(unquoted, request.models)), tuple(map(unquoted, request.tasks))
        for model in models:
            self.access.require("model", model)
        for task in tasks:
            self.access.require("task", task)
        models, tasks = tuple(map(self._located, models)), tuple(map(_absolute, tasks))
        request = replace(request, models=models, tasks=tasks, created_at=time.time())
        running = self.running()
        if running is not None:
            raise EvaluationError(
                f"Evaluation of {_names(running.request.models)} is running already. Expected one at a time, "
                "because they would slow each other down. Wait for it, or cancel it."
            )
        try:
            folder = child_runs.new_folder(self.folder)
            write_json(folder / "request.json", asdict(request))
            child_runs.start(folder, "ui.evaluating_job")
        except OSError as error:
            raise EvaluationError(
                f"The evaluation cannot be started in {self.folder} ({error}). Expected a folder with free "
                "space. Make room and try again."
            ) from error
        match = self.get(folder.name)
        assert match is not None
        return match

    def _located(self, model: str) -> str:
        """The folder of a registered model, which is its word in the list to choose from, or the word."""
        from indexer.library.encoders import ModelFolder

        word = _absolute(model)
        match = ModelFolder(self.data_dir / "models").find(word)
        return word if match is None else str(match)

    def cancel(self, evaluation_id: str) -> None:
        """Stop the process with everything it started; what is measured already stays."""
        match = self.get(evaluation_id)
        if match is not None:
            child_runs.cancel(match.folder)

    def remove(self, evaluation_id: str) -> None:
        """Delete an evaluation that has ended, with its results."""
        match = self.get(evaluation_id)
        if match is not None and match.state != "running":
            shutil.rmtree(match.folder, ignore_errors=True)

    def keep_uploads(self, paths: Sequence[Path]) -> list[str]:
        """Take uploaded files over and return the words under which they are tasks."""
        for path in paths:
            self.access.require("upload", path)
        place = self.folder / "files"
        place.mkdir(parents=True, exist_ok=True)
        kept = [place / (UPLOAD_NAME.sub("-", path.name).strip("-.") or "upload") for path in paths]
        for path, target in zip(paths, kept, strict=True):
            shutil.copyfile(path, target)
        return merged_pairs([str(target) for target in kept])

    # -- looking ----------------------------------------------------------------------------------------

    def all(self) -> list[Evaluation]:
        """Every evaluation, the newest first."""
        places = child_runs.folders(self.folder)
        return [item for place in places if (item := self.get(place.name)) is not None]

    def running(self) -> Evaluation | None:
        """The one that is going on."""
        return next((item for item in self.all() if item.state == "running"), None)

    def get(self, evaluation_id: str) -> Evaluation | None:
        """One evaluation; None where there is none of that name."""
        match = child_runs.read(self.folder, evaluation_id, to_request)
        if match is None:
            return None
        return Evaluation(
            id=evaluation_id,
            folder=match.folder,
            request=match.request,
            state=match.state,
            current=int(match.result.get("current") or 0),
            started_at=match.result.get("started_at") or match.request.created_at,
            finished_at=match.result.get("finished_at"),
            done_texts=int(match.progress.get("done") or 0),
            total_texts=match.progress.get("total"),
            task=str(match.progress.get("task") or ""),
            errors=tuple(_errors(match.result)),
        )

    def entries(self) -> list[Entry]:
        """The newest report of every model and task, the newest first."""
        results: dict[tuple[str, str], Entry] = {}
        for evaluation in self.all():
            for run in read_json(evaluation.folder / "result.json").get("runs", []):
                for report in run.get("result", {}).get("tasks", []):
                    if "error" in report or not report.get("results"):
                        continue
                    number = int(run["number"])
                    samples = evaluation.folder / "samples" / str(number) / f"{report['digest']}.npz"
                    at = float(run.get("finished_at") or evaluation.request.created_at)
                    entry = Entry(evaluation.id, number, run["model"], report, at, samples)
                    results.setdefault((entry.model, entry.key), entry)
        return list(results.values())

    def log(self, evaluation_id: str) -> str:
        """The end of what the process has said."""
        match = self.get(evaluation_id)
        return "\n".join(log_tail(match.folder, LOG_LINES)) if match is not None else ""

    # -- what can be chosen -----------------------------------------------------------------------------

    def model_choices(self) -> list[tuple[str, str]]:
        """(label, word) of the models that can be measured here without being typed."""
        from me5.registry import MODELS, SHIPPED

        own = [
            (f"{place.name} (trained here)", str(place))
            for place in sorted((self.data_dir / "models").glob("[!.]*"))
            if (place / "config.json").is_file()
        ]
        runs = [
            (f"{place.parent.name} (run)", str(place))
            for place in sorted((self.data_dir / "runs").glob("*/model"))
            if (place / "config.json").is_file()
        ]
        named = [(name, name) for name in SHIPPED]
        fetched = [(f"{name} (from the hub)", name) for name in MODELS if name not in SHIPPED]
        neutral = [("small, language-neutral (from the hub)", "neutral:small")]
        words = [("This app, as its search page ranks", "product"), ("BM25, words in common", "bm25")]
        results = [*named, *own, *runs, *words, *fetched[:1], *neutral, *fetched[1:]]
        return [(label, word) for label, word in results if self.access.allows("model", word)]

    def task_choices(self) -> list[tuple[str, str]]:
        """(label, word) of the tasks that can be measured here without being typed."""
        uploads = sorted(path for path in (self.folder / "files").glob("*") if path.is_file())
        hub = [(f"{name} (from the hub)", name) for name in ("MIRACL", "BUCC", "Tatoeba")]
        sample = [("Sample: questions across languages", str(SAMPLE_TASK))] if SAMPLE_TASK.is_dir() else []
        results = [*sample, *((path.name, str(path)) for path in uploads), *hub]
        return [(label, word) for label, word in results if self.access.allows("task", word)]

    def label(self, model: str) -> str:
        """What a model is called in tables."""
        path = Path(model)
        if path.parent == self.data_dir / "models":
            return path.name
        if path.name == "model" and path.parent.parent == self.data_dir / "runs":
            return path.parent.name
        if path.is_absolute():
            return path.name
        if model.startswith("neutral:"):
            return f"{self.label(model.removeprefix('neutral:'))} (neutral)"
        return {"product": "this app", "bm25": "BM25", "bm25:words": "BM25 of words"}.get(model, model)


def merged_pairs(words: Sequence[str]) -> list[str]:
    """Two files that differ in their suffix are one task, named without it: ``news.de``, ``news.en``."""
    measurable = {".csv", ".tsv", ".tgz", ".txz", ".tar", ".xz", ".gz", ".bz2"}
    stems: dict[str, list[str]] = {}
    for word in words:
        path = Path(word)
        stems.setdefault(word if path.suffix in measurable else str(path.with_suffix("")), []).append(word)
    return [stem if len(own) == 2 else own[0] for stem, own in stems.items()]


def compare_entries(first: Entry, second: Entry) -> dict[str, Any]:
    """Second minus first in the main metric: a ``Comparison`` per language, and of the mean under "mean".

    Raises:
        EvaluationError: they are not of the same items, or their values were not kept.
    """
    from trainer.errors import TrainerError

    if first.key != second.key:
        raise EvaluationError(
            "The two models were measured on different items. Expected the same task. Measure both together."
        )
    try:
        return _compare_files(first.samples, second.samples, first.report["main_metric"])
    except (TrainerError, KeyError, ValueError) as error:
        raise EvaluationError(
            f"The two cannot be compared item by item ({error}). Expected values kept with both results; "
            "tasks of the hub keep none. Measure both models on a local copy."
        ) from error


@lru_cache(maxsize=256)
def _compare_files(first: Path, second: Path, metric: str) -> dict[str, Any]:
    """Files of ended measurements do not change, so the second look costs nothing."""
    from trainer.evaluation.samples_file import read_samples
    from trainer.evaluation.statistics import compare

    left, right = (read_samples(path)[metric] for path in (first, second))
    results: dict[str, Any] = {
        language: compare({language: left[language]}, {language: right[language]}) for language in left
    }
    if len(left) > 1:
        results["mean"] = compare(left, right)
    return results


# -- files ---------------------------------------------------------------------------------------------------


def _require_choice(request: Request) -> None:
    for what, chosen, most in (("model", request.models, MAX_MODELS), ("task", request.tasks, MAX_TASKS)):
        if not chosen:
            raise EvaluationError(f"No {what} is chosen. Expected at least one. Choose a {what} above.")
        odd = next((word for word in chosen if word.strip().startswith("-") or not word.strip()), None)
        if odd is not None:
            raise EvaluationError(
                f"'{odd}' is not a {what}. Expected a name or path that does not start with a dash."
            )
        if len(chosen) > most:
            raise EvaluationError(
                f"{len(chosen)} {what}s are chosen. Expected at most {most} at a time. Take some away."
            )


def _looks_like_path(word: str) -> bool:
    """Whether it can be read as a path of this machine; names of models and tasks on the hub are none."""
    path = ROOT / word
    is_inside = path.parent != ROOT and path.parent.is_dir()
    return word.startswith(("~", "/", ".", "\\")) or bool(Path(word).anchor) or path.exists() or is_inside


def _absolute(word: str) -> str:
    """A path as seen from here, since the process has a working folder of its own; other words stay."""
    path = Path(word).expanduser()
    is_there = bool(path.parts) and path.exists()
    return str(path.absolute()) if is_there else word


def _names(models: Sequence[str]) -> str:
    return ", ".join(Path(model).name if _looks_like_path(model) else model for model in models)


def to_request(values: Mapping[str, Any]) -> Request:
    """What ``request.json`` says."""
    lists = {name: tuple(values[name]) for name in ("models", "tasks", "languages") if name in values}
    return Request(**dict(values) | lists)


def _errors(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    results = []
    for run in result.get("runs", []):
        if "error" in run:
            results.append((str(run["model"]), str(run["error"])))
        results += [
            (str(task["name"]), str(task["error"]))
            for task in run.get("result", {}).get("tasks", [])
            if "error" in task
        ]
    return list(dict.fromkeys(results))
