"""What a run keeps on disk: finished rows, the columns' lists so far, and of which inputs.

``rows.*.npy`` are filled strip by strip; ``columns-N.npz`` holds the columns' lists after N rows;
``state.json``, renamed into place last, names N. A kill at any moment leaves the state of some strip.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Literal

import numpy as np

from me5 import atomic
from me5.knn.best import Best
from me5.knn.codes import Vectors, blocks
from me5.knn.space import explain_full_disk, open_array

logger = logging.getLogger(__name__)

_FORMAT = 1
_ROWS_HASHED = 65_536


def fingerprint(x_ND: Vectors, y_MD: Vectors, k: int) -> str:
    """A hash of all that decides the result."""
    digest = hashlib.sha256(f"{_FORMAT} {x_ND.shape} {y_MD.shape} {k}".encode())
    for side in (x_ND, y_MD):
        for rows in blocks(len(side), _ROWS_HASHED):
            digest.update(np.ascontiguousarray(side[rows], dtype=np.float32).data)
    return digest.hexdigest()


class SavedRun:
    """The folder of one run."""

    def __init__(self, folder: Path, fingerprint: str, rows: int) -> None:
        self._folder, self._fingerprint, self._rows = folder, fingerprint, rows
        folder.mkdir(parents=True, exist_ok=True)
        atomic.remove_leftovers(folder)

    def restore(self, rows: Best, columns: Best) -> int:
        """Fill the lists with what was saved; how many rows are finished."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            done = int(state["rows"])
            if state["fingerprint"] != self._fingerprint:
                logger.warning("%s holds a run of other vectors; starting from the first row", self._folder)
                return 0
            scores, ids = (np.load(path, mmap_mode="r") for path in self._row_paths)
            with np.load(self._columns(done)) as saved:
                columns.scores[:], columns.ids[:] = saved["scores"], saved["ids"]
            rows.scores[:done], rows.ids[:done] = scores[:done], ids[:done]
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s cannot be read (%s); starting from the first row", self._folder, error)
            columns.scores[:], columns.ids[:] = -np.inf, -1
            rows.scores[:], rows.ids[:] = -np.inf, -1
            return 0
        logger.info("resuming after %d of %d rows", done, self._rows)
        return done

    def save(self, rows: Best, columns: Best, strip: slice) -> None:
        """Record that a strip is finished; all before it are.

        Raises:
            DiskSpaceError: the disk is full. The state of the strips before stays.
        """
        with explain_full_disk(self._folder):
            self._save_rows(rows, strip)
            self._save_columns(columns, strip)

    def _save_rows(self, rows: Best, strip: slice) -> None:
        for path, values in zip(self._row_paths, (rows.scores, rows.ids), strict=True):
            mode: Literal["w+", "r+"] = "w+" if strip.start == 0 else "r+"
            kept = open_array(path, mode, values.dtype, values.shape)
            kept[strip] = values[strip]
            kept.flush()  # type: ignore[attr-defined]

    def _save_columns(self, columns: Best, strip: slice) -> None:
        with atomic.replacing(self._columns(strip.stop)) as aside, aside.open("wb") as file:
            np.savez(file, scores=columns.scores, ids=columns.ids)
        self._write_state(strip.stop)
        for old in self._folder.glob("columns-*.npz"):
            if old != self._columns(strip.stop):
                old.unlink()

    def _write_state(self, done: int) -> None:
        state = {"fingerprint": self._fingerprint, "rows": done, "of": self._rows}
        atomic.write(self._state, json.dumps(state))

    @property
    def _state(self) -> Path:
        return self._folder / "state.json"

    @property
    def _row_paths(self) -> tuple[Path, Path]:
        return self._folder / "rows.scores.npy", self._folder / "rows.ids.npy"

    def _columns(self, done: int) -> Path:
        return self._folder / f"columns-{done}.npz"
