"""``stage: static``: from the data folder to a model folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

from tokenizers import Tokenizer

from trainer.data.multilingual.corpus import Corpus, build_corpus, sample_for_tokenizer
from trainer.data.multilingual.tokenising import PieceTable, kept_pieces, with_dropout
from trainer.models.script_tokenizer import build_tokenizer, load_tokenizer
from trainer.run.folder import folder_of_its_own
from trainer.stages.static.distil import teach
from trainer.stages.static.export import BALANCE_DIMENSIONS, export_bert
from trainer.stages.static.held_out import dev_sets
from trainer.stages.static.recipe import StaticConfig
from trainer.stages.static.steps import Prepared, distil, new_samplers, train_stage
from trainer.stages.static.table import new_state

log = logging.getLogger(__name__)


def run_static(config: StaticConfig, *, resume: bool) -> Path:
    """Train as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: continue from where the run in the folder ``config.out`` was saved last.

    Raises:
        TrainerError: the run cannot start.
    """
    out = folder_of_its_own(config.out, resume=resume)
    corpus = build_corpus(config)
    tokenizer = _tokenizer(corpus, config, out)
    prepared = Prepared(
        tables=_tables(corpus, tokenizer, config, out),
        samplers=new_samplers(corpus, config),
    )
    state = new_state(tokenizer.get_vocab_size(), config.dimension - BALANCE_DIMENSIONS, config.seed)
    state = train_stage(
        prepared,
        config,
        state,
        out,
        optim=config.optim,
        mixture=config.mixture,
        later=("distillation",),
    )
    if config.distillation is not None:
        targets = teach(corpus, config.distillation, state.embedding.shape[1], out)
        afresh = dataclasses.replace(prepared, samplers=new_samplers(corpus, config))
        state = distil(targets, afresh, config, state, settings=config.distillation, folder=out / "distilled")
    model = out / "model"
    export_bert(state.embedding.detach().numpy(), tokenizer, model)
    (out / "used.json").write_text(json.dumps(corpus.rows_used, indent=2) + "\n", encoding="utf8")
    (out / "held_out.json").write_text(json.dumps(dev_sets(corpus), ensure_ascii=False), encoding="utf8")
    return model


def _tables(corpus: Corpus, tokenizer: Tokenizer, config: StaticConfig, out: Path) -> list[PieceTable]:
    """The pieces of all texts, and with dropout the pieces that came of it."""
    limit, dropout = config.max_passage_pieces, config.tokenizer.dropout
    tables = [kept_pieces(corpus.texts, tokenizer, limit, out / "pieces.npz")]
    if dropout:
        dropping = with_dropout(tokenizer, dropout)
        tables.append(kept_pieces(corpus.texts, dropping, limit, out / "pieces-dropout.npz"))
    return tables


def _tokenizer(corpus: Corpus, config: StaticConfig, out: Path) -> Tokenizer:
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
