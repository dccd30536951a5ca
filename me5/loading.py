"""From a model's name to an Encoder: find the folder, choose the runtime, open tokenizer and engine."""

import logging
import time
from dataclasses import replace
from pathlib import Path

from me5.encoder import Encoder
from me5.engines import EngineRequest, build_engine
from me5.errors import ModelFormatError
from me5.folders import FolderFacts, read_folder
from me5.heads import load_heads
from me5.registry import resolve_spec
from me5.runtime import choose_runtime
from me5.spec import ModelSpec
from me5.tokenization import Tokenization

logger = logging.getLogger(__name__)


def load_encoder(
    name: str = "builtin",
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Encoder:
    """Open a model by registry name, folder or hub id.

    Args:
        name: see :func:`me5.resolve_spec`.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        engine: ``auto``, ``static``, ``torch`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``; only fp32 is exact to 1e-6.
        threads: processor threads; every core when left out.

    Raises:
        UnknownModelError, HubUnreachableError: the name leads nowhere, or not without a network.
        ModelFormatError: the folder is damaged or does not fit its description.
        EngineError: the machine cannot run what was asked for.
    """
    started = time.perf_counter()
    spec = resolve_spec(name)
    folder = spec.path or _fetch(spec)
    if spec.revision is None:
        spec = replace(spec, revision=folder.name)  # the commit that the hub gave
    facts = read_folder(folder)
    _require_fit(spec, facts, folder)
    choice = choose_runtime(facts, engine=engine, device=device, precision=precision, threads=threads)
    tokenization = Tokenization(
        folder / "tokenizer.json", min(spec.max_tokens, facts.max_tokens), facts.pad_id
    )
    request = EngineRequest(folder, facts, choice, cache_key=spec.contract.digest)
    encoder = Encoder(spec, tokenization, build_engine(request), choice, load_heads(facts.dense))
    logger.info("model %s is open after %.2f s", spec.name, time.perf_counter() - started)
    return encoder


def _fetch(spec: ModelSpec) -> Path:
    from me5.hub import fetch_model

    return fetch_model(spec.model_id, spec.revision)


def _require_fit(spec: ModelSpec, facts: FolderFacts, folder: Path) -> None:
    if (facts.dimension, facts.layers) != (spec.dimension, spec.layers):
        raise ModelFormatError(
            f"{folder} holds a model of {facts.layers} layers and {facts.dimension} dimensions. Expected "
            f"{spec.layers} and {spec.dimension} for {spec.name!r}. Remove the folder and fetch it again."
        )
