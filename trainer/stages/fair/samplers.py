"""What each step draws: which languages how often, and which passages together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from me5 import atomic
from trainer.data.multilingual.corpus import ENGLISH, Corpus, PairTable
from trainer.data.multilingual.sampling import PairSampler, Translations
from trainer.stages.fair.need import beside_english, need_of_groups
from trainer.stages.fair.recipe import ASKED_IN_TRANSLATION, TAUGHT, FairConfig
from trainer.stages.fair.topics import TopicSampler, topics_of

QUERY, PASSAGE = "query: ", "passage: "

Encode = Callable[[NDArray[np.int32], str, int], Tensor]
"""Text numbers [B], a prefix and the most pieces to the start model's unit vectors [B, D]."""


def make_samplers(
    corpus: Corpus, config: FairConfig, encode: Encode, kept: Path
) -> Mapping[str, PairSampler]:
    """A sampler for each kind of the mixture.

    Args:
        corpus: texts and pairs.
        config: the recipe.
        encode: what is measured is measured with it.
        kept: file for what was measured, so that a resumed run need not measure it again.
    """
    is_english = np.array([language == ENGLISH for language in corpus.languages])
    tables = {kind: pairs.arrays() for kind, pairs in corpus.train.items()}
    languages = np.unique(np.array(corpus.languages), return_inverse=True)[1].astype(np.int32)
    translations = Translations(tables["parallel"], languages) if "parallel" in tables else None
    measured = _Kept(kept)
    samplers: dict[str, PairSampler] = {}
    for number, kind in enumerate(sorted(tables)):
        if not config.mixture.get(kind):
            continue
        table = tables[kind]
        drawn: dict[str, Any] = {"exponent": config.language_exponent, "seed": config.seed * 100 + number}
        if kind in TAUGHT:
            table = beside_english(table, is_english)
            need = measured.array(f"need.{kind}", functools.partial(_need, table, config, encode))
            samplers[kind] = PairSampler(table, **drawn, weights=need**config.need_exponent)
            continue
        if kind in ASKED_IN_TRANSLATION:
            drawn |= {"translations": translations, "pivot_share": config.section_pivot_share}
        if kind in ASKED_IN_TRANSLATION and config.topic_size:
            topics = measured.array(f"topics.{kind}", functools.partial(_topics, table, config, encode))
            samplers[kind] = TopicSampler(
                table,
                topics,
                config.topic_pairs,
                languages=languages,
                own_share=config.own_language_share,
                **drawn,
            )
        else:
            samplers[kind] = PairSampler(table, **drawn)
    return samplers


def _need(table: PairTable, config: FairConfig, encode: Encode) -> NDArray[np.float64]:
    return need_of_groups(table, lambda texts: encode(texts, QUERY, config.max_sentence_pieces), config.seed)


def _topics(table: PairTable, config: FairConfig, encode: Encode) -> NDArray[np.int64]:
    passages, which = np.unique(table.right, return_inverse=True)
    vectors_ND = encode(passages, PASSAGE, config.max_sentence_pieces)  # the topic shows early
    return topics_of(vectors_ND, config.topic_size, config.seed)[which]


class _Kept:
    """Arrays that take minutes to make, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays = dict(np.load(path)) if path.is_file() else {}

    def array(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = make()
            with atomic.replacing(self._path) as aside, aside.open("wb") as file:
                np.savez(file, **self._arrays)
        return self._arrays[name]
