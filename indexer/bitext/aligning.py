"""Ordered texts on disk to aligned pairs: what ``mine --align`` does with two files, or with two folders.

How sentences are aligned is the business of ``alignment``, which documents of two folders belong together
that of ``document_pairing``; here the files are read and the pairs are checked.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.bitext.alignment import align, beads_to_pairs
from indexer.bitext.checking import check_pairs
from indexer.bitext.document_pairing import TextDocument, pair_documents
from indexer.bitext.filters import side_language
from indexer.bitext.overlaps import Encode
from indexer.bitext.segmenters import Segmenter
from indexer.bitext.sources import files_below, read_sentences
from indexer.bitext.values import UNKNOWN_LANGUAGE, MiningResult, MiningSettings, Pair, Sentence
from indexer.bitext.vectors import KeptBatches, encode_sentences
from indexer.errors import MiningError, ReadError
from indexer.progress import Progress
from indexer.text.segmentation import sentence_spans

if TYPE_CHECKING:
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

_PARTS = 1_000
_PAIRING = 0.2  # share of the progress of folders that goes to finding out which documents belong together


@dataclass(frozen=True)
class Reading:
    """How files are read: their languages if known, whether text files have a sentence on each line, and what
    cuts running text.
    """

    languages: tuple[str | None, str | None] = (None, None)
    lines: bool | None = None
    segment: Segmenter = sentence_spans


def align_files(
    source: Path,
    target: Path,
    encoder: "Encoder",
    settings: MiningSettings,
    *,
    reading: Reading = Reading(),
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """The aligned pairs of two files, in the order of the texts; flagged, none left out.

    ``settings.threshold`` is the least score of a pair; None, or ``settings.keep_below``, takes all.
    ``folder`` keeps the vectors, so that the same call resumes from there after a kill. The caller removes
    it.

    Raises:
        ReadError: a file cannot be read.
        MiningError: one of them holds no sentence, or both are in one language.
        DiskFullError: the vectors do not fit into ``folder``.
        Cancelled: it was cancelled.
    """
    sides = [
        read_sentences(
            path, language=language or UNKNOWN_LANGUAGE, lines=reading.lines, segment=reading.segment
        )
        for path, language in zip((source, target), reading.languages, strict=True)
    ]
    for path, sentences in zip((source, target), sides, strict=True):
        if not sentences:
            raise MiningError(f"{path} is empty; expected sentences on both sides. Check the file.")
    return align_sentences(
        sides[0],
        sides[1],
        encoder,
        settings,
        named=reading.languages,
        name=source.name,
        folder=folder,
        progress=progress,
        cancelled=cancelled,
    )


def align_sentences(
    source: Sequence[Sentence],
    target: Sequence[Sentence],
    encoder: "Encoder",
    settings: MiningSettings,
    *,
    named: tuple[str | None, str | None] = (None, None),
    name: str = "the texts",
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """The aligned pairs of two texts; as :func:`align_files`, of sentences that are read already.

    Args:
        named: the languages that were given; two texts in one language are refused unless both are.
        name: of the text, for the progress.
    """
    for side, sentences in (("first", source), ("second", target)):
        if not sentences:
            raise MiningError(f"The {side} side has no sentences. Check the file.")
    languages = (side_language(source), side_language(target))
    _require_two_languages(languages, named)
    work = _Work(encoder, settings, folder, _teller(progress), cancelled)
    pairs = work.align(source, target, languages, f"aligning {name}", (0.0, 1.0))
    return _result(pairs, settings, languages, (len(source), len(target)), dict(work.unmatched))


def _require_two_languages(languages: tuple[str, str], named: tuple[str | None, str | None]) -> None:
    if languages[0] == languages[1] != UNKNOWN_LANGUAGE and set(named) != {languages[0]}:
        raise MiningError(
            f"Both sides are in the same language ({languages[0]}); expected two languages. Choose another "
            "file, or name the language of each side if this is meant."
        )


def align_folders(
    source: Path,
    target: Path,
    encoder: "Encoder",
    settings: MiningSettings,
    *,
    reading: Reading = Reading(),
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> MiningResult:
    """The aligned pairs of all documents of two folders that belong together, document by document.

    Files that cannot be read and documents without a partner are counted in ``dropped``. ``folder`` as in
    :func:`align_files`.

    Raises:
        MiningError: a folder holds no file that can be read, or both are in one language.
        DiskFullError: the vectors do not fit into ``folder``.
        Cancelled: it was cancelled.
    """
    dropped: dict[str, int] = {}
    documents = [
        _documents(side, language, reading, dropped)
        for side, language in zip((source, target), reading.languages, strict=True)
    ]
    for path, side in zip((source, target), documents, strict=True):
        if not side:
            raise MiningError(
                f"{path} holds no file with sentences; expected documents on both sides. Check the folder."
            )
    work = _Work(encoder, settings, folder, _teller(progress), cancelled)
    named = [
        [TextDocument(name, [sentence.text for sentence in sentences]) for name, sentences in side.items()]
        for side in documents
    ]
    pairing = pair_documents(
        named[0],
        named[1],
        work.encode,
        progress=lambda share: work.tell("pairing documents", _PAIRING * share),
        cancelled=cancelled,
    )
    for name, places in (("source", pairing.unpaired_source), ("target", pairing.unpaired_target)):
        if places:
            dropped[f"{name} document without partner"] = len(places)
    left, right = (list(side.values()) for side in documents)
    languages = (_language_of(left), _language_of(right))
    _require_two_languages(languages, reading.languages)
    pairs: list[Pair] = []
    step = (1 - _PAIRING) / max(len(pairing.pairs), 1)
    for number, result in enumerate(pairing.pairs):
        begun = _PAIRING + number * step
        name = named[0][result.source].name
        pairs += work.align(
            left[result.source], right[result.target], languages, f"aligning {name}", (begun, begun + step)
        )
    counts = (sum(map(len, left)), sum(map(len, right)))
    return _result(pairs, settings, languages, counts, dropped | work.unmatched)


class _Work:
    """What stays the same from one document to the next."""

    def __init__(
        self,
        encoder: "Encoder",
        settings: MiningSettings,
        folder: Path | None,
        tell: Callable[[str, float], None],
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.tell = tell
        self.encode: Encode = (
            partial(encode_sentences, encoder=encoder) if folder is None else KeptBatches(encoder, folder)
        )
        self.unmatched: Counter[str] = Counter()  # by side, sentences that nothing on the other translates
        self._least = None if settings.keep_below else settings.threshold
        self._cancelled = cancelled

    def align(
        self,
        source: Sequence[Sentence],
        target: Sequence[Sentence],
        languages: tuple[str, str],
        message: str,
        part: tuple[float, float],
    ) -> list[Pair]:
        """The pairs of two documents; ``part`` of the progress is theirs."""
        begun, ended = part
        beads = align(
            [item.text for item in source],
            [item.text for item in target],
            self.encode,
            progress=lambda share: self.tell(message, begun + share * (ended - begun)),
            cancelled=self._cancelled,
        )
        for bead in beads:
            for side, size, others in zip(("source", "target"), bead.shape, bead.shape[::-1], strict=True):
                if size and not others:
                    self.unmatched[f"{side} sentences without a translation"] += size
        left, right = (
            [replace(item, language=language) if item.language == UNKNOWN_LANGUAGE else item for item in side]
            for side, language in ((source, languages[0]), (target, languages[1]))
        )
        return beads_to_pairs(beads, left, right, min_score=self._least)


def _documents(
    folder: Path, language: str | None, reading: Reading, dropped: dict[str, int]
) -> dict[str, list[Sentence]]:
    """The documents of a folder by their path in it."""
    results = {}
    for path in files_below(folder):
        name = path.relative_to(folder).as_posix()
        try:
            sentences = read_sentences(
                path, language=language or UNKNOWN_LANGUAGE, lines=reading.lines, segment=reading.segment
            )
        except ReadError as error:
            logger.warning("left out: %s", error)
            dropped["unreadable file"] = dropped.get("unreadable file", 0) + 1
            continue
        if sentences:
            results[name] = [replace(sentence, origin=name) for sentence in sentences]
    return results


def _language_of(documents: Sequence[Sequence[Sentence]]) -> str:
    return side_language([sentence for document in documents for sentence in document])


def _teller(progress: Progress | None) -> Callable[[str, float], None]:
    def tell(message: str, share: float) -> None:
        if progress is not None:
            progress(int(share * _PARTS), _PARTS, "parts", message)

    return tell


def _result(
    pairs: list[Pair],
    settings: MiningSettings,
    languages: tuple[str, str],
    sentences: tuple[int, int],
    dropped: dict[str, int],
) -> MiningResult:
    checked, _ = check_pairs(pairs, replace(settings, drop=()))
    scores = np.sort(np.array([pair.score for pair in checked], dtype=np.float32))[::-1]
    return MiningResult(
        tuple(checked),
        scores,
        threshold=float("-inf") if settings.threshold is None else settings.threshold,
        estimated_precision=float("nan"),
        dropped=dropped,
        sentences=sentences,
        languages=languages,
    )
