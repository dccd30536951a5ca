"""An encoder whose vectors come from an API. Opening it asks for one vector, which says the dimension."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from me5.api.client import Client, TooLargeError
from me5.api.kept import KeptVectors
from me5.api.naming import LEAVES, api_key, api_spec, base_address
from me5.api.service import (
    BATCH_CHARS,
    BATCH_TEXTS,
    INPUT_TYPES,
    PATHS,
    Floats,
    read_answer,
    request_body,
)
from me5.batching import BatchPolicy
from me5.cache import cache_folder
from me5.encoder import Encoder
from me5.engines.engine import TokenIds
from me5.prefixes import Role
from me5.runtime import RuntimeChoice
from me5.storable import replace_surrogates

if TYPE_CHECKING:
    from me5.spec import ModelSpec
    from me5.tokenization import Tokenization

logger = logging.getLogger(__name__)

ENGINE = "api"
_PROBE = "dimension"


class ApiEncoder(Encoder):
    """See :class:`me5.Encoder`. Texts are cut to ``max_tokens`` pieces of the given tokenizer.

    Args:
        spec: with the dimension.
        tokenization: that of a local model; the API has its own, which is not known here.
        served: asks.
        kept: what was answered before.
    """

    def __init__(
        self, spec: "ModelSpec", tokenization: "Tokenization", served: "Served", kept: KeptVectors
    ) -> None:
        choice = RuntimeChoice(ENGINE, "remote", "fp32", None, f"an API; {LEAVES}")
        super().__init__(spec, tokenization, _NoEngine(), choice)
        self._served, self._kept = served, kept

    def _pooled(self, inputs: Sequence[str], role: Role) -> Iterator[tuple[list[int], Floats]]:
        """What is kept first, then the rest in requests; every answer is kept at once."""
        kind = self._kind(role)
        sent = self._cut([replace_surrogates(text) for text in inputs])
        known = self._kept.read(sent, kind)
        known = {text: vector for text, vector in known.items() if len(vector) == self.dimension}
        rows = [row for row, text in enumerate(sent) if text in known]
        if rows:
            yield rows, np.stack([known[sent[row]] for row in rows])
        places: dict[str, list[int]] = {}  # a text that occurs twice is sent once
        for row, text in enumerate(sent):
            if text not in known:
                places.setdefault(text, []).append(row)
        for batch in _batches(list(places), BATCH_TEXTS[self._served.service]):
            vectors_ND = self._ask(batch, role)
            self._kept.write(batch, kind, vectors_ND)
            numbers = [number for number, text in enumerate(batch) for _ in places[text]]
            yield [row for text in batch for row in places[text]], vectors_ND[numbers]

    def _ask(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors [N, D]; a request that is too large is halved."""
        try:
            return self._served.vectors(texts, role, self.dimension)
        except TooLargeError:
            if len(texts) == 1:
                raise
            half = len(texts) // 2
            return np.concatenate([self._ask(texts[:half], role), self._ask(texts[half:], role)])

    def _kind(self, role: Role) -> str:
        """OpenAI gives one vector whatever the text is for; Cohere is told."""
        return INPUT_TYPES[role] if self._served.service == "cohere" else "any"

    def _cut(self, texts: Sequence[str]) -> list[str]:
        limit = self.max_tokens
        long = [row for row, text in enumerate(texts) if len(text.encode()) > limit]  # a piece has a byte
        cut = list(texts)
        for row, spans_T2 in zip(long, self._tokenization.spans([texts[row] for row in long]), strict=True):
            if len(spans_T2) > limit:
                cut[row] = texts[row][: int(spans_T2[limit - 1, 1])]
        return cut


class _NoEngine:
    """Stands where a local engine would; nothing asks it."""

    precision = "fp32"
    policy = BatchPolicy()

    def run(self, batches: Sequence[TokenIds]) -> Iterator[Floats]:
        raise AssertionError("an API has no engine")


@dataclass(frozen=True)
class Served:
    """One model of a server. ``dimension`` is sent with every request, where shorter vectors are wanted."""

    client: Client
    service: str
    model: str
    dimension: int | None = None

    def vectors(self, texts: Sequence[str], role: Role, expected: int | None) -> Floats:
        """One request: unit vectors [N, D]; ``expected`` is D, None where it is not known yet.

        Raises:
            ApiError: the API refuses, does not answer, or answers with something else.
        """
        body = request_body(self.service, self.model, texts, role, self.dimension)
        return read_answer(self.service, self.client.post(PATHS[self.service], body), len(texts), expected)


def open_api(
    name: str,
    tokenization: "Tokenization",
    *,
    dimension: int | None = None,
    prefixes: tuple[str, str] | None = None,
) -> ApiEncoder:
    """Ask an API for one vector, and give an encoder of its dimension.

    Args:
        name: ``openai:NAME`` or ``cohere:NAME``.
        tokenization: counts and cuts texts.
        dimension: shorter vectors, where the API makes such.
        prefixes: what stands before queries and passages.

    Raises:
        ApiError: the API cannot be used.
    """
    service, _, model = name.partition(":")
    base = base_address(service)
    served = Served(Client(base, api_key(service, base)), service, model, dimension)
    logger.warning("%s is an API at %s: %s", name, base, LEAVES)
    probe = served.vectors([_PROBE], Role.PASSAGE, dimension)
    spec = api_spec(name, dimension=probe.shape[1], prefixes=prefixes)
    if dimension is not None:
        spec = spec.called(f"{name}@{dimension}")
    kept = KeptVectors(cache_folder() / "api" / f"{_file_name(name, base, dimension)}.sqlite3")
    return ApiEncoder(spec, tokenization, served, kept)


def _file_name(name: str, base: str, dimension: int | None) -> str:
    return hashlib.sha256(f"{name} {base} {dimension}".encode()).hexdigest()[:24]


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Texts in order, so many and so long a request; one that is longer goes alone."""
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == most or chars + len(text) > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch
