"""One run of parallel text, as terminal and page do it: find pairs, align texts in order, or score pairs.

Both hand over what is to be worked on and how; both get the same pairs with the same warnings. Where the
pairs go, and what is said of them, is theirs.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from indexer.bitext.aligning import Reading, align_folders, align_sentences
from indexer.bitext.formats.left_out import LeftOut
from indexer.bitext.mining import mine, with_gold
from indexer.bitext.rescoring import rescore
from indexer.bitext.sources import draw, files_below, read_sentences, read_sides
from indexer.bitext.values import UNKNOWN_LANGUAGE, MiningResult, MiningSettings, Pair, Sentence
from indexer.errors import MiningError, ReadError
from indexer.progress import Progress
from me5.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from me5.encoder import Encoder

logger = logging.getLogger(__name__)

UNLIKE = 10
"""Sides whose numbers of sentences differ by this factor get a notice."""

Side = Path | Sequence[Sentence]


@dataclass(frozen=True)
class BitextTask:
    """What a run works on, and how.

    Attributes:
        source: a file, a folder, or sentences; without ``target`` a file of pairs, or pairs.
        target: the other side; None scores the pairs of ``source`` again.
        settings: what decides the result. With ``keep_below``, pairs below the threshold are kept too.
        reading: how files are read.
        aligned: both sides are one text in order.
        sample: so many sentences of ``source`` (or pairs), drawn at random by ``seed``; None takes all.
        gold: known pairs, which set the threshold of mined ones: a file, or pairs.
        apply_estimate: leave out scored pairs below the estimated threshold.
    """

    source: Side | Sequence[Pair]
    target: Side | None
    settings: MiningSettings = field(default_factory=MiningSettings)
    reading: Reading = field(default_factory=Reading)
    aligned: bool = False
    sample: int | None = None
    seed: int = 0
    gold: Path | Sequence[Pair] | None = None
    apply_estimate: bool = False


@dataclass(frozen=True)
class Outcome:
    """The pairs of a run.

    Attributes:
        result: pairs, scores, and what was left out.
        model: name of the model.
        drawn_from: how many sentences ``sample`` were drawn from; None where all were taken.
        notices: sentences for people, about the sides.
    """

    result: MiningResult
    model: str
    drawn_from: int | None = None
    notices: tuple[str, ...] = ()


def run(
    task: BitextTask,
    load_model: "Callable[[], Encoder]",
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    left_out: Callable[[str], None] = lambda _: None,
    ranks: Ranks = ALONE,
) -> Outcome:
    """Do what the task asks for.

    Args:
        task: what to do.
        load_model: called once, after the files are read.
        folder: keeps finished work; the same call goes on from there. The caller removes it.
        progress: of the whole.
        cancelled: asked often.
        left_out: is given a sentence for every file or unit that cannot be read.
        ranks: processes that share the work of mining; see ``mine``.

    Raises:
        MiningError: a side is empty, or both are in one language, or the task contradicts itself.
        ReadError: a file cannot be read.
        DiskFullError: the vectors do not fit into ``folder``.
        Cancelled: ``cancelled`` said so; finished work is kept.
    """
    if ranks.size > 1 and (task.aligned or task.target is None):
        raise MiningError(
            f"{ranks.size} processes were started, and only the mining of two sides is shared between them. "
            "Run this in one process, without accelerate launch."
        )
    if task.target is None:
        return _score(
            task, load_model, folder=folder, progress=progress, cancelled=cancelled, left_out=left_out
        )
    if task.aligned and task.sample:
        raise MiningError(
            f"{task.sample} sentences cannot be drawn at random from texts in order, which are aligned as a "
            "whole. Leave one of the two out."
        )
    if task.aligned and all(isinstance(side, Path) and side.is_dir() for side in (task.source, task.target)):
        encoder = load_model()
        result = align_folders(
            cast(Path, task.source), cast(Path, task.target), encoder, task.settings, reading=task.reading,
            folder=folder, progress=progress, cancelled=cancelled,
        )  # fmt: skip
        return Outcome(result, encoder.spec.name, notices=size_notices(*result.sentences))
    source, target = (
        _sentences(cast(Side, side), language, task, left_out)
        for side, language in zip((task.source, task.target), task.reading.languages, strict=True)
    )
    notices = size_notices(len(source), len(target))
    if task.aligned:
        encoder = load_model()
        result = align_sentences(
            source, target, encoder, task.settings, named=task.reading.languages, name=_name(task.source),
            folder=folder, progress=progress, cancelled=cancelled,
        )  # fmt: skip
        return Outcome(result, encoder.spec.name, notices=notices)
    drawn = draw(source, task.sample, task.seed)
    encoder = load_model()
    result = mine(
        drawn,
        target,
        encoder,
        task.settings,
        folder=folder,
        progress=progress,
        cancelled=cancelled,
        ranks=ranks,
    )
    if task.gold is not None:
        result = with_gold(result, _pairs(task.gold, LeftOut(), left_out))
    return Outcome(result, encoder.spec.name, len(source) if len(drawn) < len(source) else None, notices)


def size_notices(sources: int, targets: int) -> tuple[str, ...]:
    """A sentence about sides of very different size; nothing for others."""
    few, many = sorted((sources, targets))
    if not few or many < UNLIKE * few:
        return ()
    return (
        f"The sides differ much in size: {sources} and {targets} sentences. Most sentences of the larger one "
        "can have no partner.",
    )


def _score(
    task: BitextTask,
    load_model: "Callable[[], Encoder]",
    *,
    folder: Path | None,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
    left_out: Callable[[str], None],
) -> Outcome:
    counted = LeftOut()
    given = _pairs(cast("Path | Sequence[Pair]", task.source), counted, left_out)
    drawn = draw(given, task.sample, task.seed)
    encoder = load_model()
    result = rescore(
        drawn, encoder, task.settings, apply_estimate=task.apply_estimate, folder=folder, progress=progress,
        cancelled=cancelled,
    )  # fmt: skip
    result = replace(result, dropped=counted.counts() | result.dropped)
    return Outcome(result, encoder.spec.name, len(given) if len(drawn) < len(given) else None)


def _pairs(given: Path | Sequence[Pair], counted: LeftOut, left_out: Callable[[str], None]) -> Sequence[Pair]:
    if not isinstance(given, Path):
        return given
    pairs = read_sides(given, counted)
    for reason in counted.reasons:
        left_out(reason)
    return pairs


def _sentences(
    side: Side, language: str | None, task: BitextTask, left_out: Callable[[str], None]
) -> list[Sentence]:
    """The sentences of a file; of a folder, those of all files that can be read, unless they are in order."""
    if not isinstance(side, Path):
        return list(side)
    language = language or UNKNOWN_LANGUAGE
    lines, segment = task.reading.lines, task.reading.segment
    if task.aligned or not side.is_dir():
        return read_sentences(side, language=language, lines=lines, segment=segment)
    sentences: list[Sentence] = []
    for file in files_below(side):
        try:
            sentences += read_sentences(file, language=language, lines=lines, segment=segment)
        except ReadError as error:
            left_out(str(error))
    return sentences


def _name(side: object) -> str:
    return side.name if isinstance(side, Path) else "the texts"
