"""The one place that chooses engine, device and precision, and says in the log what and why.

Arguments win over the environment (``ME5_ENGINE``, ``ME5_DEVICE``, ``ME5_PRECISION``), which wins over
measurement-based defaults (benchmarks/encode.md).
"""

import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from me5.errors import EngineError
from me5.folders import STATIC, FolderFacts
from me5.openvino_core import cpu_capabilities

logger = logging.getLogger(__name__)

ENGINES = ("auto", "static", "torch", "openvino")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
NEVER_FP16 = ("gemma", "t5gemma", "embedding_gemma")
"""Beginnings of architectures whose states grow beyond what fp16 can hold (EmbeddingGemma's model card)."""
FASTEST = "fastest"
"""Precision of a choice that leaves it to a measurement on this machine, made once."""

OPENVINO_ACTIVATIONS = {
    "gelu": "erf",
    "gelu_python": "erf",
    "gelu_new": "tanh",
    "gelu_fast": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "relu": "relu",
}
"""Activations by their names in transformers, and how OpenVINO computes them; others run in PyTorch."""
ROTARY_ACTIVATIONS = {**OPENVINO_ACTIVATIONS, "silu": "silu", "swish": "silu"}
"""The same for the gated layers of ModernBERT, Gemma and Qwen."""
ROTARY = ("modernbert", "gemma3_text", "qwen3")
"""Architectures with rotary positions that OpenVINO runs; see ``me5.engines.rotary_graph``."""
FASTER_IN_TORCH = ("qwen3",)
"""Those of them that PyTorch runs faster in fp32 (benchmarks/architectures.md)."""
IF_CLOSE = "bf16 if close"
"""Precision of a choice that is fp32, unless bf16 was measured to find the same neighbours."""


@dataclass(frozen=True)
class RuntimeChoice:
    """What runs the model, and why it was chosen; ``otherwise`` instead, where ``IF_CLOSE`` was not close."""

    engine: str
    device: str
    precision: str
    threads: int | None
    reason: str
    otherwise: "RuntimeChoice | None" = None


def choose_runtime(
    facts: FolderFacts,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> RuntimeChoice:
    """Decide what runs a model on this machine.

    Raises:
        EngineError: an unknown name, or a combination that this machine or model cannot run.
    """
    engine = _pick("engine", engine, environ.get("ME5_ENGINE"), ENGINES)
    device = _pick("device", device, environ.get("ME5_DEVICE"), DEVICES)
    precision = _pick("precision", precision, environ.get("ME5_PRECISION"), PRECISIONS)
    if threads is not None and threads < 1:
        raise EngineError(f"threads is {threads}. Expected 1 or more. Leave it out to use every core.")
    choice = _choose(facts, engine, device, precision, threads)
    logger.info("encoding with %s on %s in %s: %s", *_described(choice))
    return choice


def _described(choice: RuntimeChoice) -> tuple[str, str, str, str]:
    return choice.engine, choice.device, choice.precision, choice.reason


def _pick(what: str, argument: str, from_environment: str | None, known: tuple[str, ...]) -> str:
    value = argument if argument != "auto" else (from_environment or "auto")
    if value not in known:
        raise EngineError(
            f"Unknown {what} {value!r}. Expected one of {', '.join(known)}. "
            f"Change the argument or the variable ME5_{what.upper()}."
        )
    return value


def _choose(
    facts: FolderFacts, engine: str, device: str, precision: str, threads: int | None
) -> RuntimeChoice:
    if engine == "static" and not facts.is_static:
        raise EngineError(
            f"Engine 'static' was asked for a {facts.model_type} model of {facts.layers} layers. Expected a "
            "BertModel without layers, or a table of pieces. Use engine 'auto'."
        )
    if facts.model_type == STATIC and (engine not in ("auto", "static") or device not in ("auto", "cpu")):
        raise EngineError(
            f"A table of pieces was asked for with engine {engine!r} on {device!r}. Expected engine 'static' "
            "on the CPU, which is faster than any other for it. Leave engine and device out."
        )
    if engine == "static" or (facts.is_static and engine == "auto" and device in ("auto", "cpu")):
        if precision not in ("auto", "fp32"):
            raise EngineError(f"Engine 'static' computes in fp32, not {precision}. Leave the precision out.")
        return RuntimeChoice("static", "cpu", "fp32", threads, "the model has no layers, numpy is enough")
    if engine == "openvino":
        _require_openvino(facts)
        choice = _openvino(device, precision, threads, "asked for")
        asked_for_none = precision == "auto" and facts.model_type in ROTARY and choice.precision == "bf16"
        return _if_close(choice, replace(choice, precision="fp32")) if asked_for_none else choice
    if engine == "auto" and device in ("auto", "cpu") and precision != "fp16":
        accelerator = _accelerator() if device == "auto" else None
        if accelerator is None and _can_run_openvino(facts):
            if facts.is_packed and precision == "auto":
                reason = "weights of 4 bits lose nothing in 8, so the quickest arithmetic is taken"
                return RuntimeChoice("openvino", "cpu", FASTEST, threads, reason)
            return _on_cpu(facts, precision, threads)
        device = accelerator or "cpu"
    elif device == "auto":
        device = _accelerator() or "cpu"
    return _torch(facts, device, precision, threads)


def _on_cpu(facts: FolderFacts, precision: str, threads: int | None) -> RuntimeChoice:
    """OpenVINO where it is faster. Only mE5's own architectures are known to lose nothing in bf16."""
    if facts.model_type not in ROTARY or precision not in ("auto", "fp32"):
        return _openvino("cpu", precision, threads, "fastest measured on a CPU")
    if facts.model_type in FASTER_IN_TORCH:
        exact = RuntimeChoice("torch", "cpu", "fp32", threads, "faster in fp32 than OpenVINO, as measured")
    else:
        exact = RuntimeChoice("openvino", "cpu", "fp32", threads, "fastest measured on a CPU")
    if precision == "fp32" or "BF16" not in cpu_capabilities():
        return exact
    reason = "OpenVINO, in bf16 where that finds the same neighbours"
    return _if_close(RuntimeChoice("openvino", "cpu", "bf16", threads, reason), exact)


def _if_close(choice: RuntimeChoice, otherwise: RuntimeChoice) -> RuntimeChoice:
    return replace(choice, precision=IF_CLOSE, otherwise=otherwise)


def _openvino(device: str, precision: str, threads: int | None, reason: str) -> RuntimeChoice:
    if importlib.util.find_spec("openvino") is None:
        raise EngineError("Engine 'openvino' is not installed. Install openvino, or use engine 'torch'.")
    if device not in ("auto", "cpu") or precision == "fp16":
        raise EngineError(
            f"Engine 'openvino' was asked for {device} in {precision}. Expected the CPU in fp32, bf16 or "
            "int8. Use engine 'torch'."
        )
    has_bf16 = "BF16" in cpu_capabilities()
    if precision == "bf16" and not has_bf16:
        raise EngineError("This processor has no bf16 units. Use precision 'fp32' or 'auto'.")
    if precision == "auto":
        precision = "bf16" if has_bf16 else "fp32"
        reason += ", the processor has bf16 units" if has_bf16 else ", the processor has no bf16 units"
    return RuntimeChoice("openvino", "cpu", precision, threads, reason)


def is_never_fp16(facts: FolderFacts) -> bool:
    """Whether the model overflows in fp16, as every Gemma does."""
    return facts.model_type.startswith(NEVER_FP16)


def _torch(facts: FolderFacts, device: str, precision: str, threads: int | None) -> RuntimeChoice:
    import torch

    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[device]:
        present = ", ".join(name for name, there in available.items() if there)
        raise EngineError(
            f"Device {device!r} is not available. This machine has: {present}. Use one of them."
        )
    if precision == "int8":
        raise EngineError(
            "Engine 'torch' computes in fp32, bf16 or fp16, not in int8. Use engine 'openvino'."
        )
    if precision == "auto" and device == "cuda":
        without_bf16 = "fp32" if is_never_fp16(facts) else "fp16"
        precision = "bf16" if torch.cuda.is_bf16_supported() else without_bf16
    elif precision == "auto":
        precision = "fp32"
    if precision == "fp16" and is_never_fp16(facts):
        raise EngineError(
            f"A {facts.model_type} model overflows in fp16: its vectors would be wrong. Use 'bf16', 'fp32' "
            "or 'auto'."
        )
    if precision == "fp16" and device == "cpu":
        raise EngineError("fp16 on a CPU is slow and inexact. Use 'bf16' or 'fp32'.")
    reason = {"cpu": "plain PyTorch runs everywhere", "cuda": "a CUDA GPU is present", "mps": "an Apple GPU"}
    return RuntimeChoice("torch", device, precision, threads, reason[device])


def _accelerator() -> str | None:
    """The GPU that torch would use; torch, slow to import, is not asked when it was built without any."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return None
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def _can_run_openvino(facts: FolderFacts) -> bool:
    if facts.model_type in ROTARY:
        supported = facts.activation in ROTARY_ACTIVATIONS and not facts.peculiarity
    else:
        is_encoder = facts.model_type in ("bert", "xlm-roberta") and facts.layers > 0
        supported = is_encoder and facts.activation in OPENVINO_ACTIVATIONS
    return supported and importlib.util.find_spec("openvino") is not None


def _require_openvino(facts: FolderFacts) -> None:
    """Refuse what no graph here can compute."""
    is_known = facts.model_type in ("bert", "xlm-roberta", *ROTARY)
    if is_known and not facts.peculiarity:
        return
    why = facts.peculiarity or f"it is a {facts.model_type}"
    raise EngineError(
        f"The model cannot be run by OpenVINO here: {why}. Expected bert, xlm-roberta, {', '.join(ROTARY)} "
        "as they are usually made. Use engine 'torch'."
    )
