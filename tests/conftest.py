"""Shared fixtures: small random models and tokenizers, made in code once per session.

The folders are ordinary Hugging Face folders, so ``transformers`` and ``sentence-transformers`` load them too.
Heavy libraries are imported inside the fixtures, so that tests without a model stay quick.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from me5.cache import cache_folder

if TYPE_CHECKING:
    from me5.encoder import Encoder

settings.register_profile("patient", deadline=None)  # an example may load a library on a busy machine
settings.load_profile("patient")

ORDINARY_CACHE = cache_folder()
"""The user's own, for what takes long to make and is the same for all: weights that are converted once."""

SAMPLE_TEXTS = (
    "The library opens at nine in the morning. Rivers carry silt to the sea, and cities grow along them.",
    "Die Bibliothek öffnet um neun Uhr morgens. Flüsse tragen Schlick ins Meer.",
    "La bibliothèque ouvre à neuf heures du matin. Les rivières portent le limon à la mer.",
    "La biblioteca abre a las nueve de la mañana. Los ríos llevan limo al mar.",
    "Библиотека открывается в девять часов утра. Реки несут ил в море.",
    "Η βιβλιοθήκη ανοίγει στις εννέα το πρωί.",
    "تفتح المكتبة في الساعة التاسعة صباحا. تحمل الأنهار الطمي إلى البحر.",
    "הספרייה נפתחת בתשע בבוקר.",
    "पुस्तकालय सुबह नौ बजे खुलता है। नदियाँ गाद को समुद्र तक ले जाती हैं।",
    "গ্রন্থাগার সকাল নয়টায় খোলে।",
    "ห้องสมุดเปิดเก้าโมงเช้า แม่น้ำพาตะกอนไปสู่ทะเล",
    "图书馆早上九点开门。河流把泥沙带到大海。",
    "図書館は朝九時に開きます。川は土砂を海へ運びます。",
    "도서관은 아침 아홉 시에 문을 엽니다.",
    "query: passage: Instruct: Query:",
)
"""Texts that the tiny tokenizers learn their pieces from."""


def build_tokenizer(kind: str, vocab_size: int = 1200) -> Any:
    """A small tokenizer in which every script has pieces: BPE with byte fallback (bert) or Unigram (xlmr)."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "bert":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=True))
        tokenizer.normalizer = normalizers.NFC()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=specials + byte_pieces, show_progress=False
        )
        begin, end = "[CLS]", "[SEP]"
    else:
        specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
        )
        trainer = trainers.UnigramTrainer(
            vocab_size=vocab_size, special_tokens=specials, unk_token="<unk>", show_progress=False
        )
        begin, end = "<s>", "</s>"
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(SAMPLE_TEXTS, trainer)
    if kind == "bert":  # byte pieces were learned as specials so that they have ids; they must not match text
        tokenizer = _without_added_bytes(tokenizer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, tokenizer.token_to_id(begin)), (end, tokenizer.token_to_id(end))],
    )
    return tokenizer


def _without_added_bytes(tokenizer: Any) -> Any:
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


def write_model_dir(
    folder: Path,
    kind: str,
    *,
    layers: int = 2,
    hidden: int = 32,
    seed: int = 0,
    max_tokens: int = 512,
    pooling: str = "mean",
    prompts: dict[str, str] | None = None,
) -> Path:
    """Write a random model in the Hugging Face and sentence-transformers layout and return its folder."""
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaModel,
    )

    tokenizer = build_tokenizer(kind)
    is_bert = kind == "bert"
    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * hidden,
        "initializer_range": 0.3,  # the usual 0.02 makes random texts nearly parallel, and tests too easy
    }
    torch.manual_seed(seed)
    model: Any
    if is_bert:
        model = BertModel(BertConfig(**shape, max_position_embeddings=512), add_pooling_layer=False)
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    else:
        config = XLMRobertaConfig(
            **shape,
            max_position_embeddings=514,
            type_vocab_size=1,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
        model = XLMRobertaModel(config, add_pooling_layer=False)
        names = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=max_tokens, **names).save_pretrained(
        folder
    )
    _write_sentence_transformers_files(folder, hidden, max_tokens, pooling, prompts)
    return folder


def _write_sentence_transformers_files(
    folder: Path, hidden: int, max_tokens: int, pooling: str, prompts: dict[str, str] | None
) -> None:
    if prompts is None:
        prompts = {"query": "query: ", "passage": "passage: "}
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    modes = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
    pooling_config = {"word_embedding_dimension": hidden} | {
        f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    files = {
        "modules.json": modules,
        "1_Pooling/config.json": pooling_config,
        "sentence_bert_config.json": {"max_seq_length": max_tokens, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": None},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Converted test models go to a temporary folder, not to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ME5_CACHE", str(tmp_path_factory.mktemp("me5-cache")))
        yield


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer random BertModel, 32 dimensions, mE5 prefixes, BPE tokenizer with byte fallback."""
    return write_model_dir(tmp_path_factory.mktemp("models") / "tiny-bert", "bert")


@pytest.fixture(scope="session")
def tiny_xlmr_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2-layer random XLMRobertaModel, 32 dimensions, mE5 prefixes, Unigram tokenizer with NFKC."""
    return write_model_dir(tmp_path_factory.mktemp("models") / "tiny-xlmr", "xlmr")


@pytest.fixture(scope="session")
def static_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BertModel without layers (static pieces), positions all zero, as the built-in model is."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = write_model_dir(tmp_path_factory.mktemp("models") / "tiny-static", "bert", layers=0)
    weights = load_file(folder / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    weights[name] = torch.zeros_like(weights[name])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_model_dir: Path) -> "Iterator[Encoder]":
    """The tiny BertModel, loaded exactly (fp32 torch on the CPU)."""
    from me5.loading import load_encoder

    yield load_encoder(str(tiny_model_dir), engine="torch", device="cpu", precision="fp32", threads=1)
