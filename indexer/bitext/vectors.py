"""Vectors of many sentences on disk, written block by block, so that a run that was killed goes on.

A file holds the rows that are done, float32, one after the other; ``done.json`` beside it says how many of
them are safe on disk and of which texts and model they are. Other texts or another model start it anew.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.errors import DiskFullError
from indexer.store.disk import check_reserve
from me5.prefixes import Role

if TYPE_CHECKING:
    from me5.encoder import Encoder

INSTRUCTION = "Retrieve parallel sentences."
"""What instruct models are told, on both sides (arXiv:2402.05672, table of instructions)."""

BLOCK = 4_096
RESERVE_BYTES = 256 * 1024**2
"""Free disk below which no vectors are written."""


def encode_sentences(texts: Sequence[str], encoder: "Encoder") -> NDArray[np.float32]:
    """Unit vectors of sentences of either side: both are queries, and both have the instruction."""
    takes_instruction = getattr(encoder.spec, "instruct_template", None) is not None
    return encoder.encode(texts, Role.QUERY, instruction=INSTRUCTION if takes_instruction else None)


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


class _Kept:
    """The file of one side. Only plain writes: a memory map on a full disk would end the process."""

    def __init__(self, folder: Path, name: str, fingerprint: str, row_bytes: int) -> None:
        self.path, self.row_bytes = folder / f"{name}.f32", row_bytes
        self._note, self._fingerprint = folder / f"{name}.json", fingerprint
        self.rows = self._safe_rows()
        with self.path.open("ab") as file:
            file.truncate(self.rows * row_bytes)

    def append(self, vectors_BD: NDArray[np.float32]) -> None:
        """Write a block; it counts once it is safe on disk."""
        try:
            with self.path.open("ab") as file:
                file.write(np.ascontiguousarray(vectors_BD).data)
                file.flush()
                os.fsync(file.fileno())
            self._say(self.rows + len(vectors_BD))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(
                f"The disk of {self.path.parent} is full after {self.rows} sentences; expected room for all. "
                "What was done is kept. Free some space and start it again to go on."
            ) from error

    def _say(self, rows: int) -> None:
        partial = self._note.with_suffix(".partial")
        partial.write_text(json.dumps({"fingerprint": self._fingerprint, "rows": rows}), encoding="utf-8")
        partial.replace(self._note)
        self.rows = rows

    def _safe_rows(self) -> int:
        try:
            said = json.loads(self._note.read_text(encoding="utf-8"))
            written = self.path.stat().st_size // self.row_bytes
            return min(int(said["rows"]), written) if said["fingerprint"] == self._fingerprint else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0


def _fingerprint(texts: Sequence[str], encoder: "Encoder") -> str:
    digest = hashlib.blake2b(encoder.contract.digest.encode(), digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little"))
        digest.update(data)
    return digest.hexdigest()
