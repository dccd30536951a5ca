"""The tensors of a model folder, mapped from disk and read when they are asked for. No torch import."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError

Floats = NDArray[np.float32]

WORDS = "embeddings.word_embeddings.weight"
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "F8_E4M3": "u1", "U8": "u1", "I8": "i1"}
_INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "U8": "u1"}


class RowTable(Protocol):
    """The embeddings of pieces: rows are read as they are needed."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and numbers of a row."""
        ...

    def rows(self, ids: NDArray[np.integer]) -> Floats:
        """[T, H] fp32 for ids [T]."""
        ...


class StoredTensors:
    """The safetensors files of a folder.

    Names leave out what stands before ``embeddings.`` or ``encoder.`` (``bert.``, ``roberta.``), so a base
    model and one with a head are read alike.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[Path, str, tuple[int, ...], int]] = {}
        for path in _weight_files(folder):
            for name, dtype, shape, offset in _read_header(path):
                self._places[name] = (path, dtype, shape, offset)
        prefix = next((name[: -len(WORDS)] for name in self._places if name.endswith(WORDS)), "")
        self._places = {name.removeprefix(prefix): place for name, place in self._places.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def stored_type(self, name: str) -> str:
        """The number format of a tensor as safetensors names it, such as ``F32``."""
        return self._place(name)[1]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self._place(name)[2]

    def names(self) -> list[str]:
        """The names of all tensors."""
        return list(self._places)

    def mapped(self, name: str) -> NDArray[Any]:
        """A tensor as it lies on disk: bfloat16 as uint16, 8-bit floats as their codes."""
        path, dtype, shape, offset = self._place(name)
        if dtype not in _TYPES:
            raise ModelFormatError(
                f"{path} stores {name} as {dtype}. Expected one of {', '.join(_TYPES)}. "
                "Save the model in fp32."
            )
        if 0 in shape:
            return np.zeros(shape, _TYPES[dtype])
        return np.memmap(path, _TYPES[dtype], mode="r", offset=offset, shape=shape)

    def read(self, name: str) -> Floats:
        """A tensor in fp32."""
        return widen(self.mapped(name), self.stored_type(name))

    def integers(self, name: str) -> NDArray[np.integer]:
        """A tensor of whole numbers.

        Raises:
            ModelFormatError: it holds something else.
        """
        path, dtype, shape, offset = self._place(name)
        if dtype not in _INTEGERS:
            raise ModelFormatError(
                f"{path} stores {name} as {dtype}. Expected one of {', '.join(_INTEGERS)}. Copy the folder "
                "from the original model again."
            )
        return np.memmap(path, _INTEGERS[dtype], mode="r", offset=offset, shape=shape)

    def _place(self, name: str) -> tuple[Path, str, tuple[int, ...], int]:
        if name not in self._places:
            raise ModelFormatError(
                f"The weights in {self.folder} lack {name}. Expected every tensor that config.json implies. "
                "Copy the folder from the original model again."
            )
        return self._places[name]


class StoredTable:
    """A table of pieces that is stored as one matrix."""

    def __init__(self, tensors: StoredTensors, name: str = WORDS) -> None:
        self._matrix, self._type = tensors.mapped(name), tensors.stored_type(name)
        self.shape: tuple[int, int] = (self._matrix.shape[0], self._matrix.shape[1])

    def rows(self, ids: NDArray[np.integer]) -> Floats:
        """See :class:`RowTable`."""
        return widen(self._matrix[ids], self._type)


def widen(values: NDArray[Any], stored_type: str) -> Floats:
    """Numbers of a stored format as fp32."""
    if stored_type == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    if stored_type == "F8_E4M3":
        return FLOAT8[values]
    return np.asarray(values, dtype=np.float32)


def _weight_files(folder: Path) -> list[Path]:
    """``model.safetensors`` where there is one, as transformers reads it, else every part."""
    whole = folder / "model.safetensors"
    return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))


def _read_header(path: Path) -> Sequence[tuple[str, str, tuple[int, ...], int]]:
    """Name, type, shape and byte offset of each tensor of a file (the format of safetensors)."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):  # checks the file: sizes, overlaps, types
            pass
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFormatError(
            f"The weights {path} cannot be read ({error}). Copy the folder from the original model again."
        ) from error
    return [
        (name, facts["dtype"], tuple(facts["shape"]), 8 + header_bytes + facts["data_offsets"][0])
        for name, facts in header.items()
        if name != "__metadata__"
    ]


def _float8_values() -> Floats:
    """The number of each code of ``float8_e4m3fn`` (arXiv:2209.05433): sign, 4 bits exponent, 3 mantissa."""
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    size = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0))
    size[(codes & 127) == 127] = np.nan
    return np.where(codes < 128, size, -size).astype(np.float32)


FLOAT8 = _float8_values()
