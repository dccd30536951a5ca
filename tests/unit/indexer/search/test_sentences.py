"""Sentence vectors that are remembered are those that the model gives."""

from typing import Any

import numpy as np

from indexer.search.sentences import SentenceVectors
from me5.prefixes import Role


def test_remembered_vectors_are_those_of_the_model(fake_encoder: Any) -> None:
    asked: list[str] = []
    original = fake_encoder.encode

    def counting(texts: Any, *rest: Any, **options: Any) -> Any:
        asked.extend(texts)
        return original(texts, *rest, **options)

    fake_encoder.encode = counting
    encode = SentenceVectors().of(fake_encoder)
    first = encode(["a b", "c", "a b"])
    again = encode(["c", "d", "a b"])
    right = original(["a b", "c", "d"], Role.PASSAGE)
    assert np.array_equal(first, right[[0, 1, 0]]) and np.array_equal(again, right[[1, 2, 0]])
    assert asked == ["a b", "c", "d"]


def test_the_longest_unread_go_first_and_long_texts_are_not_kept(fake_encoder: Any) -> None:
    vectors = SentenceVectors(keep=2)
    encode = vectors.of(fake_encoder)
    encode(["a", "b"])
    encode(["a", "x" * 2_000])
    encode(["c"])
    assert list(vectors._known[fake_encoder]) == ["a", "c"]


def test_each_model_has_its_own(fake_encoder_class: Any) -> None:
    vectors = SentenceVectors()
    one, other = fake_encoder_class(), fake_encoder_class()
    vectors.of(one)(["a"])
    vectors.of(other)(["b"])
    assert (list(vectors._known[one]), list(vectors._known[other])) == (["a"], ["b"])
