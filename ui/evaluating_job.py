"""The process behind an evaluation of the page: ``python -m ui.evaluating_job FOLDER``.

Runs ``app.py evaluate`` once per model, so that one model's trouble is not another's.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from indexer.errors import Cancelled
from trainer.run.records import read_json, write_json
from ui.services import child_runs
from ui.services.evaluation import ROOT, Request, to_request


def measure(folder: Path) -> None:
    """Run the request of a folder, model after model, and record what comes out."""
    request = to_request(read_json(folder / "request.json"))
    runs: list[dict[str, Any]] = []
    own = psutil.Process()
    base = {
        "pid": own.pid, "process_created_at": own.create_time(), "started_at": time.time(), "runs": runs,
    }  # fmt: skip
    try:
        with child_runs.cancellable():
            for number, model in enumerate(request.models):
                write_json(folder / "result.json", base | {"state": "running", "current": number})
                (folder / "progress.json").unlink(missing_ok=True)
                runs.append({"number": number, "model": model} | _measure_one(folder, request, number))
    except Cancelled as cancelled:
        ended = {"state": "cancelled", "message": str(cancelled), "finished_at": time.time()}
        write_json(folder / "result.json", base | {"current": len(runs)} | ended)
        return
    has_any = any("error" not in task for run in runs for task in run.get("result", {}).get("tasks", []))
    state = "done" if has_any else "failed"
    write_json(folder / "result.json", base | {"state": state, "finished_at": time.time()})


def _measure_one(folder: Path, request: Request, number: int) -> dict[str, Any]:
    model = request.models[number]
    command = [sys.executable, "app.py", "evaluate", *request.tasks, "--model", model]
    command += ["--json", "--keep-going", "--samples", str(folder / "samples" / str(number))]
    command += ["--data", str(folder.absolute().parents[1])]  # for ``product:NAME`` of a registered model
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
        message = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        words = (
            message[-1].removeprefix("error: ") if message else f"It ended with exit code {done.returncode}."
        )
        return spent | {"error": words}


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
