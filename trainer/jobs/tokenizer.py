"""``stage: tokenizer``: a tokenizer learned from the texts of pair sources, balanced over languages."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from me5 import atomic
from trainer.config import require
from trainer.data.pairs import to_pairs
from trainer.data.rows import no_column, read_rows
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, DataError, TrainingError
from trainer.models.pieces import ROLES, SPECIAL_TOKENS, Specials, extend_tokenizer, learn_tokenizer
from trainer.models.vocabulary import find_tokenizer, open_tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TextSample:
    """A sample of the texts of pair sources, balanced over languages.

    ``rows`` of each source are read, and ``sample_texts`` different texts of them are drawn: a language with
    n texts weighs n ** ``exponent``. ``languages`` names the columns with the language of a row, one for both
    sides or one for each; none given, a source counts as a language.
    """

    sources: tuple[PairSource, ...]
    languages: tuple[str, ...] = ()
    exponent: float = 0.5
    rows: int = 1_000_000
    sample_texts: int = 1_000_000
    max_characters: int = 1_000
    seed: int = 13

    def __post_init__(self) -> None:
        require(len(self.languages) <= 2, "languages", self.languages, "at most two columns")
        require(0 <= self.exponent <= 1, "exponent", self.exponent, "a number in [0, 1]")
        for name in ("rows", "sample_texts", "max_characters"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")


@dataclass(frozen=True, kw_only=True)
class TokenizerRecipe(TextSample):
    """The whole recipe of a tokenizer, learned from a ``TextSample``.

    With ``base`` (a tokenizer.json or a folder with one) all its tokens stay and up to ``new_pieces`` are
    added.
    """

    stage: Literal["tokenizer"]
    out: str
    vocab_size: int = 64_000
    coverage: float = 0.9995
    specials: Specials = "bert"
    base: str | None = None
    new_pieces: int = 4_000
    max_tokens: int = 512  # that the model reads; goes into tokenizer_config.json

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.stage == "tokenizer", "stage", self.stage, "tokenizer")
        require(bool(self.sources), "sources", self.sources, "at least one source")
        require(0 < self.coverage <= 1, "coverage", self.coverage, "a number in (0, 1]")
        require(self.specials in SPECIAL_TOKENS, "specials", self.specials, " or ".join(SPECIAL_TOKENS))
        for name in ("vocab_size", "new_pieces", "max_tokens"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")


def run_tokenizer(config: TokenizerRecipe, *, resume: bool) -> Path:
    """Learn a tokenizer and return its folder, which ``start.tokenizer`` of another recipe takes.

    Args:
        config: the recipe.
        resume: take the tokenizer that is there.

    Raises:
        ConfigError: the folder has a tokenizer, or the vocabulary is too small.
        DataError: a source cannot be read, or has no text.
    """
    out = Path(config.out).expanduser()
    if (out / "tokenizer.json").exists():
        if resume:
            return out
        raise ConfigError(
            f"out: {out} has a tokenizer. Expected a new folder. Choose another with out=FOLDER."
        )
    base = None if config.base is None else open_tokenizer(find_tokenizer(config.base))
    texts = sample_texts(config)
    if base is None:
        tokenizer = learn_tokenizer(
            texts, vocab_size=config.vocab_size, coverage=config.coverage, specials=config.specials
        )
        specials = config.specials
    else:
        tokenizer = extend_tokenizer(base, texts, new_pieces=config.new_pieces, coverage=config.coverage)
        specials = _specials_of(base)
    tokens = tokenizer.encode_batch_fast(texts[:10_000], add_special_tokens=False)
    length = sum(len(token.ids) for token in tokens) / sum(map(len, texts[:10_000]))
    logger.info("%d tokens; %.3f per character of the sample", tokenizer.get_vocab_size(), length)
    _write(tokenizer, specials, config, out)
    return out


def sample_texts(config: TextSample) -> list[str]:
    """Different texts of all sources, drawn by language; the same for the same seed.

    Raises:
        DataError: there are none.
    """
    languages: dict[str, int] = {}  # of each text, in the order of their coming
    for source in config.sources:
        for language, text in _texts(source, config):
            languages.setdefault(f"{language}\t{text}", 0)
    if not languages:
        names = ", ".join(source.name for source in config.sources)
        raise DataError(
            f"The sources {names} have no text. Expected pairs with text on both sides. Correct the sources."
        )
    rows = [row.partition("\t") for row in languages]
    codes = np.unique([language for language, _, _ in rows], return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    wanted = sizes**config.exponent / (sizes**config.exponent).sum() * config.sample_texts
    chance = np.minimum(wanted / sizes, 1.0)
    kept = np.random.default_rng(config.seed).random(len(codes)) < chance[codes]
    logger.info("%d of %d texts in %d languages", kept.sum(), len(rows), len(sizes))
    return [text for (_, _, text), is_kept in zip(rows, kept, strict=True) if is_kept] or [rows[0][2]]


def _texts(source: PairSource, config: TextSample) -> Iterator[tuple[str, str]]:
    """Language and text of both sides of every pair; the title counts as part of the passage."""
    for row in islice(read_rows(source), config.rows):
        codes = [_language(row, column, source) for column in config.languages] or [source.name]
        for pair in to_pairs(row, source):
            passage = f"{pair.title} {pair.passage}".strip()
            for language, text in ((codes[0], pair.query), (codes[-1], passage)):
                yield language, text[: config.max_characters]


def _language(row: Any, column: str, source: PairSource) -> str:
    if column not in row:
        raise no_column(source, column, row, "languages")
    return str(row[column])


def _specials_of(tokenizer: Any) -> Specials:
    """Whose special tokens a tokenizer has."""
    for specials, names in ROLES.items():
        if tokenizer.token_to_id(names["pad"]) is not None:
            return specials
    raise ConfigError(
        "base: the tokenizer has no padding token. Expected one of "
        f"{', '.join(names['pad'] for names in ROLES.values())}. Name another tokenizer."
    )


def _write(tokenizer: Any, specials: Specials, config: TokenizerRecipe, out: Path) -> None:
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.max_tokens,
        **{f"{role}_token": name for role, name in ROLES[specials].items()},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(settings, indent=2) + "\n"
        (out / "tokenizer_config.json").write_text(text, encoding="utf8")
        with atomic.replacing(out / "tokenizer.json") as aside:  # last: a folder that has it is whole
            tokenizer.save(str(aside))
    except Exception as error:  # the library raises plain Exception
        raise TrainingError(
            f"The tokenizer cannot be written to {out} ({error}). Expected free space. Make room and "
            "run again."
        ) from error
