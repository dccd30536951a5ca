"""The layers in training: chunks hold every text, and neither padding, cores nor bfloat16 changes what is learned."""

import numpy as np
import pytest
import torch

from trainer.data.multilingual.tokenising import PieceTable
from trainer.stages.fair import stack as stack_module
from trainer.stages.fair.stack import CHUNK_TOKENS, Stack, Workers, iter_chunks

BEGIN, PREFIX, END = 2, 3, 4


def texts_of(lengths: list[int], pieces: int) -> PieceTable:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(3).integers(5, pieces, offsets[-1]).astype(np.int32)
    return PieceTable(ids, offsets.astype(np.int64))


@pytest.fixture
def stack() -> Stack:
    torch.manual_seed(5)
    made = Stack(hidden=16, layers=2, heads=2, intermediate=24, positions=9, epsilon=1e-12)
    with torch.no_grad():
        made.positions.normal_()
    return made


def test_chunks_hold_every_text_once_and_their_padding_changes_nothing() -> None:
    lengths = [3, 300, 0, 5, 3, 120, 41] * 20
    texts = texts_of(lengths, 50)
    pieces, starts = texts.gather(np.arange(len(lengths), dtype=np.int32), 300)
    counts = torch.diff(starts, append=torch.tensor([len(pieces)]))
    chunks = list(iter_chunks(pieces, starts, counts, torch.tensor([BEGIN, PREFIX]), torch.tensor([END])))
    assert sorted(torch.cat([chunk.texts for chunk in chunks]).tolist()) == list(range(len(lengths)))
    for chunk in chunks:
        assert chunk.pieces.numel() <= CHUNK_TOKENS
        for text, row, length in zip(chunk.texts, chunk.pieces, chunk.lengths, strict=True):
            body = texts.pieces[texts.offsets[text] : texts.offsets[text + 1]]
            assert row[:length].tolist() == [BEGIN, PREFIX, *body, END]
            assert not row[length:].any()


def gradients(stack: Stack, inputs: list[torch.Tensor], lengths: list[list[int]]) -> dict[str, torch.Tensor]:
    stack.zero_grad()
    workers = Workers(stack)
    outputs = workers.forward(inputs, [torch.tensor(each) for each in lengths])
    workers.backward(outputs, [torch.ones_like(output) * torch.arange(16) for output in outputs])
    return {name: value.grad.clone() for name, value in stack.named_parameters() if value.grad is not None}


def test_padding_and_cores_do_not_change_gradients(stack: Stack) -> None:
    rows = torch.randn(2, 3, 16)
    together = rows.clone().requires_grad_()
    expected = gradients(stack, [together], [[3, 2]])
    apart = [rows[:1].clone().requires_grad_(), rows[1:, :2].clone().requires_grad_()]
    found = gradients(stack, apart, [[3], [2]])
    assert len(expected) == len(list(stack.parameters()))
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-4, msg=name)
    torch.testing.assert_close(apart[1].grad, together.grad[1:, :2], rtol=1e-4, atol=1e-4)


def test_narrow_products_have_the_gradients_of_wide_ones(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.randn(8, 6, 16)
    exact = gradients(stack, [rows.clone().requires_grad_()], [[6] * 8])
    for is_fused in (True, False):
        monkeypatch.setattr(stack_module, "HAS_FUSED_BIAS", is_fused)
        narrow = gradients(stack, [rows.to(torch.bfloat16).requires_grad_()], [[6] * 8])
        for name, value in narrow.items():
            cosine = torch.nn.functional.cosine_similarity(value.flatten(), exact[name].flatten(), dim=0)
            if not name.endswith("query_key_value.bias"):  # that of the keys is zero but for rounding
                assert cosine > 0.99, (name, is_fused)


def test_copies_compute_with_what_is_seen(stack: Stack) -> None:
    rows, lengths = torch.randn(1, 4, 16), torch.tensor([4])
    plain = Workers(stack).forward([rows], [lengths])[0]
    halved = Workers(stack, lambda state: {name: one / 2 for name, one in state.items()})
    assert not torch.allclose(halved.forward([rows], [lengths])[0], plain)
    torch.testing.assert_close(
        Workers(stack).forward([rows], [lengths])[0], plain
    )  # the weights are as before
