"""The vocabulary of a model in training: its tokenizer, and the embeddings of another one for its body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from me5.packed import tokenizer_file
from trainer.errors import ConfigError

PAD_TOKENS = ("<pad>", "[PAD]")
POSITIONS_START_AFTER_PAD = ("xlm-roberta", "roberta")


def find_tokenizer(name: str) -> Path:
    """The tokenizer.json that ``start.tokenizer`` means.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name).expanduser()
    path = tokenizer_file(path) if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"start.tokenizer: {path} does not exist; expected a tokenizer.json. Correct the path."
        )
    return path


def open_tokenizer(path: Path) -> Any:
    """The tokenizer of a file."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def pad_id_of(path: Path) -> int:
    """The number of the padding token.

    Raises:
        ConfigError: the tokenizer has none.
    """
    tokenizer = open_tokenizer(path)
    for token in PAD_TOKENS:
        if (number := tokenizer.token_to_id(token)) is not None:
            return int(number)
    raise ConfigError(
        f"start.tokenizer: {path} has no padding token; expected one of {', '.join(PAD_TOKENS)}. "
        "Train the tokenizer with it."
    )


def replace_vocabulary(body: Any, old_file: Path, new_file: Path, seed: int) -> int:
    """Give the body an embedding row per token of the new tokenizer; returns its padding token.

    A token of both vocabularies keeps its row. Another one gets the mean of the rows of the pieces that the
    old tokenizer cuts it into, and one that the old tokenizer does not know is drawn with the mean and the
    deviation of the rows there are, so that all look like embeddings to the layers above.

    Raises:
        ConfigError: the vocabularies have nothing in common, or the padding token has moved.
    """
    old, new = open_tokenizer(old_file), open_tokenizer(new_file)
    old_numbers, new_numbers = old.get_vocab(), new.get_vocab()
    pad_id = pad_id_of(new_file)
    if body.config.model_type in POSITIONS_START_AFTER_PAD and pad_id != body.config.pad_token_id:
        raise ConfigError(
            f"start.tokenizer: the padding token of {new_file} is number {pad_id}; expected "
            f"{body.config.pad_token_id}, from which this body counts its positions. Train the tokenizer "
            "with `specials: xlm-roberta`."
        )
    old_VH = body.get_input_embeddings().weight.detach()
    generator = torch.Generator().manual_seed(seed)
    new_VH = torch.randn(max(new_numbers.values()) + 1, old_VH.shape[1], generator=generator)
    new_VH = new_VH * old_VH.std(dim=0) + old_VH.mean(dim=0)
    shared = [
        (number, old_numbers[token])
        for token, number in new_numbers.items()
        if old_numbers.get(token, len(old_VH)) < len(old_VH)
    ]
    if not shared:
        raise ConfigError(
            f"start.tokenizer: {new_file} shares no token with the base model. Expected at least the special "
            "tokens. Train fresh weights with start.shape instead."
        )
    to, of = (torch.tensor(numbers) for numbers in zip(*shared, strict=True))
    new_VH[to] = old_VH[of]
    unshared = {token: number for token, number in new_numbers.items() if token not in old_numbers}
    for number, row_H in _rows_from_pieces(unshared, old, old_VH):
        new_VH[number] = row_H
    body.set_input_embeddings(nn.Embedding.from_pretrained(new_VH, freeze=False, padding_idx=pad_id))
    body.config.vocab_size, body.config.pad_token_id = len(new_VH), pad_id
    return pad_id


def _rows_from_pieces(tokens: dict[str, int], old: Any, old_VH: Tensor) -> list[tuple[int, Tensor]]:
    """The mean of the old rows of each token's pieces; nothing where a piece is unknown."""
    unknown = {number for name in ("<unk>", "[UNK]") if (number := old.token_to_id(name)) is not None}
    mark = old.token_to_id("▁")
    rows = []
    names = list(tokens)
    encodings = old.encode_batch([name.replace("▁", " ") for name in names], add_special_tokens=False)
    for name, encoding in zip(names, encodings, strict=True):
        pieces = [number for number in encoding.ids if number != mark]  # an old tokenizer marks every start
        if pieces and not unknown.intersection(pieces) and max(pieces) < len(old_VH):
            rows.append((tokens[name], old_VH[pieces].mean(dim=0)))
    return rows
