"""Evaluations of the page: each is a folder, run by a process of its own that outlives the page.

``data_dir/evaluations/ID`` holds ``request.json`` (what was asked for), ``result.json`` (state, and per model
what ``app.py evaluate --json`` printed), ``progress.json``, ``log.txt`` and ``samples/N`` (values per item,
for paired tests). ``data_dir/evaluations/files`` holds uploads. The process is
``python -m ui.evaluating FOLDER``: it runs ``app.py evaluate`` once per model, so that one model's trouble is
not another's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import psutil

from ui.errors import UiError

State = Literal["running", "done", "failed", "cancelled", "interrupted"]

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_TASK = ROOT / "examples" / "evaluation" / "sample-questions"
POLITE = 10
MAX_MODELS, MAX_TASKS = 8, 20
STARTING_S = 20.0
"""How long a process that was just started may need before its number must be in ``result.json``."""
LOG_BYTES = 20_000
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
        share = self.share
        if not share or share < 0.02 or self.started_at is None:
            return None
        return (now - self.started_at) * (1 - share) / share


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

    def score(self, row: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Value and interval of the main metric."""
        return dict((row or self.main)["metrics"][self.report["main_metric"]])


@dataclass(frozen=True)
class Evaluations:
    """What the page may do with evaluations.

    Args:
        data_dir: the data folder of the library.
        allow_server_paths: whether tasks and models may be paths of the machine the page runs on.
    """

    data_dir: Path
    allow_server_paths: bool = True

    @property
    def folder(self) -> Path:
        """Where evaluations are."""
        return self.data_dir / "evaluations"

    # -- starting and stopping --------------------------------------------------------------------------

    def start(self, request: Request) -> Evaluation:
        """Check what is asked for and measure it in the background.

        Raises:
            EvaluationError: nothing to measure, a path that may not be read, or another one is running.
        """
        _require_choice(request)
        models, tasks = (tuple(map(_absolute, words)) for words in (request.models, request.tasks))
        request = replace(request, models=models, tasks=tasks, created_at=time.time())
        for word in (*request.models, *request.tasks):
            self._require_allowed(word)
        running = self.running()
        if running is not None:
            raise EvaluationError(
                f"Evaluation of {_names(running.request.models)} is running already. Expected one at a time, "
                "because they would slow each other down. Wait for it, or cancel it."
            )
        folder = self.folder / time.strftime("%Y%m%d-%H%M%S")
        while folder.exists():
            folder = folder.with_name(f"{folder.name}a")
        try:
            folder.mkdir(parents=True)
            _write(folder / "request.json", asdict(request))
            process = _start_process(folder)
            _write(folder / "result.json", {"state": "running", "started_at": time.time(), **process})
        except OSError as error:
            raise EvaluationError(
                f"The evaluation cannot be started in {folder} ({error}). Expected a folder with free space. "
                "Make room and try again."
            ) from error
        found = self.get(folder.name)
        assert found is not None
        return found

    def cancel(self, evaluation_id: str) -> None:
        """Stop the process with everything it started; what is measured already stays."""
        found = self.get(evaluation_id)
        if found is None or found.state != "running":
            return
        result = _read(found.folder / "result.json")
        with suppress(psutil.Error):
            process = psutil.Process(result["pid"])
            family = [process, *process.children(recursive=True)]
            for one in family:
                with suppress(psutil.Error):
                    one.kill()
            psutil.wait_procs(family, timeout=10)
        result = _read(found.folder / "result.json")  # a model may have been finished meanwhile
        _write(found.folder / "result.json", result | {"state": "cancelled", "finished_at": time.time()})

    def remove(self, evaluation_id: str) -> None:
        """Delete an evaluation that has ended, with its results."""
        found = self.get(evaluation_id)
        if found is not None and found.state != "running":
            shutil.rmtree(found.folder, ignore_errors=True)

    def keep_upload(self, path: Path) -> str:
        """Take an uploaded file over and return the word under which it is a task."""
        name = UPLOAD_NAME.sub("-", path.name).strip("-.") or "upload"
        target = self.folder / "files" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return str(target)

    def _require_allowed(self, word: str) -> None:
        if self.allow_server_paths or word == str(SAMPLE_TASK):
            return
        places = [self.folder / "files", self.data_dir / "runs", self.data_dir / "models"]
        for part in re.split(r"[,:+@]", word):
            path = Path(part)
            is_own = ".." not in path.parts and any(path.is_relative_to(place) for place in places)
            if _looks_like_path(part) and not is_own:
                raise EvaluationError(
                    f"'{word}' is a path of the host and cannot be read from a public page: every visitor "
                    "could. Upload the file, or run `python app.py evaluate PATH` on the host."
                )

    # -- looking ----------------------------------------------------------------------------------------

    def all(self) -> list[Evaluation]:
        """Every evaluation, the newest first."""
        places = self.folder.glob("*/request.json") if self.folder.is_dir() else []
        found = [one for path in places if (one := self.get(path.parent.name)) is not None]
        return sorted(found, key=lambda one: one.id, reverse=True)

    def running(self) -> Evaluation | None:
        """The one that is going on."""
        return next((one for one in self.all() if one.state == "running"), None)

    def get(self, evaluation_id: str) -> Evaluation | None:
        """One evaluation; None where there is none of that name."""
        if not re.fullmatch(r"[\w-]+", evaluation_id):
            return None
        folder = self.folder / evaluation_id
        try:
            request = _to_request(_read(folder / "request.json"))
        except (TypeError, ValueError):
            return None
        result, progress = _read(folder / "result.json"), _read(folder / "progress.json")
        return Evaluation(
            id=evaluation_id,
            folder=folder,
            request=request,
            state=_state(result, request),
            current=int(result.get("current") or 0),
            started_at=result.get("started_at") or request.created_at,
            finished_at=result.get("finished_at"),
            done_texts=int(progress.get("done") or 0),
            total_texts=progress.get("total"),
            task=str(progress.get("task") or ""),
            errors=tuple(_errors(result)),
        )

    def entries(self) -> list[Entry]:
        """The newest report of every model and task, the newest first."""
        found: dict[tuple[str, str], Entry] = {}
        for evaluation in self.all():
            for run in _read(evaluation.folder / "result.json").get("runs", []):
                for report in run.get("result", {}).get("tasks", []):
                    if "error" in report or not report.get("results"):
                        continue
                    number = int(run["number"])
                    samples = evaluation.folder / "samples" / str(number) / f"{report['digest']}.npz"
                    at = float(run.get("finished_at") or evaluation.request.created_at)
                    entry = Entry(evaluation.id, number, run["model"], report, at, samples)
                    found.setdefault((entry.model, entry.key), entry)
        return list(found.values())

    def log(self, evaluation_id: str) -> str:
        """The end of what the process has said."""
        found = self.get(evaluation_id)
        if found is None:
            return ""
        try:
            with (found.folder / "log.txt").open("rb") as file:
                file.seek(max(0, (found.folder / "log.txt").stat().st_size - LOG_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    # -- what can be chosen -----------------------------------------------------------------------------

    def model_choices(self) -> list[tuple[str, str]]:
        """(label, word) of the models that can be measured here without being typed."""
        from me5.registry import MODELS

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
        named = [(name if name == "builtin" else f"{name} (from the hub)", name) for name in MODELS]
        words = [("This app, as its search page ranks", "product"), ("BM25, words in common", "bm25")]
        return [*named[:1], *own, *runs, *words, *named[1:]]

    def task_choices(self) -> list[tuple[str, str]]:
        """(label, word) of the tasks that can be measured here without being typed."""
        uploads = sorted(path for path in (self.folder / "files").glob("*") if path.is_file())
        hub = [(f"{name} (from the hub)", name) for name in ("MIRACL", "BUCC", "Tatoeba")]
        sample = [("Sample: questions across languages", str(SAMPLE_TASK))] if SAMPLE_TASK.is_dir() else []
        return [*sample, *((path.name, str(path)) for path in uploads), *hub]

    def label(self, model: str) -> str:
        """What a model is called in tables."""
        path = Path(model)
        if path.parent == self.data_dir / "models":
            return path.name
        if path.name == "model" and path.parent.parent == self.data_dir / "runs":
            return path.parent.name
        if path.is_absolute():
            return path.name
        return {"product": "this app", "bm25": "BM25", "bm25:words": "BM25 of words"}.get(model, model)


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
    from trainer.tasks.kept import read_samples
    from trainer.tasks.statistics import compare

    ours, theirs = (read_samples(path)[metric] for path in (first, second))
    found: dict[str, Any] = {
        language: compare({language: ours[language]}, {language: theirs[language]}) for language in ours
    }
    if len(ours) > 1:
        found["mean"] = compare(ours, theirs)
    return found


# -- files ---------------------------------------------------------------------------------------------------


def _require_choice(request: Request) -> None:
    for what, chosen, most in (("model", request.models, MAX_MODELS), ("task", request.tasks, MAX_TASKS)):
        if not chosen:
            raise EvaluationError(f"No {what} is chosen. Expected at least one. Choose a {what} above.")
        odd = next((word for word in chosen if word.strip().startswith("-") or not word.strip()), None)
        if odd is not None:
            raise EvaluationError(
                f"'{odd}' is no {what}. Expected a name or path that does not begin with a dash. Rename it."
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
    path = Path(word.strip().strip("\"'")).expanduser()
    is_there = bool(path.parts) and path.exists()
    return str(path.absolute()) if is_there else word.strip().strip("\"'")


def _names(models: Sequence[str]) -> str:
    return ", ".join(Path(model).name if _looks_like_path(model) else model for model in models)


def _to_request(values: Mapping[str, Any]) -> Request:
    lists = {name: tuple(values[name]) for name in ("models", "tasks", "languages") if name in values}
    return Request(**dict(values) | lists)


def _state(result: Mapping[str, Any], request: Request) -> State:
    said = result.get("state")
    if said == "running":
        return "running" if _is_alive(result) else "interrupted"
    if said in ("done", "failed", "cancelled"):
        return said
    return "running" if time.time() - request.created_at < STARTING_S else "interrupted"


def _is_alive(result: Mapping[str, Any]) -> bool:
    try:
        process = psutil.Process(int(result["pid"]))
        is_gone = process.status() == psutil.STATUS_ZOMBIE
        return not is_gone and abs(process.create_time() - float(result["process_created_at"])) < 5
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _errors(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for run in result.get("runs", []):
        if "error" in run:
            found.append((str(run["model"]), str(run["error"])))
        found += [
            (str(task["name"]), str(task["error"]))
            for task in run.get("result", {}).get("tasks", [])
            if "error" in task
        ]
    return list(dict.fromkeys(found))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)


# -- the process ---------------------------------------------------------------------------------------------


def _start_process(folder: Path) -> dict[str, Any]:
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ui.evaluating", str(folder)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
            start_new_session=True,
        )
    created_at = time.time()
    with suppress(psutil.Error):
        watched = psutil.Process(process.pid)
        created_at = watched.create_time()
        watched.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", POLITE))  # the name exists on Windows
    return {"pid": process.pid, "process_created_at": created_at}


def measure(folder: Path) -> None:
    """Run the request of a folder, model after model, and record what comes out."""
    request = _to_request(_read(folder / "request.json"))
    runs: list[dict[str, Any]] = []
    own = psutil.Process()
    base = {
        "pid": own.pid, "process_created_at": own.create_time(), "started_at": time.time(), "runs": runs,
    }  # fmt: skip
    for number, model in enumerate(request.models):
        _write(folder / "result.json", base | {"state": "running", "current": number})
        (folder / "progress.json").unlink(missing_ok=True)
        runs.append({"number": number, "model": model} | _measure_one(folder, request, number))
    has_any = any("error" not in task for run in runs for task in run.get("result", {}).get("tasks", []))
    state = "done" if has_any else "failed"
    _write(folder / "result.json", base | {"state": state, "finished_at": time.time()})


def _measure_one(folder: Path, request: Request, number: int) -> dict[str, Any]:
    model = request.models[number]
    command = [sys.executable, "app.py", "evaluate", *request.tasks, "--model", model]
    command += ["--json", "--keep-going", "--samples", str(folder / "samples" / str(number))]
    command += ["--progress", str(folder / "progress.json")]
    for language in request.languages:
        command += ["--language", language]
    if request.max_items:
        command += ["--max-items", str(request.max_items)]
    if request.instruction and not model.startswith(("bm25", "product")):
        command += ["--instruction", request.instruction]
    begun = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8",
        errors="replace", check=False,
    )  # fmt: skip
    print(f"{model}: exit code {done.returncode}\n{done.stderr}", flush=True)  # noqa: T201 - into log.txt
    spent = {"seconds": round(time.monotonic() - begun, 1), "finished_at": time.time()}
    try:
        return spent | {"result": json.loads(done.stdout)}
    except ValueError:
        told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        words = told[-1].removeprefix("error: ") if told else f"It ended with exit code {done.returncode}."
        return spent | {"error": words}


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
