"""What each API wants and answers: pure functions from texts to a request, and from an answer to vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5.errors import ApiError
from me5.prefixes import Role

Floats = NDArray[np.float32]

PATHS = {"openai": "/embeddings", "cohere": "/embed"}
BATCH_TEXTS = {"openai": 128, "cohere": 96}
BATCH_CHARS = 100_000
"""Of all texts of a request; OpenAI takes 300,000 tokens, Cohere 128,000."""
INPUT_TYPES = {
    Role.QUERY: "search_query",
    Role.PASSAGE: "search_document",
    Role.BITEXT: "search_document",  # Cohere's advice where the use is not known, as mteb does it
    Role.STS: "search_document",
}


def request_body(
    service: str, model: str, texts: Sequence[str], role: Role, dimension: int | None
) -> dict[str, Any]:
    """The JSON of a request. Empty texts, which both refuse, are sent as a space."""
    sent = [text or " " for text in texts]
    if service == "cohere":
        size = {} if dimension is None else {"output_dimension": dimension}
        asked = {"model": model, "texts": sent, "input_type": INPUT_TYPES[role]}
        return {**asked, "embedding_types": ["float"], "truncate": "END", **size}
    size = {} if dimension is None else {"dimensions": dimension}
    return {"model": model, "input": sent, "encoding_format": "float", **size}


def read_answer(service: str, answer: Any, count: int, dimension: int | None) -> Floats:
    """The vectors of an answer in the order of the texts, [count, D], each of length 1.

    Raises:
        ApiError: the answer is not that, with what is wrong with it.
    """
    try:
        rows = _cohere(answer) if service == "cohere" else _openai(answer, count)
        vectors_ND = np.array(rows, dtype=np.float64)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ApiError(
            f"The API's answer cannot be read ({type(error).__name__}: {error}). Expected one list of "
            "numbers a text. Look at its address and at the model's name."
        ) from error
    if vectors_ND.ndim != 2 or len(vectors_ND) != count or vectors_ND.shape[1] == 0:
        raise ApiError(
            f"The API answered with vectors of shape {vectors_ND.shape} to {count} texts. Expected one "
            "vector a text, all of one length. Use another server."
        )
    if dimension is not None and vectors_ND.shape[1] != dimension:
        raise ApiError(
            f"The API answered with {vectors_ND.shape[1]} numbers a vector; expected {dimension}. The model "
            "behind the name is another one, or cannot be shortened. Use it without a dimension, or embed "
            "the collection again."
        )
    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    if not np.isfinite(lengths_N1).all() or not lengths_N1.all():
        raise ApiError(
            "The API answered with a vector that is not finite, or that is zero. Nothing can be compared "
            "with that. Use another model or server."
        )
    return np.asarray(vectors_ND / lengths_N1, dtype=np.float32)


def _openai(answer: Any, count: int) -> list[Any]:
    """Each row says which text it is for; the order is not promised."""
    rows: list[Any] = [None] * count
    entries = answer["data"]
    for place, entry in enumerate(entries):
        number = int(entry.get("index", place))
        if not 0 <= number < count or rows[number] is not None:
            raise ValueError(f"{len(entries)} rows with index {number} for {count} texts")
        rows[number] = entry["embedding"]
    if any(row is None for row in rows):
        raise ValueError(f"{len(entries)} rows for {count} texts")
    return rows


def _cohere(answer: Any) -> list[Any]:
    result = answer["embeddings"]
    return list(result["float"] if isinstance(result, dict) else result)
