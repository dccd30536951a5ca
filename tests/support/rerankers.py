"""Small random cross-encoders in ordinary transformers folders, and query groups, for tests."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import build_tokenizer
from trainer.data.groups import Passage, QueryGroup

WORDS = ("city", "law", "bread", "music", "stone", "winter", "school", "engine", "harbour", "letter")


def build_pair_tokenizer(kind: str) -> Any:
    """The tiny tokenizer with the pair template that models of this kind have."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer(kind)
    begin, end = ("[CLS]", "[SEP]") if kind == "bert" else ("<s>", "</s>")
    pair = f"{begin} $A {end} $B:1 {end}:1" if kind == "bert" else f"{begin} $A {end} {end} $B {end}"
    tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=pair,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (begin, end)],
    )
    return tokenizer


def write_reranker_dir(folder: Path, kind: str = "bert", *, labels: int = 1, seed: int = 0) -> Path:
    """A random sequence-classification model of 2 layers; ``kind`` is bert or xlmr."""
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaForSequenceClassification,
    )

    tokenizer = build_pair_tokenizer(kind)
    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.3,  # large, so that scores differ clearly
        "num_labels": labels,
    }
    torch.manual_seed(seed)
    model: Any
    if kind == "bert":
        model = BertForSequenceClassification(BertConfig(**shape, max_position_embeddings=512))
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        inputs = ["input_ids", "token_type_ids", "attention_mask"]
    else:
        ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        config = XLMRobertaConfig(**shape, **ids, max_position_embeddings=514, type_vocab_size=1)
        model = XLMRobertaForSequenceClassification(config)
        names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
        inputs = ["input_ids", "attention_mask"]
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, model_input_names=inputs, **names
    ).save_pretrained(folder)
    return folder


def build_groups(count: int, negatives: int = 5, seed: int = 3) -> list[QueryGroup]:
    """Groups whose positive speaks of a river and whose negatives do not, so that there is something to learn."""
    generator = np.random.default_rng(seed)
    groups = []
    for number in range(count):
        words = ["river", *generator.permutation(WORDS)[:negatives]]
        passages = [Passage(f"they say the {word} is old", f"about {number % 3}") for word in words]
        language = ("en", "de")[number % 2]
        groups.append(QueryGroup(f"water {number}", (passages[0],), tuple(passages[1:]), language=language))
    return groups
