"""A folder of each architecture that people choose, with tiny random weights, in the layout of the hub."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import SAMPLE_TEXTS, build_tokenizer

HIDDEN, LAYERS, HEADS = 32, 4, 4
WIDTH = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
"""Four layers, so that both kinds of attention of ModernBERT and Gemma occur."""


@dataclass(frozen=True)
class Architecture:
    """How one model of the table is laid out."""

    name: str
    model_type: str
    tokenizer: str
    pooling: str
    prompts: dict[str, str] = field(default_factory=dict)
    dense: tuple[int, ...] = ()
    is_bidirectional: bool = True
    padding_side: str = "right"


ARCHITECTURES = (
    Architecture("labse", "bert", "bert", "cls", dense=(HIDDEN,)),
    Architecture("e5", "xlm-roberta", "xlmr", "mean", {"query": "query: ", "passage": "passage: "}),
    Architecture("bge-m3", "xlm-roberta", "xlmr", "cls"),
    Architecture("granite", "modernbert", "bert", "cls"),
    Architecture(
        "embeddinggemma",
        "gemma3_text",
        "gemma",
        "mean",
        {"query": "task: search result | query: ", "document": "title: none | text: "},
        dense=(2 * HIDDEN, HIDDEN),
    ),
    Architecture(
        "harrier",
        "gemma3_text",
        "gemma",
        "last",
        {"web_search_query": "Instruct: Find it\nQuery: ", "sts_query": "Instruct: Compare\nQuery: "},
        is_bidirectional=False,
        padding_side="left",
    ),
    Architecture(
        "qwen3",
        "qwen3",
        "qwen",
        "last",
        {"query": "Instruct: Find it\nQuery:", "document": ""},
        is_bidirectional=False,
        padding_side="left",
    ),
    Architecture("gte", "gte", "xlmr", "cls"),
)
BY_NAME = {one.name: one for one in ARCHITECTURES}


def write_architecture(
    folder: Path,
    one: Architecture,
    *,
    max_tokens: int = 96,
    seed: int = 0,
    sizes: dict[str, Any] | None = None,
) -> Path:
    """Write config, weights, tokenizer and the files of sentence-transformers, and return the folder.

    ``sizes`` stand in the config instead of the tiny ones.
    """
    import torch

    tokenizer, names = _tokenizer(one.tokenizer)
    torch.manual_seed(seed)
    model = _model(one, tokenizer, sizes or {})
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_tokens,
        "padding_side": one.padding_side,
        **names,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    _write_modules(folder, one, model.config.hidden_size)
    if one.prompts:
        text = json.dumps(
            {"prompts": one.prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
        )
        (folder / "config_sentence_transformers.json").write_text(text)
    return folder


def _tokenizer(kind: str) -> tuple[Any, dict[str, str]]:
    if kind == "bert":
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        return build_tokenizer("bert"), names
    if kind == "xlmr":
        return build_tokenizer("xlmr"), {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return _byte_level("<bos> $A <eos>" if kind == "gemma" else "$A <eos>")


def _byte_level(template: str) -> tuple[Any, dict[str, str]]:
    """A BPE over bytes that adds its end token, as those of Qwen and Gemma do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=["<pad>", "<eos>", "<bos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SAMPLE_TEXTS, trainer)
    tokens = [(token, tokenizer.token_to_id(token)) for token in ("<bos>", "<eos>") if token in template]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=tokens)
    return tokenizer, {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>"}


def _model(one: Architecture, tokenizer: Any, sizes: dict[str, Any]) -> Any:
    import transformers

    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "intermediate_size": 2 * HIDDEN,
        "initializer_range": 0.3,
        "pad_token_id": tokenizer.token_to_id({"bert": "[PAD]"}.get(one.tokenizer, "<pad>")),
        **WIDTH,
        **sizes,
    }
    if one.model_type == "bert":
        return transformers.BertModel(transformers.BertConfig(**shape), add_pooling_layer=False)
    if one.model_type == "xlm-roberta":
        config = transformers.XLMRobertaConfig(**shape, max_position_embeddings=130, type_vocab_size=1)
        return transformers.XLMRobertaModel(config, add_pooling_layer=False)
    if one.model_type == "gte":
        return transformers.GteModel(transformers.GteConfig(**shape, max_position_embeddings=128))
    if one.model_type == "modernbert":
        special = {name: tokenizer.token_to_id(token) for name, token in _MODERNBERT_TOKENS.items()}
        local = {"local_attention": 16, "global_attn_every_n_layers": 3}
        shape["initializer_cutoff_factor"] = 10.0
        return transformers.ModernBertModel(transformers.ModernBertConfig(**{**special, **local, **shape}))
    causal: dict[str, Any] = {
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "bos_token_id": tokenizer.token_to_id("<bos>"),
        "eos_token_id": tokenizer.token_to_id("<eos>"),
    }
    if one.model_type == "qwen3":
        return transformers.Qwen3Model(transformers.Qwen3Config(**{**causal, **shape}))
    causal |= {
        "sliding_window": 16,
        "query_pre_attn_scalar": 16,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        "use_bidirectional_attention": one.is_bidirectional,
    }
    return transformers.Gemma3TextModel(transformers.Gemma3TextConfig(**{**causal, **shape}))


_MODERNBERT_TOKENS = {
    "cls_token_id": "[CLS]",
    "sep_token_id": "[SEP]",
    "bos_token_id": "[CLS]",
    "eos_token_id": "[SEP]",
}


def _write_modules(folder: Path, one: Architecture, width: int) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    flags = {f"pooling_mode_{mode}": name == one.pooling for name, mode in modes.items()}
    configs: dict[str, dict[str, Any]] = {"1_Pooling": {"word_embedding_dimension": width, **flags}}
    draw = np.random.default_rng(0)
    for size in one.dense:
        path = f"{len(modules)}_Dense"
        modules.append(("Dense", path))
        kind = (
            "torch.nn.modules.activation.Tanh" if one.name == "labse" else "torch.nn.modules.linear.Identity"
        )
        has_bias = one.name == "labse"
        configs[path] = {
            "in_features": width,
            "out_features": size,
            "bias": has_bias,
            "activation_function": kind,
        }
        weights = {"linear.weight": draw.normal(size=(size, width)).astype(np.float32)}
        if has_bias:
            weights["linear.bias"] = draw.normal(size=size).astype(np.float32)
        (folder / path).mkdir(exist_ok=True)
        save_file(weights, folder / path / "model.safetensors")
        width = size
    modules.append(("Normalize", f"{len(modules)}_Normalize"))
    for path, config in configs.items():
        (folder / path).mkdir(exist_ok=True)
        (folder / path / "config.json").write_text(json.dumps(config))
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
