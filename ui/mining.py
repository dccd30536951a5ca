"""What the tab Parallel text may do: find pairs in the background, review them, hand them on. No gradio.

``data_dir/bitexts/ID`` holds ``request.json`` (what was asked for), the two sides, ``progress.json``,
``result.json`` (state and what came out), ``log.txt`` and the pairs. The process is
``python -m ui.mining_job FOLDER``; it outlives the page, and one that was killed goes on from where it was.
When it is done, its pairs move into the catalog, where decisions are kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
from numpy.typing import NDArray

from indexer.bitext.formats import FORMATS, read_pairs, write_pairs
from indexer.bitext.reviews import Bitext, PairFilter, Precision, reviewed_precision
from indexer.bitext.values import UNKNOWN_LANGUAGE, Pair
from ui.errors import UiError

if TYPE_CHECKING:
    from indexer.library import Library

State = Literal["running", "done", "failed", "cancelled", "interrupted"]
Scope = Literal["accepted", "above", "all"]

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = (ROOT / "examples/parallel/notices.ar.txt", ROOT / "examples/parallel/notices.zh.txt")
SCOPES: Mapping[str, str] = {
    "accepted": "accepted pairs",
    "above": "accepted pairs and all others above the line",
    "all": "all pairs",
}
STARTING_S = 20.0
"""How long a process that was just started may need before its number must be in ``result.json``."""
POLITE = 10
LOG_BYTES = 20_000
NAME_LETTERS = re.compile(r"[^\w.-]+")
MAX_NAME = 80
MAX_MOSES_BYTES = 4_000_000_000


class MiningRefusedError(UiError):
    """Raised when pairs cannot be found, reviewed or handed on as asked."""


@dataclass(frozen=True)
class Request:
    """What was asked for. ``source`` and ``target`` are files in the folder of the job.

    ``margin`` and the rest are as in ``MiningSettings``; ``threshold`` None estimates it.
    """

    name: str
    source: str
    target: str
    model: str
    aligned: bool = False
    margin: str = "ratio"
    retrieval: str = "max"
    threshold: float | None = None
    check_language: bool = True
    one_to_one: bool = True
    languages: tuple[str, str] = (UNKNOWN_LANGUAGE, UNKNOWN_LANGUAGE)
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
        if not self.share or self.share < 0.02:
            return None
        return (now - self.started_at) * (1 - self.share) / self.share


@dataclass(frozen=True)
class Standing:
    """A line through the scores: how many pairs are above it, and how many of those are right.

    ``estimated`` comes from the scores alone, ``reviewed`` from decisions; either may be missing.
    """

    threshold: float
    above: int
    scored: int
    estimated: float | None
    reviewed: Precision | None


class Bitexts:
    """The parallel texts of one data folder.

    Args:
        library: its catalog keeps decisions, its collections give sentences.
        data_dir: the data folder.
    """

    def __init__(self, library: Library, data_dir: Path) -> None:
        self.library = library
        self.folder = data_dir / "bitexts"
        self._changing = threading.Lock()
        self._scores: dict[str, NDArray[np.float32]] = {}

    # -- starting and stopping --------------------------------------------------------------------------

    def start_files(self, source: Path | None, target: Path | None, wanted: Request) -> Job:
        """Find pairs in two files.

        Raises:
            MiningRefusedError: a file is missing, empty or both are the same; or another run is going on.
        """
        missing = [side for side, path in (("first", source), ("second", target)) if path is None]
        if missing or source is None or target is None:
            raise MiningRefusedError(
                f"The {' and the '.join(missing)} file {'is' if len(missing) == 1 else 'are'} missing. "
                "Expected two files, one per language. Drop a file on each side."
            )
        for path in (source, target):
            if not path.is_file() or not path.stat().st_size:
                raise MiningRefusedError(
                    f"'{path.name}' is empty. Expected sentences in one language. Choose another file."
                )
        if _same_content(source, target):
            raise MiningRefusedError(
                "Both files have the same content. Expected two languages. Choose another file for one side."
            )
        folder = self._new_folder()
        sides = []
        for side, path in (("source", source), ("target", target)):
            name = NAME_LETTERS.sub("-", path.name).strip("-.") or "text"
            place = folder / side
            with _told_of_disk(folder):
                place.mkdir()
                shutil.copyfile(path, place / name)
            sides.append(f"{side}/{name}")
        name = wanted.name or f"{source.name} and {target.name}"
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
        """
        if not source or not target:
            raise MiningRefusedError("A language is missing. Expected two. Choose one for each side.")
        if source == target:
            raise MiningRefusedError(
                f"Both sides are '{source}'. Expected two languages. Choose another for one side."
            )
        self.library.catalog.collection(collection)  # there must be one
        folder = self._new_folder()
        counts: dict[str, int] = {}
        with _told_of_disk(folder):
            for side, code in (("source", source), ("target", target)):
                counts[code] = self._write_sentences(folder / f"{side}.jsonl", collection, code)
        empty = next((code for code in (source, target) if not counts[code]), None)
        if empty is not None:
            shutil.rmtree(folder, ignore_errors=True)
            raise MiningRefusedError(
                f"'{collection}' has no passages in '{empty}'. Expected a language of the collection. "
                "Choose another, or add documents."
            )
        name = wanted.name or f"{collection}: {source} and {target}"
        wanted = replace(wanted, name=name, source="source.jsonl", target="target.jsonl", aligned=False)
        return self._start(folder, replace(wanted, languages=(source, target)))

    def _write_sentences(self, path: Path, collection: str, language: str) -> int:
        """The sentences of a collection in one language, one JSON object per line; how many."""
        from indexer.bitext.sources import collection_sentences

        count = 0
        with path.open("w", encoding="utf-8", errors="replace") as file:
            for sentence in collection_sentences(self.library.catalog, collection, language):
                file.write(json.dumps(asdict(sentence), ensure_ascii=False) + "\n")
                count += 1
        return count

    def _new_folder(self) -> Path:
        running = next((job for job in self.jobs() if job.state == "running"), None)
        if running is not None:
            raise MiningRefusedError(
                f"'{running.request.name}' is being searched already. Expected one run at a time, because "
                "they would slow each other down. Wait for it, or cancel it."
            )
        folder = self.folder / time.strftime("%Y%m%d-%H%M%S")
        while folder.exists():
            folder = folder.with_name(f"{folder.name}a")
        with _told_of_disk(folder):
            folder.mkdir(parents=True)
        return folder

    def _start(self, folder: Path, request: Request) -> Job:
        request = replace(request, name=" ".join(request.name.split())[:MAX_NAME], created_at=time.time())
        with _told_of_disk(folder):
            _write(folder / "request.json", asdict(request))
            self._launch(folder)
        return self._job(folder.name)

    def _launch(self, folder: Path) -> None:
        request = _to_request(_read(folder / "request.json"))
        command = [sys.executable, "-m", "ui.mining_job", str(folder), self._locate(request.model)]
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
                start_new_session=True,
            )
        begun = time.time()
        with suppress(psutil.Error):
            watched = psutil.Process(process.pid)
            begun = watched.create_time()
            watched.nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", POLITE))  # exists on Windows
        said = {
            "state": "running",
            "pid": process.pid,
            "process_created_at": begun,
            "started_at": time.time(),
        }
        _write(folder / "result.json", said)
        (folder / "progress.json").unlink(missing_ok=True)

    def _locate(self, model: str) -> str:
        """What me5 resolves: registered models by their folder, everything else by its name."""
        found = (one.folder for one in self.library.models() if one.folder and one.name == model)
        return str(next(found, model))

    def models(self) -> list[str]:
        """Models to choose from, the one of the library first."""
        names = [one.name for one in self.library.models() if not getattr(one, "problem", "")]
        return list(dict.fromkeys([self.library.model, "builtin", *names]))

    def cancel(self, job_id: str) -> None:
        """Stop a run; what it has computed is kept, so that it can go on."""
        job = self.job(job_id)
        if job is None or job.state != "running":
            return
        said = _read(job.folder / "result.json")
        with suppress(psutil.Error, KeyError):
            process = psutil.Process(said["pid"])
            family = [*process.children(recursive=True), process]
            for one in family:
                with suppress(psutil.Error):
                    one.kill()
            psutil.wait_procs(family, timeout=10)
        said = _read(job.folder / "result.json")
        if said.get("state") == "running":
            _write(job.folder / "result.json", said | {"state": "cancelled"})

    def go_on(self, job_id: str) -> None:
        """Start a run that was cancelled, failed or broke off again; it begins where it was."""
        job = self._job(job_id)
        if any(one.state == "running" for one in self.jobs()):
            raise MiningRefusedError(
                "Another run is going on. Expected one at a time. Wait for it, or cancel it."
            )
        if job.state in ("cancelled", "failed", "interrupted"):
            with _told_of_disk(job.folder):
                self._launch(job.folder)

    def remove(self, bitext_id: str) -> None:
        """Delete a parallel text with its run, its pairs and all decisions."""
        self.cancel(bitext_id)
        self.library.catalog.drop_bitext(bitext_id)
        self._scores.pop(bitext_id, None)
        if re.fullmatch(r"[\w-]+", bitext_id):
            shutil.rmtree(self.folder / bitext_id, ignore_errors=True)

    # -- runs -------------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All runs, the newest first."""
        places = self.folder.glob("*/request.json") if self.folder.is_dir() else []
        found = [one for path in places if (one := self.job(path.parent.name)) is not None]
        return sorted(found, key=lambda one: one.id, reverse=True)

    def job(self, job_id: str) -> Job | None:
        """One run; None where there is none of that name."""
        if not re.fullmatch(r"[\w-]+", job_id):
            return None
        folder = self.folder / job_id
        try:
            request = _to_request(_read(folder / "request.json"))
        except (TypeError, ValueError):
            return None
        said, progress = _read(folder / "result.json"), _read(folder / "progress.json")
        return Job(
            job_id,
            folder,
            request,
            _state(said, request),
            str(progress.get("phase") or ""),
            progress.get("share"),
            float(said.get("started_at") or request.created_at),
            str(said.get("message") or ""),
        )

    def _job(self, job_id: str) -> Job:
        found = self.job(job_id)
        if found is None:
            raise MiningRefusedError(
                "This run is no longer there. Expected one of the list. Choose it there."
            )
        return found

    def log(self, job_id: str) -> str:
        """The end of what a run has said."""
        try:
            with (self._job(job_id).folder / "log.txt").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def settle(self) -> None:
        """Move the pairs of runs that are done into the catalog."""
        with self._changing:
            for job in self.jobs():
                pairs = job.folder / "pairs.jsonl"
                if job.state == "done" and pairs.is_file():
                    self._take_over(job, pairs)

    def _take_over(self, job: Job, pairs: Path) -> None:
        said = _read(job.folder / "result.json")
        bitext = Bitext(
            job.id,
            job.request.name,
            "aligned" if job.request.aligned else "mined",
            source_language=said["languages"][0],
            target_language=said["languages"][1],
            threshold=said["threshold"],
            created_at=job.request.created_at,
            details=said["details"],
        )
        self.library.catalog.put_bitext(bitext, map(_to_pair, _lines(pairs)))
        self._scores.pop(job.id, None)
        pairs.unlink()
        shutil.rmtree(job.folder / "work", ignore_errors=True)

    # -- bringing pairs ---------------------------------------------------------------------------------

    def open_pairs(self, path: Path) -> Bitext:
        """Take in a file of pairs, with the decisions that it holds, to review them.

        Raises:
            MiningRefusedError: it holds none.
            IndexerError: it cannot be read.
        """
        with self._changing:
            folder = self._free_place()
            try:
                with _told_of_disk(folder):
                    folder.mkdir(parents=True)
                    place = _unpack_moses(path, folder) if path.suffix.lower() == ".zip" else path
                    languages: list[Counter[str]] = [Counter(), Counter()]
                    bitext = Bitext(folder.name, path.name[:MAX_NAME], "imported", created_at=time.time())
                    count = self.library.catalog.put_bitext(bitext, _counting(read_pairs(place), languages))
                if not count:
                    self.library.catalog.drop_bitext(folder.name)
                    raise MiningRefusedError(
                        f"'{path.name}' holds no pairs. Expected a source and a target in each row. "
                        "Choose another file."
                    )
                scores = self.scores(folder.name)
                threshold = float(scores.min()) if len(scores) else None
                source, target = (side.most_common(1)[0][0] for side in languages)
                self.library.catalog.describe_bitext(folder.name, source, target, threshold)
            finally:
                shutil.rmtree(folder, ignore_errors=True)  # the catalog has it all
        return self.bitext(folder.name)

    def _free_place(self) -> Path:
        place = self.folder / time.strftime("%Y%m%d-%H%M%S")
        known = {one.id for one in self.library.catalog.bitexts()}
        while place.exists() or place.name in known:
            place = place.with_name(f"{place.name}a")
        return place

    # -- reviewing --------------------------------------------------------------------------------------

    def bitext(self, bitext_id: str) -> Bitext:
        """One parallel text.

        Raises:
            MiningRefusedError: there is none of that id.
        """
        found = self.library.catalog.bitext(bitext_id)
        if found is None:
            raise MiningRefusedError(
                "This parallel text is no longer there. Expected one of the list. Choose it there."
            )
        return found

    def bitexts(self) -> list[Bitext]:
        """All of them, the newest first."""
        return self.library.catalog.bitexts()

    def scores(self, bitext_id: str) -> NDArray[np.float32]:
        """All scores, ascending; they do not change, so they are read once."""
        if bitext_id not in self._scores:
            found = np.sort(np.array(self.library.catalog.bitext_scores(bitext_id), np.float32))
            self._scores[bitext_id] = found
        return self._scores[bitext_id]

    def standing(self, bitext: Bitext, threshold: float | None = None) -> Standing | None:
        """What the line says; None where pairs have no scores."""
        line = bitext.threshold if threshold is None else threshold
        scores = self.scores(bitext.id)
        if line is None or not len(scores):
            return None
        above = len(scores) - int(np.searchsorted(scores, np.float32(line)))
        reviewed = self.library.catalog.reviewed_scores(bitext.id)
        return Standing(
            line, above, len(scores), estimated_precision(bitext, scores, line),
            reviewed_precision(scores, reviewed, float(np.float32(line))),
        )  # fmt: skip

    def move_line(self, bitext_id: str, threshold: float) -> None:
        """Put the line through the scores elsewhere.

        Raises:
            MiningRefusedError: that is no number.
        """
        if not np.isfinite(threshold):
            raise MiningRefusedError(
                f"The line cannot be at '{threshold}'. Expected a number. Move it again."
            )
        self.library.catalog.set_bitext_threshold(bitext_id, float(np.float32(threshold)))

    # -- handing on -------------------------------------------------------------------------------------

    def export(self, bitext_id: str, kind: str, scope: str, place: Path) -> Path:
        """Write pairs as a file; Moses as a zip archive of its two files.

        Args:
            bitext_id: of which.
            kind: one of ``FORMATS``.
            scope: one of ``SCOPES``.
            place: the path without its suffix.

        Raises:
            MiningRefusedError: no pair fits, or there is no such format or scope.
        """
        if kind not in FORMATS or scope not in SCOPES:
            raise MiningRefusedError(
                f"'{scope}' cannot be written as '{kind}'. Expected {', '.join(SCOPES)} as one of "
                f"{', '.join(FORMATS)}. Choose among these."
            )
        bitext = self.bitext(bitext_id)
        languages = {"source_language": bitext.source_language, "target_language": bitext.target_language}
        pairs = self.pairs(bitext, scope)
        with _told_of_disk(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "moses":
                # The direction in the name tells readers which of the two files is the source
                direction = f"{bitext.source_language}-{bitext.target_language}"
                prefix = place.parent / "moses" / f"{place.name}.{direction}"
                count = write_pairs(prefix, pairs, format=kind, **languages)
                path = place.with_name(f"{place.name}.zip")
                with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                    for file in sorted(prefix.parent.iterdir()):
                        archive.write(file, file.name)
                shutil.rmtree(prefix.parent)
            else:
                path = place.with_name(f"{place.name}{FORMATS[kind].suffixes[0]}")
                count = write_pairs(path, pairs, format=kind, **languages)
        if not count:
            path.unlink(missing_ok=True)
            raise MiningRefusedError(f"There are no {SCOPES[scope]}. Expected at least one. {_remedy(scope)}")
        return path

    def pairs(self, bitext: Bitext, scope: str) -> Iterator[Pair]:
        """Pairs in their order: accepted ones; those and what is above the line and not rejected; all."""
        pairs = self.library.catalog.iter_bitext_pairs
        if scope == "accepted":
            return pairs(bitext.id, PairFilter(state="accepted"))
        if scope == "all":
            return pairs(bitext.id)
        line = bitext.threshold

        def is_wanted(pair: Pair) -> bool:
            is_above = line is None or not pair.score < np.float32(line)
            return pair.state == "accepted" or (pair.state == "open" and is_above)

        return filter(is_wanted, pairs(bitext.id))

    def write_training_pairs(self, bitext_id: str, scope: str, place: Path) -> Path:
        """Pairs as the tab Train takes them in: one JSON object per line, with query and passage."""
        bitext = self.bitext(bitext_id)
        with _told_of_disk(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            path = place.with_name(f"{place.name}.jsonl")
            count = 0
            with path.open("w", encoding="utf-8") as file:
                for pair in self.pairs(bitext, scope):
                    row = {"query": pair.source, "passage": pair.target}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
        if not count:
            raise MiningRefusedError(f"There are no {SCOPES[scope]}. Expected at least 20. {_remedy(scope)}")
        return path


def estimated_precision(bitext: Bitext, scores: NDArray[np.float32], line: float) -> float | None:
    """Share of right pairs above a line, from the chances that the run gave to scores; None without any."""
    curve = bitext.details.get("chances")
    above = scores[np.searchsorted(scores, np.float32(line)) :]
    if not curve or not len(above):
        return None
    places, chances = np.array(curve, np.float64).T
    return float(np.interp(above, places, chances).mean())


def _remedy(scope: str) -> str:
    if scope == "accepted":
        return "Accept pairs first, or choose all above the line."
    return "Move the line to the left." if scope == "above" else "Choose another parallel text."


# -- files ---------------------------------------------------------------------------------------------------


class _told_of_disk:  # noqa: N801 - reads as a sentence after `with`
    """Turns trouble with files into plain words."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            why = "the disk is full" if error.errno == 28 else (error.strerror or str(error))
            raise MiningRefusedError(
                f"{self._place.parent} cannot be written to: {why}. Expected a folder with free space. "
                "Make room and try again; what was decided is kept."
            ) from error


def _same_content(first: Path, second: Path) -> bool:
    import filecmp

    return filecmp.cmp(first, second, shallow=False)


def _unpack_moses(path: Path, folder: Path) -> Path:
    """The two files of a Moses archive, as the path of the first."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [one for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename]
            if len(files) != 2 or sum(one.file_size for one in files) > MAX_MOSES_BYTES:
                raise MiningRefusedError(
                    f"'{path.name}' holds {len(files)} files. Expected the two files of a Moses corpus. "
                    "Pack just these two."
                )
            for one in files:
                one.filename = NAME_LETTERS.sub("-", Path(one.filename).name)
                archive.extract(one, folder)
    except zipfile.BadZipFile as error:
        raise MiningRefusedError(
            f"'{path.name}' is no archive that can be read ({error}). Expected a zip of two files. "
            "Pack it again."
        ) from error
    return folder / Path(files[0].filename).stem


def _counting(pairs: Iterator[Pair], languages: Sequence[Counter[str]]) -> Iterator[Pair]:
    for pair in pairs:
        languages[0][pair.source_language] += 1
        languages[1][pair.target_language] += 1
        yield pair


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _to_pair(row: dict[str, Any]) -> Pair:
    meta = tuple((key, value) for key, value in row["meta"])
    numbers = {name: float("nan") if row[name] is None else row[name] for name in ("score", "cosine")}
    return Pair(**row | numbers | {"flags": tuple(row["flags"]), "meta": meta})


def _to_request(values: Mapping[str, Any]) -> Request:
    return Request(**dict(values) | {"languages": tuple(values.get("languages") or ("und", "und"))})


def _state(said: Mapping[str, Any], request: Request) -> State:
    state = said.get("state")
    if state == "running":
        return "running" if _is_alive(said) else "interrupted"
    if state in ("done", "failed", "cancelled"):
        return state
    return "running" if time.time() - request.created_at < STARTING_S else "interrupted"


def _is_alive(said: Mapping[str, Any]) -> bool:
    try:
        process = psutil.Process(int(said["pid"]))
        is_gone = process.status() == psutil.STATUS_ZOMBIE
        return not is_gone and abs(process.create_time() - float(said["process_created_at"])) < 5
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


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
