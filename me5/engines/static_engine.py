"""Models without layers in plain numpy: a vector is the mean of one row per token. No torch import.

A ``BertModel`` with ``num_hidden_layers=0`` gives LayerNorm(word + position + type) for each token. Where
all position embeddings are zero, the row depends on the piece alone: rows are computed when a piece is
first met and kept, so that a query touches a few rows and memory grows only with the pieces in use.
"""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.engines.engine import EngineRequest, TokenIds
from me5.packed import BertWeights, plain_config
from me5.pooling import Pooling

_BLOCK_TOKENS = 2_048
"""Tokens gathered at a time: rows of 384 floats then stay in the second-level cache."""


class StaticEngine:
    """Embedding lookup, LayerNorm and pooling."""

    precision = "fp32"
    policy = BatchPolicy(token_budget=1_000_000, max_texts=4_096)  # nothing is padded

    def __init__(self, request: EngineRequest) -> None:
        weights = BertWeights(request.folder)
        config = plain_config(request.folder)
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._words = weights.words
        self._type_H = weights("embeddings.token_type_embeddings.weight")[0]
        self._gain_H = weights("embeddings.LayerNorm.weight")
        self._bias_H = weights("embeddings.LayerNorm.bias")
        positions_TH = weights("embeddings.position_embeddings.weight")
        self._positions_TH = positions_TH if positions_TH.any() else None
        self._pooling: Pooling = request.facts.pooling
        # Pages of np.empty cost memory only once they are written.
        self._rows_VH = np.empty(self._words.shape if self._positions_TH is None else (0, 0), np.float32)
        self._ready_V = np.zeros(self._words.shape[0], dtype=bool)
        self._lock = threading.Lock()

    def run(self, batches: Sequence[TokenIds]) -> Iterator[NDArray[np.float32]]:
        """Pooled vectors [B, H] of each batch, in order."""
        return map(self._pool, batches)

    def _pool(self, ids: TokenIds) -> NDArray[np.float32]:
        out_BH = np.empty((len(ids), self._words.shape[1]), dtype=np.float32)
        start = 0
        while start < len(ids):
            stop, tokens = start, 0
            while stop < len(ids) and (stop == start or tokens + len(ids[stop]) <= _BLOCK_TOKENS):
                tokens += len(ids[stop])
                stop += 1
            out_BH[start:stop] = self._pool_block(ids[start:stop])
            start = stop
        return out_BH

    def _pool_block(self, ids: TokenIds) -> NDArray[np.float32]:
        lengths_B = np.array([len(row) for row in ids], dtype=np.intp)
        flat_T = np.concatenate([np.asarray(row, dtype=np.intp) for row in ids])
        ends_B = np.cumsum(lengths_B)
        starts_B = ends_B - lengths_B
        if self._pooling == "cls":
            return self._states(flat_T[starts_B], np.zeros_like(starts_B))
        if self._pooling == "last":
            return self._states(flat_T[ends_B - 1], lengths_B - 1)
        positions_T = np.arange(len(flat_T)) - np.repeat(starts_B, lengths_B)
        states_TH = self._states(flat_T, positions_T)
        sums_BH = np.add.reduceat(states_TH, starts_B, axis=0)
        return np.divide(sums_BH, lengths_B[:, None], dtype=np.float32)

    def _states(self, ids_T: NDArray[np.intp], positions_T: NDArray[np.intp]) -> NDArray[np.float32]:
        if self._positions_TH is not None:
            return self._layer_norm(self._words.rows(ids_T) + self._positions_TH[positions_T])
        if not self._ready_V[ids_T].all():
            with self._lock:
                new = np.unique(ids_T[~self._ready_V[ids_T]])
                for start in range(0, len(new), _BLOCK_TOKENS):
                    block = new[start : start + _BLOCK_TOKENS]
                    self._rows_VH[block] = self._layer_norm(self._words.rows(block))
                self._ready_V[new] = True
        return self._rows_VH[ids_T]

    def _layer_norm(self, sums_TH: NDArray[np.floating]) -> NDArray[np.float32]:
        values_TH = sums_TH.astype(np.float32) + self._type_H
        values_TH -= values_TH.mean(axis=1, keepdims=True)
        variance_T1 = np.square(values_TH).mean(axis=1, keepdims=True)
        values_TH /= np.sqrt(variance_T1 + np.float32(self._epsilon))
        return values_TH * self._gain_H + self._bias_H
