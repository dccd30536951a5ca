"""The process behind a run of the tab Parallel text: ``python -m ui.mining_job FOLDER MODEL``.

Finds, aligns or scores pairs, writes ``pairs.jsonl`` and says in ``result.json`` how it went.
Finished work lies in ``FOLDER/work``, so that a run that was killed goes on there.
"""

from __future__ import annotations

import errno
import json
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.bitext.aligning import Reading
from indexer.bitext.run import BitextTask, Outcome, run
from indexer.bitext.segmenters import Segmenter, segmenter
from indexer.bitext.sources import read_sentences
from indexer.bitext.values import Estimate, MiningResult, MiningSettings, Sentence
from indexer.errors import Cancelled, IndexerError, MiningError
from me5.errors import Me5Error
from trainer.run.records import read_json, write_json
from ui.services import child_runs
from ui.services.parallel import Request, read_pairs_file, to_request, write_pairs_file

if TYPE_CHECKING:
    from me5.encoder import Encoder

CURVE_POINTS = 200
TOLD_EVERY_S = 0.3
MIN_ALIGNED = 0.3
"""The first threshold for aligned texts: chance blocks score about 0, equal vectors 1."""
NO_SPACE = (
    "The disk is full. Expected free space for vectors and pairs. Make room, then resume: nothing is lost."
)
NO_MEMORY = (
    "Memory ran out. Expected less text per side, or more memory. Close other programs, or divide the files."
)


def main(folder: Path, model: str) -> int:
    """Do what ``request.json`` asks for; 0 only on success."""
    try:
        with child_runs.cancellable():
            text = find(folder, to_request(read_json(folder / "request.json")), model)
    except Cancelled as cancelled:
        text = {"state": "cancelled", "message": str(cancelled), "finished_at": time.time()}
    except (IndexerError, Me5Error) as error:
        text = {"state": "failed", "message": str(error)}
    except MemoryError:
        text = {"state": "failed", "message": NO_MEMORY}
    except OSError as error:
        traceback.print_exc()
        words = NO_SPACE if error.errno == errno.ENOSPC else f"A file cannot be used: {error}."
        text = {"state": "failed", "message": words}
    except Exception:  # noqa: BLE001 - the page must not wait for ever; the log has the rest
        traceback.print_exc()
        text = {"state": "failed", "message": "Something unexpected happened. The log of the run has more."}
    write_json(folder / "result.json", read_json(folder / "result.json") | text)
    return 0 if text["state"] == "done" else 1


def find(folder: Path, request: Request, model: str) -> dict[str, Any]:
    """What was asked for, to pairs in ``pairs.jsonl``.

    Returns:
        What ``result.json`` says.

    Raises:
        MiningError: nothing can be found in these sides.
    """
    from me5.loading import load_encoder

    text = _Told(folder / "progress.json")

    def load() -> Encoder:
        text(0, 1, "", "loading the model")
        return load_encoder(model)

    text(0, 1, "", "reading the files")
    outcome = run(task_of(folder, request), load, folder=folder / "work", progress=text)
    result = outcome.result
    if not result.pairs:
        raise MiningError(
            "No pair was found. Expected texts that translate each other at least in part. Check that both "
            "files are about the same things, and name their languages."
        )
    write_pairs_file(folder / "pairs.jsonl", result.pairs)
    return {
        "state": "done",
        "languages": result.languages,
        "threshold": _line(request, result),
        "details": {"model": request.model} | _details(request, outcome),
    }


def task_of(folder: Path, request: Request) -> BitextTask:
    """What the files in the folder of a run are to be worked on for. All pairs are kept, for the review."""
    settings = MiningSettings(
        margin=request.margin,  # type: ignore[arg-type]
        retrieval=request.retrieval,  # type: ignore[arg-type]
        threshold=None if request.scored else request.threshold,
        check_language=request.check_language,
        one_to_one=request.one_to_one,
        keep_below=True,
    )
    if request.scored:
        return BitextTask(list(read_pairs_file(folder / request.source)), None, settings)
    segment = segmenter(request.segmenter)
    source, target = (
        _read_side(folder / name, code, segment)
        for name, code in zip((request.source, request.target), request.languages, strict=True)
    )
    return BitextTask(
        source,
        target,
        settings,
        Reading(request.languages, segment=segment),
        aligned=request.aligned,
        sample=request.sample,
        seed=request.seed,
    )


def _line(request: Request, result: MiningResult) -> float:
    """Where the line starts that divides the pairs to be taken from the others."""
    if request.scored:
        assert result.estimate is not None
        return result.estimate.threshold
    if request.aligned:
        return MIN_ALIGNED if request.threshold is None else request.threshold
    return float(result.threshold)


def _details(request: Request, outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    details: dict[str, Any] = {}
    if not request.scored:
        details |= {"notices": list(outcome.notices), "sentences": list(result.sentences)}
        details |= {"dropped": result.dropped}
        details |= {} if outcome.drawn_from is None else {"drawn_from": outcome.drawn_from}
    if not request.aligned:
        cap = result.max_score if np.isfinite(result.max_score) else None
        details |= {"cap": cap, "chances": _curve(result.estimate)}
        details |= {} if request.scored else {"margin": request.margin}
    return details


def _curve(estimate: Estimate | None) -> list[list[float]] | None:
    """How likely a score is right, as points by ascending score."""
    if estimate is None or estimate.method == "default" or not len(estimate.scores):
        return None
    places = np.unique(np.linspace(0, len(estimate.scores) - 1, CURVE_POINTS).astype(np.int64))[::-1]
    points = zip(estimate.scores[places].tolist(), estimate.probabilities[places].tolist(), strict=True)
    return [[round(score, 6), round(chance, 6)] for score, chance in points]


def _read_side(path: Path, code: str, segment: Segmenter) -> list[Sentence]:
    """Sentences of a file; of one that the page made of a collection as they are."""
    if path.name in ("source.jsonl", "target.jsonl") and path.parent.name not in ("source", "target"):
        with path.open(encoding="utf-8") as file:
            return [Sentence(**json.loads(line)) for line in file]
    return read_sentences(path, language=code, segment=segment)


class _Told:
    """Writes progress where the page reads it, a few times per second."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._phase = path, 0.0, ""

    def __call__(self, done: int, total: int, unit: str, message: str) -> None:
        now = time.monotonic()
        if message == self._phase and now - self._at < TOLD_EVERY_S:
            return
        self._at, self._phase = now, message
        share = done / total if total and done else None
        write_json(self._path, {"phase": message, "share": share}, durable=False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
