"""The packed form of a BERT encoder: 4-bit matrices, and a table of pieces in 4 and in 2 bits a weight.

A folder is packed when its config.json says ``"quantization_config": {"quant_method": "me5-packed"}``. Its
one safetensors file holds

==============================  =======================  =====================================================
tensor                          shape                    what
==============================  =======================  =====================================================
``words.is_frequent``           u8 [ceil(V / 8)]         a bit a row, first row in the lowest bit
``words.frequent.codes``        u8 [F, H / 2]            4-bit rows of the frequent pieces, in order of number
``words.frequent.scales``       f16 [F, H / 32]          their scales
``words.rare.codes``            u8 [V - F, M]            product quantisation of the other rows: M codes a row
``words.rare.codebook``         f16 [M, 256, H / M]      what a code stands for
``words.rare.scales``           f16 [V - F]              the length of the row
``NAME.codes``, ``NAME.scales`` u8 [O, I / 2], f16       4-bit matrix ``NAME`` of a BertModel
``NAME``                        f16                      everything else: positions, norms, biases
==============================  =======================  =====================================================

A 4-bit block is 32 weights of a row with one scale d: byte j holds weight j in its low and weight j + 16 in
its high half, as code + 8, and a weight is code x d, code in -8..7. ``trainer.jobs.shrink`` writes the form.
"""

import hashlib
import json
import logging
import lzma
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.cache import cache_folder
from me5.errors import ModelFormatError
from me5.weights import WORDS, Floats, RowTable, StoredTable, StoredTensors

logger = logging.getLogger(__name__)

QUANT_METHOD = "me5-packed"
VERSION = 1
TOKENIZER_FILE = "tokenizer.json.xz"
BLOCK = 32


@dataclass(frozen=True)
class ProductCodes:
    """Rows by product quantisation: row r is ``scales[r]`` times the numbers that its M codes stand for.

    ``codes`` uint8 [R, M], ``codebook`` fp16 [M, 256, H / M], ``scales`` fp16 [R].
    """

    codes: NDArray[np.uint8]
    codebook: NDArray[np.float16]
    scales: NDArray[np.float16]


def is_packed(config: Mapping[str, Any]) -> bool:
    """Whether config.json describes a packed folder.

    Raises:
        ModelFormatError: it does, of a version or an architecture that is not read here.
    """
    form = config.get("quantization_config") or {}
    if form.get("quant_method") != QUANT_METHOD:
        return False
    if (config.get("model_type"), form.get("version")) != ("bert", VERSION):
        raise ModelFormatError(
            f"Packed weights of a {config.get('model_type')}, version {form.get('version')}, cannot be "
            f"read. Expected a bert in version {VERSION}. Update me5-search, or pack the model again."
        )
    return True


def plain_config(folder: Path) -> dict[str, Any]:
    """The config of the BertModel that a packed folder stands for."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("quantization_config", None)
    return config


def tokenizer_file(folder: Path) -> Path:
    """The tokenizer.json of a folder; a packed one is unpacked once, into the cache folder.

    Where that cannot be written, each process unpacks it for itself.

    Raises:
        ModelFormatError: the packed file is damaged, or there is no room anywhere to unpack it.
    """
    plain, packed = folder / "tokenizer.json", folder / TOKENIZER_FILE
    if plain.is_file() or not packed.is_file():
        return plain
    try:
        content = packed.read_bytes()
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.json"
        try:
            return _unpack(content, cache_folder() / "tokenizers" / name)
        except OSError as error:
            logger.info("the tokenizer is not kept: %s", error)
            return _unpack(content, Path(_own_folder().name) / name)
    except (OSError, lzma.LZMAError) as error:
        raise ModelFormatError(
            f"The tokenizer {packed} cannot be unpacked ({error}). Copy the folder again, or set ME5_CACHE "
            "to a folder with room for 20 MB."
        ) from error


def _unpack(content: bytes, path: Path) -> Path:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, lzma.decompress(content))
    return path


@cache
def _own_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is gone with this process."""
    return tempfile.TemporaryDirectory(prefix="me5-")


class BertWeights:
    """The tensors of a BERT or XLM-RoBERTa folder in fp32, whatever form they are stored in."""

    def __init__(self, folder: Path) -> None:
        self._stored = StoredTensors(folder)
        self.words: RowTable = (
            PackedTable(self._stored) if "words.is_frequent" in self._stored else StoredTable(self._stored)
        )

    def __call__(self, name: str) -> Floats:
        """One tensor by its name in a BertModel.

        Raises:
            ModelFormatError: the folder lacks it.
        """
        if name == WORDS:
            return self.words.rows(np.arange(self.words.shape[0]))
        if f"{name}.codes" in self._stored:
            codes, scales = (self._stored.mapped(f"{name}.{part}") for part in ("codes", "scales"))
            return unpack_blocks(codes, scales)
        return self._stored.read(name)


class PackedTable:
    """The table of pieces: a row is decoded when it is read."""

    def __init__(self, tensors: StoredTensors) -> None:
        self._frequent = tensors.mapped("words.frequent.codes"), tensors.mapped("words.frequent.scales")
        self._rare = tensors.mapped("words.rare.codes"), tensors.mapped("words.rare.scales")
        self._codebook_MCS = tensors.read("words.rare.codebook")
        rows = len(self._frequent[0]) + len(self._rare[0])
        bits = np.unpackbits(tensors.mapped("words.is_frequent"), count=rows, bitorder="little")
        self._is_frequent = bits.astype(bool)
        self._place = np.where(bits, np.cumsum(bits), np.cumsum(1 - bits)).astype(np.int32) - 1
        self.shape: tuple[int, int] = (rows, 2 * self._frequent[0].shape[1])

    def rows(self, ids: NDArray[np.integer]) -> Floats:
        """See :class:`RowTable`."""
        unique, back = np.unique(ids, return_inverse=True)
        out_TH = np.empty((len(unique), self.shape[1]), np.float32)
        frequent = self._is_frequent[unique]
        place = self._place[unique]
        codes, scales = self._frequent
        out_TH[frequent] = unpack_blocks(codes[place[frequent]], scales[place[frequent]])
        codes, lengths = self._rare
        out_TH[~frequent] = self._decode(codes[place[~frequent]], lengths[place[~frequent]])
        return out_TH[back.reshape(-1)]

    def _decode(self, codes_RM: NDArray[np.uint8], lengths_R: NDArray[np.float16]) -> Floats:
        parts = np.arange(len(self._codebook_MCS))
        rows_RH = self._codebook_MCS[parts, codes_RM].reshape(len(codes_RM), self.shape[1])
        return rows_RH * lengths_R.astype(np.float32)[:, None]


def pack_blocks(weights_OI: Floats) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Codes [O, I / 2] and scales [O, I / 32]; weights that came from such blocks are kept exactly."""
    rows, columns = weights_OI.shape
    if columns % BLOCK:
        raise ModelFormatError(
            f"A matrix of {rows} x {columns} cannot be stored in 4 bits. Expected a multiple of {BLOCK} "
            "numbers in a row. Use a model of another width."
        )
    blocks_OBW = weights_OI.reshape(rows, columns // BLOCK, BLOCK)
    largest = np.abs(blocks_OBW).argmax(axis=2)[..., None]
    # The weight of largest size gets code -8: its sign goes into the scale.
    scales_OB1 = (np.take_along_axis(blocks_OBW, largest, axis=2) / -8).astype(np.float16)
    divisors = scales_OB1.astype(np.float32)
    divisors[divisors == 0] = 1
    codes = np.clip(np.rint(blocks_OBW / divisors), -8, 7).astype(np.int8) + 8
    low, high = codes[..., : BLOCK // 2], codes[..., BLOCK // 2 :]
    packed = (low | (high << 4)).astype(np.uint8)
    return packed.reshape(rows, columns // 2), scales_OB1[..., 0]


def unpack_blocks(codes: NDArray[np.uint8], scales: NDArray[np.float16]) -> Floats:
    """The inverse of :func:`pack_blocks`: [O, I] fp32."""
    rows, size = codes.shape
    blocks = np.asarray(codes).reshape(rows, 2 * size // BLOCK, BLOCK // 2)
    values = np.concatenate([blocks & 15, blocks >> 4], axis=2).astype(np.float32) - 8
    return (values * np.asarray(scales, np.float32)[..., None]).reshape(rows, 2 * size)


def write_packed(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Floats],
    *,
    frequent: NDArray[np.integer],
    rare: ProductCodes | None = None,
) -> None:
    """Write config, weights and the files of sentence-transformers of a packed folder; not the tokenizer.

    Args:
        folder: made where it is missing.
        config: of the BertModel.
        tensors: its tensors in fp32.
        frequent: numbers of the pieces whose rows are stored in 4 bits, ascending.
        rare: the codes of the other rows, in order; None where there are none.
    """
    from safetensors.numpy import save_file

    rows, width = tensors[WORDS].shape
    bits = np.zeros(rows, np.uint8)
    bits[frequent] = 1
    none = ProductCodes(
        np.zeros((0, 1), np.uint8), np.zeros((1, 256, width), np.float16), np.zeros(0, np.float16)
    )
    rare = rare or none
    if len(rare.codes) + len(frequent) != rows:
        raise ModelFormatError(
            f"{len(frequent)} frequent and {len(rare.codes)} rare rows are not the {rows} of the table. "
            "Expected each row once. Give codes for every row that is not frequent."
        )
    codes, scales = pack_blocks(tensors[WORDS][frequent])
    stored: dict[str, NDArray[Any]] = {
        "words.is_frequent": np.packbits(bits, bitorder="little"),
        "words.frequent.codes": codes,
        "words.frequent.scales": scales,
        "words.rare.codes": rare.codes,
        "words.rare.codebook": rare.codebook,
        "words.rare.scales": rare.scales,
    }
    for name, tensor in tensors.items():
        if name.startswith("encoder.") and tensor.ndim == 2:
            stored[f"{name}.codes"], stored[f"{name}.scales"] = pack_blocks(tensor)
        elif name != WORDS:
            stored[name] = tensor.astype(np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(stored, folder / "model.safetensors", {"format": QUANT_METHOD})
    _write_json(
        folder / "config.json",
        {**config, "quantization_config": {"quant_method": QUANT_METHOD, "version": VERSION}},
    )


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
