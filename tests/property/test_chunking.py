"""Laws of chunking: cover without gaps, offsets, limits, determinism, for texts of every script."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.text import chunking
from indexer.text.chunking import ChunkSettings, iter_chunks
from indexer.text.segmentation import sentence_spans
from indexer.types import Block, Chunk
from me5.encoder import Encoder
from me5.loading import load_encoder
from me5.prefixes import Role

SENTENCES = [
    "The quick brown fox, as everybody knows, jumps over the lazy dog. ",
    "Dr. Smith paid 3.50 dollars; then he left. ",
    "Он родился в 1990 г. в Москве. ",
    "東京は日本の首都です。",
    "你好吗？我很好，谢谢！",
    "यह एक वाक्य है। ",
    "كيف حالك؟ أنا بخير. ",
    "שלום עולם. ",
    "ประเทศไทยอยู่ในเอเชีย เมืองหลวงคือกรุงเทพ ",
    "ភាសាខ្មែរ។ ",
    "မြန်မာစာ။ ",
    "ພາສາລາວ ",
    "ሰላም ነው። ",
    "Բարեւ աշխարհ։ ",
    "བོད་ཡིག། ",
    "Tôi ăn cơm\n",
    "👩‍👩‍👧‍👦🇩🇪🇫🇷👍🏽 ",
    "e\u0301a\u0302\u0323\u0308 ",
    "\n\n",
    "   \t ",
    "\u200b\ufeff",
    "x" * 90,
    "y" * 900,
    "query: passage: ",
    "ﷺ㌀ﬃ½",
    "あ" * 70,
]

texts = st.lists(st.one_of(st.sampled_from(SENTENCES), st.text(max_size=20)), max_size=14).map("".join)
keys = st.tuples(st.sampled_from([None, 1, 2]), st.sampled_from([None, "a"]))
documents = st.lists(st.tuples(texts, keys), max_size=5)


class FakeCounter:
    """Words with the space before them and marks, cut every ``width`` characters; a long word is one token.

    So a sentence needs more tokens behind another one than alone, and a part of a long word more than it.
    """

    max_tokens = 48
    width = 3
    longest_word = 100

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        return [self._spans(text) for text in texts]

    def _spans(self, text: str) -> NDArray[np.int32]:
        found: list[tuple[int, int]] = []
        for match in regex.finditer(r" ?\w+|[^\w\s]", text):
            start, end = match.span()
            step = self.width if end - start <= self.longest_word else end - start
            found.extend((first, min(first + step, end)) for first in range(start, end, step))
        return np.array(found, dtype=np.int32).reshape(-1, 2)

    def overhead_tokens(self, role: Role, title: str = "") -> int:
        return 4 + len(self._spans(f"{title} " if title else ""))

    def count_tokens(
        self, texts: Sequence[str], role: Role = Role.PASSAGE, titles: Sequence[str] | None = None
    ) -> list[int]:
        titles = titles or [""] * len(texts)
        return [
            4 + len(self._spans(f"{title} {text}".strip())) for text, title in zip(texts, titles, strict=True)
        ]


def blocks_of(document: Sequence[tuple[str, tuple[int | None, str | None]]]) -> list[Block]:
    blocks, offset = [], 0
    for text, (page, section) in document:
        blocks.append(Block(text, offset, page, section))
        offset += len(text)
    return blocks


def check_laws(blocks: Sequence[Block], chunks: Sequence[Chunk], counter: FakeCounter, title: str) -> None:
    text = "".join(block.text for block in blocks)
    if not text.strip():
        assert chunks == []
        return
    assert chunks[0].start == 0
    assert chunks[-1].end == len(text)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    counts = counter.count_tokens([c.text for c in chunks], titles=[title] * len(chunks))
    for chunk, count in zip(chunks, counts, strict=True):
        assert chunk.text == text[chunk.start : chunk.end]
        assert count <= counter.max_tokens
        assert abs(chunk.token_count - count) <= 2 + 2 * len(sentence_spans(chunk.text))
    inked = [
        (b.start + i, (b.page, b.section))
        for b in blocks
        for i, char in enumerate(b.text)
        if not char.isspace()
    ]
    for chunk in chunks:
        places = {key for position, key in inked if chunk.start <= position < chunk.end}
        assert places <= {(chunk.page, chunk.section)}


@pytest.fixture(params=[64, 65_536], ids=["small windows", "usual window"])
def _window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "_WINDOW", request.param)


@pytest.mark.usefixtures("_window")
class TestLaws:
    @given(document=documents, target=st.integers(10, 60))
    @settings(max_examples=150, suppress_health_check=[])
    def test_chunks_cover_the_text_without_gaps_within_the_limit(self, document, target) -> None:
        blocks, counter = blocks_of(document), FakeCounter()
        chunks = list(iter_chunks(blocks, counter, ChunkSettings(target_tokens=target), title="A title"))
        check_laws(blocks, chunks, counter, "A title")
        assert all(a.end == b.start for a, b in itertools.pairwise(chunks))

    @given(document=documents, overlap=st.integers(1, 30))
    @example(  # pieces that meet inside a word count more tokens together
        document=[
            (
                "ﷺ㌀ﬃ½Dr. Smith paid 3.50 dollars; then he left. ሰላም ነው። Он родился в 1990 г. в Москве. ",
                (None, None),
            )
        ],
        overlap=20,
    )
    @settings(max_examples=100)
    def test_overlap_repeats_whole_pieces_and_always_moves_on(self, document, overlap) -> None:
        blocks, counter = blocks_of(document), FakeCounter()
        chunks = list(iter_chunks(blocks, counter, ChunkSettings(target_tokens=40, overlap_tokens=overlap)))
        check_laws(blocks, chunks, counter, "")
        for before, after in itertools.pairwise(chunks):
            assert before.start < after.start <= before.end < after.end
            repeated = "".join(b.text for b in blocks)[after.start : before.end]
            assert len(counter.token_spans([repeated])[0]) <= overlap

    @given(document=documents)
    @settings(max_examples=50)
    def test_the_same_blocks_give_the_same_chunks(self, document) -> None:
        blocks, counter = blocks_of(document), FakeCounter()
        assert list(iter_chunks(blocks, counter)) == list(iter_chunks(iter(blocks), counter))


@pytest.fixture(scope="module", params=["tiny_model_dir", "tiny_xlmr_dir", "built-in"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Real tokenizers: BPE with byte fallback, Unigram with NFKC, and that of the built-in model."""
    name = "builtin" if request.param == "built-in" else str(request.getfixturevalue(request.param))
    return load_encoder(name, device="cpu", precision="fp32", threads=1)


@given(document=documents, target=st.integers(12, 90))
@settings(max_examples=60)
def test_no_token_is_lost_with_real_tokenizers(encoder: Encoder, document, target) -> None:
    blocks, title = blocks_of(document), "A title"
    sizes = ChunkSettings(target_tokens=target, max_tokens=min(encoder.max_tokens, 96))
    chunks = list(iter_chunks(blocks, encoder, sizes, title=title))
    if chunks:
        counts = encoder.count_tokens([c.text for c in chunks], Role.PASSAGE, [title] * len(chunks))
        assert max(counts) <= sizes.max_tokens
        assert "".join(chunk.text for chunk in chunks) == "".join(block.text for block in blocks)


@given(text=st.one_of(texts, st.text()))
@settings(max_examples=300)
def test_sentences_cover_the_text_without_gaps(text: str) -> None:
    spans = sentence_spans(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    if text.strip():
        assert all(text[start:end].strip() for start, end in spans)


def test_the_laws_notice_a_gap() -> None:
    blocks = [Block("One two. Three four.", 0)]
    broken = [Chunk(0, 0, 8, "One two.", token_count=9), Chunk(1, 9, 20, "Three four.", token_count=9)]
    with pytest.raises(AssertionError):
        check_laws(blocks, broken[1:], FakeCounter(), "")
