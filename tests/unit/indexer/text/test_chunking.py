from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from indexer.errors import ChunkingError
from indexer.text.chunking import ChunkSettings, fit_title, iter_chunks
from indexer.types import Block
from me5.prefixes import Role

if TYPE_CHECKING:
    from me5.encoder import Encoder

SENTENCE = "Die Bibliothek öffnet um neun Uhr morgens. "
MIXED = (
    SENTENCE * 5
    + "図書館は朝九時に開きます。" * 8
    + "ห้องสมุดเปิดเก้าโมงเช้า แม่น้ำพาตะกอนไปสู่ทะเล " * 8
    + "👩‍👩‍👧‍👦" * 20
    + "x" * 900
    + "پوه" * 50
)


def small(**changes: int) -> ChunkSettings:
    return ChunkSettings(**{"target_tokens": 48, **changes})


def test_nothing_is_truncated_and_nothing_is_missing(tiny_encoder: "Encoder") -> None:
    title = "Bibliothek"
    chunks = list(iter_chunks([Block(MIXED, 0)], tiny_encoder, small(), title=title))
    assert "".join(chunk.text for chunk in chunks) == MIXED
    counts = tiny_encoder.count_tokens([c.text for c in chunks], Role.PASSAGE, [title] * len(chunks))
    assert all(abs(chunk.token_count - count) <= 16 for chunk, count in zip(chunks, counts, strict=True))
    assert max(counts) <= tiny_encoder.max_tokens
    assert len(chunks) > 5


def test_only_doubtful_chunks_are_counted_again(
    tiny_encoder: "Encoder", monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    count_tokens = tiny_encoder.count_tokens

    def spy(texts: Sequence[str], *rest: object) -> list[int]:
        counted.extend(texts)
        return count_tokens(texts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(tiny_encoder, "count_tokens", spy)
    list(iter_chunks([Block(SENTENCE * 20, 0)], tiny_encoder, small()))
    assert counted == []
    list(iter_chunks([Block("ab" * 900, 0)], tiny_encoder, small()))
    assert counted


def test_chunks_end_with_sentences(tiny_encoder: "Encoder") -> None:
    chunks = list(iter_chunks([Block(SENTENCE * 20, 0)], tiny_encoder, small()))
    assert len(chunks) > 1
    assert all(chunk.text.endswith("morgens. ") for chunk in chunks)


def test_an_ordinal_stays_in_its_sentence(tiny_encoder: "Encoder") -> None:
    text = "Die Bibliothek bleibt am Samstag, dem 3. Oktober, wegen des Feiertags geschlossen. " * 10
    chunks = list(iter_chunks([Block(text, 0)], tiny_encoder, small()))
    assert len(chunks) > 1
    assert not any(chunk.text.startswith("Oktober") for chunk in chunks)


def test_a_chunk_stays_in_its_page_and_section(tiny_encoder: "Encoder") -> None:
    blocks = [Block("One. ", 0, 1), Block("Two. ", 5, 1), Block("Three. ", 10, 2), Block("Four.", 17, 2, "B")]
    chunks = list(iter_chunks(blocks, tiny_encoder))
    assert [(c.text, c.page, c.section) for c in chunks] == [
        ("One. Two. ", 1, None),
        ("Three. ", 2, None),
        ("Four.", 2, "B"),
    ]


def test_blank_text_joins_its_neighbours(tiny_encoder: "Encoder") -> None:
    blocks = [
        Block(" \n", 0, 1),
        Block("One.", 2, 2),
        Block("\n\n", 6, 3),
        Block("Two.", 8, 4),
        Block("  ", 12, 5),
    ]
    chunks = list(iter_chunks(blocks, tiny_encoder))
    assert [(c.text, c.page) for c in chunks] == [(" \nOne.", 2), ("\n\nTwo.  ", 4)]
    assert list(iter_chunks([Block(" \n" * 50_000, 0)], tiny_encoder)) == []
    assert list(iter_chunks([], tiny_encoder)) == []


def test_overlap_repeats_whole_sentences(tiny_encoder: "Encoder") -> None:
    per_sentence = len(tiny_encoder.token_spans([SENTENCE])[0])
    settings = ChunkSettings(target_tokens=per_sentence * 4 + 10, overlap_tokens=per_sentence)
    chunks = list(iter_chunks([Block(SENTENCE * 12, 0)], tiny_encoder, settings))
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        assert before.end - after.start == len(SENTENCE)


def test_the_document_is_never_held_at_once(tiny_encoder: "Encoder") -> None:
    read = 0

    def blocks() -> Iterator[Block]:
        nonlocal read
        for number in range(60):
            read = number + 1
            yield Block(SENTENCE * 200, number * len(SENTENCE) * 200)

    chunks = iter_chunks(blocks(), tiny_encoder)
    next(chunks)
    assert read < 15
    last = 0
    for chunk in chunks:
        last = chunk.end
    assert last == 60 * 200 * len(SENTENCE)


def test_graphemes_stay_whole(tiny_encoder: "Encoder") -> None:
    family = "👩‍👩‍👧‍👦"
    settings = ChunkSettings(target_tokens=80)
    chunks = list(iter_chunks([Block(family * 30, 0)], tiny_encoder, settings))
    assert len(chunks) > 1
    assert all(chunk.text.replace(family, "") == "" for chunk in chunks)


def test_a_long_title_is_refused_and_can_be_fitted(tiny_encoder: "Encoder") -> None:
    title = "Bibliothek " * 800
    with pytest.raises(ChunkingError, match="fit_title"):
        list(iter_chunks([Block(SENTENCE, 0)], tiny_encoder, title=title))
    fitted = fit_title(title, tiny_encoder)
    assert title.startswith(fitted)
    assert fitted
    assert tiny_encoder.overhead_tokens(Role.PASSAGE, fitted) <= ChunkSettings().target_tokens // 2
    assert fit_title("Short", tiny_encoder) == "Short"


@pytest.mark.parametrize(
    "wrong", [{"target_tokens": 0}, {"max_tokens": 0}, {"overlap_tokens": -1}, {"overlap_tokens": 48}]
)
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ChunkingError, match="got"):
        small(**wrong)
