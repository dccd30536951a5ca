"""The model in training: where its weights start, how it embeds, and the folder it is saved as.

Texts become vectors exactly as in ``me5`` (prefix, title, truncation, pooling, L2 norm), so what is trained
is what is used.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from me5 import Role, resolve_spec
from me5.engines import pad
from me5.engines.torch_engine import load_backbone, pool_states
from me5.folders import read_folder
from me5.pooling import Pooling
from me5.prefixes import join_title, prefix_of
from me5.tokenization import Tokenization
from trainer.config import require
from trainer.errors import ConfigError

POOLING_FLAGS = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
PAD_TOKENS = ("<pad>", "[PAD]")
POSITIONS_START_AFTER_PAD = ("xlm-roberta", "roberta")


@dataclass(frozen=True)
class ShapeConfig:
    """The shape of a body with fresh weights (a BertModel)."""

    layers: int
    hidden: int
    heads: int
    intermediate: int
    max_positions: int = 512
    dropout: float = 0.1

    def __post_init__(self) -> None:
        require(self.layers >= 1, "layers", self.layers, "at least 1")
        require(self.hidden % self.heads == 0, "hidden", self.hidden, f"a multiple of heads ({self.heads})")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "a number in [0, 1)")


@dataclass(frozen=True)
class StartConfig:
    """Where the weights start.

    ``model`` (registry name, folder or hub id): its weights. ``model`` and ``tokenizer``: its body with the
    vocabulary of that tokenizer; tokens known to both keep their embedding. ``shape`` and ``tokenizer``:
    fresh weights. ``tokenizer`` is a tokenizer.json or a folder with one.
    """

    model: str | None = None
    tokenizer: str | None = None
    shape: ShapeConfig | None = None
    dropout: float | None = None  # None keeps that of the model
    query_prefix: str | None = None  # None keeps that of the model; fresh weights take those of E5
    passage_prefix: str | None = None

    def __post_init__(self) -> None:
        require(
            (self.model is None) != (self.shape is None),
            "start",
            (self.model, self.shape),
            "either model or shape",
        )
        require(
            self.shape is None or self.tokenizer is not None, "start.tokenizer", None, "one for fresh weights"
        )


@dataclass(frozen=True)
class Prefixes:
    """The strings before a text; what ``me5.prefixes`` asks for."""

    query_prefix: str = "query: "
    passage_prefix: str = "passage: "
    instruct_template: str | None = None


class TextModel:
    """Tokenizer and weights of the model in training.

    Args:
        body: gives the last hidden states.
        tokenizer_file: a tokenizer.json.
        pad_id: number of the padding token.
        max_tokens: texts are cut there, special tokens included.
        model_max_tokens: the limit that the saved model states.
        pooling: as in me5.
        prefixes: of the two roles.
    """

    def __init__(
        self,
        body: nn.Module,
        tokenizer_file: Path,
        *,
        pad_id: int,
        max_tokens: int,
        model_max_tokens: int,
        pooling: Pooling = "mean",
        prefixes: Prefixes | None = None,
    ) -> None:
        self.body = body
        self.tokenization = Tokenization(tokenizer_file, max_tokens, pad_id)
        self._tokenizer_file = tokenizer_file
        self._pad_id = pad_id
        self._model_max_tokens = model_max_tokens
        self._pooling = pooling
        self._prefixes = prefixes or Prefixes()

    def tokenize(
        self, texts: Sequence[str], role: Role, titles: Sequence[str] | None = None
    ) -> list[list[int]]:
        """Token ids of each text with its prefix and title."""
        prefix = prefix_of(self._prefixes, role)
        if titles is not None:
            texts = [join_title(title, text) for title, text in zip(titles, texts, strict=True)]
        return self.tokenization.encode([prefix + text for text in texts])

    def embed(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Unit vectors [B, D] in float32 of tokenised texts; with a graph where gradients are on."""
        device = next(self.body.parameters()).device
        ids_BT, mask_BT = (
            torch.from_numpy(array).to(device) for array in pad([list(row) for row in ids], self._pad_id)
        )
        hidden_BTH = self.body(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        return nn.functional.normalize(pool_states(hidden_BTH, mask_BT, self._pooling), dim=1)

    def save(self, folder: Path) -> None:
        """Write a folder that me5, transformers and sentence-transformers load."""
        folder.mkdir(parents=True, exist_ok=True)
        body: Any = self.body
        body.save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (self._tokenizer_file.parent / name).is_file():
                shutil.copyfile(self._tokenizer_file.parent / name, folder / name)
        shutil.copyfile(self._tokenizer_file, folder / "tokenizer.json")
        for name, value in self._settings().items():
            (folder / name).parent.mkdir(exist_ok=True)
            if name != "tokenizer_config.json" or not (folder / name).is_file():
                text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
                (folder / name).write_text(text, encoding="utf8")

    def _settings(self) -> dict[str, object]:
        body: Any = self.body
        flags = {f"pooling_mode_{flag}": name == self._pooling for name, flag in POOLING_FLAGS.items()}
        kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        return {
            "modules.json": [
                {
                    "idx": number,
                    "name": str(number),
                    "path": path,
                    "type": f"sentence_transformers.models.{kind}",
                }
                for number, (path, kind) in enumerate(kinds)
            ],
            "1_Pooling/config.json": {"word_embedding_dimension": body.config.hidden_size, **flags},
            "sentence_bert_config.json": {"max_seq_length": self._model_max_tokens, "do_lower_case": False},
            "config_sentence_transformers.json": {
                "prompts": {
                    "query": self._prefixes.query_prefix,
                    "passage": self._prefixes.passage_prefix,
                },
                "default_prompt_name": None,
                "similarity_fn_name": "cosine",
            },
            "tokenizer_config.json": {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": self._model_max_tokens,
                "pad_token": _tokenizer(self._tokenizer_file).id_to_token(self._pad_id),
            },
        }


def build_model(start: StartConfig, *, max_tokens: int, seed: int) -> TextModel:
    """The model that a run starts from.

    Args:
        start: see there.
        max_tokens: of the training texts; never above what the model can hold.
        seed: of fresh weights.

    Raises:
        Me5Error: the base model is missing or damaged.
        ConfigError: the parts do not fit.
    """
    if start.shape is not None:
        return _fresh_model(start, start.shape, max_tokens, seed)
    assert start.model is not None
    spec = resolve_spec(start.model)
    folder = spec.path or _fetch(spec.model_id, spec.revision)
    facts = read_folder(folder)
    if facts.dense or spec.instruct_template is not None or not spec.normalize:
        raise ConfigError(
            f"start.model is {start.model!r}; expected a model of pooled unit vectors with fixed prefixes. "
            "Models with dense heads or instructions cannot be trained by this recipe; take another."
        )
    body: Any = load_backbone(folder)
    if start.dropout is not None:
        _set_dropout(body, start.dropout)
    limit = min(spec.max_tokens, facts.max_tokens)
    tokenizer_file, pad_id = folder / "tokenizer.json", facts.pad_id
    if start.tokenizer is not None:
        tokenizer_file = _tokenizer_file(start.tokenizer)
        pad_id = _replace_vocabulary(body, folder / "tokenizer.json", tokenizer_file, seed)
    return TextModel(
        body,
        tokenizer_file,
        pad_id=pad_id,
        max_tokens=min(max_tokens, limit),
        model_max_tokens=limit,
        pooling=spec.pooling,
        prefixes=_prefixes(start, Prefixes(spec.query_prefix, spec.passage_prefix)),
    )


def _fresh_model(start: StartConfig, shape: ShapeConfig, max_tokens: int, seed: int) -> TextModel:
    from transformers import BertConfig, BertModel

    assert start.tokenizer is not None
    tokenizer_file = _tokenizer_file(start.tokenizer)
    pad_id = _pad_id(tokenizer_file)
    config = BertConfig(
        vocab_size=_tokenizer(tokenizer_file).get_vocab_size(),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.max_positions,
        pad_token_id=pad_id,
        hidden_dropout_prob=shape.dropout,
        attention_probs_dropout_prob=shape.dropout,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = BertModel(config, add_pooling_layer=False)
    return TextModel(
        body,
        tokenizer_file,
        pad_id=pad_id,
        max_tokens=min(max_tokens, shape.max_positions),
        model_max_tokens=shape.max_positions,
        prefixes=_prefixes(start, Prefixes()),
    )


def _prefixes(start: StartConfig, known: Prefixes) -> Prefixes:
    """Those of the recipe where it states them: a mere language model has none of its own."""
    return Prefixes(
        query_prefix=known.query_prefix if start.query_prefix is None else start.query_prefix,
        passage_prefix=known.passage_prefix if start.passage_prefix is None else start.passage_prefix,
    )


def _replace_vocabulary(body: Any, old_file: Path, new_file: Path, seed: int) -> int:
    """Give the body an embedding row per token of the new tokenizer; returns its padding token.

    A token of both vocabularies keeps its row. The others are drawn with the mean and the deviation of the
    rows there are, dimension by dimension, so that they look like embeddings to the layers above.
    """
    old, new = _tokenizer(old_file).get_vocab(), _tokenizer(new_file).get_vocab()
    pad_id = _pad_id(new_file)
    if body.config.model_type in POSITIONS_START_AFTER_PAD and pad_id != body.config.pad_token_id:
        raise ConfigError(
            f"start.tokenizer: the padding token of {new_file} is number {pad_id}; expected "
            f"{body.config.pad_token_id}, from which this body counts its positions. Train the tokenizer "
            "with the special tokens of the base model in their order."
        )
    old_VH = body.get_input_embeddings().weight.detach()
    generator = torch.Generator().manual_seed(seed)
    new_VH = torch.randn(max(new.values()) + 1, old_VH.shape[1], generator=generator)
    new_VH = new_VH * old_VH.std(dim=0) + old_VH.mean(dim=0)
    shared = [
        (number, old[token]) for token, number in new.items() if old.get(token, len(old_VH)) < len(old_VH)
    ]
    if not shared:
        raise ConfigError(
            f"start.tokenizer: {new_file} shares no token with the base model. Expected at least the special "
            "tokens. Train fresh weights with start.shape instead."
        )
    to, of = (torch.tensor(numbers) for numbers in zip(*shared, strict=True))
    new_VH[to] = old_VH[of]
    body.set_input_embeddings(nn.Embedding.from_pretrained(new_VH, freeze=False, padding_idx=pad_id))
    body.config.vocab_size, body.config.pad_token_id = len(new_VH), pad_id
    return pad_id


def _set_dropout(body: nn.Module, share: float) -> None:
    for module in body.modules():
        if isinstance(module, nn.Dropout):
            module.p = share


def _fetch(model_id: str, revision: str | None) -> Path:
    from me5.hub import fetch_model

    return fetch_model(model_id, revision)


def _tokenizer_file(name: str) -> Path:
    path = Path(name).expanduser()
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"start.tokenizer: {path} does not exist; expected a tokenizer.json. Correct the path."
        )
    return path


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _pad_id(path: Path) -> int:
    tokenizer = _tokenizer(path)
    for token in PAD_TOKENS:
        if (number := tokenizer.token_to_id(token)) is not None:
            return int(number)
    raise ConfigError(
        f"start.tokenizer: {path} has no padding token; expected one of {', '.join(PAD_TOKENS)}. "
        "Train the tokenizer with it."
    )
