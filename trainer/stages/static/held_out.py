"""Held-out pairs of the corpus of the built-in model, and how a model does on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trainer.data.multilingual.corpus import TRANSLATED, Corpus
from trainer.evaluation.metrics import accuracy, ranks_of_positives
from trainer.evaluation.tatoeba import BitextScore, Encode, RetrievalScore, evaluate_retrieval

DevSets = Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]
DevScores = dict[str, dict[str, BitextScore | RetrievalScore]]

MAX_DEV_QUERIES = 500
MIN_DEV_QUERIES = 50


def dev_sets(corpus: Corpus) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Held-out pairs as texts, by kind and group, at most ``MAX_DEV_QUERIES`` of each."""
    sets: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for kind, pairs in corpus.held_out.items():
        groups: dict[str, list[tuple[str, str]]] = {}
        seen: set[tuple[str, int]] = set()
        for left, right, group in zip(pairs.left, pairs.right, pairs.group, strict=True):
            members = groups.setdefault(group, [])
            # One pair per left text: a second right answer would count as a mistake.
            if len(members) < MAX_DEV_QUERIES and (group, left) not in seen:
                seen.add((group, left))
                members.append((corpus.texts[left], corpus.texts[right]))
        sets[kind] = {group: members for group, members in groups.items() if len(members) >= MIN_DEV_QUERIES}
    return sets


def evaluate_dev(sets: DevSets, encode_query: Encode, encode_passage: Encode) -> DevScores:
    """Scores on held-out pairs: accuracy for parallel text, ranks among the group's passages for the rest."""
    scores: DevScores = {}
    for kind, groups in sets.items():
        scores[kind] = {}
        for group, pairs in groups.items():
            queries, answers = [left for left, _ in pairs], [right for _, right in pairs]
            if kind in TRANSLATED:
                similarity = encode_query(answers) @ encode_query(queries).T
                own = np.arange(len(pairs))
                scores[kind][group] = BitextScore(
                    len(pairs),
                    100 * accuracy(ranks_of_positives(similarity, own)),
                    100 * accuracy(ranks_of_positives(similarity.T, own)),
                )
            else:
                passages = list(dict.fromkeys(answers))
                index = {text: number for number, text in enumerate(passages)}
                positives = [index[text] for text in answers]
                scores[kind][group] = evaluate_retrieval(
                    queries, positives, passages, encode_query, encode_passage
                )
    return scores
