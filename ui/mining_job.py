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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.bitext.alignment import align, beads_to_pairs
from indexer.bitext.mining import mine
from indexer.bitext.rescoring import rescore
from indexer.bitext.segmenters import Segmenter, segmenter
from indexer.bitext.sources import draw, read_sentences
from indexer.bitext.values import UNKNOWN_LANGUAGE, Estimate, MiningResult, MiningSettings, Pair, Sentence
from indexer.bitext.vectors import KeptBatches
from indexer.errors import IndexerError, MiningError
from me5.errors import Me5Error
from trainer.runs.records import read_json, write_json
from ui.mining import Request, read_pairs_file, to_request, write_pairs_file

if TYPE_CHECKING:
    from me5.encoder import Encoder

CURVE_POINTS = 200
TOLD_EVERY_S = 0.3
UNLIKE = 10
"""Sides whose numbers of sentences differ by this factor get a notice."""
LEAST_ALIGNED = 0.3
"""Where the line starts for aligned texts: chance blocks score about 0, equal vectors 1."""
NO_SPACE = (
    "The disk is full. Expected free space for vectors and pairs. Make room, then resume: nothing is lost."
)
NO_MEMORY = (
    "Memory ran out. Expected less text per side, or more memory. Close other programs, or divide the files."
)


def main(folder: Path, model: str) -> int:
    """Do what ``request.json`` asks for; 0 only on success."""
    try:
        said = find(folder, to_request(read_json(folder / "request.json")), model)
    except (IndexerError, Me5Error) as error:
        said = {"state": "failed", "message": str(error)}
    except MemoryError:
        said = {"state": "failed", "message": NO_MEMORY}
    except OSError as error:
        traceback.print_exc()
        words = NO_SPACE if error.errno == errno.ENOSPC else f"A file cannot be used: {error}."
        said = {"state": "failed", "message": words}
    except Exception:  # noqa: BLE001 - the page must not wait for ever; the log has the rest
        traceback.print_exc()
        said = {"state": "failed", "message": "Something unexpected happened. The log of the run has more."}
    write_json(folder / "result.json", read_json(folder / "result.json") | said)
    return 0 if said["state"] == "done" else 1


@dataclass(frozen=True)
class Found:
    """Pairs, where the line starts, and what the page says of the run."""

    pairs: Sequence[Pair]
    languages: tuple[str, str]
    threshold: float
    details: dict[str, Any]


def find(folder: Path, request: Request, model: str) -> dict[str, Any]:
    """What was asked for, to pairs in ``pairs.jsonl``.

    Returns:
        What ``result.json`` says.

    Raises:
        MiningError: nothing can be found in these sides.
    """
    from me5.loading import load_encoder

    told = _Told(folder / "progress.json")
    details: dict[str, Any] = {"model": request.model}
    told(0, 1, "", "reading the files")
    if request.scored:
        given = list(read_pairs_file(folder / request.source))
        told(0, 1, "", "loading the model")
        found = _score(given, load_encoder(model), folder / "work", told)
    else:
        sides = [
            _read_side(folder / name, code, segmenter(request.segmenter))
            for name, code in zip((request.source, request.target), request.languages, strict=True)
        ]
        details |= {"notices": _notices(*map(len, sides))}
        if request.sample is not None and request.sample < len(sides[0]):
            details["drawn_from"] = len(sides[0])
            sides[0] = draw(sides[0], request.sample, request.seed)
        details["sentences"] = [len(side) for side in sides]
        told(0, 1, "", "loading the model")
        work = _align if request.aligned else _mine
        found = work(sides, load_encoder(model), request, folder / "work", told)
    if not found.pairs:
        raise MiningError(
            "No pair was found. Expected texts that translate each other at least in part. Check that both "
            "files are about the same things, and name their languages."
        )
    write_pairs_file(folder / "pairs.jsonl", found.pairs)
    said = {"languages": found.languages, "threshold": found.threshold, "details": details | found.details}
    return {"state": "done", **said}


def _score(given: Sequence[Pair], encoder: Encoder, work: Path, told: _Told) -> Found:
    result = rescore(given, encoder, folder=work, progress=told)
    assert result.estimate is not None
    return Found(result.pairs, result.languages, result.estimate.threshold, _told_of_scores(result))


def _mine(
    sides: Sequence[Sequence[Sentence]], encoder: Encoder, request: Request, work: Path, told: _Told
) -> Found:
    settings = MiningSettings(
        margin=request.margin,  # type: ignore[arg-type]
        retrieval=request.retrieval,  # type: ignore[arg-type]
        threshold=request.threshold,
        check_language=request.check_language,
        one_to_one=request.one_to_one,
        keep_below=True,
    )
    result = mine(sides[0], sides[1], encoder, settings, folder=work, progress=told)
    details = {"dropped": result.dropped, "margin": request.margin} | _told_of_scores(result)
    return Found(result.pairs, result.languages, float(result.threshold), details)


def _told_of_scores(result: MiningResult) -> dict[str, Any]:
    cap = result.max_score if np.isfinite(result.max_score) else None
    return {"cap": cap, "chances": _curve(result.estimate)}


def _align(
    sides: Sequence[Sequence[Sentence]], encoder: Encoder, request: Request, work: Path, told: _Told
) -> Found:
    from indexer.bitext.filters import side_language

    languages = (side_language(sides[0]), side_language(sides[1]))
    if languages[0] == languages[1] != UNKNOWN_LANGUAGE:
        raise MiningError(
            f"Both sides are in the same language ({languages[0]}); expected two languages. "
            "Choose another file."
        )
    for name, side in zip(("first", "second"), sides, strict=True):
        if not side:
            raise MiningError(f"The {name} side has no sentences. Check the file.")
    beads = align(
        [one.text for one in sides[0]],
        [one.text for one in sides[1]],
        KeptBatches(encoder, work),
        progress=lambda share: told(int(1000 * share), 1000, "", "aligning"),
    )
    left_out = Counter(
        name
        for bead in beads
        for name, size in zip(("target", "source"), bead.shape, strict=True)
        if not size
    )
    dropped = {f"{name} sentences without a translation": count for name, count in left_out.items()}
    line = LEAST_ALIGNED if request.threshold is None else request.threshold
    return Found(beads_to_pairs(beads, *sides), languages, line, {"dropped": dropped})


def _curve(estimate: Estimate | None) -> list[list[float]] | None:
    """How likely a score is right, as points by ascending score."""
    if estimate is None or estimate.method == "default" or not len(estimate.scores):
        return None
    places = np.unique(np.linspace(0, len(estimate.scores) - 1, CURVE_POINTS).astype(np.int64))[::-1]
    points = zip(estimate.scores[places].tolist(), estimate.chances[places].tolist(), strict=True)
    return [[round(score, 6), round(chance, 6)] for score, chance in points]


def _notices(ours: int, theirs: int) -> list[str]:
    few, many = sorted((ours, theirs))
    if not few or many < UNLIKE * few:
        return []
    return [
        f"The sides differ much in size: {ours} and {theirs} sentences. Most sentences of the larger one can "
        "have no partner."
    ]


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
