"""Evaluations of the page: folders, processes that outlive the page, what is refused, comparisons."""

import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from trainer.evaluation.samples_file import write_samples
from trainer.evaluation.statistics import Sample
from trainer.evaluation.values import Measured
from ui import evaluating_job
from ui.services import evaluation as evaluating
from ui.services.access import Access, NotOfferedError
from ui.services.evaluation import SAMPLE_TASK, EvaluationError, Evaluations, Request, compare_entries


@pytest.fixture
def evaluations(tmp_path: Path) -> Evaluations:
    return Evaluations(Access(tmp_path / "data"))


@pytest.fixture
def own_task(tmp_path: Path) -> str:
    path = tmp_path / "own.csv"
    path.write_text("query,document,language\nfluss,der fluss,de\nsea,the sea,en\n", encoding="utf-8")
    return str(path)


def wait(evaluations: Evaluations, key: str, *, until: float = 60) -> Any:
    end, waiting = time.monotonic() + until, threading.Event()
    while (found := evaluations.get(key)) is not None and found.state == "running":
        assert time.monotonic() < end
        waiting.wait(0.05)
    return found


def test_an_evaluation_runs_in_a_process_of_its_own(evaluations: Evaluations, own_task: str) -> None:
    """One model works and one does not; one task works and one does not."""
    request = Request(models=("bm25:words", "no-such-model"), tasks=(own_task, "nowhere-to-be-found"))
    begun = evaluations.start(request)
    assert begun.state == "running" and evaluations.running() == begun
    with pytest.raises(EvaluationError, match="is running already"):
        evaluations.start(request)
    ended = wait(evaluations, begun.id)
    assert ended.state == "done" and ended.finished_at
    assert [what for what, _ in ended.errors] == ["nowhere-to-be-found", "no-such-model"]
    assert "Unknown model" in ended.errors[1][1]
    (entry,) = evaluations.entries()
    assert (entry.model, entry.report["task"], entry.score()["value"]) == ("bm25:words", "own", 1.0)
    assert "exit code" in evaluations.log(begun.id)
    alone = compare_entries(entry, entry)
    assert alone["mean"].difference == 0 and set(alone) == {"de", "en", "mean"}
    evaluations.remove(begun.id)
    assert evaluations.all() == [] and not ended.folder.exists()


def test_cancel_ends_the_process_and_what_it_started(
    evaluations: Evaluations, own_task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = evaluations.start(Request(models=("bm25:words",) * 3, tasks=(own_task,)))
    process = psutil.Process(json.loads((begun.folder / "result.json").read_text())["pid"])
    evaluations.cancel(begun.id)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    found = evaluations.get(begun.id)
    assert found is not None and found.state == "cancelled"
    evaluations.cancel(begun.id)  # a second time changes nothing
    assert evaluations.running() is None


def test_a_registered_model_is_measured_by_its_name(
    evaluations: Evaluations, own_task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = evaluations.data_dir / "models" / "harbour"
    place.mkdir(parents=True)
    monkeypatch.setattr(evaluating.child_runs, "start", lambda *_: None)
    begun = evaluations.start(Request(("harbour", "builtin", "product:harbour"), (own_task,)))
    assert begun.request.models == (str(place), "builtin", "product:harbour")
    assert evaluations.label(begun.request.models[0]) == "harbour"
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "{}", "")

    monkeypatch.setattr(evaluating_job.subprocess, "run", run)
    evaluating_job.measure(begun.folder)
    assert [command[command.index("--data") + 1] for command in commands] == [str(evaluations.data_dir)] * 3


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request((), ("a",)), "No model is chosen"),
        (Request(("builtin",), ()), "No task is chosen"),
        (Request(("builtin",), ("--progress=/tmp/x",)), "does not start with a dash"),
        (Request(("",), ("a",)), "is not a model"),
        (Request(("builtin",), ("a",) * 21), "at most 20"),
    ],
)
def test_what_cannot_be_measured_is_refused_before(
    evaluations: Evaluations, request_: Request, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluations.start(request_)
    assert not evaluations.folder.exists()


@pytest.mark.parametrize(
    "word",
    ["/etc", "~/x", "../x", "./x", "examples/library", "README.md", "docs/ledger", "bm25:/etc", "x,/etc/y"],
)
def test_a_public_page_reads_no_path_of_the_host(
    tmp_path: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = Evaluations(Access(tmp_path, is_private=False))
    monkeypatch.setattr(evaluating.child_runs, "start", lambda *_: None)
    for request in (Request(("builtin",), (word,)), Request((word,), (str(SAMPLE_TASK),))):
        with pytest.raises(NotOfferedError, match="not offered"):
            public.start(request)
    inside = public.folder / "files" / ".." / ".." / "catalog"
    with pytest.raises(NotOfferedError, match="of the host"):
        public.start(Request(("builtin",), (str(inside),)))
    upload = tmp_path / "tmp" / "uploads" / "own.csv"
    upload.parent.mkdir(parents=True)
    upload.write_text("query,document\n")
    (kept,) = public.keep_uploads([upload])
    public.start(Request(("builtin", "product", "bm25"), (kept, str(SAMPLE_TASK))))
    words = {word for _, word in (*public.model_choices(), *public.task_choices())}
    assert kept in words and not {"large", "MIRACL"} & words  # what would be fetched is not listed either


def test_uploads_lose_their_path_and_keep_their_script(evaluations: Evaluations, tmp_path: Path) -> None:
    source = tmp_path / "أسئلة 图书馆 $(x).csv"
    source.write_text("x")
    kept = Path(evaluations.keep_uploads([source])[0])
    assert kept.parent == evaluations.folder / "files" and kept.name == "أسئلة-图书馆-x-.csv"
    assert (kept.name, str(kept)) in evaluations.task_choices()


def write_result(evaluations: Evaluations, key: str, **result: Any) -> None:
    folder = evaluations.folder / key
    folder.mkdir(parents=True)
    request = {"models": ["m"], "tasks": ["t"], "created_at": 1.0}
    (folder / "request.json").write_text(json.dumps(request))
    if result:
        (folder / "result.json").write_text(json.dumps(result))


def test_a_process_that_is_gone_leaves_an_evaluation_that_broke_off(evaluations: Evaluations) -> None:
    write_result(evaluations, "a", state="running", pid=os.getpid(), process_created_at=1.0)
    write_result(evaluations, "b")
    own = psutil.Process().create_time()
    write_result(evaluations, "c", state="running", pid=os.getpid(), process_created_at=own)
    assert [(one.id, one.state) for one in evaluations.all()] == [
        ("c", "running"),
        ("b", "interrupted"),
        ("a", "interrupted"),
    ]
    assert evaluations.get("../a") is None and evaluations.get("nothing") is None


def test_time_left_follows_from_texts_and_models(evaluations: Evaluations) -> None:
    own = psutil.Process().create_time()
    write_result(evaluations, "a", state="running", pid=os.getpid(), process_created_at=own, started_at=100.0)
    (evaluations.folder / "a" / "progress.json").write_text('{"done": 25, "total": 100, "task": "t"}')
    found = evaluations.get("a")
    assert found is not None and found.share == 0.25 and found.seconds_left(110.0) == pytest.approx(30.0)
    two = replace(found, request=replace(found.request, models=("m", "n")), current=1)
    assert two.share == 0.625
    assert replace(found, total_texts=None).seconds_left(110.0) is None


def task_report(digest: str, value: float) -> dict[str, Any]:
    score = {"value": value, "low": value - 0.1, "high": value + 0.1, "compare": None}
    row = {"language": "de", "items": 4, "pool": 4, "notes": {}, "metrics": {"F1": score}}
    return {
        "name": "t", "task": "t", "kind": "bitext", "main_metric": "F1", "digest": digest, "results": [row],
        "mean": None,
    }  # fmt: skip


def test_the_newest_report_of_a_model_and_task_counts(evaluations: Evaluations) -> None:
    for key, digest, value in (("1", "d", 0.1), ("2", "d", 0.2), ("3", "other", 0.3)):
        run = {"number": 0, "model": "m", "result": {"tasks": [task_report(digest, value)]}}
        failed = {"number": 1, "model": "n", "error": "no"}
        write_result(evaluations, key, state="done", runs=[run, failed])
    found = evaluations.entries()
    assert [(entry.evaluation, entry.score()["value"]) for entry in found] == [("3", 0.3), ("2", 0.2)]
    with pytest.raises(EvaluationError, match="different items"):
        compare_entries(found[0], found[1])
    with pytest.raises(EvaluationError, match="Expected values kept"):
        compare_entries(found[1], found[1])


def test_two_models_are_compared_from_what_was_kept(evaluations: Evaluations) -> None:
    for key, values in (("1", [0.0, 0, 0, 0, 1]), ("2", [1.0, 1, 1, 1, 1])):
        run = {"number": 0, "model": key, "result": {"tasks": [task_report("d", 0.2)]}}
        write_result(evaluations, key, state="done", runs=[run])
        samples = {"F1": Sample.of_values(np.array(values * 8))}
        write_samples(
            evaluations.folder / key / "samples" / "0" / "d.npz", {"de": Measured("de", 40, 40, samples)}
        )
    second, first = evaluations.entries()
    (told,) = compare_entries(first, second).values()
    assert told.difference == pytest.approx(0.8) and told.p_value < 0.01


def test_models_are_called_by_their_names(evaluations: Evaluations) -> None:
    for folder in ("models/harbour-e5", "runs/bees/model", "runs/unfinished", "models/.part"):
        (evaluations.data_dir / folder).mkdir(parents=True)
        if "unfinished" not in folder:
            (evaluations.data_dir / folder / "config.json").write_text("{}")
    choices = dict(evaluations.model_choices())
    assert choices["harbour-e5 (trained here)"] == str(evaluations.data_dir / "models" / "harbour-e5")
    assert choices["bees (run)"] == str(evaluations.data_dir / "runs" / "bees" / "model")
    assert list(choices)[:2] == ["builtin", "fast"] and ".part (trained here)" not in choices
    assert {"BM25, words in common", "small (from the hub)"} <= set(choices)
    assert len(set(choices.values())) == len(choices)
    assert evaluations.label(choices["small, language-neutral (from the hub)"]) == "small (neutral)"
    neutral = f"neutral:{choices['bees (run)']}"
    assert evaluations.label(neutral) == "bees (neutral)"
    assert choices["This app, as its search page ranks"] == "product"
    assert evaluations.label(choices["bees (run)"]) == "bees" and evaluations.label("small") == "small"
