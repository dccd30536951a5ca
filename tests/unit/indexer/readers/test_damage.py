"""Damaged files of text formats: whatever is hit, the answer is text or a ReadError, and soon."""

import random
import time
from pathlib import Path

import pytest

from indexer.errors import ReadError
from tests.support.reading import read

GOLDEN = Path(__file__).parents[3] / "golden" / "readers"
SUFFIXES = {
    ".ass", ".csv", ".eml", ".html", ".ics", ".json", ".jsonl", ".mbox", ".po", ".srt", ".tmx", ".tsv", ".vtt",
    ".xlf",
}  # fmt: skip
FILES = sorted(path.name for path in GOLDEN.iterdir() if path.suffix in SUFFIXES)
SIGNS = (
    b'"',
    b"<",
    b">",
    b"&",
    b"{",
    b"}",
    b"\n\n",
    b"\0",
    b"\x1b[",
    b"--outer",
    b"<!--",
    b"\r",
    b"\\",
    b"</",
    b"<svg>",
)
MAX_S = 5


def damaged(data: bytes, kind: int, random: random.Random) -> bytes:
    at, size = random.randrange(len(data)), random.randrange(1, 80)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + size :]
    if kind == 2:
        return data[:at] + data[at : at + size] * random.randrange(2, 30) + data[at:]
    hit = bytearray(data)
    for _ in range(5):
        place = random.randrange(len(hit))
        hit[place : place + (kind == 3)] = (
            bytes([random.randrange(256)]) if kind == 3 else random.choice(SIGNS)
        )
    return bytes(hit)


def test_every_text_format_is_damaged() -> None:
    assert {Path(name).suffix for name in FILES} == SUFFIXES


@pytest.mark.parametrize("name", FILES)
def test_damage_ends_in_text_or_a_read_error(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    chance = random.Random(name)
    for turn in range(40):
        began = time.monotonic()
        try:
            read(name, damaged(data, turn % 5, chance))
        except ReadError as error:
            assert "; expected " in str(error)
        assert time.monotonic() - began < MAX_S
