"""The recipe of the built-in model, from the data folder to a model folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from trainer.builtin.corpus import Corpus, build_corpus, sample_for_tokenizer
from trainer.builtin.distill import Targets, TeacherSampler, rotation, teach
from trainer.builtin.evaluation import (
    XTREME_36,
    BitextScore,
    Encode,
    RetrievalScore,
    evaluate_retrieval,
    evaluate_tatoeba,
)
from trainer.builtin.export import export_bert
from trainer.builtin.metrics import WriteMetrics
from trainer.builtin.sampling import PairSampler, Translations
from trainer.builtin.spelling import spelling_of
from trainer.builtin.static import (
    Every,
    LogLoss,
    PieceTable,
    Sampler,
    StaticState,
    embed,
    load_checkpoint,
    new_state,
    save_checkpoint,
    train_static,
)
from trainer.builtin.tokenizer import build_tokenizer, load_tokenizer
from trainer.config import BuiltinConfig, DistillationConfig, StaticOptimConfig, require
from trainer.errors import ConfigError, DataError
from trainer.tasks.metrics import accuracy, ranks_of_positives

log = logging.getLogger(__name__)

DevSets = Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]
DevScores = dict[str, dict[str, BitextScore | RetrievalScore]]

PARALLEL, TEACHER = "parallel", "teacher"
BALANCE_DIMENSIONS = 3  # of the exported table, see trainer.builtin.export
ROTATION_FROM = 8  # the rotation is learned from one taught text in so many
TRANSLATED_KINDS = ("section",)  # their queries are English texts that may be asked in any language
SECTION_PIVOT_SHARE = 0.8
MAX_CHARACTERS_PER_PIECE = 8
MAX_DEV_QUERIES = 500
MIN_DEV_QUERIES = 50
LOG_STEPS, SAVE_STEPS = 50, 500
NOT_DECISIVE = ("stage", "data", "out", "left_out", "tatoeba", "date")  # of a recipe, for the weights


@dataclass(frozen=True)
class Prepared:
    """What training needs: the pieces of every text, the n-grams of every piece, the samplers."""

    table: PieceTable
    spelling: PieceTable | None
    samplers: dict[str, Sampler]


def run_builtin(config: BuiltinConfig, *, resume: bool) -> Path:
    """Train as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: go on where the run in the folder ``config.out`` was saved last.

    Raises:
        TrainerError: the run cannot start.
    """
    require(bool(config.out), "out", config.out, "a folder")
    out = Path(config.out).expanduser()
    if out.is_dir() and any(out.iterdir()) and not resume:
        raise ConfigError(
            f"out: {out} is not empty. Expected a new folder. Add --resume to go on with the run there, or "
            "choose another folder with out=FOLDER."
        )
    out.mkdir(parents=True, exist_ok=True)
    model = _train_both_stages(config, out)
    if config.tatoeba:
        (model / "README.md").write_text(_measured_card(config, out, model), encoding="utf8")
    return model


def _train_both_stages(config: BuiltinConfig, out: Path) -> Path:
    corpus = build_corpus(config)
    tokenizer = _tokenizer(corpus, config, out)
    prepared = Prepared(
        table=tokenise(corpus.texts, tokenizer, config.max_passage_pieces),
        spelling=spelling_of(tokenizer, config.ngram_buckets) if config.ngram_buckets else None,
        samplers=new_samplers(corpus, config),
    )
    state = new_state(
        tokenizer.get_vocab_size(), config.dimension - BALANCE_DIMENSIONS, config.seed, config.ngram_buckets
    )
    state = _train(prepared, config, state, out, optim=config.optim, mixture=config.mixture)
    if config.distillation is not None:
        targets = teach(corpus, config.distillation, state.embedding.shape[1], out)
        afresh = dataclasses.replace(prepared, samplers=new_samplers(corpus, config))
        state = _distil(
            targets, afresh, config, state, settings=config.distillation, folder=out / "distilled"
        )
    model = out / "model"
    export_bert(state.whole(prepared.spelling).detach().numpy(), tokenizer, model)
    (out / "used.json").write_text(json.dumps(corpus.rows_used, indent=2) + "\n", encoding="utf8")
    (out / "held_out.json").write_text(json.dumps(dev_sets(corpus), ensure_ascii=False), encoding="utf8")
    return model


def _measured_card(config: BuiltinConfig, out: Path, model: Path) -> str:
    """Measure the finished model on what was held out and on Tatoeba, and write its card."""
    from me5 import Role, load_encoder
    from trainer.builtin.card import Measured, model_card

    encoder = load_encoder(str(model))
    tatoeba = evaluate_tatoeba(Path(config.tatoeba).expanduser(), encoder.encode)
    if missing := set(XTREME_36) - set(tatoeba):
        raise DataError(
            f"tatoeba: {config.tatoeba} has no {', '.join(sorted(missing)[:3])}. Expected Tatoeba v1 "
            "with all languages. Give the folder or archive of the whole set, or leave tatoeba out."
        )
    held_out = json.loads((out / "held_out.json").read_text(encoding="utf8"))
    measured = Measured(
        tatoeba=tatoeba,
        held_out=evaluate_dev(held_out, encoder.encode, lambda texts: encoder.encode(texts, Role.PASSAGE)),
        rows_used=json.loads((out / "used.json").read_text(encoding="utf8")),
        size_bytes=sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        pieces=json.loads((model / "config.json").read_text(encoding="utf8"))["vocab_size"],
        date=str(config.date),
    )
    return model_card(config, measured)


def _train(
    prepared: Prepared,
    config: BuiltinConfig,
    state: StaticState,
    folder: Path,
    *,
    optim: StaticOptimConfig,
    mixture: Mapping[str, float],
) -> StaticState:
    """One stage: from its checkpoint in ``folder`` if there is one, else from ``state``."""
    fingerprint = recipe_fingerprint(config)
    saved = load_checkpoint(folder, prepared.samplers, fingerprint)
    if saved is not None:
        log.info("%s: going on from step %d", folder, saved.step)

    def save(current: StaticState, _: float) -> None:
        save_checkpoint(folder, current, prepared.samplers, fingerprint)

    start = saved or state
    done = train_static(
        prepared.table,
        prepared.samplers,
        mixture,
        start,
        optim=optim,
        limits=piece_limits(config),
        seed=config.seed,
        spelling=prepared.spelling,
        hooks=[
            Every(LOG_STEPS, LogLoss()),
            WriteMetrics(folder, step=start.step, every=LOG_STEPS),
            Every(SAVE_STEPS, save),
        ],
    )
    save(done, 0.0)
    return done


def _distil(
    targets: Targets,
    prepared: Prepared,
    config: BuiltinConfig,
    state: StaticState,
    *,
    settings: DistillationConfig,
    folder: Path,
) -> StaticState:
    """The second stage: the space of the first turned towards the teacher's, then both kinds of steps."""
    sample = targets.numbers[::ROTATION_FROM]
    pieces, bags = prepared.table.gather(sample, config.max_parallel_pieces)
    turn_DD = rotation(embed(pieces, bags, state.whole(prepared.spelling)), targets.of(sample))
    start = dataclasses.replace(
        state, embedding=state.embedding @ turn_DD, ngrams=state.ngrams @ turn_DD, step=0
    )
    parallel = prepared.samplers[PARALLEL]
    assert isinstance(parallel, PairSampler)
    samplers = {**prepared.samplers, TEACHER: TeacherSampler(parallel, targets, settings, config.seed)}
    optim = dataclasses.replace(
        config.optim,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        final_learning_rate=settings.final_learning_rate,
    )
    mixed = dataclasses.replace(prepared, samplers=samplers)
    return _train(mixed, config, start, folder, optim=optim, mixture=settings.mixture)


def recipe_fingerprint(config: BuiltinConfig) -> str:
    """16 hex digits of everything in the recipe that decides the result (not where files lie)."""
    values = {k: v for k, v in dataclasses.asdict(config).items() if k not in NOT_DECISIVE}
    if config.distillation is not None:
        del values["distillation"]["teacher"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def piece_limits(config: BuiltinConfig) -> dict[str, int]:
    """Most pieces of a text, by kind of pairs."""
    limits = dict.fromkeys(config.mixture, config.max_passage_pieces)
    return limits | {PARALLEL: config.max_parallel_pieces, TEACHER: config.max_passage_pieces}


def new_samplers(corpus: Corpus, config: BuiltinConfig) -> dict[str, Sampler]:
    """A sampler per kind of pairs, each at its start."""
    tables = {kind: pairs.arrays() for kind, pairs in corpus.train.items() if config.mixture.get(kind, 0) > 0}
    translations = Translations(tables[PARALLEL]) if PARALLEL in tables else None
    samplers: dict[str, Sampler] = {}
    for number, (kind, pairs) in enumerate(sorted(tables.items())):
        share = config.optim.pivot_share if kind == PARALLEL else SECTION_PIVOT_SHARE
        samplers[kind] = PairSampler(
            pairs,
            exponent=config.optim.language_exponent,
            seed=config.seed * 100 + number,
            translations=translations if kind in (PARALLEL, *TRANSLATED_KINDS) else None,
            pivot_share=share,
        )
    return samplers


def tokenise(texts: Sequence[str], tokenizer: Tokenizer, limit: int, block: int = 20_000) -> PieceTable:
    """Pieces of every text without special tokens, at most ``limit`` each."""
    parts: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    for start in range(0, len(texts), block):
        cut = [text[: limit * MAX_CHARACTERS_PER_PIECE] for text in texts[start : start + block]]
        for encoding in tokenizer.encode_batch_fast(cut, add_special_tokens=False):
            pieces = np.array(encoding.ids[:limit], dtype=np.int32)
            parts.append(pieces)
            lengths.append(len(pieces))
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    log.info("%d pieces, %.1f per text", offsets[-1], offsets[-1] / max(1, len(texts)))
    return PieceTable(np.concatenate(parts), offsets)


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
            if kind == PARALLEL:
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


def _tokenizer(corpus: Corpus, config: BuiltinConfig, out: Path) -> Tokenizer:
    path = out / "tokenizer.json"
    if path.is_file():
        return load_tokenizer(path)
    settings = config.tokenizer
    numbers = sample_for_tokenizer(corpus, settings.sample_texts, settings.sample_exponent, config.seed)
    log.info("tokenizer from %d texts", len(numbers))
    tokenizer = build_tokenizer(
        (corpus.texts[number][: settings.max_characters] for number in numbers),
        vocab_size=settings.vocab_size,
        alphabet_size=settings.alphabet_size,
    )
    tokenizer.save(str(path))
    return tokenizer
