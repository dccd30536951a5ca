"""More pieces for the vocabulary of a model, learned from the texts of a new language when a run starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from me5 import resolve_spec
from me5.loading import model_folder
from me5.packed import tokenizer_file
from trainer.data.sources import PairSource
from trainer.errors import ConfigError
from trainer.jobs.tokenizer import TokenizerRecipe, run_tokenizer, sample_texts
from trainer.models.pieces import EXTENDABLE
from trainer.models.start import StartConfig
from trainer.models.vocabulary import open_tokenizer

MEASURED_TEXTS = 2_000
REPORT = "report.json"


def learn_pieces(start: StartConfig, sources: Sequence[PairSource], folder: Path, *, seed: int) -> None:
    """Write the tokenizer of the start's model with its ``new_pieces``, and ``report.json`` beside it: how
    many pieces are new, and the tokens of a mean query without and with them.

    The pieces are those of the queries: the passages are in a language that the model knows. What is in the
    folder already stays.

    Raises:
        ConfigError: the model has a tokenizer that takes no pieces.
        DataError: the sources have no text.
        Me5Error: the model is missing.
    """
    assert start.model is not None
    spec = resolve_spec(start.model)
    base_file = tokenizer_file(model_folder(start.model))
    base = open_tokenizer(base_file)
    kind = type(base.model).__name__
    if kind not in EXTENDABLE:
        raise ConfigError(
            f"start.new_pieces is {start.new_pieces}, and {start.model} has a {kind} tokenizer. Expected "
            f"{' or '.join(EXTENDABLE)}. Set it to 0 to train with the vocabulary as it is."
        )
    recipe = TokenizerRecipe(
        stage="tokenizer",
        out=str(folder),
        sources=tuple(_queries_alone(source) for source in sources),
        base=str(base_file),
        new_pieces=start.new_pieces,
        max_tokens=spec.max_tokens,
        seed=seed,
    )
    run_tokenizer(recipe, resume=True)
    texts = sample_texts(replace(recipe, sample_texts=MEASURED_TEXTS))
    grown = open_tokenizer(folder / "tokenizer.json")
    report = {
        "pieces": grown.get_vocab_size() - base.get_vocab_size(),
        "tokens_before": _mean_length(base, texts),
        "tokens_after": _mean_length(grown, texts),
    }
    (folder / REPORT).write_text(json.dumps(report), encoding="utf8")


def _queries_alone(source: PairSource) -> PairSource:
    """The source with its queries on both sides; a text that comes twice counts once."""
    if source.pairing == "first_line":
        return source
    return replace(source, passage=source.query, title="", swap_half=False)


def _mean_length(tokenizer: Any, texts: Sequence[str]) -> float:
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return round(sum(len(encoding.ids) for encoding in encodings) / len(texts), 2)
