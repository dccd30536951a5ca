"""Runs of the tab Parallel text: find pairs, align texts, score pairs. No gradio.

``data_dir/bitexts/ID`` holds, beside the files of every run (:mod:`ui.services.child_runs`), what it works
on, finished work, and ``pairs.jsonl`` when it is done. The process is ``ui.mining_job``; a run that was
killed resumes from where it was.
"""

from __future__ import annotations

import filecmp
import json
import math
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.bitext.reviews import Bitext
from indexer.bitext.segmenters import Segmenter, SegmenterName, segmenter
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair
from me5 import atomic
from me5.states import RESUMABLE, State
from trainer.run.records import read_json, write_json
from ui.errors import UiError
from ui.services import child_runs
from ui.services.access import Access

if TYPE_CHECKING:
    from indexer.library.library import Library

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (ROOT / "examples/parallel/notices.ar.txt", ROOT / "examples/parallel/notices.zh.txt")
NAME_LETTERS = re.compile(r"[^\w.-]+")
MAX_NAME = 80


class MiningRefusedError(UiError):
    """Raised when pairs cannot be found, scored, reviewed or handed on as asked."""


@dataclass(frozen=True)
class Request:
    """What was asked for. ``source`` and ``target`` are files in the folder of the job.

    ``margin`` and the rest are as in ``MiningSettings``; ``threshold`` None estimates it. ``scored`` asks for
    scores of the pairs in ``source``, which a person imported; then there is no ``target``. Of the first side
    only ``sample`` sentences are mined, drawn by ``seed``; None takes all.
    """

    name: str
    source: str
    target: str
    model: str
    aligned: bool = False
    scored: bool = False
    margin: str = "ratio"
    retrieval: str = "max"
    threshold: float | None = None
    check_language: bool = True
    one_to_one: bool = True
    languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE)
    segmenter: SegmenterName = "rules"
    sample: int | None = None
    seed: int = 0
    created_at: float = 0.0


@dataclass(frozen=True)
class Job:
    """One run as it stands. ``phase`` says in words what is done now; ``share`` is None while unknown."""

    id: str
    folder: Path
    request: Request
    state: State
    phase: str = ""
    share: float | None = None
    started_at: float = 0.0
    message: str = ""

    def seconds_left(self, now: float) -> float | None:
        """Time left at the pace so far; None before there is one."""
        return child_runs.seconds_left(self.share, self.started_at, now)


class MiningRuns:
    """The runs of one data folder, one at a time.

    Args:
        library: its collections give sentences, its models score.
        folder: where runs are.
        access: what may be named.
    """

    def __init__(self, library: Library, folder: Path, access: Access) -> None:
        self.library = library
        self.folder = folder
        self.access = access

    # -- starting ---------------------------------------------------------------------------------------

    def start_files(self, source: Path | None, target: Path | None, wanted: Request) -> Job:
        """Find pairs in two files.

        Raises:
            MiningRefusedError: a file is missing, empty or both are the same; texts in order are to be drawn
                from; or another run is going on.
            MiningError: the segmenter is not installed.
            NotOfferedError: the model is not offered on this page.
        """
        self.access.require("model", wanted.model)
        for path in (source, target):
            if path is not None:
                self.access.require("upload", path)
        paths = _require_sides(source, target)
        if wanted.aligned and wanted.sample:
            raise MiningRefusedError(
                f"{wanted.sample} sentences are to be drawn at random, but texts in order are matched as a "
                "whole. Expected one of the two. Draw 0, which takes all, or untick the order."
            )
        segmenter(wanted.segmenter)  # a missing one is said now, not by the run
        folder = self._new_folder()
        sides = []
        for side, path in zip(("source", "target"), paths, strict=True):
            name = NAME_LETTERS.sub("-", path.name).strip("-.") or "text"
            with explain_disk_errors(folder):
                (folder / side).mkdir()
                shutil.copyfile(path, folder / side / name)
            sides.append(f"{side}/{name}")
        name = wanted.name or " and ".join(path.name for path in paths)
        return self._start(folder, replace(wanted, name=name, source=sides[0], target=sides[1]))

    def start_sample(self, wanted: Request) -> Job:
        """Find pairs in the two files that come with the program."""
        if not all(path.is_file() for path in SAMPLE):
            raise MiningRefusedError(
                f"The sample is not at {SAMPLE[0].parent}. Expected the folder that comes with the program. "
                "Restore it, or drop two files of your own."
            )
        return self.start_files(*SAMPLE, replace(wanted, name="Sample: Arabic and Chinese", aligned=False))

    def start_collection(self, collection: str, source: str, target: str, wanted: Request) -> Job:
        """Find pairs among the passages of a collection in two languages.

        Raises:
            MiningRefusedError: the languages are the same or one has no passages.
            MiningError: the segmenter is not installed.
            NotOfferedError: the model is not offered on this page.
        """
        self.access.require("model", wanted.model)
        if not source or not target:
            raise MiningRefusedError("A language is missing. Expected two. Choose one for each side.")
        if source == target:
            raise MiningRefusedError(
                f"Both sides are '{source}'. Expected two languages. Choose another for one side."
            )
        self.library.catalog.collections.get(collection)  # there must be one
        segment = segmenter(wanted.segmenter)
        folder = self._new_folder()
        for side, code in (("source", source), ("target", target)):
            with explain_disk_errors(folder):
                count = self._write_sentences(folder / f"{side}.jsonl", collection, code, segment)
            if not count:
                shutil.rmtree(folder, ignore_errors=True)
                raise MiningRefusedError(
                    f"'{collection}' has no passages in '{code}'. Expected a language of the collection. "
                    "Choose another, or add documents."
                )
        name = wanted.name or f"{collection}: {source} and {target}"
        wanted = replace(wanted, name=name, source="source.jsonl", target="target.jsonl", aligned=False)
        return self._start(folder, replace(wanted, languages=(source, target)))

    def start_scoring(self, bitext: Bitext, pairs: Iterable[Pair]) -> Job:
        """Score imported pairs with the model of the library; the job has the bitext's id.

        Raises:
            MiningRefusedError: another run is going on.
        """
        self._require_idle()
        folder = self.folder / bitext.id
        with explain_disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)  # of a run that failed
            folder.mkdir(parents=True)
            write_pairs_file(folder / "given.jsonl", pairs)
        return self._start(folder, Request(bitext.name, "given.jsonl", "", self.library.model, scored=True))

    def _write_sentences(self, path: Path, collection: str, language: str, segment: Segmenter) -> int:
        """The sentences of a collection in one language, one JSON object per line; how many."""
        from indexer.bitext.sources import collection_sentences

        sentences = collection_sentences(self.library.catalog, collection, language, segment=segment)
        return _write_lines(path, map(asdict, sentences))

    def _require_idle(self) -> None:
        running = next((job for job in self.all() if job.state == "running"), None)
        if running is not None:
            doing = "scored" if running.request.scored else "searched"
            raise MiningRefusedError(
                f"'{running.request.name}' is being {doing} already. Expected one run at a time, because "
                "they would slow each other down. Wait for it, or cancel it."
            )

    def _new_folder(self) -> Path:
        self._require_idle()
        with explain_disk_errors(self.folder):
            return child_runs.new_folder(
                self.folder, {item.id for item in self.library.catalog.bitexts.all()}
            )

    def _start(self, folder: Path, request: Request) -> Job:
        request = replace(request, name=" ".join(request.name.split())[:MAX_NAME], created_at=time.time())
        with explain_disk_errors(folder):
            write_json(folder / "request.json", asdict(request))
            self._launch(folder)
        return self._require(folder.name)

    def _launch(self, folder: Path) -> None:
        model = to_request(read_json(folder / "request.json")).model
        # What me5 resolves: registered models by their folder, everything else by its name
        result = (item.folder for item in self.library.models() if item.folder and item.name == model)
        child_runs.start(folder, "ui.mining_job", str(next(result, model)))

    # -- looking after ----------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """Stop a run. What it has found is kept, so that it can go on; pairs without scores are as before."""
        job = self.get(job_id)
        if job is None or job.state != "running":
            return
        child_runs.cancel(job.folder)
        if job.request.scored:
            shutil.rmtree(job.folder, ignore_errors=True)

    def go_on(self, job_id: str) -> None:
        """Start a run that was cancelled, failed or interrupted again; it begins where it was."""
        job = self._require(job_id)
        self._require_idle()
        if job.state in RESUMABLE:
            with explain_disk_errors(job.folder):
                self._launch(job.folder)

    def remove(self, job_id: str) -> None:
        """Delete a run with all it has written."""
        self.cancel(job_id)
        if child_runs.is_name(job_id):
            shutil.rmtree(self.folder / job_id, ignore_errors=True)

    def all(self) -> list[Job]:
        """All runs, the newest first."""
        places = child_runs.folders(self.folder)
        return [item for place in places if (item := self.get(place.name)) is not None]

    def get(self, job_id: str) -> Job | None:
        """One run; None where there is none of that name."""
        result = child_runs.read(self.folder, job_id, to_request)
        if result is None:
            return None
        return Job(
            job_id,
            result.folder,
            result.request,
            result.state,
            str(result.progress.get("phase") or ""),
            result.progress.get("share"),
            float(result.result.get("started_at") or result.request.created_at),
            str(result.result.get("message") or ""),
        )

    def _require(self, job_id: str) -> Job:
        result = self.get(job_id)
        if result is None:
            raise MiningRefusedError(
                "This run is no longer there. Expected one of the list. Choose it there."
            )
        return result


def _require_sides(source: Path | None, target: Path | None) -> tuple[Path, Path]:
    missing = [side for side, path in (("first", source), ("second", target)) if path is None]
    if source is None or target is None:
        raise MiningRefusedError(
            f"The {' and the '.join(missing)} file {'is' if len(missing) == 1 else 'are'} missing. "
            "Expected two files, one per language. Drop a file on each side."
        )
    for path in (source, target):
        if not path.is_file() or not path.stat().st_size:
            raise MiningRefusedError(
                f"'{path.name}' is empty. Expected sentences in one language. Choose another file."
            )
    if filecmp.cmp(source, target, shallow=False):
        raise MiningRefusedError(
            "Both files have the same content. Expected two languages. Choose another file for one side."
        )
    return source, target


# -- files ---------------------------------------------------------------------------------------------------


def to_request(values: Mapping[str, Any]) -> Request:
    """What ``request.json`` says."""
    return Request(**dict(values) | {"languages": tuple(values.get("languages") or ("und", "und"))})


def write_pairs_file(path: Path, pairs: Iterable[Pair]) -> int:
    """Write pairs with all that is known of them, one JSON object per line; how many."""
    with atomic.replacing(path) as aside:
        return _write_lines(aside, map(_to_row, pairs))


def read_pairs_file(path: Path) -> Iterator[Pair]:
    """The pairs that :func:`write_pairs_file` wrote, in their order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            numbers = {name: float("nan") if row[name] is None else row[name] for name in ("score", "cosine")}
            meta = tuple((key, value) for key, value in row["meta"])
            yield Pair(**row | numbers | {"flags": tuple(row["flags"]), "meta": meta})


def _to_row(pair: Pair) -> dict[str, Any]:
    row = asdict(pair)
    return row | {name: None if math.isnan(row[name]) else row[name] for name in ("score", "cosine")}


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


@contextmanager
def explain_disk_errors(place: Path) -> Iterator[None]:
    """Turn trouble with files into plain words."""
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno == 28 else (error.strerror or str(error))
        raise MiningRefusedError(
            f"{place.parent} cannot be written to: {why}. Expected a folder with free space. "
            "Make room and try again; what was decided is kept."
        ) from error
