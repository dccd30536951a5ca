"""Static tables in numpy: a vector is the mean of one row a token. No torch import.

StaticEmbedding of sentence-transformers and model2vec are nothing else. Rows are read from disk as they
are needed; where model2vec stores a ``mapping`` from pieces to rows or a weight a piece (``weights``), they
apply. A text without tokens has a vector of zeros.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.engines.engine import EngineRequest, TokenIds
from me5.folders import static_table
from me5.weights import Floats, StoredTable, StoredTensors

_BLOCK_TOKENS = 4_096


class LookupEngine:
    """Embedding lookup and the mean."""

    precision = "fp32"
    policy = BatchPolicy(token_budget=1_000_000, max_texts=4_096)  # nothing is padded

    def __init__(self, request: EngineRequest) -> None:
        tensors = StoredTensors(request.folder)
        self._rows = StoredTable(tensors, static_table(tensors))
        self._mapping = np.asarray(tensors.integers("mapping")) if "mapping" in tensors else None
        self._weights = tensors.read("weights") if "weights" in tensors else None

    def run(self, batches: Sequence[TokenIds]) -> Iterator[Floats]:
        """Pooled vectors [B, H] of each batch, in order."""
        return map(self._pool, batches)

    def _pool(self, ids: TokenIds) -> Floats:
        out_BH = np.zeros((len(ids), self._rows.shape[1]), np.float32)
        for row, tokens in enumerate(ids):
            for start in range(0, len(tokens), _BLOCK_TOKENS):
                block = np.asarray(tokens[start : start + _BLOCK_TOKENS], dtype=np.intp)
                out_BH[row] += self._states(block).sum(axis=0)
            out_BH[row] /= max(len(tokens), 1)
        return out_BH

    def _states(self, ids_T: NDArray[np.intp]) -> Floats:
        places_T = ids_T if self._mapping is None else self._mapping[ids_T]
        states_TH = self._rows.rows(places_T)
        return states_TH if self._weights is None else states_TH * self._weights[ids_T, None]
