"""The model in training: where its weights start, how it embeds, and the folder it is saved as.

Texts become vectors exactly as in ``me5`` (prefix, title, truncation, pooling, L2 norm), so what is trained
is what is used.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from me5 import InstructionError, Role, resolve_spec
from me5.engines.engine import pad
from me5.engines.torch_engine import load_backbone, pool_states
from me5.folders import read_folder
from me5.loading import model_folder
from me5.packed import tokenizer_file
from me5.pooling import Pooling
from me5.prefixes import join_title, prefix_of
from me5.tokenization import Tokenization
from trainer.errors import ConfigError
from trainer.models.adapters import AdaptedBody
from trainer.models.start import INSTRUCT_TEMPLATE, ShapeConfig, StartConfig
from trainer.models.vocabulary import find_tokenizer, open_tokenizer, pad_id_of, replace_vocabulary

__all__ = ["Prefixes", "ShapeConfig", "StartConfig", "TextModel", "build_model"]

POOLING_FLAGS = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True)
class Prefixes:
    """The strings before a text; what ``me5.prefixes`` asks for, and the instruction of last resort.

    Pairs are trained as queries, so a trained model has no other words for bitext, whatever its base has.
    """

    query_prefix: str = "query: "
    passage_prefix: str = "passage: "
    instruct_template: str | None = None
    default_instruction: str | None = None
    bitext_prefix: str | None = None
    sts_prefix: str | None = None

    def before(self, role: Role, instruction: str | None = None) -> str:
        """What stands before a text; a model without a template reads no instruction."""
        return prefix_of(self, role, instruction or self.default_instruction)


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
        self.pooling = pooling
        self._prefixes = prefixes or Prefixes()

    @property
    def instruct_template(self) -> str | None:
        """Where an instruction stands before a query; None for a model that takes none."""
        return self._prefixes.instruct_template

    def vocabulary(self) -> dict[str, int]:
        """The number of every token."""
        numbers: dict[str, int] = open_tokenizer(self._tokenizer_file).get_vocab()
        return numbers

    def with_prefixes_of(self, other: TextModel) -> TextModel:
        """The same model with the prefixes and the instruction of another."""
        twin = copy.copy(self)
        twin._prefixes = other._prefixes
        return twin

    def untruncated(self) -> TextModel:
        """The same weights with texts as long as the saved model will read."""
        twin = copy.copy(self)
        twin.tokenization = copy.copy(self.tokenization)  # shares the tokenizer, which is large
        twin.tokenization.max_tokens = self._model_max_tokens
        return twin

    def tokenize(
        self,
        texts: Sequence[str],
        role: Role,
        titles: Sequence[str] | None = None,
        instructions: Sequence[str] | None = None,
    ) -> list[list[int]]:
        """Token ids of each text with its prefix and title.

        Args:
            texts: queries or passages.
            role: decides the prefix.
            titles: one per text, ``""`` for none.
            instructions: one per query, ``""`` for that of the model; models that take none do not read them.

        Raises:
            InstructionError: passages were given instructions.
        """
        role = Role(role)
        if instructions is not None and role is Role.PASSAGE:
            raise InstructionError(
                f"Passages are encoded without instruction, got {list(instructions)[:1]}. "
                "Give instructions to the queries only."
            )
        if titles is not None:
            texts = [join_title(title, text) for title, text in zip(titles, texts, strict=True)]
        befores = [self._prefixes.before(role, item) for item in instructions or [""] * len(texts)]
        return self.tokenization.encode([before + text for before, text in zip(befores, texts, strict=True)])

    def embed(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Unit vectors [B, D] in float32 of tokenised texts; with a graph where gradients are on."""
        device = next(self.body.parameters()).device
        ids_BT, mask_BT = (
            torch.from_numpy(array).to(device) for array in pad([list(row) for row in ids], self._pad_id)
        )
        hidden_BTH = self.body(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
        return nn.functional.normalize(pool_states(hidden_BTH, mask_BT, self.pooling), dim=1)

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
        flags = {f"pooling_mode_{flag}": name == self.pooling for name, flag in POOLING_FLAGS.items()}
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
                    "query": self._prefixes.before(Role.QUERY),
                    "passage": self._prefixes.before(Role.PASSAGE),
                },
                "default_prompt_name": None,
                "similarity_fn_name": "cosine",
                "instruct_template": self._prefixes.instruct_template,
                "default_instruction": self._prefixes.default_instruction,
            },
            "tokenizer_config.json": {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": self._model_max_tokens,
                "pad_token": open_tokenizer(self._tokenizer_file).id_to_token(self._pad_id),
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
    folder = model_folder(start.model)
    facts = read_folder(folder)
    if facts.steps != ("normalize",) or not spec.normalize:
        raise ConfigError(
            f"start.model is {start.model!r}; expected a model of pooled unit vectors. "
            "Models with dense heads cannot be trained by this recipe; take another."
        )
    body: Any = load_backbone(folder)
    _keep_static(body)
    if start.dropout is not None:
        _set_dropout(body, start.dropout)
    limit = min(spec.max_tokens, facts.max_tokens)
    own_tokenizer = tokenizer_file(folder)
    tokenizer, pad_id = own_tokenizer, facts.pad_id
    if start.tokenizer is not None:
        tokenizer = find_tokenizer(start.tokenizer)
        pad_id = replace_vocabulary(body, own_tokenizer, tokenizer, seed)
    if start.lora is not None:
        body = AdaptedBody(body, start.lora, seed=seed)
    known = Prefixes(spec.query_prefix, spec.passage_prefix, spec.instruct_template, spec.default_instruction)
    return TextModel(
        body,
        tokenizer,
        pad_id=pad_id,
        max_tokens=min(max_tokens, limit),
        model_max_tokens=limit,
        pooling=spec.pooling,
        prefixes=_prefixes(start, known),
    )


def _keep_static(body: Any) -> None:
    """A model of word vectors alone stays one: its positions stay zero, which its fast engine asks for."""
    if getattr(body.config, "num_hidden_layers", None) != 0:
        return
    positions = body.embeddings.position_embeddings.weight
    if not positions.detach().any():
        positions.requires_grad_(False)


def _fresh_model(start: StartConfig, shape: ShapeConfig, max_tokens: int, seed: int) -> TextModel:
    from transformers import BertConfig, BertModel

    assert start.tokenizer is not None
    tokenizer_file = find_tokenizer(start.tokenizer)
    pad_id = pad_id_of(tokenizer_file)
    config = BertConfig(
        vocab_size=open_tokenizer(tokenizer_file).get_vocab_size(),
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
    """Those of the recipe where it states them: a mere language model has none of its own.

    Raises:
        ConfigError: an instruction is given and nothing says where it stands.
    """
    stated = {
        "query_prefix": start.query_prefix,
        "passage_prefix": start.passage_prefix,
        "instruct_template": start.instruct_template,
        "default_instruction": start.instruction,
    }
    prefixes = replace(known, **{name: value for name, value in stated.items() if value is not None})
    if start.instruction is not None and prefixes.instruct_template is None:
        raise ConfigError(
            f"start.instruction is {start.instruction!r}, but the model has no template for instructions. "
            f"Expected start.instruct_template, as in {INSTRUCT_TEMPLATE!r}. Add it, or leave both out."
        )
    return prefixes


def _set_dropout(body: nn.Module, share: float) -> None:
    for module in body.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
