"""The optimiser of every run: AdamW, where biases and norms do not decay."""

from __future__ import annotations

import torch
from torch import nn

NO_DECAY = ("bias", "LayerNorm.weight", "layer_norm.weight")


def build_optimiser(body: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW over the parameters that are trained."""
    parameters = [(name, parameter) for name, parameter in body.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in parameters if not name.endswith(NO_DECAY)]
    others = [parameter for name, parameter in parameters if name.endswith(NO_DECAY)]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=learning_rate,
        fused=True,  # one pass over the weights instead of ten
    )
