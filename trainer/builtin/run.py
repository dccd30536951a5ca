"""The recipe of the built-in model, from the data folder to a model folder."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

from tokenizers import Tokenizer

from trainer.builtin.corpus import Corpus, build_corpus, sample_for_tokenizer
from trainer.builtin.distill import teach
from trainer.builtin.evaluation import XTREME_36, evaluate_tatoeba
from trainer.builtin.export import BALANCE_DIMENSIONS, export_bert
from trainer.builtin.held_out import dev_sets, evaluate_dev
from trainer.builtin.stages import Prepared, distil, new_samplers, train_stage
from trainer.builtin.static import PieceTable, new_state
from trainer.builtin.tokenising import kept_pieces, with_dropout
from trainer.builtin.tokenizer import build_tokenizer, load_tokenizer
from trainer.config import BuiltinConfig
from trainer.errors import DataError
from trainer.run.folder import folder_of_its_own

log = logging.getLogger(__name__)


def run_builtin(config: BuiltinConfig, *, resume: bool) -> Path:
    """Train as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: continue from where the run in the folder ``config.out`` was saved last.

    Raises:
        TrainerError: the run cannot start.
    """
    out = folder_of_its_own(config.out, resume=resume)
    model = _train_all_stages(config, out)
    if config.tatoeba:
        (model / "README.md").write_text(_measured_card(config, out, model), encoding="utf8")
    return model


def _train_all_stages(config: BuiltinConfig, out: Path) -> Path:
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


def _tables(corpus: Corpus, tokenizer: Tokenizer, config: BuiltinConfig, out: Path) -> list[PieceTable]:
    """The pieces of all texts, and with dropout the pieces that came of it."""
    limit, dropout = config.max_passage_pieces, config.tokenizer.dropout
    tables = [kept_pieces(corpus.texts, tokenizer, limit, out / "pieces.npz")]
    if dropout:
        dropping = with_dropout(tokenizer, dropout)
        tables.append(kept_pieces(corpus.texts, dropping, limit, out / "pieces-dropout.npz"))
    return tables


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
