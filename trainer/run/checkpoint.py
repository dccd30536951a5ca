"""Checkpoints: all that a run needs to go on as if it had not stopped.

A checkpoint is a folder ``step-000000500`` with the weights (safetensors), the optimiser, and the step with
the position in the data (json; tensors that belong to it, such as a memory bank, in safetensors). It is
written under another name and renamed when it is whole, so a folder with that name is always complete. The
learning rate and the random numbers are functions of the step and the recipe, and need no state of their own.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from me5 import atomic
from trainer.errors import TrainingError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Position:
    """Where a run stands: steps done, and the place in the data."""

    step: int
    data: Mapping[str, Any]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


class Checkpoints:
    """The checkpoints of one run; the newest ``keep`` stay."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def newest(self) -> Path | None:
        """The last complete checkpoint."""
        return max(self._folder.glob(f"step-{'[0-9]' * 9}"), default=None)

    def name_of(self, step: int) -> str:
        """What the checkpoint of a step is called."""
        return f"step-{step:09d}"

    def save(self, body: nn.Module, optimiser: torch.optim.Optimizer, position: Position) -> None:
        """Write a checkpoint; one that cannot be written leaves the earlier ones as they are.

        Raises:
            TrainingError: the disk is full or cannot be written.
        """
        target = self._folder / self.name_of(position.step)
        atomic.remove_leftovers(self._folder)
        try:
            with atomic.replacing_folder(target, exist_ok=True) as aside:
                self._write(aside, body, optimiser, position)
        except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
            kept = self.newest()
            raise TrainingError(
                f"The checkpoint of step {position.step} cannot be written to {self._folder} ({error}). "
                f"Expected free space and a folder that can be written. Make room, then resume from "
                f"{kept.name if kept else 'the start'} with --resume."
            ) from error
        self._remove_old()

    def load(self, path: Path, body: nn.Module, optimiser: torch.optim.Optimizer) -> Position:
        """Put weights and optimiser back and say where the run stood.

        Raises:
            TrainingError: the checkpoint is damaged or of another model.
        """
        from safetensors.torch import load_file

        try:
            body.load_state_dict(load_file(path / "weights.safetensors"))
            optimiser.load_state_dict(torch.load(path / "optimiser.pt", weights_only=True))
            values = json.loads((path / "position.json").read_text(encoding="utf8"))
            further = path / "tensors.safetensors"
            tensors = load_file(further) if further.is_file() else {}
            return Position(step=values["step"], data=values["data"], tensors=tensors)
        except Exception as error:
            raise TrainingError(
                f"Checkpoint {path} cannot be loaded ({type(error).__name__}: {error}). Expected one of this "
                "run. Remove the folder to go on from the one before."
            ) from error

    def _write(
        self, folder: Path, body: nn.Module, optimiser: torch.optim.Optimizer, position: Position
    ) -> None:
        from safetensors.torch import save_file

        weights = {name: tensor.contiguous() for name, tensor in body.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        torch.save(optimiser.state_dict(), folder / "optimiser.pt")
        if position.tensors:
            save_file(
                {name: item.contiguous() for name, item in position.tensors.items()},
                folder / "tensors.safetensors",
            )
        values = {"step": position.step, "data": position.data}
        (folder / "position.json").write_text(json.dumps(values), encoding="utf8")

    def _remove_old(self) -> None:
        for old in sorted(self._folder.glob(f"step-{'[0-9]' * 9}"))[: -self._keep]:
            shutil.rmtree(old, ignore_errors=True)
