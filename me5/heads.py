"""What some sentence models do to a pooled vector: dense layers (LaBSE: one, with tanh), unit length."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.modules import DenseLayer, Step
from me5.pooling import l2_normalize

Floats = NDArray[np.float32]
Head = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Dense:
    """activation(x W^T + b); weight [D, H], bias [D]."""

    weight: Floats
    bias: Floats
    activation: str

    def __call__(self, pooled_BH: Floats) -> Floats:
        out_BD = pooled_BH @ self.weight.T + self.bias
        return np.tanh(out_BD) if self.activation == "Tanh" else out_BD


def load_heads(steps: tuple[Step, ...]) -> list[Head]:
    """The steps in order, each ready to be called.

    A last normalisation is left to the encoder, which asks the model's description: a registered model
    without one may lie in a folder that says nothing.

    Raises:
        ModelFormatError: a file lacks ``linear.weight``.
    """
    if steps[-1:] == ("normalize",):
        steps = steps[:-1]
    return [_load_dense(step) if isinstance(step, DenseLayer) else l2_normalize for step in steps]


def _load_dense(layer: DenseLayer) -> Dense:
    from safetensors.numpy import load_file

    weights = load_file(layer.weights)
    if "linear.weight" not in weights:
        raise ModelFormatError(
            f"{layer.weights} holds {sorted(weights)}. Expected linear.weight. Copy the folder again."
        )
    weight_DH = weights["linear.weight"].astype(np.float32)
    bias_D = weights.get("linear.bias", np.zeros(len(weight_DH))).astype(np.float32)
    return Dense(weight_DH, bias_D, layer.activation)
