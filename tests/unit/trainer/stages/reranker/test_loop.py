"""Steps of a cross-encoder: the gradient does not depend on how the batch is cut; the hardest negatives."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch.nn import functional

from tests.support.rerankers import build_groups, write_reranker_dir
from trainer.data.group_file import GroupFile
from trainer.data.groups import write_groups
from trainer.run.loop import Training
from trainer.run.optimiser import build_optimiser
from trainer.run.processes import Processes
from trainer.run.settings import RuntimeConfig, StepPlan
from trainer.stages.reranker import loop as reranker_loop
from trainer.stages.reranker.group_batches import GroupBatches
from trainer.stages.reranker.loop import ListwiseSteps, backward, hardest, micro_batches, score, tokenize
from trainer.stages.reranker.model import CrossEncoder, load_classifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reranker_dir(tmp_path_factory.mktemp("loop") / "model")


@pytest.fixture
def parts(folder: Path, tmp_path: Path) -> Any:
    def build(budget: int, *, r_drop: float = 0.0, dropout: float = 0.0) -> tuple[Training, ListwiseSteps]:
        write_groups(tmp_path / "groups.jsonl", build_groups(6, negatives=4))
        batches = GroupBatches(
            GroupFile([tmp_path / "groups.jsonl"]), range(6), batch_size=6, passages=9, seed=1
        )
        model = CrossEncoder(folder, load_classifier(folder).double().train())
        for module in model.body.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = dropout
        training = Training(
            model=cast(Any, model),
            optimiser=build_optimiser(model.body, learning_rate=1e-3, weight_decay=0),
            objective=cast(Any, batches),
            processes=Processes("cpu"),
            plan=StepPlan(1, 0, 1e-3, 1.0),
            runtime=RuntimeConfig(device="cpu", mini_batch_tokens=budget),
            seed=1,
        )
        return training, ListwiseSteps(model, batches, 6, 0, r_drop)

    return build


def gradients(training: Training, steps: ListwiseSteps) -> dict[str, torch.Tensor]:
    groups = tokenize(training, steps)
    losses = backward(training, steps, groups)
    found = {name: one.grad for name, one in steps.model.body.named_parameters() if one.grad is not None}
    return found | {"loss": torch.tensor(sum(loss.value for loss in losses) / steps.batch_size)}


@pytest.mark.parametrize("budget", [1, 40, 300, 1_000])
def test_the_gradient_is_that_of_the_whole_batch(parts: Any, budget: int) -> None:
    training, steps = parts(100_000)
    groups = tokenize(training, steps)
    scores_S = score(training, steps.model, [pair for group in groups for pair in group])
    rows = scores_S.split([len(group) for group in groups])
    expected = sum(functional.cross_entropy(row[None], torch.tensor([0])) for row in rows) / len(groups)
    expected.backward()
    found = gradients(*parts(budget))
    assert float(found["loss"]) == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in steps.model.body.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-5, atol=1e-6)
    assert found["bert.encoder.layer.0.output.dense.weight"].abs().max() > 1e-3


def test_dropout_makes_the_readings_of_r_drop_differ(parts: Any) -> None:
    for dropout, differ in ((0.0, False), (0.3, True)):
        training, steps = parts(100_000, r_drop=1.0, dropout=dropout)
        losses = backward(training, steps, tokenize(training, steps))
        assert (sum(loss.r_drop for loss in losses) > 1e-6) is differ


def test_micro_batches_keep_groups_whole_and_within_the_budget(parts: Any) -> None:
    training, steps = parts(100_000)
    groups = tokenize(training, steps)
    for budget in (1, 150, 400, 100_000):
        found = list(micro_batches(groups, budget))
        assert sorted(map(id, groups)) == sorted(id(group) for part in found for group in part)
        for part in found:
            padded = sum(map(len, part)) * max(len(pair) for group in part for pair in group)
            assert len(part) == 1 or padded <= budget
    assert len(list(micro_batches(groups, 1))) == 6 and len(list(micro_batches(groups, 100_000))) == 1


def test_the_hardest_negatives_are_those_with_the_highest_scores(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, steps = parts(100_000)
    steps = ListwiseSteps(steps.model, steps.batches, 6, 3, 0.0)
    group = tokenize(*parts(100_000))[0]
    monkeypatch.setattr(reranker_loop, "score", lambda *_: torch.tensor([0.0, 1.0, 5.0, -1.0, 3.0]))
    assert hardest(training, steps, group) == [group[0], group[2], group[4]]
    assert hardest(training, steps, group[:3]) == group[:3]
    assert steps.model.body.training


def test_scores_keep_the_order_of_the_pairs(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from me5.batching import BatchPolicy

    training, steps = parts(100_000)
    pairs = [pair for group in tokenize(training, steps) for pair in group]
    together = score(training, steps.model, pairs)
    monkeypatch.setattr(reranker_loop, "CPU_POLICY", BatchPolicy(60, 4))
    torch.testing.assert_close(score(training, steps.model, pairs), together, rtol=1e-5, atol=1e-5)
