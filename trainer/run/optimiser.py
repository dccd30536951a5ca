"""The optimiser of every run: AdamW, where biases and norms do not decay."""

from __future__ import annotations

import torch
from torch import nn

BETAS = (0.9, 0.999)


def build_optimiser(
    body: nn.Module, *, learning_rate: float, weight_decay: float, betas: tuple[float, float] = BETAS
) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained. Those of one dimension, biases and norms, do not decay."""
    parameters = [parameter for parameter in body.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in parameters if parameter.dim() > 1]
    others = [parameter for parameter in parameters if parameter.dim() <= 1]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=learning_rate,
        betas=betas,
        fused=True,  # one pass over the weights instead of ten
    )
