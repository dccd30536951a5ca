"""The pieces of every text of a corpus."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from me5 import atomic

log = logging.getLogger(__name__)

MAX_CHARACTERS_PER_PIECE = 8


@dataclass(frozen=True)
class PieceTable:
    """The pieces of every text, one after another: text i owns ``pieces[offsets[i]:offsets[i + 1]]``."""

    pieces: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def gather(self, texts: NDArray[np.int32], limit: int) -> tuple[Tensor, Tensor]:
        """Pieces (at most ``limit`` per text) and bag offsets for ``torch.nn.functional.embedding_bag``."""
        starts = self.offsets[texts]
        lengths = np.minimum(self.offsets[texts + 1] - starts, limit)
        bags = np.zeros(len(texts), dtype=np.int64)
        np.cumsum(lengths[:-1], out=bags[1:])
        index = np.arange(lengths.sum()) + np.repeat(starts - bags, lengths)
        return torch.from_numpy(self.pieces[index].astype(np.int64)), torch.from_numpy(bags)


def with_dropout(tokenizer: Tokenizer, share: float) -> Tokenizer:
    """A copy that leaves out merges at random (BPE-dropout, arXiv:1910.13267).

    Words then fall into smaller pieces now and then, which so learn what they mean in words that are not
    in the vocabulary as a whole.
    """
    written = json.loads(tokenizer.to_str())
    written["model"]["dropout"] = share
    return Tokenizer.from_str(json.dumps(written))


def kept_pieces(texts: Sequence[str], tokenizer: Tokenizer, limit: int, path: Path) -> PieceTable:
    """``tokenise``, kept in the file ``path`` for a resumed run."""
    if path.is_file():
        with np.load(path) as kept:
            if len(kept["offsets"]) == len(texts) + 1:
                return PieceTable(kept["pieces"], kept["offsets"])
    table = tokenise(texts, tokenizer, limit)
    with atomic.replacing(path) as aside, aside.open("wb") as file:
        np.savez(file, pieces=table.pieces, offsets=table.offsets)
    return table


def tokenise(texts: Sequence[str], tokenizer: Tokenizer, limit: int, block: int = 20_000) -> PieceTable:
    """Pieces of every text without special tokens, at most ``limit`` each."""
    parts: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    for start in range(0, len(texts), block):
        cut = [text[: limit * MAX_CHARACTERS_PER_PIECE] for text in texts[start : start + block]]
        for encoding in tokenizer.encode_batch_fast(cut, add_special_tokens=False):
            pieces = np.array(encoding.ids[:limit], dtype=np.int32)
            parts.append(pieces)
            lengths.append(len(pieces))
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    log.info("%d pieces, %.1f per text", offsets[-1], offsets[-1] / max(1, len(texts)))
    return PieceTable(np.concatenate(parts), offsets)
