"""What is measured: an encoder with its prefixes, or BM25. One protocol, so that scoring knows neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from me5.loading import model_folder
from me5.packed import tokenizer_file
from me5.prefixes import BITEXT_INSTRUCTION, STS_INSTRUCTION, Role, prefix_of
from me5.ranks import this_run
from trainer.errors import ConfigError
from trainer.evaluation.bm25 import NO_HIT, Bm25, Pieces, model_pieces, word_pieces

if TYPE_CHECKING:
    from me5.blending import BlendedEncoder
    from me5.encoder import Encoder

Hits = tuple[NDArray[np.float32], NDArray[np.int64]]
Progress = Callable[[str, int, int], None]

Prefix = Literal["query", "bitext"]

# One sentence on every side of symmetric tasks for models that take instructions (unilm ``e5/utils.py``).
INSTRUCTIONS = {
    "bitext": BITEXT_INSTRUCTION,
    "mining": BITEXT_INSTRUCTION,
    "similarity": STS_INSTRUCTION,
    "classification": "Classify the given text.",
}
PAIRING = ("bitext", "mining")
"""Kinds of tasks whose texts have the model's words for bitext."""
NEUTRAL = "neutral:"
BM25_PIECES = "fast"
"""The model whose tokenizer ``bm25`` takes."""
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
    """An encoder, with the roles of E5: query and passage in retrieval, one role on both sides elsewhere.

    Args:
        name: what it is called in reports.
        encoder: gives the vectors.
        instruction: of queries, instead of the model's own.
        progress: is told of every batch.
        prefix: the role on both sides of symmetric tasks; None takes the words of the model for the task.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder | BlendedEncoder,
        *,
        instruction: str | None = None,
        progress: Progress | None = None,
        prefix: Prefix | None = None,
    ) -> None:
        self.name = name
        self.encoder = encoder
        self._instruction = instruction
        self._progress = progress
        self._prefix = prefix
        if instruction is not None and encoder.spec.instruct_template is None:
            raise ConfigError(
                f"Model '{name}' takes no instruction, got {instruction!r}. Expected none. Leave out "
                "--instruction, or name a model such as large-instruct."
            )

    def settings(self, kind: str) -> dict[str, Any]:
        """What decides the vectors of a task of this kind besides the weights, as JSON."""
        encoders = _encoders(self.encoder)
        first = encoders[0]
        return {
            "model_id": first.spec.model_id,
            "revision": first.spec.revision,
            "prefix": self._words(kind),
            "pooling": first.spec.pooling,
            "precision": first.runtime.precision,
            "neutral": next(
                (encoder.neutral.digest for encoder in encoders if encoder.neutral is not None), None
            ),
        }

    def _words(self, kind: str) -> dict[str, str]:
        """What stands before the texts, by role; ``both`` in a symmetric task. The hub has all of them."""
        if kind in INSTRUCTIONS:
            role = self._role(kind)
            return {"both": self._before(role, self._sentence(kind, role))}
        words = {str(role): self._before(role, self._instruction) for role in (Role.QUERY, Role.PASSAGE)}
        return words | {"bitext": self._words("bitext")["both"]} if kind == "hub" else words

    def _before(self, role: Role, instruction: str | None) -> str:
        specs = [encoder.spec for encoder in _encoders(self.encoder)]
        words = [prefix_of(spec, role, instruction or spec.default_instruction) for spec in specs]
        return " + ".join(dict.fromkeys(words))

    def _role(self, kind: str) -> Role:
        if self._prefix is not None:
            return Role(self._prefix)
        if kind == "similarity" and self.encoder.spec.sts_prefix is not None:
            return Role.STS
        return Role.BITEXT if kind in PAIRING else Role.QUERY

    def _sentence(self, kind: str, role: Role) -> str | None:
        """The instruction of a symmetric task; the words for bitext and likeness have one of their own."""
        if self._instruction is not None or self.encoder.spec.instruct_template is None:
            return self._instruction
        return None if role in (Role.BITEXT, Role.STS) else INSTRUCTIONS[kind]

    def search(
        self, queries: Sequence[str], passages: Sequence[str], titles: Sequence[str] | None, k: int
    ) -> Hits:
        """Exact search; passage vectors are held ``PASSAGES_AT_A_TIME`` at a time."""
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
        """Both sides of a symmetric task have one role."""
        role = self._role(kind)
        return self._encode(texts, role, instruction=self._sentence(kind, role))

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
    prefix: Prefix | None = None,
    neutral: bool | None = None,
) -> Model:
    """Open what is measured.

    Args:
        name: a registry name, folder or hub id; ``neutral:NAME``; ``blend:FIRST+SECOND@SHARE`` (see
            ``me5.blending``); ``bm25``, ``bm25:MODEL`` (its tokenizer) or ``bm25:words``; or a name whose
            word before the colon is in ``openers``.
        instruction, progress, prefix: see ``EncoderModel``.
        openers: models that this package knows nothing of.
        neutral: whether vectors are without their language; None as the model is published.
    """
    kind, _, tokenizer = name.partition(":")
    is_encoder = kind not in ("bm25", "blend", *(openers or {}))
    if instruction is not None and not is_encoder and kind != "blend":
        raise ConfigError(f"Model {name!r} takes no instruction. Expected none. Leave out --instruction.")
    if neutral is not None and not is_encoder:
        raise ConfigError(
            f"Model {name!r} is measured as it is, but --neutral is {'on' if neutral else 'off'}. Leave it "
            "out, or name a model of vectors."
        )
    if openers and kind in openers:
        return openers[kind](name, progress)
    if kind == "bm25":
        pieces = (
            word_pieces()
            if tokenizer == "words"
            else model_pieces(tokenizer_file(model_folder(tokenizer or BM25_PIECES)))
        )
        return Bm25Model(name, pieces)
    if kind == "blend":
        from me5.blending import load_blend

        return EncoderModel(name, load_blend(name), instruction=instruction, progress=progress, prefix=prefix)
    title, encoder = _open_encoder(name, neutral, progress)
    return EncoderModel(title, encoder, instruction=instruction, progress=progress, prefix=prefix)


def _open_encoder(name: str, neutral: bool | None, progress: Progress | None) -> tuple[str, Encoder]:
    """The encoder, and its name with what differs from the model as it is published."""
    import me5

    if name.startswith(NEUTRAL):
        name, neutral = name.removeprefix(NEUTRAL), neutral is not False
    encoder = me5.load_encoder(name).with_ranks(this_run())
    if neutral is None or neutral == (encoder.neutral is not None):
        return name, encoder
    if not neutral:
        return f"{name} (not neutral)", encoder.with_neutral(None)
    from me5.neutral import map_of

    title = f"{name} (neutral)"
    watch = None if progress is None else (lambda done, total: progress(title, done, total))
    return title, encoder.with_neutral(map_of(encoder, on_progress=watch))


def _encoders(encoder: Encoder | BlendedEncoder) -> list[Encoder]:
    from me5.blending import BlendedEncoder

    return [encoder.first, encoder.second] if isinstance(encoder, BlendedEncoder) else [encoder]


def _nearest(queries_QD: NDArray[np.float32], passages_PD: NDArray[np.float32], k: int) -> Hits:
    """Exact top k; queries go in blocks, because a block of scores is as wide as there are queries."""
    from me5.knn.similarity import top_k

    starts = range(0, max(1, len(queries_QD)), QUERIES_AT_A_TIME)
    results = [top_k(queries_QD[start : start + QUERIES_AT_A_TIME], passages_PD, k) for start in starts]
    return np.concatenate([scores for scores, _ in results]), np.concatenate(
        [numbers for _, numbers in results]
    )


def _padded(scores_QK: NDArray[np.float32], numbers_QK: NDArray[np.int64], k: int) -> Hits:
    """Width k even where there are fewer passages."""
    missing = ((0, 0), (0, k - scores_QK.shape[1]))
    return np.pad(scores_QK, missing), np.pad(numbers_QK, missing, constant_values=NO_HIT)
