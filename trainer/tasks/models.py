"""What is measured: an encoder with its prefixes, or BM25. One protocol, so that scoring knows neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError
from trainer.tasks.bm25 import NO_HIT, Bm25, Pieces, model_pieces, word_pieces

if TYPE_CHECKING:
    from me5 import Role
    from me5.blending import BlendedEncoder
    from me5.encoder import Encoder

Hits = tuple[NDArray[np.float32], NDArray[np.int64]]
Progress = Callable[[str, int, int], None]

# One sentence on every side of symmetric tasks for models that take instructions (unilm ``e5/utils.py``).
INSTRUCTIONS = {
    "bitext": "Retrieve parallel sentences.",
    "mining": "Retrieve parallel sentences.",
    "similarity": "Retrieve semantically similar text.",
    "classification": "Classify the given text.",
}
PASSAGES_AT_A_TIME = 50_000
QUERIES_AT_A_TIME = 4_096


class Model(Protocol):
    """Ranks passages for queries, pairs sentences, and turns texts into vectors where it has any."""

    name: str

    def search(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None, k: int
    ) -> Hits:
        """Scores and passage numbers [Q, k], best first, ties by ascending number, -1 where no hit."""

    def pair(self, sources: Sequence[str], targets: Sequence[str], k: int, kind: str) -> tuple[Hits, Hits]:
        """The k nearest targets of each source, and the k nearest sources of each target."""

    def vectors(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        """Unit rows for symmetric tasks."""


Opener = Callable[[str, Progress | None], Model]
"""Opens a model that this package knows nothing of, by its name."""


class EncoderModel:
    """An encoder, with the roles of E5: query and passage in retrieval, query on both sides elsewhere."""

    def __init__(
        self,
        name: str,
        encoder: Encoder | BlendedEncoder,
        *,
        instruction: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.name = name
        self.encoder = encoder
        self._instruction = instruction
        self._progress = progress
        if instruction is not None and encoder.spec.instruct_template is None:
            raise ConfigError(
                f"Model '{name}' takes no instruction, got {instruction!r}. Expected none. Leave out "
                "--instruction, or name a model such as large-instruct."
            )

    def search(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None, k: int
    ) -> Hits:
        """Exact search; passage vectors are held ``PASSAGES_AT_A_TIME`` at a time."""
        from me5 import Role

        queries_QD = self._encode(queries, Role.QUERY, instruction=self._instruction)
        scores_QK = np.empty((len(queries), 0), dtype=np.float32)
        numbers_QK = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(passages), PASSAGES_AT_A_TIME):
            stop = start + PASSAGES_AT_A_TIME
            passages_PD = self._encode(
                passages[start:stop], Role.PASSAGE, titles=titles[start:stop] if titles else None
            )
            scores, numbers = _nearest(queries_QD, passages_PD, k)
            scores_QK = np.concatenate([scores_QK, scores], axis=1)
            numbers_QK = np.concatenate([numbers_QK, numbers + start], axis=1)
            order = np.lexsort((numbers_QK, -scores_QK), axis=1)[:, :k]
            scores_QK = np.take_along_axis(scores_QK, order, axis=1)
            numbers_QK = np.take_along_axis(numbers_QK, order, axis=1)
        return _padded(scores_QK, numbers_QK, k)

    def pair(self, sources: Sequence[str], targets: Sequence[str], k: int, kind: str) -> tuple[Hits, Hits]:
        """Every text is encoded once."""
        sources_QD, targets_PD = self.vectors(sources, kind), self.vectors(targets, kind)
        return (
            _padded(*_nearest(sources_QD, targets_PD, k), k),
            _padded(*_nearest(targets_PD, sources_QD, k), k),
        )

    def vectors(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        """Both sides of a symmetric task are queries."""
        from me5 import Role

        instruction = self._instruction
        if instruction is None and self.encoder.spec.instruct_template is not None:
            instruction = INSTRUCTIONS[kind]
        return self._encode(texts, Role.QUERY, instruction=instruction)

    def encode(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """One side of a retrieval task; the instruction goes before queries only."""
        return self._encode(texts, role, instruction=self._instruction if role == "query" else None)

    def _encode(self, texts: Sequence[str], role: Role, **options: Any) -> NDArray[np.float32]:
        progress = self._progress
        watch = None if progress is None else (lambda done: progress(self.name, done, len(texts)))
        return self.encoder.encode(texts, role, on_progress=watch, **options)


class Bm25Model:
    """The lexical baseline. It has no vectors, so it takes part in retrieval and bitext only."""

    def __init__(self, name: str, pieces: Pieces) -> None:
        self.name = name
        self._pieces = pieces

    def search(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None, k: int
    ) -> Hits:
        """Title and text are one field."""
        if titles is not None:
            passages = [f"{title} {text}".strip() for title, text in zip(titles, passages, strict=True)]
        return Bm25(passages, self._pieces).top_k(queries, k)

    def pair(self, sources: Sequence[str], targets: Sequence[str], k: int, kind: str) -> tuple[Hits, Hits]:
        """An index for each direction."""
        return self.search(sources, targets, None, k), self.search(targets, sources, None, k)

    def vectors(self, texts: Sequence[str], kind: str) -> NDArray[np.float32]:
        """Refused."""
        raise ConfigError(
            f"Model '{self.name}' has no vectors for a {kind} task. Expected an encoder. "
            "Measure bm25 on retrieval and bitext tasks, or name another model."
        )


def open_model(
    name: str,
    *,
    instruction: str | None = None,
    progress: Progress | None = None,
    openers: Mapping[str, Opener] | None = None,
) -> Model:
    """A registry name, folder or hub id; ``blend:FIRST+SECOND@SHARE`` (see ``me5.blending``); ``bm25``,
    ``bm25:MODEL`` (its tokenizer) or ``bm25:words``; or a name whose word before the colon is in ``openers``.
    """
    import me5
    from me5.blending import load_blend

    kind, _, tokenizer = name.partition(":")
    if openers and kind in openers:
        if instruction is not None:
            raise ConfigError(f"Model {name!r} takes no instruction. Expected none. Leave out --instruction.")
        return openers[kind](name, progress)
    if kind == "blend":
        return EncoderModel(name, load_blend(name), instruction=instruction, progress=progress)
    if kind != "bm25":
        return EncoderModel(name, me5.load_encoder(name), instruction=instruction, progress=progress)
    if instruction is not None:
        raise ConfigError("Model 'bm25' takes no instruction. Expected none. Leave out --instruction.")
    if tokenizer == "words":
        return Bm25Model(name, word_pieces())
    return Bm25Model(name, model_pieces(_folder_of(tokenizer or "builtin") / "tokenizer.json"))


def _folder_of(model: str) -> Path:
    from me5.hub import fetch_model
    from me5.registry import resolve_spec

    spec = resolve_spec(model)
    return spec.path or fetch_model(spec.model_id, spec.revision)


def _nearest(queries_QD: NDArray[np.float32], passages_PD: NDArray[np.float32], k: int) -> Hits:
    """Exact top k; queries go in blocks, because a block of scores is as wide as there are queries."""
    from me5.similarity import top_k

    starts = range(0, max(1, len(queries_QD)), QUERIES_AT_A_TIME)
    found = [top_k(queries_QD[start : start + QUERIES_AT_A_TIME], passages_PD, k) for start in starts]
    return np.concatenate([scores for scores, _ in found]), np.concatenate([numbers for _, numbers in found])


def _padded(scores_QK: NDArray[np.float32], numbers_QK: NDArray[np.int64], k: int) -> Hits:
    """Width k even where there are fewer passages."""
    missing = ((0, 0), (0, k - scores_QK.shape[1]))
    return np.pad(scores_QK, missing), np.pad(numbers_QK, missing, constant_values=NO_HIT)
