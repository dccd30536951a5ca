"""Pairs of documents by their vectors and their names."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.bitext.document_pairing import PairingSettings, TextDocument, name_key, pair_documents
from indexer.errors import Cancelled, IndexerError

WIDTH = 64


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Sums of word vectors; upper case is the other language, which leans to one direction."""
    rows = []
    for text in texts:
        row = np.sum(
            [np.random.default_rng([*word.lower().encode()]).normal(size=WIDTH) for word in text.split()], 0
        )
        rows.append(row + (12.0 if text.isupper() else -12.0) * np.eye(WIDTH)[0] + 20.0 * np.eye(WIDTH)[1])
    vectors_ND = np.stack(rows).astype(np.float32)
    return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)


def document(seed: int, sentences: int = 20, name: str = "") -> TextDocument:
    draw = random.Random(seed)
    texts = [" ".join(f"w{draw.randrange(500)}" for _ in range(8)) for _ in range(sentences)]
    return TextDocument(name or f"{seed}.txt", texts)


def translated(one: TextDocument, name: str = "x.txt") -> TextDocument:
    return TextDocument(name, [text.upper() for text in one.sentences])


def places(pairing: object) -> list[tuple[int, int]]:
    return [(pair.source, pair.target) for pair in pairing.pairs]  # type: ignore[attr-defined]


def test_translations_are_paired_in_any_order_and_the_rest_is_reported() -> None:
    source = [document(seed) for seed in range(8)]
    order = [5, 2, 7, 0, 3]
    target = [*(translated(source[seed], f"t{seed}.txt") for seed in order), document(90, name="other.txt")]
    pairing = pair_documents(source, target, encode)
    assert places(pairing) == [(0, 3), (2, 1), (3, 4), (5, 0), (7, 2)]
    assert pairing.unpaired_source == (1, 4, 6)
    assert pairing.unpaired_target == (5,)
    assert all(pair.margin >= 0.05 and not pair.same_name for pair in pairing.pairs)


def test_the_order_of_the_sentences_tells_documents_of_the_same_words_apart() -> None:
    first = document(1, 40)
    turned = TextDocument("turned.txt", first.sentences[::-1])
    pairing = pair_documents([first, turned], [translated(turned), translated(first)], encode)
    assert places(pairing) == [(0, 1), (1, 0)]


def test_names_decide_between_copies_and_without_names_nothing_is_guessed() -> None:
    text = document(1)
    ours = [TextDocument(f"part{n}.de.txt", text.sentences) for n in (1, 2, 3)]
    theirs = [translated(text, f"part{n}.fr.txt") for n in (3, 1, 2)]
    by_name = pair_documents(ours, theirs, encode, PairingSettings(min_score=-1))
    assert places(by_name) == [(0, 1), (1, 2), (2, 0)]
    assert all(pair.same_name for pair in by_name.pairs)
    unnamed = [TextDocument(f"{n} page.txt", one.sentences) for n, one in enumerate(theirs)]
    assert places(pair_documents(ours, unnamed, encode, PairingSettings(min_score=-1))) == []


def test_a_name_does_not_outweigh_what_the_documents_say() -> None:
    source = [document(seed, name=f"{seed}.de.txt") for seed in range(6)]
    target = [translated(one, f"{seed}.fr.txt") for seed, one in enumerate(source)]
    target[0], target[1] = translated(source[1], "0.fr.txt"), translated(source[0], "1.fr.txt")
    assert places(pair_documents(source, target, encode))[:2] == [(0, 1), (1, 0)]


def test_one_document_finds_its_translation_among_many() -> None:
    source = [document(seed) for seed in range(7)]
    assert places(pair_documents(source, [translated(source[4])], encode)) == [(4, 0)]
    assert places(pair_documents([source[4]], [translated(one) for one in source], encode)) == [(0, 4)]


def test_one_document_on_either_side_is_a_pair_and_is_not_encoded() -> None:
    def fail(texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError(texts)

    pairing = pair_documents([document(1, name="a.en.md")], [document(2, name="a.ar.md")], fail)
    assert places(pairing) == [(0, 0)] and pairing.pairs[0].same_name
    assert pair_documents([], [document(2)], fail).unpaired_target == (0,)
    assert pair_documents([TextDocument("empty.txt", [" "])], [document(2)], fail).unpaired_source == (0,)


def test_documents_without_text_have_no_partner() -> None:
    source = [document(0), TextDocument("empty.txt", ["", " "]), document(1)]
    pairing = pair_documents(source, [translated(document(1)), translated(document(0))], encode)
    assert places(pairing) == [(0, 1), (2, 0)] and pairing.unpaired_source == (1,)


def test_of_a_long_document_only_a_sample_is_encoded() -> None:
    seen: list[str] = []

    def watch(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.extend(texts)
        return encode(texts)

    source = [document(seed, 300) for seed in range(3)]
    target = [translated(one) for one in source]
    assert places(pair_documents(source, target, watch, PairingSettings(sentences=40))) == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]
    assert len(seen) == 6 * 40


@pytest.mark.parametrize(
    "name",
    [
        "report.de.txt",
        "report.fr.docx",
        "report_pt-BR.md",
        "de/report.txt",
        "zh-Hans/report.md",
        "EN report.txt",
        "deu.report.txt",
    ],
)
def test_names_that_differ_in_the_language_have_the_same_key(name: str) -> None:
    assert name_key(name) == "report"


def test_names_that_differ_otherwise_keep_apart() -> None:
    names = ["a/report.txt", "report2.txt", "report final.de.txt", "de.txt", "fr.txt", "报告.zh.txt"]
    assert len({name_key(name) for name in names}) == len(names)


def test_progress_cancelling_and_wrong_settings() -> None:
    source = [document(seed) for seed in range(3)]
    shares: list[float] = []
    pair_documents(source, [translated(one) for one in source], encode, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(Cancelled, match="cancelled"):
        pair_documents(source, source, encode, cancelled=lambda: True)
    with pytest.raises(IndexerError, match="margin of -1"):
        PairingSettings(margin=-1)
