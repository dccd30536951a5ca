"""Vectors of sentences, remembered: the same passages answer many questions.

Reading a sentence with a static model costs tens of microseconds, most of them for cutting it into tokens,
and a search reads up to 320. What is remembered are vectors of texts alone, so nothing is ever out of date.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from me5.encoder import Encoder
from me5.prefixes import Role

MAX_SENTENCES = 16_384
"""For each model; 1 KB each with 256 dimensions."""
_MAX_CHARACTERS = 1_000  # of a sentence that is worth remembering


class SentenceVectors:
    """Vectors of the sentences that were read last, for each open model. Thread-safe.

    Args:
        keep: sentences for each model; the longest unread go first.
    """

    def __init__(self, keep: int = MAX_SENTENCES) -> None:
        self._keep = keep
        self._known: WeakKeyDictionary[Encoder, OrderedDict[str, NDArray[np.float32]]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, encoder: Encoder) -> Callable[[Sequence[str]], NDArray[np.float32]]:
        """Texts to unit vectors [N, D] of ``encoder``, as passages."""

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            result = self._recall(encoder, texts)
            missing = [text for text in dict.fromkeys(texts) if text not in result]
            if missing:
                made = dict(zip(missing, encoder.encode(missing, Role.PASSAGE), strict=True))
                self._remember(encoder, made)
                result |= made
            return np.concatenate([result[text] for text in texts]).reshape(len(texts), -1)

        return encode

    def _recall(self, encoder: Encoder, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            known = self._known.setdefault(encoder, OrderedDict())
            results = {}
            for text in texts:
                if text in known:
                    known.move_to_end(text)
                    results[text] = known[text]
        return results

    def _remember(self, encoder: Encoder, made: dict[str, NDArray[np.float32]]) -> None:
        with self._lock:
            known = self._known.setdefault(encoder, OrderedDict())
            for text, vector in made.items():
                if len(text) <= _MAX_CHARACTERS:
                    known[text] = vector.copy()  # a row would keep its whole batch
            while len(known) > self._keep:
                known.popitem(last=False)
