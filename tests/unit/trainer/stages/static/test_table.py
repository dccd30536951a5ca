import numpy as np
import pytest
import torch
from torch.testing import assert_close

from trainer.data.multilingual.corpus import Pairs
from trainer.data.multilingual.sampling import PairSampler
from trainer.data.multilingual.tokenising import PieceTable
from trainer.errors import TrainingError
from trainer.run.hooks import Every
from trainer.stages.static.recipe import StaticOptimConfig
from trainer.stages.static.table import embed, load_checkpoint, new_state, save_checkpoint, train_static

COUNT = 40
OPTIM = StaticOptimConfig(batch_size=16, steps=60, learning_rate=0.1, matmul_bf16=False)


def piece_table():
    """Text i and text COUNT + i say the same with other pieces; piece 1 is in every text."""
    pieces = [piece for number in range(2 * COUNT) for piece in (1, 2 + number)]
    return PieceTable(np.array(pieces, dtype=np.int32), np.arange(0, 4 * COUNT + 1, 2, dtype=np.int64))


def samplers(seed=1):
    pairs = Pairs()
    for number in range(COUNT):
        pairs.add(number, COUNT + number, "xx-en")
    return {"parallel": PairSampler(pairs.arrays(), exponent=1.0, seed=seed)}


def train(state, sampler, steps=OPTIM.steps, hooks=(), **changes):
    optim = StaticOptimConfig(**{**OPTIM.__dict__, "steps": steps, **changes})
    return train_static(
        [piece_table()],
        sampler,
        {"parallel": 1.0},
        state,
        optim=optim,
        limits={"parallel": 8},
        seed=5,
        hooks=hooks,
    )


def test_gather_cuts_long_texts_and_keeps_the_order():
    table = PieceTable(np.arange(10, 20, dtype=np.int32), np.array([0, 3, 3, 10]))
    pieces, bags = table.gather(np.array([2, 0, 1, 0], dtype=np.int32), 4)
    assert pieces.tolist() == [13, 14, 15, 16, 10, 11, 12, 10, 11, 12]
    assert bags.tolist() == [0, 4, 7, 7]


def test_embedding_is_the_unit_mean_of_the_pieces_and_zero_without_any():
    vectors = torch.randn(6, 4)
    rows = embed(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 3]), vectors)
    assert_close(rows[0], torch.nn.functional.normalize(vectors[[1, 2]].mean(0), dim=0))
    assert_close(rows[2], torch.zeros(4))


def test_training_brings_translations_together():
    losses = []
    state = train(new_state(90, 16, 1), samplers(), hooks=[lambda _, loss: losses.append(loss)])
    assert losses[-1] < 0.3 * losses[0]
    pieces, bags = piece_table().gather(np.arange(2 * COUNT, dtype=np.int32), 8)
    rows = embed(pieces, bags, state.embedding)
    assert ((rows[:COUNT] @ rows[COUNT:].T).argmax(1) == torch.arange(COUNT)).all()


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path):
    whole = train(new_state(90, 16, 1), samplers())
    sampler = samplers()

    def save(state, _):
        save_checkpoint(tmp_path, state, sampler, "abc")

    class StopError(Exception):
        pass

    def stop(state, _):
        raise StopError

    with pytest.raises(StopError):
        hooks = [Every(20, save), Every(30, stop)]
        train(new_state(90, 16, 1), sampler, hooks=hooks)
    fresh = samplers(seed=77)
    resumed = load_checkpoint(tmp_path, fresh, "abc")
    assert resumed is not None and resumed.step == 20
    train(resumed, fresh)
    assert_close(resumed.embedding, whole.embedding, rtol=0, atol=0)
    assert load_checkpoint(tmp_path, fresh, "another recipe") is None
    assert load_checkpoint(tmp_path / "none", fresh, "abc") is None


def test_padding_stays_as_it_was():
    state = new_state(90, 16, 1)
    before = state.embedding[0].clone()
    train(state, samplers(), steps=5)
    assert_close(state.embedding[0], before)


def test_a_loss_that_is_not_finite_stops_the_run():
    state = new_state(90, 16, 1)
    state.embedding[:] = float("nan")
    with pytest.raises(TrainingError, match=r"Lower optim\.learning_rate"):
        train(state, samplers())
