"""Encoder: shapes, roles, titles, instructions, progress, threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from me5 import encoder as encoder_module
from me5.encoder import Encoder
from me5.errors import InstructionError, ShapeError
from me5.prefixes import Role

TEXTS = [f"river number {n} " + "flows " * (n % 17) for n in range(60)]


def test_rows_are_unit_float32_and_contiguous(tiny_encoder: Encoder) -> None:
    vectors = tiny_encoder.encode(TEXTS)
    assert vectors.shape == (60, 32) and vectors.dtype == np.float32 and vectors.flags.c_contiguous
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_no_texts_give_an_empty_matrix(tiny_encoder: Encoder) -> None:
    assert tiny_encoder.encode([]).shape == (0, 32)
    assert tiny_encoder.token_spans([]) == [] and tiny_encoder.count_tokens([]) == []


def test_titles_join_as_e5_reads_them(tiny_encoder: Encoder) -> None:
    titled = tiny_encoder.encode(["text", "alone"], Role.PASSAGE, titles=["Title", ""])
    joined = tiny_encoder.encode(["Title text", "alone"], Role.PASSAGE)
    assert np.abs(titled - joined).max() <= 1e-6
    assert np.abs(titled - tiny_encoder.encode(["text", "alone"], Role.PASSAGE))[0].max() > 1e-3


def test_one_string_and_wrong_titles_are_refused(tiny_encoder: Encoder) -> None:
    with pytest.raises(ShapeError, match="Put it in a list"):
        tiny_encoder.encode("text")
    with pytest.raises(ShapeError, match="2 titles for 1 texts"):
        tiny_encoder.encode(["text"], Role.PASSAGE, titles=["a", "b"])


def instructed(encoder: Encoder) -> Encoder:
    spec = replace(
        encoder.spec,
        instruct_template="Instruct: {task}\nQuery: {text}",
        default_instruction="Find it.",
        query_prefix="",
        passage_prefix="",
    )
    return Encoder(spec, encoder._tokenization, encoder._engine, encoder.runtime)


def test_instruction_stands_before_queries_only(tiny_encoder: Encoder) -> None:
    encoder = instructed(tiny_encoder)
    plain = Encoder(
        replace(encoder.spec, instruct_template=None), encoder._tokenization, encoder._engine, encoder.runtime
    )
    written = plain.encode(["Instruct: Retrieve {text}\nQuery: wo?"])
    assert np.array_equal(encoder.encode(["wo?"], instruction="Retrieve {text}"), written) is False
    assert np.array_equal(
        encoder.encode(["wo?"], instruction="Retrieve it"),
        plain.encode(["Instruct: Retrieve it\nQuery: wo?"]),
    )
    assert np.array_equal(encoder.encode(["wo?"]), plain.encode(["Instruct: Find it.\nQuery: wo?"]))
    assert np.array_equal(encoder.encode(["da."], Role.PASSAGE), plain.encode(["da."], Role.PASSAGE))


def test_instruction_is_refused_where_it_has_no_place(tiny_encoder: Encoder) -> None:
    with pytest.raises(InstructionError, match="takes no instruction"):
        tiny_encoder.encode(["x"], instruction="Find it.")
    with pytest.raises(InstructionError, match="queries only"):
        instructed(tiny_encoder).encode(["x"], Role.PASSAGE, instruction="Find it.")


def test_windows_change_nothing_and_progress_counts_texts(
    tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_encoder.encode(TEXTS)
    monkeypatch.setattr(encoder_module, "WINDOW_TEXTS", 7)
    seen: list[int] = []
    assert np.abs(tiny_encoder.encode(TEXTS, on_progress=seen.append) - whole).max() <= 1e-6
    assert seen == sorted(seen) and seen[-1] == len(TEXTS) and len(seen) >= 9


def test_token_counts_are_what_the_model_reads(tiny_encoder: Encoder) -> None:
    texts = ["river", "", "ภาษา 東京 😀", "word " * 700]
    counts = tiny_encoder.count_tokens(texts, Role.QUERY)
    read = tiny_encoder._tokenization.encode([f"query: {text}" for text in texts])
    assert [min(count, 512) for count in counts] == [len(ids) for ids in read]
    assert counts[3] > 512 == len(read[3])


def test_overhead_and_spans_bound_the_whole(tiny_encoder: Encoder) -> None:
    for title in ("", "A title"):
        for text in ("river", "ภาษา 東京", "a b c d e"):
            whole = tiny_encoder.count_tokens([text], Role.PASSAGE, [title])[0]
            parts = tiny_encoder.overhead_tokens(Role.PASSAGE, title) + len(
                tiny_encoder.token_spans([text])[0]
            )
            assert whole <= parts <= whole + 3


def test_spans_lie_in_the_text_and_cover_its_letters(tiny_encoder: Encoder) -> None:
    text = "Flüsse 東京 😀 \ud800 नदियाँ"
    spans = tiny_encoder.token_spans([text])[0]
    assert spans.dtype == np.int32 and spans.min() >= 0 and spans.max() == len(text)
    covered = {position for start, end in spans for position in range(start, end)}
    assert {i for i, char in enumerate(text) if not char.isspace()} <= covered


def test_soft_hyphens_change_nothing(tiny_encoder: Encoder) -> None:
    texts = ["Haftpflicht zahlt nicht", "Haftplicht zahlt nicht"]
    plain, other = tiny_encoder.encode(texts)
    broken = tiny_encoder.encode(["Haft\u00adpflicht zahlt\u00ad nicht"])[0]
    assert np.array_equal(broken, plain)
    assert not np.array_equal(other, plain)


def test_threads_get_their_own_results(tiny_encoder: Encoder, static_model_dir: Path) -> None:
    from me5.loading import load_encoder

    for encoder in (tiny_encoder, load_encoder(str(static_model_dir))):
        alone = [encoder.encode(TEXTS[start : start + 10]) for start in range(0, 60, 10)]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda s, e=encoder: e.encode(TEXTS[s : s + 10]), range(0, 60, 10)))
        for mine, theirs in zip(alone, together, strict=True):
            assert np.abs(mine - theirs).max() <= 1e-6
