"""``stage: fair``: from the data folder to a folder that ``stage: shrink`` takes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from me5 import atomic
from me5.memory import give_back_memory
from me5.packed import tokenizer_file
from trainer.data.multilingual.corpus import build_corpus
from trainer.data.multilingual.tokenising import kept_pieces
from trainer.errors import ConfigError, TrainingError
from trainer.models.vocabulary import open_tokenizer
from trainer.run.folder import folder_of_its_own
from trainer.run.hooks import Every, LogLoss, WriteMetrics
from trainer.run.optimiser import build_optimiser
from trainer.run.schedule import linear_schedule
from trainer.stages.fair.objective import Objective
from trainer.stages.fair.recipe import FairConfig
from trainer.stages.fair.samplers import make_samplers
from trainer.stages.fair.stack import Workers
from trainer.stages.fair.student import Student, Teacher, Texts, as_4_bits, open_student
from trainer.stages.static.table import adagrad, kind_of_step, position_of

log = logging.getLogger(__name__)

WEIGHT_DECAY = 0.01
MAX_GRADIENT_NORM = 1.0
BETAS = (0.9, 0.98)
LOG_STEPS, SAVE_STEPS = 10, 50
CHECKPOINT = "checkpoint.pt"
NOT_DECISIVE = ("data", "out", "left_out")  # of a recipe, for the weights


@dataclass
class FairState:
    """A run at one step: the student, the Adagrad sums of its rows [V], the optimiser of its layers."""

    student: Student
    squares: torch.Tensor
    optimiser: torch.optim.AdamW
    step: int = 0


def run_fair(config: FairConfig, *, resume: bool) -> Path:
    """Train as the recipe says and return the folder of the model.

    Args:
        config: the recipe.
        resume: go on from where the run in the folder ``config.out`` was saved last.

    Raises:
        TrainerError, Me5Error: the run cannot start.
    """
    out = folder_of_its_own(config.out, resume=resume)
    student = open_student(config.start, config.neutral)
    tokenizer = open_tokenizer(tokenizer_file(student.folder))
    corpus = build_corpus(config)
    pieces = kept_pieces(corpus.texts, tokenizer, config.max_passage_pieces, out / "pieces.npz")
    texts, teacher = Texts(pieces, tokenizer), Teacher(student)
    samplers = make_samplers(corpus, config, partial(teacher.encode, texts), out / "measured.npz")
    objective = Objective(texts, samplers, config, teacher)
    used = dict(corpus.rows_used)
    del corpus  # its texts are a gigabyte or two
    optimiser = build_optimiser(
        student.stack, learning_rate=config.learning_rate, weight_decay=WEIGHT_DECAY, betas=BETAS
    )
    state = FairState(student, torch.zeros(len(student.table)), optimiser)
    if (out / CHECKPOINT).is_file():
        _resume(out / CHECKPOINT, state, objective, config)
    elif config.begin:
        _take_weights(Path(config.begin).expanduser() / CHECKPOINT, state)
    train(state, objective, config, out)
    student.save(out / "model")
    (out / "used.json").write_text(json.dumps(used, indent=2) + "\n", encoding="utf-8")
    return out / "model"


def train(state: FairState, objective: Objective, config: FairConfig, folder: Path) -> None:
    """Go from where the state is to the last step."""
    student = state.student
    workers = Workers(student.stack, as_4_bits if config.heal else dict)

    def save(current: FairState, _: float) -> None:
        _save(folder, current, objective, config)

    hooks: list[Callable[[FairState, float], None]] = [
        Every(LOG_STEPS, LogLoss()),
        WriteMetrics(folder, step=state.step, every=LOG_STEPS),
        Every(SAVE_STEPS, save),
    ]
    while state.step < config.steps:
        kind, generator = kind_of_step(config.mixture, config.seed, state.step)
        give_back_memory()  # every batch has other shapes: what the one before left free may not fit
        drawn = objective.draw(kind, generator)
        passed = student.forward(workers, drawn.parts, learn=True)
        means_BH = passed.means.requires_grad_()
        vectors_BD = student.vectors(means_BH)
        loss, gradient_BD = objective.loss(vectors_BD.detach(), drawn)
        if not np.isfinite(loss):
            raise TrainingError(f"The loss is {loss} at step {state.step}. Lower learning_rate, and resume.")
        vectors_BD.backward(gradient_BD)
        assert means_BH.grad is not None
        used_U, gradient_UH = passed.backward(means_BH.grad)
        _update(state, used_U, gradient_UH, config)
        for hook in hooks:
            hook(state, loss)
    _save(folder, state, objective, config)


def _update(state: FairState, used_U: torch.Tensor, gradient_UH: torch.Tensor, config: FairConfig) -> None:
    share = linear_schedule(
        state.step, warmup_steps=config.warmup_steps, steps=config.steps, final_share=config.final_share
    )
    for group in state.optimiser.param_groups:
        group["lr"] = config.learning_rate * share
    torch.nn.utils.clip_grad_norm_(state.student.stack.parameters(), MAX_GRADIENT_NORM)
    state.optimiser.step()
    state.optimiser.zero_grad(set_to_none=True)
    if config.table_rate:
        adagrad(state.student.table, state.squares, used_U, gradient_UH, config.table_rate * share)
    state.step += 1


def _fingerprint(config: FairConfig) -> str:
    values = {name: item for name, item in dataclasses.asdict(config).items() if name not in NOT_DECISIVE}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _save(folder: Path, state: FairState, objective: Objective, config: FairConfig) -> None:
    saved = {
        "position": position_of(state, objective.samplers, _fingerprint(config)),
        "table": state.student.table,
        "squares": state.squares,
        "stack": state.student.stack.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "targets": objective.targets.vectors_MD,
        "target_texts": torch.from_numpy(objective.targets.texts_M),
    }
    with atomic.replacing(folder / CHECKPOINT) as aside:
        torch.save(saved, aside)


def _resume(path: Path, state: FairState, objective: Objective, config: FairConfig) -> None:
    """Go on with the run that wrote the checkpoint."""
    saved = _take_weights(path, state)
    position = json.loads(saved["position"])
    if position["fingerprint"] != _fingerprint(config):
        raise ConfigError(f"{path} is of another recipe. Choose another folder with out=FOLDER.")
    objective.targets.add(saved["targets"], saved["target_texts"].numpy())
    state.step = position["step"]
    for kind, sampler in objective.samplers.items():
        sampler.restore(position["samplers"][kind])
    log.info("resumed at step %d", state.step)


def _take_weights(path: Path, state: FairState) -> dict[str, Any]:
    """The checkpoint; its weights and what the optimisers remember are in ``state``."""
    if not path.is_file():
        raise ConfigError(f"begin: {path} is missing. Name the folder of an earlier run of this stage.")
    saved: dict[str, Any] = torch.load(path, weights_only=True)
    state.student.table.copy_(saved["table"])
    state.squares.copy_(saved["squares"])
    state.student.stack.load_state_dict(saved["stack"])
    state.optimiser.load_state_dict(saved["optimiser"])
    return saved
