"""Whether a model finds the same neighbours in another precision: measured once, on sentences kept for that.

bf16 has eight bits for a number. mE5 loses nothing by it (benchmarks/encode.md); of other models nobody knows
before it was measured. The share of each sentence's ten nearest others that stay must be at least ``ENOUGH``.
"""

import importlib.metadata
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from me5.engines.measurements import Measurements

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
ENOUGH = 0.96
SENTENCES = 160
NEIGHBOURS = 10


def sample() -> list[str]:
    """Sentences in many languages, spread over the bundled ones."""
    from me5.neutral import bundled_sample

    rows = [sentence for _, sentence in bundled_sample()]
    return rows[:: max(1, len(rows) // SENTENCES)][:SENTENCES]


def overlap(first_ND: Floats, second_ND: Floats, neighbours: int = NEIGHBOURS) -> float:
    """The share of each row's nearest other rows in one set of vectors that are so in the other."""
    nearest = [_nearest(vectors_ND, neighbours) for vectors_ND in (first_ND, second_ND)]
    kept = [len(set(item) & set(other)) for item, other in zip(*nearest, strict=True)]
    return float(np.mean(kept)) / neighbours


def is_close(key: str, exact: Callable[[list[str]], Floats], quick: Callable[[list[str]], Floats]) -> bool:
    """Whether ``quick`` finds the neighbours that ``exact`` finds; kept in the cache folder under ``key``."""
    key = f"{importlib.metadata.version('openvino')} {key}"
    kept = Measurements("closeness.json")
    known = kept.read(key)
    if "overlap" not in known:
        texts = sample()
        known = {"overlap": overlap(exact(texts), quick(texts))}
        logger.info("%.3f of the ten nearest sentences stay in bf16", known["overlap"])
        kept.write(key, known)
    return known["overlap"] >= ENOUGH


def _nearest(vectors_ND: Floats, neighbours: int) -> NDArray[np.int64]:
    scores_NN = vectors_ND @ vectors_ND.T
    np.fill_diagonal(scores_NN, -np.inf)
    return np.argpartition(-scores_NN, neighbours, axis=1)[:, :neighbours]
