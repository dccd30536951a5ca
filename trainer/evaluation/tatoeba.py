"""Evaluation through an encode function: Tatoeba accuracy per language, and retrieval over held-out pairs."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError
from trainer.evaluation.metrics import accuracy, mrr, ndcg, ranks_of_positives

Encode = Callable[[Sequence[str]], NDArray[np.float32]]

# The 36 languages of XTREME (arXiv:2003.11080) in the codes of Tatoeba v1.
XTREME_36 = (
    *("afr", "ara", "ben", "bul", "cmn", "deu", "ell", "est", "eus", "fin", "fra", "heb"),
    *("hin", "hun", "ind", "ita", "jav", "jpn", "kat", "kaz", "kor", "mal", "mar", "nld"),
    *("pes", "por", "rus", "spa", "swh", "tam", "tel", "tgl", "tha", "tur", "urd", "vie"),
)


@dataclass(frozen=True)
class BitextScore:
    """Share of sentences whose translation is the nearest: from the language to English, and back."""

    sentences: int
    to_english: float
    from_english: float


@dataclass(frozen=True)
class RetrievalScore:
    """How well passages are ranked for queries with one relevant passage each."""

    queries: int
    passages: int
    accuracy: float
    mrr_10: float
    ndcg_10: float


def iter_tatoeba(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(language, its sentences, their English translations) of Tatoeba v1, from its folder or archive."""
    files = _read_folder(path) if path.is_dir() else _read_tar(path)
    languages = sorted(
        name.rsplit(".", 1)[1] for name in files if name.rsplit(".", 1)[1] not in ("eng", "md")
    )
    if not languages:
        raise DataError(
            f"{path} holds no tatoeba.<language>-eng.<language> file; expected Tatoeba v1. Check --data."
        )
    for language in languages:
        prefix = f"tatoeba.{language}-eng"
        yield language, files[f"{prefix}.{language}"], files[f"{prefix}.eng"]


def evaluate_tatoeba(
    path: Path, encode: Encode, languages: Sequence[str] | None = None
) -> dict[str, BitextScore]:
    """Accuracy per language (all, or ``languages``); the pool is the other side of the language's file."""
    scores = {}
    for language, sentences, english in iter_tatoeba(path):
        if languages is not None and language not in languages:
            continue
        similarity = encode(sentences) @ encode(english).T
        own = np.arange(len(sentences))
        scores[language] = BitextScore(
            sentences=len(sentences),
            to_english=100 * accuracy(ranks_of_positives(similarity, own)),
            from_english=100 * accuracy(ranks_of_positives(similarity.T, own)),
        )
    return scores


def mean_to_english(scores: Mapping[str, BitextScore], languages: Sequence[str] | None = None) -> float:
    """Mean of the X→English accuracies over the languages, each counted once."""
    return float(np.mean([scores[language].to_english for language in languages or scores]))


def evaluate_retrieval(
    queries: Sequence[str],
    positives: Sequence[int],
    passages: Sequence[str],
    encode_query: Encode,
    encode_passage: Encode,
) -> RetrievalScore:
    """Rank all passages for every query; ``positives[i]`` is the index of the relevant one."""
    scores_QP = encode_query(queries) @ encode_passage(passages).T
    ranks = ranks_of_positives(scores_QP, np.asarray(positives))
    return RetrievalScore(len(queries), len(passages), accuracy(ranks), mrr(ranks), ndcg(ranks))


def _read_folder(path: Path) -> dict[str, list[str]]:
    return {file.name: _lines(file.read_bytes()) for file in path.rglob("tatoeba.*-eng.*")}


def _read_tar(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise DataError(
            f"{path} does not exist; expected Tatoeba v1 as a folder or tar archive. Check --data."
        )
    files = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name).name
            content = archive.extractfile(member) if name.startswith("tatoeba.") else None
            if content is not None:
                files[name] = _lines(content.read())
    return files


def _lines(content: bytes) -> list[str]:
    return content.decode("utf8").rstrip("\n").split("\n")
