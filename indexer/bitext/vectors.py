"""Vectors of many sentences on disk, written block by block, so that a run that was killed goes on.

A file holds the rows that are done, float32, one after the other; a note beside it says what of them is safe
on disk and of which texts and model it is. Of a side of mining that is one list of texts, known from the
start: other texts, another model or other words before them start it anew. Alignment asks for one batch of
texts after the other; each is found again by its texts.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.errors import DiskFullError
from indexer.store.disk import check_reserve
from me5 import atomic
from me5.prefixes import Role, prefix_of

if TYPE_CHECKING:
    from me5.encoder import Encoder

BLOCK = 4_096
RESERVE_BYTES = 256 * 1024**2
"""Free disk below which no vectors are written."""


def encode_sentences(texts: Sequence[str], encoder: "Encoder") -> NDArray[np.float32]:
    """Unit vectors of sentences of either side, with the model's words for bitext before both."""
    return encoder.encode(texts, Role.BITEXT)


def encode_side(
    texts: Sequence[str],
    encoder: "Encoder",
    *,
    folder: Path | None,
    name: str,
    each: Callable[[int], None],
) -> NDArray[np.float32]:
    """Vectors of all texts; from ``folder`` what is there already.

    Args:
        texts: of one side.
        encoder: the model.
        folder: where the rows are kept; None keeps them in memory only.
        name: of the side, and of its files.
        each: called with the number of texts that are done, before every block; may raise to stop.

    Raises:
        DiskFullError: the rows do not fit on the disk. What was written is kept.
    """
    if folder is None:
        vectors_ND = np.empty((len(texts), encoder.dimension), dtype=np.float32)
        for start in range(0, len(texts), BLOCK):
            each(start)
            vectors_ND[start : start + BLOCK] = encode_sentences(texts[start : start + BLOCK], encoder)
        return vectors_ND
    kept = _Kept(folder, name, _fingerprint(texts, encoder), encoder.dimension * 4)
    done = min(kept.rows, len(texts))
    check_reserve(folder, RESERVE_BYTES, (len(texts) - done) * kept.row_bytes)
    for start in range(done, len(texts), BLOCK):
        each(start)
        kept.append(encode_sentences(texts[start : start + BLOCK], encoder))
    if not texts:
        return np.empty((0, encoder.dimension), dtype=np.float32)
    return np.memmap(kept.path, dtype=np.float32, mode="r", shape=(len(texts), encoder.dimension))


class KeptBatches:
    """An encoder of sentences that keeps every batch it has encoded in a folder, and finds it there.

    Batches are told apart by their texts, in their order. The caller removes the folder.

    Args:
        encoder: the model.
        folder: made if it is missing.
    """

    def __init__(self, encoder: "Encoder", folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._encoder = encoder
        self._rows_file = _RowFile(folder / "batches.f32", encoder.dimension * 4)
        self._note = folder / "batches.jsonl"
        self._places = self._read_note()
        self._rows = sum(rows for _, rows in self._places.values())
        self._rows_file.cut(self._rows)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of the texts.

        Raises:
            DiskFullError: they do not fit on the disk. What was written is kept.
        """
        key = _fingerprint(texts, self._encoder)
        if key in self._places:
            return self._rows_file.read(*self._places[key])
        check_reserve(self._note.parent, RESERVE_BYTES, len(texts) * self._rows_file.row_bytes)
        vectors_BD = encode_sentences(texts, self._encoder)
        with disk_full_guard(self._note.parent, self._rows):
            self._rows_file.append(vectors_BD)
            _append(self._note, f"{json.dumps([key, self._rows, len(texts)])}\n".encode())
        self._places[key] = self._rows, len(texts)
        self._rows += len(texts)
        return vectors_BD

    def _read_note(self) -> dict[str, tuple[int, int]]:
        """Where the rows of every batch are; what a kill has left half written is cut off."""
        places: dict[str, tuple[int, int]] = {}
        safe, written = 0, self._rows_file.written()
        try:
            lines = self._note.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return places
        for line in lines:
            try:
                key, first, rows = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or first + rows > written:
                break
            places[key] = first, rows
            safe += len(line)
        os.truncate(self._note, safe)
        return places


class _Kept:
    """The rows of one side."""

    def __init__(self, folder: Path, name: str, fingerprint: str, row_bytes: int) -> None:
        self.path, self.row_bytes = folder / f"{name}.f32", row_bytes
        self._note, self._fingerprint = folder / f"{name}.json", fingerprint
        self._file = _RowFile(self.path, row_bytes)
        self.rows = self._safe_rows()
        self._file.cut(self.rows)

    def append(self, vectors_BD: NDArray[np.float32]) -> None:
        """Write a block; it counts once it is safe on disk."""
        with disk_full_guard(self.path.parent, self.rows):
            self._file.append(vectors_BD)
            self._say(self.rows + len(vectors_BD))

    def _say(self, rows: int) -> None:
        atomic.write(self._note, json.dumps({"fingerprint": self._fingerprint, "rows": rows}))
        self.rows = rows

    def _safe_rows(self) -> int:
        try:
            message = json.loads(self._note.read_text(encoding="utf-8"))
            return (
                min(int(message["rows"]), self._file.written())
                if message["fingerprint"] == self._fingerprint
                else 0
            )
        except (OSError, ValueError, KeyError, TypeError):
            return 0


class _RowFile:
    """Float32 rows on disk. Only plain writes: a memory map on a full disk would end the process."""

    def __init__(self, path: Path, row_bytes: int) -> None:
        self._path, self.row_bytes = path, row_bytes
        path.touch()

    def written(self) -> int:
        """Whole rows that the file has."""
        return self._path.stat().st_size // self.row_bytes

    def cut(self, rows: int) -> None:
        """Forget what comes after so many rows."""
        os.truncate(self._path, rows * self.row_bytes)

    def append(self, vectors_BD: NDArray[np.float32]) -> None:
        """Write rows; safe on disk when this returns."""
        _append(self._path, np.ascontiguousarray(vectors_BD, dtype=np.float32).data)

    def read(self, first: int, rows: int) -> NDArray[np.float32]:
        """Some of the rows."""
        width = self.row_bytes // 4
        return np.fromfile(self._path, np.float32, rows * width, offset=first * self.row_bytes).reshape(
            rows, width
        )


def _append(path: Path, data: "bytes | memoryview") -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def disk_full_guard(folder: Path, rows: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"The disk of {folder} is full after {rows} sentences; expected room for all. "
            "What was done is kept. Free some space and start it again to resume."
        ) from error


def _fingerprint(texts: Sequence[str], encoder: "Encoder") -> str:
    words = prefix_of(encoder.spec, Role.BITEXT)  # no part of the contract
    digest = hashlib.blake2b(f"{encoder.contract.digest} {words!r}".encode(), digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little"))
        digest.update(data)
    return digest.hexdigest()
