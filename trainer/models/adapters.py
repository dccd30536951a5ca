"""LoRA: train small matrices beside the weights of a model, and merge them when it is saved.

Needs the package ``peft`` (extra ``lora``), which puts the matrices into the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer.errors import ConfigError
from trainer.models.start import LoraSettings

ADAPTER = "default"  # the name that peft gives to the only adapter


class AdaptedBody(nn.Module):
    """A body whose weights are frozen and whose layers have adapters.

    To an optimiser and to a checkpoint it consists of the adapters alone: ``parameters`` and ``state_dict``
    leave the frozen weights out, which come from the base model again when a run is resumed.

    Args:
        body: is changed in place.
        settings: rank, scale and layers.
        seed: of the matrices A; the matrices B start at zero, so nothing changes before the first step.

    Raises:
        ConfigError: peft is missing, or no layer has such a name.
    """

    def __init__(self, body: nn.Module, settings: LoraSettings, *, seed: int) -> None:
        super().__init__()
        peft = _require_peft()
        config = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=_target_names(body, settings.targets),
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body: Any = peft.inject_adapter_in_model(config, body)

    @property
    def config(self) -> Any:
        """That of the body."""
        return self.body.config

    def forward(self, **inputs: Tensor) -> Any:
        """What the body gives, adapters included."""
        return self.body(**inputs)

    def named_parameters(self, *args: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Those that learn."""
        for name, parameter in super().named_parameters(*args, **options):
            if parameter.requires_grad:
                yield name, parameter

    def state_dict(self, *args: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]  # overloads
        """The adapters."""
        state: dict[str, Any] = super().state_dict(*args, **options)
        return {name: tensor for name, tensor in state.items() if ".lora_" in name}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Put adapters back; ``state_dict`` must hold exactly these."""
        expected = self.state_dict().keys()
        if strict and state_dict.keys() != expected:
            differing = sorted(state_dict.keys() ^ expected)
            raise ConfigError(
                f"The adapters differ in {differing[0]!r} and {len(differing) - 1} more. Expected those of "
                "start.lora. Take the recipe of that run."
            )
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def save_pretrained(self, folder: Path) -> None:
        """Write an ordinary model: adapters are added to copies of the weights, which stay as they are."""
        self.body.save_pretrained(folder, state_dict=self.merged_state())

    @torch.no_grad()
    def merged_state(self) -> dict[str, Tensor]:
        """The weights of the body with the adapters added, under the names of the body without adapters."""
        layers = {
            name: module
            for name, module in self.body.named_modules()
            if hasattr(module, "base_layer") and hasattr(module, "get_delta_weight")
        }
        merged = {}
        for name, tensor in self.body.state_dict().items():
            if ".lora_" in name:
                continue
            plain = name.replace(".base_layer.", ".")
            module, _, kind = plain.rpartition(".")
            is_adapted = module in layers and kind == "weight"
            merged[plain] = tensor + layers[module].get_delta_weight(ADAPTER) if is_adapted else tensor
        return merged


def _target_names(body: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers that a recipe means."""
    names = [name for name, module in body.named_modules() if isinstance(module, nn.Linear)]
    for target in targets:
        if not any(_ends(name, target) for name in names):
            raise ConfigError(
                f"start.lora.targets: no linear layer is named {target!r}. Expected ends of names such as "
                f"{', '.join(names[:3]) or 'none, the model has no layers'}. Correct the recipe."
            )
    if not names:
        raise ConfigError(
            "start.lora: the model has no linear layer. Expected a transformer. Train it without start.lora."
        )
    return [name for name in names if not targets or any(_ends(name, target) for target in targets)]


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _require_peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            f"start.lora needs the package peft, which cannot be imported ({error}). Expected the extra "
            "`lora`. Install it with: pip install -c constraints.txt '.[lora]', or leave start.lora out."
        ) from error
    return peft
