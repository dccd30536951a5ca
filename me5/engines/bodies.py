"""What the OpenVINO engine runs: a graph, and its inputs for a batch. One class a group of architectures."""

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from me5.engines import bert_graph, rotary_graph
from me5.engines.engine import EngineRequest
from me5.packed import BertWeights, plain_config
from me5.runtime import ROTARY

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


class Body(Protocol):
    """One model of a folder."""

    @property
    def shape(self) -> Any:
        """Compared and shown as text: what its speed depends on."""
        ...

    @property
    def layers(self) -> int: ...

    def build(self, layers: int, *, int8: bool) -> Any:
        """The graph of the first layers."""
        ...

    def inputs(self, ids_BT: Ids, mask_BT: Ids) -> list[Floats]:
        """What the graph is given for a batch."""
        ...

    def made_up_inputs(self, texts: int, tokens: int) -> list[Floats]:
        """The same for a measurement."""
        ...


def open_body(request: EngineRequest) -> Body:
    """The body of a folder."""
    return RotaryBody(request) if request.facts.model_type in ROTARY else BertBody(request)


class BertBody:
    """BERT and XLM-RoBERTa: rows of pieces, positions and the first type are summed here."""

    def __init__(self, request: EngineRequest) -> None:
        config = plain_config(request.folder)
        self._weights = BertWeights(request.folder)
        type_H = self._weights("embeddings.token_type_embeddings.weight")[0]  # always the first
        self._positions_TH = self._weights("embeddings.position_embeddings.weight") + type_H
        self._counts_pieces = config.get("model_type") == "xlm-roberta"
        self._pad_id, self._pooling = request.facts.pad_id, request.facts.pooling
        self.shape = bert_graph.EncoderShape.of(config)
        self.layers = self.shape.layers

    def build(self, layers: int, *, int8: bool) -> Any:
        """See :class:`Body`."""
        part = replace(self.shape, layers=layers)
        return bert_graph.build_graph(part, self._weights, self._pooling, int8=int8)

    def inputs(self, ids_BT: Ids, mask_BT: Ids) -> list[Floats]:
        """See :class:`Body`."""
        rows_NH = self._weights.words.rows(ids_BT.reshape(-1))
        places: Any = slice(ids_BT.shape[1])
        if self._counts_pieces:  # XLM-R: from behind the padding token, which has a row and no number
            is_piece_BT = ids_BT != self._pad_id
            places = np.cumsum(is_piece_BT, axis=1) * is_piece_BT + self._pad_id
        embeddings_BTH = rows_NH.reshape(*ids_BT.shape, -1) + self._positions_TH[places]
        return [embeddings_BTH, mask_BT.astype(np.float32)]

    def made_up_inputs(self, texts: int, tokens: int) -> list[Floats]:
        """See :class:`Body`."""
        return _made_up(texts, tokens, self.shape.hidden)


class RotaryBody:
    """ModernBERT, Gemma 3 and Qwen 3: positions turn queries and keys inside the graph."""

    def __init__(self, request: EngineRequest) -> None:
        self.shape = rotary_graph.RotaryShape.of(request.folder)
        self.layers = self.shape.layers
        self._weights = rotary_graph.RotaryWeights(request.folder, self.shape.family)
        self._pooling = request.facts.pooling

    def build(self, layers: int, *, int8: bool) -> Any:
        """See :class:`Body`."""
        return rotary_graph.build_graph(self.shape, layers, self._weights, self._pooling, int8=int8)

    def inputs(self, ids_BT: Ids, mask_BT: Ids) -> list[Floats]:
        """See :class:`Body`."""
        rows_NH = self._weights.words.rows(ids_BT.reshape(-1)) * np.float32(self.shape.embedding_scale)
        embeddings_BTH = rows_NH.reshape(*ids_BT.shape, -1)
        return [embeddings_BTH, mask_BT.astype(np.float32), *self.shape.tables(ids_BT.shape[1])]

    def made_up_inputs(self, texts: int, tokens: int) -> list[Floats]:
        """See :class:`Body`."""
        return [*_made_up(texts, tokens, self.shape.hidden), *self.shape.tables(tokens)]


def _made_up(texts: int, tokens: int, hidden: int) -> list[Floats]:
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal((texts, tokens, hidden), np.float32),
        np.ones((texts, tokens), np.float32),
    ]
