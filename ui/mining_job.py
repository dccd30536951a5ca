"""The process behind a run of the tab Parallel text: ``python -m ui.mining_job FOLDER MODEL``.

Reads both sides, finds or aligns pairs, writes ``pairs.jsonl`` and says in ``result.json`` how it went.
Finished work lies in ``FOLDER/work``, so that a run that was killed goes on there.
"""

from __future__ import annotations

import errno
import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from indexer.bitext.alignment import align, beads_to_pairs
from indexer.bitext.mining import mine
from indexer.bitext.values import UNKNOWN_LANGUAGE, Estimate, MiningSettings, Pair, Sentence
from indexer.errors import IndexerError, MiningError
from me5.errors import Me5Error
from ui.mining import Request, _read, _to_request, _write

if TYPE_CHECKING:
    from me5.encoder import Encoder

CURVE_POINTS = 200
TOLD_EVERY_S = 0.3
UNLIKE = 10
"""Sides whose numbers of sentences differ by this factor get a notice."""
LEAST_ALIGNED = 0.3
"""Where the line starts for aligned texts: chance blocks score about 0, equal vectors 1."""
NO_SPACE = (
    "The disk is full. Expected free space for vectors and pairs. Make room, then go on: nothing is lost."
)
NO_MEMORY = (
    "Memory ran out. Expected less text per side, or more memory. Close other programs, or divide the files."
)


def main(folder: Path, model: str) -> int:
    """Do what ``request.json`` asks for; 0 only on success."""
    try:
        said = find(folder, _to_request(_read(folder / "request.json")), model)
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
    _write(folder / "result.json", _read(folder / "result.json") | said)
    return 0 if said["state"] == "done" else 1


def find(folder: Path, request: Request, model: str) -> dict[str, Any]:
    """Both sides to pairs.

    Returns:
        What ``result.json`` says.

    Raises:
        MiningError: nothing can be found in these sides.
    """
    from me5.loading import load_encoder

    told = _Told(folder / "progress.json")
    told(0, 1, "", "reading the files")
    sides = [
        _read_side(folder / name, code) for name, code in zip(_names(request), request.languages, strict=True)
    ]
    told(0, 1, "", "loading the model")
    encoder = load_encoder(model)
    notices = _notices(len(sides[0]), len(sides[1]))
    details: dict[str, Any] = {
        "sentences": [len(side) for side in sides], "model": request.model, "notices": notices,
    }  # fmt: skip
    work = _align if request.aligned else _mine
    pairs, languages, threshold, more = work(sides, encoder, request, folder / "work", told)
    if not pairs:
        raise MiningError(
            "No pair was found. Expected texts that translate each other at least in part. Check that both "
            "files are about the same things, and name their languages."
        )
    _write_pairs(folder / "pairs.jsonl", pairs)
    return {"state": "done", "languages": languages, "threshold": threshold, "details": details | more}


def _mine(
    sides: Sequence[Sequence[Sentence]], encoder: Encoder, request: Request, work: Path, told: _Told
) -> tuple[Sequence[Pair], tuple[str, str], float, dict[str, Any]]:
    settings = MiningSettings(
        margin=request.margin,  # type: ignore[arg-type]
        retrieval=request.retrieval,  # type: ignore[arg-type]
        threshold=request.threshold,
        check_language=request.check_language,
        one_to_one=request.one_to_one,
        keep_below=True,
    )
    result = mine(sides[0], sides[1], encoder, settings, folder=work, progress=told)
    cap = result.max_score if np.isfinite(result.max_score) else None
    more = {
        "dropped": result.dropped,
        "cap": cap,
        "chances": _curve(result.estimate),
        "margin": request.margin,
    }
    return result.pairs, result.languages, float(result.threshold), more


def _align(
    sides: Sequence[Sequence[Sentence]], encoder: Encoder, request: Request, work: Path, told: _Told
) -> tuple[Sequence[Pair], tuple[str, str], float, dict[str, Any]]:
    from indexer.bitext.filters import side_language
    from me5.prefixes import Role

    languages = (side_language(sides[0]), side_language(sides[1]))
    if languages[0] == languages[1] != UNKNOWN_LANGUAGE:
        raise MiningError(
            f"Both sides are in the same language ({languages[0]}); expected two languages. "
            "Choose another file."
        )
    for name, side in zip(("first", "second"), sides, strict=True):
        if not side:
            raise MiningError(f"The {name} side holds no sentence; expected some on both. Check the file.")
    beads = align(
        [one.text for one in sides[0]],
        [one.text for one in sides[1]],
        lambda texts: encoder.encode(list(texts), Role.QUERY),
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
    return beads_to_pairs(beads, *sides), languages, line, {"dropped": dropped}


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


def _names(request: Request) -> tuple[str, str]:
    return request.source, request.target


def _read_side(path: Path, code: str) -> list[Sentence]:
    """Sentences of a file; of one that the page made of a collection as they are."""
    if path.name in ("source.jsonl", "target.jsonl") and path.parent.name not in ("source", "target"):
        with path.open(encoding="utf-8") as file:
            return [Sentence(**json.loads(line)) for line in file]
    from indexer.bitext.sources import read_sentences

    return read_sentences(path, language=code)


def _write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    aside = path.with_suffix(".part")
    with aside.open("w", encoding="utf-8", errors="replace") as file:
        for pair in pairs:
            row = asdict(pair)
            row |= {name: None if np.isnan(row[name]) else row[name] for name in ("score", "cosine")}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    aside.replace(path)


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
        _write(self._path, {"phase": message, "share": share})


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
