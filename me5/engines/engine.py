"""What an engine is, what it is given to open a model, and the padding that several of them share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.folders import FolderFacts
from me5.runtime import RuntimeChoice

TokenIds = Sequence[Sequence[int]]


class Engine(Protocol):
    """What the encoder needs of a runtime."""

    @property
    def precision(self) -> str:
        """What it computes in: ``fp32``, ``bf16``, ``fp16`` or ``int8``."""
        ...

    @property
    def policy(self) -> BatchPolicy:
        """The batches it is fastest with."""
        ...

    def run(self, batches: Sequence[TokenIds]) -> Iterator[NDArray[np.float32]]:
        """Pooled vectors [B, H] of each batch in order, not normalised; several threads may call it."""
        ...


@dataclass(frozen=True)
class EngineRequest:
    """All an engine needs to open a model."""

    folder: Path
    facts: FolderFacts
    choice: RuntimeChoice


def pad(ids: TokenIds, pad_id: int, multiple: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right-padded ids and mask, both [B, T], T rounded up to a multiple."""
    longest = max(len(row) for row in ids)
    longest = -(-longest // multiple) * multiple
    ids_BT = np.full((len(ids), longest), pad_id, dtype=np.int64)
    mask_BT = np.zeros_like(ids_BT)
    for row, tokens in enumerate(ids):
        ids_BT[row, : len(tokens)] = tokens
        mask_BT[row, : len(tokens)] = 1
    return ids_BT, mask_BT
