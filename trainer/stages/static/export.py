"""A static embedding table as an ordinary Hugging Face folder: a BertModel without layers.

BERT normalises the embedding of every token (mean 0, variance 1), which would erase the length of the
vectors, and with it how much each piece weighs in the mean. Three of the hidden dimensions undo that: for a
learned vector v they hold m = -sum(v), a and -a, with a chosen so that m² + 2a² + |v|² = C² for all tokens.
Then the mean is 0 and the variance C²/H everywhere, so LayerNorm is a multiplication by sqrt(H)/C; its weight
is 0 on the three dimensions and C/sqrt(H) on the others. Position and token-type embeddings are 0.

The table is stored in 8 bits a number. The direction of a row keeps a cosine of about 0.9995, and the mean of
several rows more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from trainer.models.script_tokenizer import CLS, MASK, PAD, SEP, UNK

BALANCE_DIMENSIONS = 3
MAX_TOKENS = 512
EMPTY_TEXT_LENGTH = 4e-3  # length of the [CLS] vector, relative to the mean: gives an empty text a direction
LAYER_NORM_EPSILON = 1e-12
TABLE_TYPE = torch.float8_e4m3fn  # 8 bits a number; safetensors knows the type, so transformers loads it
LARGEST = 448.0  # of that type


def balanced(vectors_VD: NDArray[np.float32], dtype: torch.dtype) -> tuple[torch.Tensor, float]:
    """[V, D + 3] rows of mean 0 and one length C, in a narrow type; and C.

    The first D columns are the vectors times a power of two, by which the rows use the range of the type.
    What rounding does to the vectors, the other columns take into account.
    """
    vectors = torch.from_numpy(vectors_VD).double()
    room = (
        min(torch.finfo(dtype).max, LARGEST)
        / float((vectors.sum(1) ** 2 + vectors.square().sum(1)).max()) ** 0.5
    )
    scale = 2.0 ** math.floor(math.log2(room))

    def rounded(values: torch.Tensor) -> torch.Tensor:
        return values.to(dtype).double()

    vectors = rounded(vectors * scale)
    total_V = rounded(-vectors.sum(dim=1))
    used_V = total_V**2 + vectors.square().sum(dim=1)
    length = float((used_V.max() * 1.0001).sqrt())
    rest_V = rounded(((length**2 - used_V) / 2).sqrt())
    table = torch.cat([vectors, total_V[:, None], rest_V[:, None], -rest_V[:, None]], dim=1)
    return table.to(dtype), length / scale


def clip_lengths(vectors_VD: NDArray[np.float32], quantile: float = 0.999) -> NDArray[np.float32]:
    """Shorten the few longest vectors, so that one outlier does not cost the others their precision."""
    length_V = np.linalg.norm(vectors_VD, axis=1)
    return vectors_VD * np.minimum(1.0, np.quantile(length_V, quantile) / np.maximum(length_V, 1e-9))[:, None]


def export_bert(vectors_VD: NDArray[np.float32], tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder: config, weights, tokenizer, and the modules of sentence-transformers."""
    table_VH, length = balanced_table(vectors_VD, tokenizer, TABLE_TYPE)
    hidden_size = table_VH.shape[1]
    weight_H = torch.full((hidden_size,), length / hidden_size**0.5, dtype=torch.float16)
    weight_H[-BALANCE_DIMENSIONS:] = 0
    tensors = {
        "embeddings.word_embeddings.weight": table_VH,
        "embeddings.position_embeddings.weight": torch.zeros(MAX_TOKENS, hidden_size, dtype=torch.float16),
        "embeddings.LayerNorm.weight": weight_H,
        "embeddings.LayerNorm.bias": torch.zeros(hidden_size, dtype=torch.float16),
    }
    _write(folder, tensors, tokenizer, {"num_hidden_layers": 0})


def balanced_table(
    vectors_VD: NDArray[np.float32], tokenizer: Tokenizer, dtype: torch.dtype, quantile: float = 0.999
) -> tuple[torch.Tensor, float]:
    """The vectors at mean length 1, special tokens next to zero, as ``balanced`` makes them."""
    vectors_VD = clip_lengths(vectors_VD, quantile)
    vectors_VD = vectors_VD / np.linalg.norm(vectors_VD, axis=1).mean()
    for token in (PAD, SEP, MASK, UNK):
        vectors_VD[tokenizer.token_to_id(token)] = 0
    direction_D = np.ones(vectors_VD.shape[1]) / vectors_VD.shape[1] ** 0.5
    vectors_VD[tokenizer.token_to_id(CLS)] = direction_D * EMPTY_TEXT_LENGTH
    return balanced(vectors_VD, dtype)


def _write(
    folder: Path, tensors: Mapping[str, torch.Tensor], tokenizer: Tokenizer, settings: Mapping[str, object]
) -> None:
    from safetensors.torch import save_file

    vocab_size, hidden_size = tensors["embeddings.word_embeddings.weight"].shape
    unread = {
        "embeddings.token_type_embeddings.weight": torch.zeros(2, hidden_size),
        # Nobody reads the pooler of BertModel here; without it transformers reports missing weights.
        "pooler.dense.weight": torch.eye(hidden_size),
        "pooler.dense.bias": torch.zeros(hidden_size),
    }
    narrow = {
        name: (value if value.itemsize == 1 else value.detach().half()).contiguous()
        for name, value in {**tensors, **unread}.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(narrow, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    config = _settings(vocab_size, hidden_size)
    config["config.json"] |= settings
    for name, value in config.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf8")


def _settings(vocab_size: int, hidden_size: int) -> dict[str, Any]:
    special = {"cls_token": CLS, "mask_token": MASK, "pad_token": PAD, "sep_token": SEP, "unk_token": UNK}
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "attention_probs_dropout_prob": 0.0,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.0,
            "hidden_size": hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": hidden_size,
            "layer_norm_eps": LAYER_NORM_EPSILON,
            "max_position_embeddings": MAX_TOKENS,
            "num_attention_heads": 1,
            "num_hidden_layers": 0,
            "pad_token_id": 0,
            "type_vocab_size": 2,
            "dtype": "float32",
            "vocab_size": vocab_size,
        },
        "tokenizer_config.json": {
            **special,
            "clean_up_tokenization_spaces": False,
            "model_max_length": MAX_TOKENS,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        "special_tokens_map.json": special,
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
        "sentence_bert_config.json": {"max_seq_length": MAX_TOKENS, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": hidden_size,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
