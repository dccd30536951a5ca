"""``stage: shrink``: a BERT encoder in 2 to 4 bits a weight, with its language-neutral map.

No piece is dropped. The rows of the most used pieces are kept in 4 bits; each of the others becomes one scale
and one code for every few numbers, by product quantisation of the rows brought to length 1. The matrices of
the encoder are in 4 bits, everything else in fp16. ``me5.packed`` describes the form, and reads it.
"""

from __future__ import annotations

import json
import logging
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.encoder import Encoder
from me5.loading import load_encoder, model_folder
from me5.neutral import bundled_sample, estimate, read_sample, with_languages
from me5.neutral_map import FILE_NAME as NEUTRAL_FILE
from me5.neutral_map import NeutralMap
from me5.packed import TOKENIZER_FILE, BertWeights, ProductCodes, plain_config, tokenizer_file, write_packed
from me5.weights import WORDS
from trainer.config import require
from trainer.data.sources import PairSource
from trainer.errors import ConfigError, TrainingError
from trainer.jobs.tokenizer import TextSample, sample_texts
from trainer.models.vocabulary import open_tokenizer

logger = logging.getLogger(__name__)

CODES_PER_BYTE = 256
BLOCK_TEXTS = 20_000
FOLDER_TENSORS = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.bias",
)
LAYER_TENSORS = tuple(
    f"{part}.{kind}"
    for part in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
    )
    for kind in ("weight", "bias")
)


@dataclass(frozen=True, kw_only=True)
class ShrinkConfig(TextSample):
    """The whole recipe.

    ``model`` is a BertModel: a registry name or a folder. Its pieces are counted in the texts of ``sources``,
    drawn by language (see ``TextSample``), and in the bundled sample; ``frequent`` of them keep 4 bits.
    ``codes`` is the number of bytes of every other row; it divides the width of the model.
    """

    stage: Literal["shrink"] = "shrink"
    out: str = "runs/shrink"
    model: str = "small"
    sources: tuple[PairSource, ...] = ()
    frequent: int = 60_000
    codes: int = 96
    training_rows: int = 100_000  # of the table, from which the codebook is learned
    neutral: str | None = None  # file of the map that the model was trained with; None: estimated
    neutral_sample: str | None = None  # file of language <TAB> sentence; None: the bundled one
    query_prefix: str = "query: "
    passage_prefix: str = "passage: "
    bitext_prefix: str | None = ""  # null takes the prefix of queries

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.stage == "shrink", "stage", self.stage, "shrink")
        require(self.frequent >= 1, "frequent", self.frequent, "at least 1")
        require(self.codes >= 1, "codes", self.codes, "at least 1")
        require(
            self.training_rows >= CODES_PER_BYTE, "training_rows", self.training_rows, f"≥ {CODES_PER_BYTE}"
        )


def run_shrink(config: ShrinkConfig, *, resume: bool) -> Path:
    """Shrink as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: take the model that is there; it is written aside and renamed, so it is whole.

    Raises:
        ConfigError: the model is not a BertModel, its width is no multiple of ``codes``, too few rows are
            left for the codes, or ``out`` exists.
        TrainingError: faiss is missing, or the folder cannot be written.
    """
    out = Path(config.out).expanduser()
    if (out / "config.json").is_file() and resume:
        return out
    if out.exists():
        raise ConfigError(f"out: {out} exists. Choose another with out=FOLDER, or remove it.")
    source = model_folder(config.model)
    shape = plain_config(source)
    if shape.get("model_type") != "bert" or not int(shape["num_hidden_layers"]):
        raise ConfigError(
            f"model: {config.model} is a {shape.get('model_type')} of {shape['num_hidden_layers']} layers. "
            "Only a BertModel with layers can be shrunk."
        )
    if int(shape["hidden_size"]) % config.codes:
        raise ConfigError(
            f"codes is {config.codes}, which does not divide the width {shape['hidden_size']} of the model."
        )
    weights = BertWeights(source)
    words_VH = weights(WORDS)
    left = max(0, len(words_VH) - config.frequent)
    if 0 < left < CODES_PER_BYTE:
        raise ConfigError(
            f"frequent is {config.frequent}, which leaves {left} of {len(words_VH)} rows to be coded. "
            f"Expected none, or at least {CODES_PER_BYTE}. Change it."
        )
    if left:
        _faiss()  # before the work
    use_V = count_pieces(config, tokenizer_file(source), len(words_VH))
    is_frequent = np.zeros(len(words_VH), bool)
    is_frequent[np.argsort(-use_V, kind="stable")[: config.frequent]] = True
    rare = product_codes(words_VH[~is_frequent], use_V[~is_frequent], config) if left else None
    tensors = {name: weights(name) for name in _tensor_names(int(shape["num_hidden_layers"]))}
    atomic.remove_leftovers_of(out)
    try:
        with atomic.replacing_folder(out) as aside:
            write_packed(aside, shape, tensors, frequent=np.flatnonzero(is_frequent), rare=rare)
            _write_texts(aside, source, config)
            encoder = load_encoder(str(aside), device="cpu")
            _neutral_map(config, encoder).save(aside / NEUTRAL_FILE)
    except OSError as error:
        raise TrainingError(
            f"The model cannot be written to {out} ({error}). Expected free space. Make room and run again."
        ) from error
    return out


def _neutral_map(config: ShrinkConfig, encoder: Encoder) -> NeutralMap:
    sample = _neutral_sample(config)
    if config.neutral is None:
        return estimate(encoder, sample=sample)
    return with_languages(encoder, NeutralMap.load(Path(config.neutral).expanduser()), sample=sample)


def _neutral_sample(config: ShrinkConfig) -> list[tuple[str, str]] | None:
    if config.neutral_sample is None:
        return None
    path = Path(config.neutral_sample).expanduser()
    try:
        return read_sample(path)
    except (OSError, lzma.LZMAError) as error:
        raise ConfigError(
            f"neutral_sample: {path} cannot be read ({error}). Give a packed file of language, tab, text, "
            "as research/neutral_sample.py writes it."
        ) from error


def count_pieces(config: ShrinkConfig, tokenizer: Path, rows: int) -> NDArray[np.int64]:
    """How often each piece occurs in the texts [V]."""
    texts = [sentence for _, sentence in bundled_sample()]
    if config.sources:
        texts += sample_texts(config)
    opened = open_tokenizer(tokenizer)
    use_V = np.zeros(rows, np.int64)
    for start in range(0, len(texts), BLOCK_TEXTS):
        for encoding in opened.encode_batch_fast(texts[start : start + BLOCK_TEXTS]):
            np.add.at(use_V, encoding.ids, 1)
    logger.info("%d of %d pieces occur in %d texts", np.count_nonzero(use_V), rows, len(texts))
    return use_V


def product_codes(
    rows_RH: NDArray[np.float32], use_R: NDArray[np.int64], config: ShrinkConfig
) -> ProductCodes:
    """Codes of rows: each is brought to length 1 and cut into ``codes`` parts, each part one of 256.

    The codebook is learned from the most used rows; the scale of a row is the one that fits best.
    """
    faiss = _faiss()
    lengths_R1 = np.maximum(np.linalg.norm(rows_RH, axis=1, keepdims=True), 1e-12)
    unit_RH = np.ascontiguousarray(rows_RH / lengths_R1, np.float32)
    quantizer = faiss.ProductQuantizer(rows_RH.shape[1], config.codes, 8)
    learned = np.argsort(-use_R, kind="stable")[: config.training_rows]
    quantizer.train(unit_RH[np.sort(learned)])
    codes_RM = quantizer.compute_codes(unit_RH)
    codebook = faiss.vector_to_array(quantizer.centroids).astype(np.float16)
    codebook_MCS = codebook.reshape(config.codes, CODES_PER_BYTE, -1)
    near_RH = codebook_MCS.astype(np.float32)[np.arange(config.codes), codes_RM].reshape(rows_RH.shape)
    scales_R = (rows_RH * near_RH).sum(axis=1) / np.maximum((near_RH**2).sum(axis=1), 1e-12)
    lost = ((near_RH * scales_R[:, None] - rows_RH) ** 2).sum() / (rows_RH**2).sum()
    logger.info("product quantisation of %d rows: relative squared error %.3f", len(rows_RH), lost)
    return ProductCodes(codes_RM, codebook_MCS, scales_R.astype(np.float16))


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise TrainingError(
            "Shrinking a model needs faiss. Install it: pip install 'me5-search[bench]'"
        ) from error
    return faiss


def _tensor_names(layers: int) -> Sequence[str]:
    inner = [f"encoder.layer.{layer}.{name}" for layer in range(layers) for name in LAYER_TENSORS]
    return [*FOLDER_TENSORS, *inner]


def _write_texts(folder: Path, source: Path, config: ShrinkConfig) -> None:
    """The tokenizer, packed, and the prompts."""
    tokenizer = json.loads(tokenizer_file(source).read_text(encoding="utf-8"))
    compact = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()
    (folder / TOKENIZER_FILE).write_bytes(lzma.compress(compact, preset=9 | lzma.PRESET_EXTREME))
    prompts = {"query": config.query_prefix, "passage": config.passage_prefix}
    if config.bitext_prefix is not None:
        prompts["bitext"] = config.bitext_prefix
    settings = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    (folder / "config_sentence_transformers.json").write_text(text, encoding="utf-8")
