"""Damaged files of every format: whatever is hit, the answer is text within the limits or a ReadError, soon.

Golden files are cut, shuffled and changed; those that are packed also in one of the parts inside.
"""

import io
import json
import lzma
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import ReadError
from indexer.readers import SUFFIXES, ReadLimits, Source, suffix_of
from indexer.readers.child import _send_text
from indexer.readers.frames import read_frame

GOLDEN = Path(__file__).parents[1] / "golden" / "readers"
READABLE = [
    name for name, blocks in json.loads((GOLDEN / "expected.json").read_text("utf-8")).items() if blocks
]
FILES = sorted({SUFFIXES[suffix_of(name)]: name for name in sorted(READABLE)}.values())
PDFS = [name for name in READABLE if name in ("he.pdf", "ja.pdf", "th.pdf")]  # each takes another way
LIMITS = replace(ReadLimits(), memory_mb=256, max_archive_mb=16, max_text_mb=1)
MAX_S = 5  # of the processor
SIGNS = (
    *(b'"', b"<", b">", b"&", b"{", b"}", b"\n\n", b"\0", b"\x1b[", b"--outer", b"<!--", b"\r", b"\\", b"</", b"<svg>"),
    *(b"<x>", b"&#0;", b"[", b"]", b"'", b",", b"\xff\xfe", b"\xed\xa0\x80", b"-1", b"9" * 30, b" --> ", b"\\u5000 "),
)  # fmt: skip
NUMBER = re.compile(rb"(?<![\w#])\d+(?!\w)")

Edit = Callable[[bytes], bytes]
places = st.floats(0, 1, exclude_max=True)


def at(data: bytes, place: float) -> int:
    return int(len(data) * place)


def edits() -> st.SearchStrategy[Edit]:
    """One change to a file; places are shares of its length."""

    def cut(place: float) -> Edit:
        return lambda data: data[: at(data, place)]

    def drop(place: float, size: int) -> Edit:
        return lambda data: data[: at(data, place)] + data[at(data, place) + size :]

    def double(place: float, size: int, times: int) -> Edit:
        return lambda data: (
            data[: at(data, place)] + data[at(data, place) :][:size] * times + data[at(data, place) :]
        )

    def swap(first: float, second: float) -> Edit:
        def swapped(data: bytes) -> bytes:
            one, other = sorted((at(data, first), at(data, second)))
            return data[other:] + data[one:other] + data[:one]

        return swapped

    def put(place: float, sign: bytes, is_inserted: bool) -> Edit:
        return lambda data: (
            data[: at(data, place)] + sign + data[at(data, place) + (0 if is_inserted else len(sign)) :]
        )

    def number(place: float, value: bytes) -> Edit:
        def changed(data: bytes) -> bytes:
            spans = [found.span() for found in NUMBER.finditer(data)]
            if not spans:
                return data[: at(data, place)]
            start, end = spans[int(len(spans) * place)]
            return data[:start] + value + data[end:]

        return changed

    sizes = st.integers(1, 200)
    return st.one_of(
        st.builds(cut, places),
        st.builds(drop, places, sizes),
        st.builds(double, places, sizes, st.integers(2, 40)),
        st.builds(swap, places, places),
        st.builds(put, places, st.sampled_from(SIGNS) | st.binary(min_size=1, max_size=4), st.booleans()),
        st.builds(number, places, st.sampled_from([b"-1", b"0", b"9" * 20, b"x", b"", b"1.5", b"65536"])),
    )


def inside(data: bytes, place: float, change: Edit) -> bytes:
    """A packed file with a change in one of its parts; what is not packed is changed as it is."""
    if data.startswith(b"\xfd7zXZ"):
        return lzma.compress(change(lzma.decompress(data)))
    if not data.startswith(b"PK"):
        return change(data)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        names = before.namelist()
        hit = names[int(len(names) * place)]
        for name in names:
            part = before.read(name)
            after.writestr(name, change(part) if name == hit else part)
    return out.getvalue()


def text_read(name: str, data: bytes) -> list[str]:
    """What the reader process would send of a file."""
    answers = io.BytesIO()
    _send_text(Source(name, data=data, limits=LIMITS), answers)
    answers.seek(0)
    texts = []
    while frame := read_frame(answers):
        texts += [text for text, _, _ in frame[0].get("blocks", [])]
    return texts


def test_every_format_is_damaged() -> None:
    assert {SUFFIXES[suffix_of(name)] for name in FILES} == set(SUFFIXES.values()) - {"7z"}
    assert len(PDFS) == 3


@pytest.mark.parametrize("name", [*FILES, *PDFS])
@settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(changes=st.lists(st.tuples(edits(), places, st.booleans()), min_size=1, max_size=3))
def test_damage_ends_in_text_or_a_read_error(name: str, changes: list[tuple[Edit, float, bool]]) -> None:
    data = (GOLDEN / name).read_bytes()
    for change, place, is_inside in sorted(changes, key=lambda one: not one[2]):  # while it can be opened
        data = inside(data, place, change) if is_inside else change(data)
    began = time.process_time()
    try:
        texts = text_read(name, data)
    except ReadError as error:
        assert "; expected " in str(error)
    else:
        text = "".join(texts)
        assert text.strip() and len(text) <= 1 << 20
        text.encode()
        assert "\0" not in text
    assert time.process_time() - began < MAX_S
