"""Dense layers that some sentence models apply to the pooled vector (LaBSE: one, with tanh)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from me5.errors import ModelFormatError
from me5.folders import DenseLayer


@dataclass(frozen=True)
class Head:
    """activation(x W^T + b); weight [D, H], bias [D]."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: str

    def __call__(self, pooled_BH: NDArray[np.float32]) -> NDArray[np.float32]:
        out_BD = pooled_BH @ self.weight.T + self.bias
        return np.tanh(out_BD) if self.activation == "Tanh" else out_BD


def load_heads(layers: Sequence[DenseLayer]) -> list[Head]:
    """Read the dense layers in order.

    Raises:
        ModelFormatError: a file lacks ``linear.weight``.
    """
    heads = []
    for layer in layers:
        from safetensors.numpy import load_file

        weights = load_file(layer.weights)
        if "linear.weight" not in weights:
            raise ModelFormatError(
                f"{layer.weights} holds {sorted(weights)}. Expected linear.weight. Copy the folder again."
            )
        weight_DH = weights["linear.weight"].astype(np.float32)
        bias_D = weights.get("linear.bias", np.zeros(len(weight_DH))).astype(np.float32)
        heads.append(Head(weight_DH, bias_D, layer.activation))
    return heads
