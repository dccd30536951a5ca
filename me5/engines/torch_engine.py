"""PyTorch: exact fp32 on any CPU, bf16 or fp16 on GPUs. The other engines are tested against it."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from me5.batching import BatchPolicy
from me5.engines.engine import EngineRequest, TokenIds, pad
from me5.errors import ModelFormatError
from me5.packed import BertWeights, is_packed, plain_config
from me5.pooling import Pooling

if TYPE_CHECKING:
    from torch import Tensor, nn

logger = logging.getLogger(__name__)


class TorchEngine:
    """Runs the ``transformers`` backbone of a folder."""

    def __init__(self, request: EngineRequest) -> None:
        import torch

        choice = request.choice
        if choice.threads is not None:
            torch.set_num_threads(choice.threads)
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[choice.precision]
        self.precision = choice.precision
        self._device = torch.device(choice.device)
        self._model: Any = load_backbone(request.folder).to(device=self._device, dtype=dtype)
        if hasattr(self._model.config, "use_cache"):
            self._model.config.use_cache = False  # no text is continued
        self._pad_id = request.facts.pad_id
        self._pooling = request.facts.pooling
        self.policy = BatchPolicy(4_096, 256) if choice.device == "cpu" else BatchPolicy(65_536, 2_048)

    def run(self, batches: Sequence[TokenIds]) -> Iterator[NDArray[np.float32]]:
        """Pooled vectors [B, H] of each batch, in order."""
        return map(self._pool, batches)

    def _pool(self, ids: TokenIds) -> NDArray[np.float32]:
        import torch

        ids_BT, mask_BT = (torch.from_numpy(a).to(self._device) for a in pad(ids, self._pad_id))
        with torch.inference_mode():
            hidden_BTH = self._model(input_ids=ids_BT, attention_mask=mask_BT).last_hidden_state
            pooled_BH = pool_states(hidden_BTH, mask_BT, self._pooling)
        # .cpu() waits for the device
        return np.ascontiguousarray(pooled_BH.cpu().numpy(), dtype=np.float32)


def pool_states(hidden_BTH: "Tensor", mask_BT: "Tensor", pooling: Pooling) -> "Tensor":
    """The torch twin of ``me5.pooling`` for right-padded batches, accumulated in float32."""
    hidden_BTH = hidden_BTH.float()
    if pooling == "cls":
        return hidden_BTH[:, 0]
    if pooling == "last":
        import torch

        last_B = mask_BT.sum(dim=1) - 1
        return hidden_BTH[torch.arange(hidden_BTH.shape[0], device=hidden_BTH.device), last_B]
    weights_BT1 = mask_BT.unsqueeze(-1).float()
    return (hidden_BTH * weights_BT1).sum(dim=1) / weights_BT1.sum(dim=1)


def load_backbone(folder: Path) -> "nn.Module":
    """The model of a folder in float32, evaluation mode, safetensors only, without remote code.

    Raises:
        ModelFormatError: the weights do not fit the config, or are damaged.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if is_packed(json.loads((folder / "config.json").read_text(encoding="utf-8"))):
        return _unpacked_backbone(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
        if config.model_type in ("bert", "xlm-roberta", "roberta"):
            options["add_pooling_layer"] = False  # unused by every pooling here
        model, info = AutoModel.from_pretrained(folder, config=config, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelFormatError(
            f"The weights in {folder} cannot be loaded ({error}). Expected safetensors that fit config.json. "
            "Copy the folder from the original model again."
        ) from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])[:3]
        raise ModelFormatError(
            f"The weights in {folder} lack {missing}. Expected every tensor that config.json implies. "
            "Copy the folder from the original model again."
        )
    return model.eval()


def _unpacked_backbone(folder: Path) -> "nn.Module":
    """The BertModel that a packed folder stands for."""
    import torch
    from transformers import BertConfig, BertModel

    weights = BertWeights(folder)
    with torch.device("meta"):
        model = BertModel(BertConfig(**plain_config(folder)), add_pooling_layer=False)
    tensors = {name: torch.from_numpy(weights(name).copy()) for name in dict(model.named_parameters())}
    model.to_empty(device="cpu")
    model.load_state_dict(tensors, strict=False)  # position ids are no weights
    positions = model.embeddings.position_ids
    positions.copy_(torch.arange(positions.shape[-1]).expand_as(positions))
    model.embeddings.token_type_ids.zero_()
    return model.eval()
