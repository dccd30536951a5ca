"""The packed form of a model: against its description, decoded one number at a time."""

import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from me5.errors import ModelFormatError
from me5.folders import content_hash, read_folder
from me5.loading import load_encoder
from me5.packed import (
    BLOCK,
    TOKENIZER_FILE,
    BertWeights,
    ProductCodes,
    is_packed,
    pack_blocks,
    plain_config,
    tokenizer_file,
    unpack_blocks,
    write_packed,
)
from me5.weights import WORDS
from tests.unit.me5.conftest import PROMPTS

TEXTS = ["", "river", "Die Bibliothek öffnet um neun Uhr.", "東京 ห้องสมุด 😀", "word " * 700]


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left.astype(np.float64) * right.astype(np.float64), axis=1)


def decoded_rows(folder: Path) -> np.ndarray:
    """The table of pieces, decoded as the module's description says, in plain loops."""
    from safetensors.numpy import load_file

    stored = load_file(folder / "model.safetensors")
    codes, scales = stored["words.frequent.codes"], stored["words.frequent.scales"]
    frequent = iter(decoded_blocks(codes, scales))
    rare_codes, book = stored["words.rare.codes"], stored["words.rare.codebook"].astype(np.float64)
    rare_scales = stored["words.rare.scales"].astype(np.float64)
    rare = (
        np.concatenate([book[part, code] for part, code in enumerate(row)]) * scale
        for row, scale in zip(rare_codes, rare_scales, strict=True)
    )
    rows = len(codes) + len(rare_codes)
    bits = stored["words.is_frequent"]
    return np.array([next(frequent if bits[row // 8] >> (row % 8) & 1 else rare) for row in range(rows)])


def decoded_blocks(codes: np.ndarray, scales: np.ndarray) -> list[np.ndarray]:
    rows = []
    for row, row_scales in zip(codes, scales, strict=True):
        numbers = []
        for block, scale in enumerate(row_scales.astype(np.float64)):
            part = row[block * BLOCK // 2 : (block + 1) * BLOCK // 2]
            numbers += [(int(byte & 15) - 8) * scale for byte in part]
            numbers += [(int(byte >> 4) - 8) * scale for byte in part]
        rows.append(np.array(numbers))
    return rows


# -- blocks of 4 bits ----------------------------------------------------------------------------------------


def weights_of_blocks(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Weights that came from blocks: scales of either sign, code -8 in each block."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(-8, 8, (rows, columns // BLOCK, BLOCK))
    codes[..., 0] = -8
    scales = (draw.normal(size=(rows, columns // BLOCK, 1)) * 0.1).astype(np.float16)
    return (codes.astype(np.float32) * scales.astype(np.float32)).reshape(rows, columns)


def test_weights_from_such_blocks_are_kept_exactly() -> None:
    weights = weights_of_blocks(40, 96)
    codes, scales = pack_blocks(weights)
    assert (codes.shape, codes.dtype, scales.shape, scales.dtype) == ((40, 48), np.uint8, (40, 3), np.float16)
    np.testing.assert_array_equal(unpack_blocks(codes, scales), weights)
    nudged = weights + np.float32(1e-3)
    assert not np.array_equal(unpack_blocks(*pack_blocks(nudged)), nudged)


def test_unpacking_is_what_the_description_says() -> None:
    draw = np.random.default_rng(1)
    codes = draw.integers(0, 256, (7, 32), dtype=np.uint8)
    scales = draw.normal(size=(7, 2)).astype(np.float16)
    np.testing.assert_allclose(unpack_blocks(codes, scales), decoded_blocks(codes, scales), rtol=1e-6)
    swapped = (codes >> 4) | (codes << 4)
    assert np.abs(unpack_blocks(swapped, scales) - decoded_blocks(codes, scales)).max() > 1


def test_other_weights_are_a_sixteenth_of_the_largest_away_at_most() -> None:
    weights = np.random.default_rng(2).normal(size=(50, 64)).astype(np.float32)
    found = unpack_blocks(*pack_blocks(weights)).reshape(50, 2, BLOCK)
    blocks = weights.reshape(50, 2, BLOCK)
    largest = np.abs(blocks).max(axis=2, keepdims=True)
    # A code is a step of an eighth of the largest; +8, one step beyond the codes, is cut to +7.
    assert (np.abs(found - blocks) / largest).max() <= 1 / 8 + 1e-3
    assert np.median(np.abs(found - blocks) / largest) < 1 / 16


def test_zeros_stay_zero_and_odd_widths_are_refused() -> None:
    zeros = np.zeros((3, 64), np.float32)
    np.testing.assert_array_equal(unpack_blocks(*pack_blocks(zeros)), zeros)
    assert unpack_blocks(*pack_blocks(zeros[:0])).shape == (0, 64)
    with pytest.raises(ModelFormatError, match="multiple of 32"):
        pack_blocks(np.zeros((3, 40), np.float32))


# -- the table -----------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_whole_table(packed_model_dir: Path) -> None:
    weights, expected = BertWeights(packed_model_dir), decoded_rows(packed_model_dir)
    assert weights.words.shape == expected.shape
    np.testing.assert_allclose(weights(WORDS), expected, rtol=1e-6, atol=1e-7)
    whole = weights(WORDS)
    last = len(whole) - 1
    # Rows 0, 3, 6 … are frequent.
    for ids in ([0, 3, 6], [1, 2, 4], [5, 0, 5, 1, 0, last], range(last, -1, -1), [7]):
        asked = np.array(ids)
        np.testing.assert_array_equal(weights.words.rows(asked), whole[asked])
        assert np.abs(weights.words.rows(asked) - whole[(asked + 1) % len(whole)]).max() > 0.1


def test_no_ids_give_no_rows(packed_model_dir: Path) -> None:
    assert BertWeights(packed_model_dir).words.rows(np.zeros(0, np.int64)).shape == (0, 32)


def test_a_table_can_be_all_frequent_or_all_rare(tiny_model_dir: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(tiny_model_dir / "model.safetensors")
    config = json.loads((tiny_model_dir / "config.json").read_text())
    words = tensors[WORDS]
    rows, width = words.shape
    write_packed(tmp_path / "frequent", config, tensors, frequent=np.arange(rows))
    found = BertWeights(tmp_path / "frequent").words.rows(np.arange(rows))
    np.testing.assert_array_equal(found, unpack_blocks(*pack_blocks(words)))
    draw = np.random.default_rng(0)
    rare = ProductCodes(
        draw.integers(0, 256, (rows, 16), dtype=np.uint8),
        draw.normal(size=(16, 256, width // 16)).astype(np.float16),
        draw.uniform(0.1, 1, rows).astype(np.float16),
    )
    write_packed(tmp_path / "rare", config, tensors, frequent=np.arange(0), rare=rare)
    found = BertWeights(tmp_path / "rare").words.rows(np.arange(rows))
    np.testing.assert_allclose(found, decoded_rows(tmp_path / "rare"), rtol=1e-6, atol=1e-7)
    with pytest.raises(ModelFormatError, match=f"0 frequent and {rows - 1} rare rows"):
        less = ProductCodes(rare.codes[1:], rare.codebook, rare.scales[1:])
        write_packed(tmp_path / "less", config, tensors, frequent=np.arange(0), rare=less)


def test_the_other_tensors_are_what_was_given(tiny_model_dir: Path, packed_model_dir: Path) -> None:
    plain, packed = BertWeights(tiny_model_dir), BertWeights(packed_model_dir)
    for name in ("embeddings.LayerNorm.bias", "encoder.layer.1.output.dense.bias"):
        np.testing.assert_array_equal(packed(name), plain(name).astype(np.float16).astype(np.float32))
    name = "encoder.layer.0.attention.self.query.weight"
    np.testing.assert_array_equal(packed(name), unpack_blocks(*pack_blocks(plain(name))))
    with pytest.raises(ModelFormatError, match="lack pooler"):
        packed("pooler.dense.weight")


# -- the whole model -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unpacked_dir(packed_model_dir: Path, tiny_model_dir: Path, tmp_path_factory: Any) -> Path:
    """The model that the packed one stands for, as an ordinary folder."""
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(tiny_model_dir, tmp_path_factory.mktemp("models") / "unpacked"))
    weights = BertWeights(packed_model_dir)
    names = load_file(tiny_model_dir / "model.safetensors")
    tensors = {name: weights(name) for name in names} | {WORDS: decoded_rows(packed_model_dir)}
    save_file(
        {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return folder


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_both_engines_are_the_model_that_it_stands_for(
    packed_model_dir: Path, unpacked_dir: Path, tiny_model_dir: Path, engine: str
) -> None:
    pytest.importorskip(engine)
    exact = load_encoder(str(unpacked_dir), engine="torch", device="cpu", precision="fp32").encode(TEXTS)
    packed = load_encoder(str(packed_model_dir), engine=engine, device="cpu", precision="fp32")
    assert cosines(packed.encode(TEXTS), exact).min() >= 0.999999
    other = load_encoder(str(tiny_model_dir), engine=engine, device="cpu", precision="fp32")
    assert cosines(other.encode(TEXTS), exact).max() < 0.999  # the table differs


def test_a_packed_model_without_layers_runs_in_numpy(static_model_dir: Path, tmp_path: Path) -> None:
    from tests.unit.me5.conftest import write_packed_dir

    folder = write_packed_dir(tmp_path / "static", static_model_dir)
    static = load_encoder(str(folder), device="cpu")
    exact = load_encoder(str(folder), engine="torch", device="cpu").encode(TEXTS)
    assert static.engine_name == "static" and cosines(static.encode(TEXTS), exact).min() >= 0.999999


def test_a_packed_folder_describes_itself(packed_model_dir: Path) -> None:
    config = json.loads((packed_model_dir / "config.json").read_text())
    assert is_packed(config) and not is_packed(plain_config(packed_model_dir))
    facts = read_folder(packed_model_dir)
    assert facts.is_packed and (facts.dimension, facts.layers, facts.max_tokens) == (32, 2, 512)
    assert facts.prompts == PROMPTS["prompts"] and facts.neutral is None


@pytest.mark.parametrize(
    "change", [{"model_type": "xlm-roberta"}, {"quantization_config": {"quant_method": "me5-packed"}}]
)
def test_forms_that_are_not_read_are_refused(
    packed_model_dir: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(packed_model_dir, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelFormatError, match="Expected a bert in version 1"):
        load_encoder(str(folder))


# -- the tokenizer -------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_tokenizer_is_unpacked_once(
    cache: Path, packed_model_dir: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = tokenizer_file(packed_model_dir)
    assert unpacked.read_bytes() == (tiny_model_dir / "tokenizer.json").read_bytes()
    assert unpacked.parent == cache / "tokenizers" and len(list(unpacked.parent.iterdir())) == 1
    monkeypatch.setattr(lzma, "decompress", lambda _: pytest.fail("unpacked again"))
    assert tokenizer_file(packed_model_dir) == unpacked
    assert tokenizer_file(tiny_model_dir) == tiny_model_dir / "tokenizer.json"


def test_a_cache_that_cannot_be_written_is_no_hindrance(
    packed_model_dir: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ME5_CACHE", str(tmp_path / "file"))
    unpacked = tokenizer_file(packed_model_dir)
    assert unpacked.read_bytes() == (tiny_model_dir / "tokenizer.json").read_bytes()
    assert tmp_path not in unpacked.parents


@pytest.mark.usefixtures("cache")
def test_a_damaged_tokenizer_is_named(packed_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed_model_dir, tmp_path / "model"))
    (folder / TOKENIZER_FILE).write_bytes((folder / TOKENIZER_FILE).read_bytes()[:100])
    with pytest.raises(ModelFormatError, match="cannot be unpacked"):
        load_encoder(str(folder))


def test_the_packed_tokenizer_and_the_map_decide_the_contract(
    neutral_model_dir: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(neutral_model_dir, tmp_path / "model"))
    before = content_hash(folder)
    assert before == content_hash(neutral_model_dir)
    (folder / TOKENIZER_FILE).write_bytes(lzma.compress(b"{}"))
    after = content_hash(folder)
    (folder / "neutral.safetensors").unlink()
    assert len({before, after, content_hash(folder)}) == 3
