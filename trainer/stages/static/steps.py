"""The stages of the static model: alone, and with a teacher.

Each begins where its own checkpoint is, if there is one of the same recipe, and else with what the stage
before it left.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.data.multilingual.corpus import SENTENCES, TRANSLATED, Corpus
from trainer.data.multilingual.sampling import PairSampler, Translations
from trainer.data.multilingual.tokenising import PieceTable
from trainer.run.hooks import Every, LogLoss, Stepping, WriteMetrics
from trainer.stages.static.distil import Targets, TeacherSampler, rotation
from trainer.stages.static.recipe import DistillationConfig, StaticConfig, StaticOptimConfig
from trainer.stages.static.table import (
    Sampler,
    StaticState,
    embed,
    load_checkpoint,
    save_checkpoint,
    train_static,
)

log = logging.getLogger(__name__)

PARALLEL = "parallel"
# Kinds with a teacher, and whose pairs they draw.
TAUGHT = {"teacher": PARALLEL, "teacher_everyday": "everyday"}
ROTATION_FROM = 8  # the rotation is learned from one taught text in so many
ASKED_IN_TRANSLATION = ("section",)  # kinds whose queries are English and may be asked in any language
SECTION_PIVOT_SHARE = 0.8
LOG_STEPS, SAVE_STEPS = 50, 500
NOT_DECISIVE = ("stage", "data", "out", "left_out", "note", "tatoeba", "date")  # of a recipe, for the weights


@dataclass(frozen=True)
class Prepared:
    """What training needs: the pieces of every text (in one or more ways), and samplers."""

    tables: Sequence[PieceTable]
    samplers: dict[str, Sampler]


def train_stage(
    prepared: Prepared,
    config: StaticConfig,
    state: StaticState,
    folder: Path,
    *,
    optim: StaticOptimConfig,
    mixture: Mapping[str, float],
    later: Sequence[str] = (),
) -> StaticState:
    """One stage: from its checkpoint in ``folder`` if there is one, else from ``state``."""
    fingerprint = recipe_fingerprint(config, *later)
    saved = load_checkpoint(folder, prepared.samplers, fingerprint)
    if saved is not None:
        log.info("%s: resuming from step %d", folder, saved.step)

    def save(current: StaticState, _: float) -> None:
        save_checkpoint(folder, current, prepared.samplers, fingerprint)

    start = saved or state
    done = train_static(
        prepared.tables,
        prepared.samplers,
        mixture,
        start,
        optim=optim,
        limits=piece_limits(config),
        seed=config.seed,
        hooks=[*_reports(folder, start.step), Every(SAVE_STEPS, save)],
    )
    save(done, 0.0)
    return done


def distil(
    targets: Targets,
    prepared: Prepared,
    config: StaticConfig,
    state: StaticState,
    *,
    settings: DistillationConfig,
    folder: Path,
) -> StaticState:
    """The second stage: the space of the first turned towards the teacher's, then both kinds of steps."""
    sample = targets.numbers[::ROTATION_FROM]
    pieces, bags = prepared.tables[0].gather(sample, config.max_parallel_pieces)
    turn_DD = rotation(embed(pieces, bags, state.embedding), targets.of(sample))
    start = dataclasses.replace(state, embedding=state.embedding @ turn_DD, step=0)
    samplers = {**prepared.samplers, **teacher_samplers(prepared.samplers, targets, settings, config.seed)}
    optim = dataclasses.replace(
        config.optim,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.final_learning_rate,
    )
    mixed = dataclasses.replace(prepared, samplers=samplers)
    return train_stage(mixed, config, start, folder, optim=optim, mixture=settings.mixture)


def _reports(folder: Path, step: int) -> list[Callable[[Stepping, float], None]]:
    """The hooks of every stage: the log, and the curve in its folder."""
    return [Every(LOG_STEPS, LogLoss()), WriteMetrics(folder, step=step, every=LOG_STEPS)]


def recipe_fingerprint(config: StaticConfig, *later: str) -> str:
    """16 hex digits of everything in the recipe that decides a stage: not where files lie, no later stage."""
    values = {k: v for k, v in dataclasses.asdict(config).items() if k not in (*NOT_DECISIVE, *later)}
    if values.get("distillation"):
        del values["distillation"]["teacher"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def piece_limits(config: StaticConfig) -> dict[str, int]:
    """Most pieces of a text, by kind of pairs."""
    limits = dict.fromkeys([*config.mixture, *TAUGHT], config.max_passage_pieces)
    return limits | dict.fromkeys(TRANSLATED, config.max_parallel_pieces)


def teacher_samplers(
    samplers: Mapping[str, Sampler], targets: Targets, settings: DistillationConfig, seed: int
) -> dict[str, Sampler]:
    """A sampler for each kind with a teacher whose pairs there are."""
    made: dict[str, Sampler] = {}
    for number, (kind, drawn) in enumerate(TAUGHT.items()):
        pairs = samplers.get(drawn)
        if isinstance(pairs, PairSampler):
            made[kind] = TeacherSampler(pairs, targets, settings, seed + number)
    return made


def new_samplers(corpus: Corpus, config: StaticConfig) -> dict[str, Sampler]:
    """A sampler per kind of pairs, each at its start."""
    tables = {kind: pairs.arrays() for kind, pairs in corpus.train.items() if config.mixture.get(kind, 0) > 0}
    translations = {kind: Translations(tables[kind]) for kind in SENTENCES if kind in tables}
    samplers: dict[str, Sampler] = {}
    for number, (kind, pairs) in enumerate(sorted(tables.items())):
        share = config.optim.pivot_share if kind in SENTENCES else SECTION_PIVOT_SHARE
        samplers[kind] = PairSampler(
            pairs,
            exponent=config.optim.language_exponent,
            seed=config.seed * 100 + number,
            translations=translations.get(PARALLEL if kind in ASKED_IN_TRANSLATION else kind),
            pivot_share=share,
        )
    return samplers
