"""Parallel text, evaluations and trainings of a data folder, as the list of jobs wants them. No gradio."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import JobError
from indexer.library.children import ChildRun
from indexer.types import JobInfo
from me5.states import ACTIVE, State
from trainer.run import launch, records
from ui.services import child_runs
from ui.services.access import Access
from ui.services.evaluation import Evaluations
from ui.services.parallel import MiningRuns

if TYPE_CHECKING:
    from indexer.library.library import Library

PARTS = 1_000  # of a run whose progress is a share
REPORTS = ("request.json", "result.json", "state.json", "launch.json")

Stamp = tuple[int, ...]


def follow_runs(library: "Library") -> None:
    """Have the jobs of a library include these runs."""
    library.jobs.follow(FolderRuns(library))


@dataclass
class FolderRuns:
    """The runs below the data folder of a library; implements ``indexer.library.children.Children``."""

    library: "Library"
    _ended: dict[Path, tuple[Stamp, ChildRun]] = field(default_factory=dict)

    def look(self) -> Sequence[ChildRun]:
        """All runs there are. Those that have ended are read once."""
        results = []
        for folder, read in self._places():
            stamp = _stamp(folder)
            known = self._ended.get(folder)
            run = known[1] if known is not None and known[0] == stamp else read(folder)
            if run is None:
                continue
            if run.state not in ACTIVE:
                self._ended[folder] = (stamp, run)
            results.append(run)
        return results

    def gone(self, kind: str, folder: Path) -> State:
        """How a run ended whose folder is no longer there: scores go to the catalog, and then the folder."""
        known = self.library.catalog.bitexts.all() if kind == "parallel" else ()
        is_scored = any(item.id == folder.name and "model" in item.details for item in known)
        return "done" if is_scored else "cancelled"

    def cancel(self, kind: str, folder: Path) -> None:
        """Ask a run to stop; its folder reports how it ended."""
        if kind == "train":
            run = records.read_run(folder)
            if run is not None:
                launch.stop_run(run)
        elif kind == "parallel":
            self._mining().cancel(folder.name)
        else:
            child_runs.cancel(folder)

    def _mining(self) -> MiningRuns:
        return MiningRuns(self.library, self.library.data_dir / "bitexts", Access(self.library.data_dir))

    def _places(self) -> Iterator[tuple[Path, Callable[[Path], ChildRun | None]]]:
        data_dir = self.library.data_dir
        for folder in child_runs.folders(data_dir / "bitexts"):
            yield folder, self._parallel
        for folder in child_runs.folders(data_dir / "evaluations"):
            yield folder, self._evaluation
        trainings = data_dir / "runs"
        for folder in sorted(trainings.iterdir()) if trainings.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder, _training

    def _parallel(self, folder: Path) -> ChildRun | None:
        run = self._mining().get(folder.name)
        if run is None:
            return None
        return ChildRun(
            kind="parallel",
            folder=folder,
            label=run.request.name,
            state=run.state,
            created_at=run.request.created_at,
            message=run.message or run.phase,
            **_share(run.share),
            **_process(folder),
        )

    def _evaluation(self, folder: Path) -> ChildRun | None:
        evaluations = Evaluations(Access(self.library.data_dir))
        run = evaluations.get(folder.name)
        if run is None:
            return None
        return ChildRun(
            kind="evaluate",
            folder=folder,
            label=f"Evaluate {', '.join(map(evaluations.label, run.request.models))}",
            state=run.state,
            created_at=run.request.created_at,
            message="; ".join(sentence for _, sentence in run.errors) or run.task,
            **_share(run.share),
            **_process(folder),
        )


def _training(folder: Path) -> ChildRun | None:
    run = records.read_run(folder)
    if run is None:
        return None
    about = records.read_json(folder / "about.json")
    left = records.seconds_left(run, records.MetricsFollower(folder / "metrics.jsonl").look())
    return ChildRun(
        kind="train",
        folder=folder,
        label=f"Train {about.get('title') or run.name}",
        state=run.state,
        created_at=run.started_at or folder.stat().st_mtime,
        done=run.step,
        total=run.steps,
        unit="steps",
        message="" if run.state == "cancelled" else run.phase or run.message,  # it names a signal
        seconds_left=left,
        started_at=run.started_at,
        finished_at=None if run.is_alive else run.updated_at,
        pid=run.pid,
        process_created_at=records.read_json(folder / "launch.json").get("process_created_at"),
    )


def _share(share: float | None) -> dict[str, Any]:
    return {} if share is None else {"done": int(PARTS * share), "total": PARTS, "unit": "parts"}


def _process(folder: Path) -> Mapping[str, Any]:
    message = records.read_json(folder / "result.json")
    return {name: message.get(name) for name in ("started_at", "finished_at", "pid", "process_created_at")}


def _stamp(folder: Path) -> Stamp:
    """Changes when the run reports something."""
    results = []
    for name in REPORTS:
        try:
            results.append((folder / name).stat().st_mtime_ns)
        except OSError:
            results.append(0)
    return tuple(results)


def find_job(jobs: Sequence[JobInfo], word: str) -> JobInfo:
    """The job whose id begins with a word.

    Raises:
        JobError: there is none, or more than one.
    """
    results = [job for job in jobs if word and job.id.startswith(word)]
    if len(results) != 1:
        count = "no job" if not results else f"{len(results)} jobs"
        raise JobError(f"{count.capitalize()} with the id {word!r}. Look it up in the list: app.py jobs.")
    return results[0]


def job_json(job: JobInfo) -> dict[str, Any]:
    """A job for machines; ``state`` as of ``me5.states``, ``run`` names a run in a process of its own."""
    return {
        "job": job.id, "kind": job.kind, "collection": job.collection, "state": job.state, "label": job.label,
        "done": job.done, "total": job.total, "unit": job.unit, "message": job.message,
        "seconds_left": job.seconds_left, "run": Path(job.folder).name if job.folder else None,
    }  # fmt: skip
