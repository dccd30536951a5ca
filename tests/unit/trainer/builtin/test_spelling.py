import numpy as np
import torch
from torch.testing import assert_close

from trainer.builtin.corpus import Pairs
from trainer.builtin.sampling import PairSampler
from trainer.builtin.spelling import spelling_of
from trainer.builtin.static import PieceTable, new_state, train_static
from trainer.builtin.tokenizer import build_tokenizer
from trainer.config import StaticOptimConfig

TEXTS = ["the garden of the gardener", "a gardener gardens in gardens", "house houses housing household"] * 20


def test_pieces_that_are_spelled_alike_share_ngrams():
    tokenizer = build_tokenizer(iter(TEXTS), vocab_size=400, alphabet_size=60)
    spelling = spelling_of(tokenizer, 10_000)
    assert len(spelling.offsets) == tokenizer.get_vocab_size() + 1

    def grams(piece):
        number = tokenizer.token_to_id(piece)
        return set(spelling.pieces[spelling.offsets[number] : spelling.offsets[number + 1]].tolist())

    assert grams("▁garden") & grams("▁gardener")
    assert not grams("▁garden") & grams("▁house")
    assert grams("[CLS]") == grams("<0x41>") == grams("a") == set()
    assert spelling.pieces.min() >= 1


def test_a_piece_that_was_never_seen_follows_its_relatives():
    """Piece 9 is in no text and shares its only n-gram with piece 1, which is in one."""
    held_by = {1: [1], 9: [1]}
    grams = [held_by.get(piece, []) for piece in range(10)]
    spelling = PieceTable(
        np.array([gram for own in grams for gram in own], dtype=np.int32),
        np.cumsum([0] + [len(own) for own in grams]),
    )
    table = PieceTable(np.arange(1, 9, dtype=np.int32), np.arange(9))
    pairs = Pairs()
    for number in range(4):
        pairs.add(number, 4 + number, "xx-en")
    state = new_state(10, 16, 1, ngrams=3)
    before = state.whole(spelling).clone()
    train_static(
        [table],
        {"parallel": PairSampler(pairs.arrays(), exponent=1.0, seed=1)},
        {"parallel": 1.0},
        state,
        optim=StaticOptimConfig(batch_size=8, steps=5, learning_rate=0.1, matmul_bf16=False),
        limits={"parallel": 8},
        seed=5,
        spelling=spelling,
    )
    assert state.ngrams[1].abs().max() > 0
    assert_close(state.ngrams[2], torch.zeros(16))
    assert_close(state.whole(spelling)[9] - before[9], state.ngrams[1])
