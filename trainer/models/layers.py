"""The layers that training on a processor spends its time in, computed with less effort.

Products go through oneDNN, which PyTorch keeps for narrower types: on processors for which MKL has no fast
code, AMD's among them, they take half the time in the same float32. And the gradient of an embedding table
is added to the rows that were read; PyTorch makes a gradient of the size of the table, 384 MB for the
vocabulary of XLM-R, in every mini-batch. Gradients are those of PyTorch up to rounding (tested).
Dropout has a file of its own, ``trainer.models.dropout``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainer.models.dropout import FastDropout, take_attention


def use_cpu_kernels(body: nn.Module) -> None:
    """Exchange the layers of a body on the processor; weights, names and hooks stay, and so does the file."""
    for module in body.modules():
        if type(module) is nn.Linear and _has_product():
            module.__class__ = FastLinear
        elif type(module) is nn.Embedding and module.max_norm is None:
            module.__class__ = RowEmbedding
        elif type(module) is nn.Dropout:
            module.__class__ = FastDropout
    take_attention(body)


class FastLinear(nn.Linear):
    """``nn.Linear``; float32 on the processor outside of autocast goes another way."""

    def forward(self, input: Tensor) -> Tensor:  # the name that callers may use
        """[…, in] to […, out]."""
        is_fast = input.dtype == self.weight.dtype == torch.float32 and self.weight.device.type == "cpu"
        if not is_fast or input.numel() == 0 or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        result: Tensor = _LinearFunction.apply(input, self.weight, self.bias)
        return result


class RowEmbedding(nn.Embedding):
    """``nn.Embedding`` that adds its gradient to ``weight.grad`` itself, row by row.

    So ``torch.autograd.grad`` and hooks of the weight do not see it. On accelerators it is an ordinary one.
    """

    def forward(self, input: Tensor) -> Tensor:  # the name that callers may use
        """Ids […] to rows […, H]."""
        if not (self.weight.requires_grad and torch.is_grad_enabled()) or self.weight.device.type != "cpu":
            return super().forward(input)
        result: Tensor = _RowsFunction.apply(self.weight, input, self.padding_idx)
        return result


def _has_product() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ right.T + bias`` by oneDNN."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return result


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(input, weight)
        return _product(input, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_rows = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_rows = _product(gradient, weight.T)
        flat = gradient.reshape(-1, gradient.shape[-1])
        if ctx.needs_input_grad[1]:
            of_weight = _product(flat.T, rows.reshape(-1, rows.shape[-1]).T)
        if ctx.needs_input_grad[2]:
            of_bias = flat.sum(dim=0)
        return of_rows, of_weight, of_bias


class _RowsFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, padding_id: int | None) -> Tensor:
        ctx.weight, ctx.padding_id = weight, padding_id
        ctx.save_for_backward(ids)
        return nn.functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        ids = ctx.saved_tensors[0].reshape(-1)
        rows = gradient.reshape(len(ids), -1)
        if ctx.padding_id is not None:
            is_text = ids != ctx.padding_id
            ids, rows = ids[is_text], rows[is_text]
        weight = ctx.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ids, rows.to(weight.dtype))
        return None, None, None
