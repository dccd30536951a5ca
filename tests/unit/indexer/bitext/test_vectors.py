"""Encoding of both sides: roles, instruction, and going on after a kill or on a full disk."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.bitext import vectors
from indexer.bitext.vectors import KeptBatches, encode_sentences, encode_side
from indexer.errors import DiskFullError
from me5.prefixes import Role

TEXTS = [f"sentence {number} of the harbour" for number in range(10)]


class Recording:
    """Remembers how it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], Role]] = []

    def encode(self, texts: Sequence[str], role: Role) -> Any:
        self.calls.append((list(texts), role))
        return np.ones((len(texts), 4), dtype=np.float32) / 2


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "BLOCK", 3)
    monkeypatch.setattr(vectors, "RESERVE_BYTES", 0)


def test_sentences_have_the_words_for_bitext() -> None:
    encoder: Any = Recording()
    encode_sentences(["a", "b"], encoder)
    assert encoder.calls == [(["a", "b"], Role.BITEXT)]


def encode(encoder: Any, texts: Sequence[str], folder: Path | None, stop_at: int | None = None) -> Any:
    def each(done: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    return encode_side(texts, encoder, folder=folder, name="source", each=each)


def test_what_was_encoded_is_not_encoded_again(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None
) -> None:
    seen: list[str] = []
    encoder = fake_encoder_class(before_encode=seen.extend)
    expected = fake_encoder_class().encode(TEXTS, Role.QUERY)
    with pytest.raises(KeyboardInterrupt):
        encode(encoder, TEXTS, tmp_path, stop_at=6)
    assert seen == TEXTS[:6]
    with (tmp_path / "source.f32").open("ab") as file:  # a block that was half written when it ended
        file.write(b"\x00" * 50)
    np.testing.assert_array_equal(encode(encoder, TEXTS, tmp_path), expected)
    assert seen == TEXTS
    np.testing.assert_array_equal(encode(encoder, TEXTS, tmp_path), expected)
    assert seen == TEXTS


def test_other_texts_or_another_model_begin_anew(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None
) -> None:
    encode(fake_encoder_class(), TEXTS, tmp_path)
    other = [*TEXTS[:-1], "another end"]
    np.testing.assert_array_equal(
        encode(fake_encoder_class(), other, tmp_path), fake_encoder_class().encode(other)
    )
    seen: list[str] = []
    encode(fake_encoder_class("second", before_encode=seen.extend), other, tmp_path)
    assert seen == other


def test_vectors_of_other_words_are_not_mixed(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None
) -> None:
    seen: list[str] = []
    encoder = fake_encoder_class(before_encode=seen.extend)
    batches = tmp_path / "batches"
    encode(encoder, TEXTS, tmp_path)
    KeptBatches(encoder, batches)(TEXTS)
    encoder.spec.bitext_prefix = "query: "  # the same string: found
    encode(encoder, TEXTS, tmp_path)
    KeptBatches(encoder, batches)(TEXTS)
    assert seen == [*TEXTS, *TEXTS]
    encoder.spec.bitext_prefix = ""
    encode(encoder, TEXTS, tmp_path)
    KeptBatches(encoder, batches)(TEXTS)
    assert seen == 2 * [*TEXTS, *TEXTS]


def test_memory_and_disk_give_the_same(tmp_path: Path, fake_encoder: Any, small_blocks: None) -> None:
    np.testing.assert_array_equal(encode(fake_encoder, TEXTS, None), encode(fake_encoder, TEXTS, tmp_path))


def test_a_full_disk_keeps_what_is_done(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = fake_encoder_class()
    written: list[Path] = []
    append = vectors._append

    def full(path: Path, data: Any) -> None:
        append(path, data)
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(vectors, "_append", full)
        with pytest.raises(DiskFullError, match="full after 6 sentences"):
            encode(encoder, TEXTS, tmp_path)
    seen: list[str] = []
    encode(fake_encoder_class(before_encode=seen.extend), TEXTS, tmp_path)
    assert seen == TEXTS[6:]


def test_too_little_disk_is_seen_before_the_work(
    tmp_path: Path, fake_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(DiskFullError, match="Nothing was changed"):
        encode(fake_encoder, TEXTS, tmp_path)


BATCHES = [TEXTS[:4], TEXTS[4:7], TEXTS[2:9], ["one"]]


@pytest.mark.parametrize("left_over", [b"", b'["half a li', b'["whole", 14, 900]\n'])
def test_batches_are_found_again_by_their_texts(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None, left_over: bytes
) -> None:
    folder = tmp_path / "made"
    expected = [fake_encoder_class().encode(batch, Role.QUERY) for batch in BATCHES]
    first = KeptBatches(fake_encoder_class(), folder)
    for batch, vectors_ND in zip(BATCHES[:3], expected, strict=False):
        np.testing.assert_array_equal(first(batch), vectors_ND)
    with (folder / "batches.f32").open("ab") as rows, (folder / "batches.jsonl").open("ab") as note:
        rows.write(b"\x00" * 50)  # what a kill leaves
        note.write(left_over)
    seen: list[str] = []
    again = KeptBatches(fake_encoder_class(before_encode=seen.extend), folder)
    for _ in range(2):
        for batch, vectors_ND in reversed(list(zip(BATCHES, expected, strict=True))):
            np.testing.assert_array_equal(again(batch), vectors_ND)
    assert seen == ["one"]
    other = KeptBatches(fake_encoder_class("second", before_encode=seen.extend), folder)
    np.testing.assert_array_equal(
        other(TEXTS[:4]), fake_encoder_class("second").encode(TEXTS[:4], Role.QUERY)
    )
    assert seen == ["one", *TEXTS[:4]]


def test_a_full_disk_keeps_the_batches_before(
    tmp_path: Path, fake_encoder_class: Any, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_batch = KeptBatches(fake_encoder_class(), tmp_path)
    encode_batch(BATCHES[0])
    with monkeypatch.context() as patch:
        patch.setattr(vectors.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(DiskFullError, match="full after 4 sentences"):
            encode_batch(BATCHES[1])
    seen: list[str] = []
    again = KeptBatches(fake_encoder_class(before_encode=seen.extend), tmp_path)
    for batch in BATCHES[:2]:
        again(batch)
    assert seen == BATCHES[1]
