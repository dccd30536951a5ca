import numpy as np
import pytest
import torch

from trainer.builtin.export import balanced, export_layered_bert
from trainer.builtin.layered import new_layers, rate_share, train_layered
from trainer.builtin.layers import CHUNK_TOKENS, Workers, iter_chunks
from trainer.builtin.sampling import Batch
from trainer.builtin.static import PieceTable
from trainer.builtin.tokenizer import build_tokenizer
from trainer.config import LayersConfig

SAMPLE = ["the cat sleeps", "ein Hund", "猫 собака"] * 3
CONFIG = LayersConfig(
    mixture={"parallel": 1.0}, heads=2, intermediate=24, positions=6, steps=8, warmup_steps=2
)
FIRST = 2
HEAD, NOTHING = torch.tensor([FIRST]), torch.tensor([], dtype=torch.int64)


@pytest.fixture
def tokenizer():
    return build_tokenizer(iter(SAMPLE), vocab_size=400, alphabet_size=60)


def balanced_rows(count: int, dimension: int = 13) -> torch.Tensor:
    vectors = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
    vectors *= np.random.default_rng(2).uniform(0.3, 1.5, size=(count, 1)).astype(np.float32)
    table, _ = balanced(vectors, torch.float32)
    return table / table.square().mean().sqrt()


def texts_of(lengths: list[int], pieces: int) -> PieceTable:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(3).integers(5, pieces, offsets[-1]).astype(np.int32)
    return PieceTable(ids, offsets.astype(np.int64))


def encoded(state, texts: PieceTable, count: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    pieces, starts = texts.gather(np.arange(count, dtype=np.int32), 100)
    lengths = torch.diff(starts, append=torch.tensor([len(pieces)]))
    chunks = list(iter_chunks(pieces, starts, lengths, HEAD, NOTHING))
    inputs = [state.table.to(dtype)[chunk.pieces] for chunk in chunks]
    outputs = Workers(state.stack).forward(inputs, [chunk.lengths for chunk in chunks])
    order = torch.cat([chunk.texts for chunk in chunks])
    return torch.cat(outputs)[torch.argsort(order)].detach()


def shaken(state, amount: float = 0.3):
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in state.stack.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=amount)
    return state


def test_new_layers_change_no_text():
    table = balanced_rows(50)
    state = new_layers(table, 3, CONFIG, seed=1)
    texts = texts_of([1, 4, 2, 7], 50)
    for number, mean in enumerate(encoded(state, texts, 4)):
        own = [FIRST, *texts.pieces[texts.offsets[number] : texts.offsets[number + 1]]]
        expected = table[own].mean(0)
        torch.testing.assert_close(mean[:-3], expected[:-3], rtol=1e-4, atol=1e-4)
        assert mean[-3:].abs().max() == 0
    assert (encoded(shaken(state), texts, 4) - table[[FIRST]]).abs().max() > 0.1


def test_an_exported_model_is_the_trained_one(tokenizer, tmp_path):
    from transformers import AutoModel

    vocabulary = tokenizer.get_vocab_size()
    state = shaken(new_layers(balanced_rows(vocabulary), 3, CONFIG, seed=1))
    export_layered_bert(state, tokenizer, tmp_path)
    model = AutoModel.from_pretrained(tmp_path).eval()
    assert model.dtype == torch.float32
    texts = texts_of([1, 4, 2, 9], vocabulary)
    state.table = model.embeddings.word_embeddings.weight.detach()  # rounded to 8 bits, and scaled
    factor = float(state.table.square().mean().sqrt())
    with torch.no_grad():
        state.stack.positions *= factor
    for number, mean in enumerate(encoded(state, texts, 4)):
        own = [FIRST, *texts.pieces[texts.offsets[number] : texts.offsets[number + 1]]]
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([own]).long()).last_hidden_state[0].mean(0)
        # Weights are float16. The longest text has more pieces than positions: the last is repeated.
        torch.testing.assert_close(mean, expected, rtol=0.02, atol=0.02)


def test_the_table_keeps_its_directions_in_8_bits(tokenizer, tmp_path):
    from transformers import AutoModel

    table = balanced_rows(tokenizer.get_vocab_size())
    export_layered_bert(new_layers(table, 3, CONFIG, seed=1), tokenizer, tmp_path)
    kept = AutoModel.from_pretrained(tmp_path).embeddings.word_embeddings.weight.detach()
    cosines = torch.nn.functional.cosine_similarity(kept, table)
    assert cosines.min() > 0.998
    assert cosines.min() < 0.99999  # it is narrow indeed


def test_chunks_hold_every_text_once_and_their_padding_changes_nothing():
    lengths = [3, 300, 0, 5, 3, 120, 41] * 20
    texts = texts_of(lengths, 50)
    pieces, starts = texts.gather(np.arange(len(lengths), dtype=np.int32), 300)
    counts = torch.diff(starts, append=torch.tensor([len(pieces)]))
    head, tail = torch.tensor([FIRST, 3]), torch.tensor([4])
    chunks = list(iter_chunks(pieces, starts, counts, head, tail))
    assert sorted(torch.cat([chunk.texts for chunk in chunks]).tolist()) == list(range(len(lengths)))
    for chunk in chunks:
        assert chunk.pieces.numel() <= CHUNK_TOKENS
        for text, row, length in zip(chunk.texts, chunk.pieces, chunk.lengths, strict=True):
            own = texts.pieces[texts.offsets[text] : texts.offsets[text + 1]]
            assert row[:length].tolist() == [FIRST, 3, *own, 4]
            assert not row[length:].any()


def test_padding_and_cores_do_not_change_gradients():
    config = LayersConfig(mixture={}, heads=2, intermediate=24, positions=9)
    state = shaken(new_layers(balanced_rows(50), 3, config, seed=1))
    rows = state.table[torch.tensor([[FIRST, 7, 8], [FIRST, 9, 0]])]
    together = rows.clone().requires_grad_()
    workers = Workers(state.stack)
    outputs = workers.forward([together], [torch.tensor([3, 2])])
    workers.backward(outputs, [torch.ones(2, 16)])
    expected = {name: value.grad.clone() for name, value in state.stack.named_parameters()}
    state.stack.zero_grad()
    apart = [rows[:1].clone().requires_grad_(), rows[1:, :2].clone().requires_grad_()]
    outputs = workers.forward(apart, [torch.tensor([3]), torch.tensor([2])])
    workers.backward(outputs, [torch.ones(1, 16), torch.ones(1, 16)])
    for name, value in state.stack.named_parameters():
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(apart[1].grad, together.grad[1:, :2])


class FixedPairs:
    """The same eight pairs in every step."""

    def draw(self, size: int) -> Batch:
        return Batch(np.arange(8, dtype=np.int32), np.arange(8, 16, dtype=np.int32))

    def state(self) -> dict[str, object]:
        return {}

    def restore(self, state: object) -> None:
        pass


def test_training_brings_pairs_together():
    config = LayersConfig(
        mixture={"parallel": 1.0}, heads=2, intermediate=24, positions=9, steps=30, warmup_steps=3
    )
    state = new_layers(balanced_rows(50), 3, config, seed=1)
    losses: list[float] = []
    train_layered(
        [texts_of([3, 4, 5, 6] * 4, 50)],
        {"parallel": FixedPairs()},
        state,
        config=config,
        temperature=0.05,
        limits={"parallel": 10},
        first=FIRST,
        seed=1,
        hooks=[lambda _, loss: losses.append(loss)],
    )
    assert losses[-1] < losses[0] / 2
    assert state.step == 30


def test_rates_rise_and_fall():
    config = LayersConfig(mixture={}, steps=10, warmup_steps=2, final_share=0.1)
    assert [rate_share(step, config) for step in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert rate_share(10, config) == pytest.approx(0.1)
