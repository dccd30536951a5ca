import numpy as np
import pytest
import torch
from torch.testing import assert_close

from trainer.data.multilingual.corpus import Pairs
from trainer.data.multilingual.sampling import PairSampler
from trainer.data.multilingual.tokenising import PieceTable
from trainer.losses.both_ways import distillation, info_nce
from trainer.stages.static.distil import Targets, TeacherSampler, rotation
from trainer.stages.static.recipe import DistillationConfig, StaticOptimConfig
from trainer.stages.static.table import embed, new_state, train_static

COUNT = 40
SETTINGS = DistillationConfig(teacher="", mixture={"teacher": 1.0}, english_share=0.0, alone=0)


def unit(rows, seed, dimension=16):
    values = torch.randn(rows, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(values, dim=1)


def teacher_sampler(settings=SETTINGS, seed=3):
    """Texts 0..COUNT are English and known to the teacher, the rest are their translations."""
    pairs = Pairs()
    for number in range(COUNT):
        pairs.add(number, COUNT + number, "en-xx")
    targets = Targets(np.arange(COUNT, dtype=np.int32), unit(COUNT, 9).numpy().astype(np.float16))
    return TeacherSampler(PairSampler(pairs.arrays(), exponent=1.0, seed=seed), targets, settings, seed)


@pytest.mark.parametrize("cosine_weight", [0.0, 4.0])
def test_gradient_is_that_of_autograd(cosine_weight):
    student = unit(7, 1).requires_grad_()
    teacher = unit(7, 2)
    scores = student @ teacher.T / 0.05
    own = torch.arange(7)
    contrast = torch.nn.functional.cross_entropy(scores, own) / 2
    contrast = contrast + torch.nn.functional.cross_entropy(scores.T, own) / 2
    expected = contrast + cosine_weight * (1 - (student * teacher).sum(1)).mean()
    expected.backward()
    loss, gradient = distillation(student.detach(), teacher, temperature=0.05, cosine_weight=cosine_weight)
    assert loss == pytest.approx(expected.item())
    assert_close(gradient, student.grad)


def test_the_cosine_term_changes_the_gradient():
    student, teacher = unit(5, 1), unit(5, 2)
    _, gradient = distillation(student, teacher, temperature=0.05, cosine_weight=4.0)
    assert not torch.allclose(gradient, info_nce(student, teacher, temperature=0.05).query_gradient)


def test_rotation_finds_the_turn_and_keeps_cosines():
    teacher = unit(200, 4)
    turn = torch.linalg.qr(torch.randn(16, 16, dtype=torch.float64))[0]
    student = teacher @ turn
    found = rotation(student, teacher)
    assert_close(student @ found, teacher)
    assert_close(found @ found.T, torch.eye(16, dtype=torch.float64))


def test_targets_know_which_texts_they_hold():
    targets = Targets(np.array([3, 5, 9], dtype=np.int32), np.eye(3, dtype=np.float16))
    assert targets.known(np.array([5, 4, 99, 3], dtype=np.int32)).tolist() == [True, False, False, True]
    assert_close(targets.of(np.array([9, 3], dtype=np.int32)), torch.eye(3)[[2, 0]])


def test_batches_pair_each_text_with_its_english():
    batch = teacher_sampler().draw(64)
    assert (batch.texts == batch.english + COUNT).all()
    settings = DistillationConfig(teacher="", mixture={"teacher": 1.0}, english_share=0.5, alone=16)
    mixed = teacher_sampler(settings).draw(64)
    assert len(mixed.texts) == 80
    assert ((mixed.texts == mixed.english) | (mixed.texts == mixed.english + COUNT)).all()
    assert 0 < (mixed.texts == mixed.english).mean() < 1


def test_a_restored_sampler_goes_on_from_its_place():
    sampler, other = teacher_sampler(), teacher_sampler(seed=8)
    sampler.draw(16)
    other.restore(sampler.state())
    assert (sampler.draw(16).texts == other.draw(16).texts).all()


def test_training_brings_translations_to_the_teacher():
    pieces = [piece for number in range(2 * COUNT) for piece in (1, 2 + number)]
    table = PieceTable(np.array(pieces, dtype=np.int32), np.arange(0, 4 * COUNT + 1, 2, dtype=np.int64))
    optim = StaticOptimConfig(batch_size=32, steps=80, learning_rate=0.1, matmul_bf16=False)
    state = train_static(
        [table],
        {"teacher": teacher_sampler()},
        {"teacher": 1.0},
        new_state(90, 16, 1),
        optim=optim,
        limits={"teacher": 8},
        seed=5,
    )
    texts = np.arange(COUNT, 2 * COUNT, dtype=np.int32)
    rows = embed(*table.gather(texts, 8), state.embedding)
    cosine = (rows * unit(COUNT, 9).float()).sum(1)
    assert cosine.mean() > 0.8
