"""What decays: matrices, whatever they are called."""

import torch
from torch import nn

from trainer.run.optimiser import build_optimiser


class Named(nn.Module):
    """Norms by the names of BERT, ModernBERT and Gemma, a matrix, a table, and a bias that stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.LayerNorm, self.final_norm, self.layer_norm = (nn.LayerNorm(4) for _ in range(3))
        self.input_layernorm = nn.RMSNorm(4)
        self.dense, self.words = nn.Linear(4, 4), nn.Embedding(7, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(requires_grad=False)


def test_norms_and_biases_do_not_decay() -> None:
    model = Named()
    decayed, others = build_optimiser(model, learning_rate=0.1, weight_decay=0.01).param_groups
    assert decayed["weight_decay"] == 0.01 and others["weight_decay"] == 0.0
    assert {id(one) for one in decayed["params"]} == {id(model.dense.weight), id(model.words.weight)}
    assert len(others["params"]) == 8  # three norms with a bias, one without, and the bias of the matrix
    trained = {id(one) for group in (decayed, others) for one in group["params"]}
    assert trained.isdisjoint({id(one) for one in model.frozen.parameters()})
    assert isinstance(decayed["params"][0], torch.nn.Parameter)
