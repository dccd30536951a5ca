import math
from collections import Counter

import numpy as np
import pytest

from trainer.evaluation.bm25 import K1, NO_HIT, B, Bm25, model_pieces, word_pieces, words

PASSAGES = [
    "the river carries silt to the sea",
    "cities grow along the river, the river feeds them",
    "the library opens at nine",
    "",
    "sea sea sea",
]


def by_hand(query, passages):
    """The formula of Lucene, written out."""
    split = [passage.replace(",", "").split() for passage in passages]
    average = sum(map(len, split)) / len(split)
    scores = []
    for words_of in split:
        score = 0.0
        for word in query.split():
            having = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - having + 0.5) / (having + 0.5))
            count = Counter(words_of)[word]
            score += idf * count / (count + K1 * (1 - B + B * len(words_of) / average))
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", ["river", "the sea", "sea sea library", "river unknown nine"])
def test_scores_are_those_of_the_formula(query):
    scores, numbers = Bm25(PASSAGES, word_pieces()).top_k([query], len(PASSAGES))
    expected = by_hand(query, PASSAGES)
    hits = numbers[0] != NO_HIT
    np.testing.assert_allclose(scores[0][hits], [expected[number] for number in numbers[0][hits]], rtol=1e-5)
    assert sorted(numbers[0][hits]) == [number for number, score in enumerate(expected) if score > 0]
    assert (np.diff(scores[0]) <= 0).all()


def test_passages_without_a_common_piece_are_no_hits():
    scores, numbers = Bm25(PASSAGES, word_pieces()).top_k(["library", "", "zebra"], 3)
    assert numbers.tolist() == [[2, NO_HIT, NO_HIT], [NO_HIT] * 3, [NO_HIT] * 3]
    assert scores[1:].sum() == 0


def test_equal_scores_come_by_ascending_number_also_at_the_cut():
    _, numbers = Bm25(["a b", "c", "a d", "a e", "c"], word_pieces()).top_k(["a"], 2)
    assert numbers.tolist() == [[0, 2]]


def test_no_passages_give_no_hits():
    assert Bm25([], word_pieces()).top_k(["a"], 2)[1].tolist() == [[NO_HIT, NO_HIT]]


def test_words_are_folded_and_pairs_of_characters_where_nothing_is_spaced():
    assert words("Straße 42, naïve") == ["strasse", "42", "naïve"]
    assert words("東京都 は x") == ["東京", "京都", "は", "x"]
    assert "ไทย"[:2] in words("ภาษาไทย")
    assert words("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]  # marks stay inside the word


def test_pieces_of_a_model_find_parts_of_words_in_any_script(tiny_model_dir):
    pieces = model_pieces(tiny_model_dir / "tokenizer.json")
    passages = ["九館朝図時", "ทะเลสมุดแม่", "Bibliothek Uhr"]
    _, numbers = Bm25(passages, pieces).top_k(["時図", "สมุด", "bibliothek"], 1)
    assert numbers[:, 0].tolist() == [0, 1, 2]
    assert pieces(["BIBLIOTHEK"]) == pieces(["bibliothek"])


def test_long_texts_are_counted_whole(tiny_model_dir):
    pieces = model_pieces(tiny_model_dir / "tokenizer.json")
    assert len(pieces(["sea " * 2000])[0]) >= 2000
