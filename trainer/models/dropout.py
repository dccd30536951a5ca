"""Dropout on the processor at a fifth of its cost, in layers and in attention.

PyTorch draws a random number of its own for every value, which took a fifth of a training step at the shape
of mE5-small. Here a draw of 64 bits decides for four values, so probabilities are multiples of 1/65,536. The
bits are those of PyTorch's generator: a replayed state (``trainer.losses.gradcache``) drops the same values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ATTENTION = "me5_training"  # the name under which transformers finds ``attention``
_STEPS = 1 << 16  # a value is kept or dropped by 16 bits


class FastDropout(nn.Dropout):
    """``nn.Dropout``; float32 on the processor takes its random numbers four at a time."""

    def forward(self, input: Tensor) -> Tensor:  # the name that callers may use
        """Of any shape, to the same shape."""
        if not self.training or not _is_fast(input, self.p):
            return super().forward(input)
        kept, scale = kept_values(input, self.p)
        return input * kept.mul_(scale)


def kept_values(like: Tensor, dropped_share: float) -> tuple[Tensor, float]:
    """1 where a value is kept and 0 where it is dropped, and what makes up for the loss.

    Args:
        like: a tensor on the processor; the answer has its shape, in float32.
        dropped_share: in (0, 1), taken as the nearest multiple of 1/65,536 between the two.
    """
    dropped = min(max(round(dropped_share * _STEPS), 1), _STEPS - 1)
    count = like.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    kept = torch.empty(count)
    torch.ge(bits, dropped - _STEPS // 2, out=kept)
    return kept.view(like.shape), _STEPS / (_STEPS - dropped)


def attention(  # noqa: PLR0917  # the interface of transformers
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention with dropout of the weights, in the interface of transformers.

    What this is not made for goes to PyTorch's own: no dropout, narrower types, accelerators, causal masks.

    Args:
        module: the layer that asks.
        query, key, value: [B, heads, T, d].
        attention_mask: true where a key may be seen, [B, 1, T or 1, T]; None where all may.
        dropout: share of the weights.
        scaling: of the products; None takes 1/√d.
        options: of other attention functions.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    is_plain = (
        key.shape == query.shape
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and not options.get("is_causal", getattr(module, "is_causal", True))
        and options.get("position_bias") is None
    )
    if not is_plain or not _is_fast(query, dropout):
        result: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
        return result
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores_BHTT = (query * scale) @ key.transpose(2, 3)
    if attention_mask is not None:
        hidden = torch.zeros(attention_mask.shape).masked_fill_(~attention_mask, -torch.inf)
        scores_BHTT += hidden
    weights_BHTT = scores_BHTT.softmax(dim=-1)
    kept_BHTT, makes_up = kept_values(weights_BHTT, dropout)
    attended = (weights_BHTT * kept_BHTT) @ (value * makes_up)
    return attended.transpose(1, 2).contiguous(), None


def take_attention(body: nn.Module) -> None:
    """Let a transformers model, or one within an adapter, use ``attention`` in place of PyTorch's."""
    from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    for module in body.modules():
        if isinstance(module, PreTrainedModel) and module.config._attn_implementation == "sdpa":
            module.set_attn_implementation(ATTENTION)


def _is_fast(values: Tensor, dropped_share: float) -> bool:
    on_processor = values.device.type == "cpu" and values.dtype == torch.float32
    return on_processor and 0.0 < dropped_share < 1.0 and not torch.is_autocast_enabled("cpu")
