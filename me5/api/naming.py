"""Names of models behind an API: ``openai:NAME`` and ``cohere:NAME``, and the words that their texts need.

``openai:`` is any server with an OpenAI-compatible ``/v1/embeddings``. Its address is never part of a name,
so that neither a collection nor an archive of one can send texts anywhere: it is ``ME5_API_BASE``.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from me5.errors import ApiError
from me5.known_models import E5_PREFIXES, SPECS
from me5.prompts import E5_WORD
from me5.spec import ModelSpec

SERVICES = ("openai", "cohere")
BASE_VARIABLE = "ME5_API_BASE"
KEY_VARIABLE = "ME5_API_KEY"
DEFAULT_BASES = {"openai": "https://api.openai.com/v1", "cohere": "https://api.cohere.com/v2"}
OWN_KEYS = {"openai": ("OPENAI_API_KEY",), "cohere": ("COHERE_API_KEY", "CO_API_KEY")}
MAX_TOKENS = 512
"""Pieces of the built-in tokenizer that are sent of a text: Cohere reads no more, others no less."""
LEAVES = "every text is sent to it: it leaves this computer"


def is_api(name: str) -> bool:
    """Whether a name is that of a model behind an API."""
    service, colon, model = name.partition(":")
    return service in SERVICES and bool(colon and model)


def base_address(service: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where a service is asked, without a slash at the end.

    Raises:
        ApiError: ``ME5_API_BASE`` is no address.
    """
    base = (environ.get(BASE_VARIABLE) or DEFAULT_BASES[service]).strip().rstrip("/")
    try:
        parts = urlsplit(base)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        holds_secrets = parts.username is not None or bool(parts.query or parts.fragment)
    except ValueError:
        is_address = holds_secrets = False
    if not is_address or holds_secrets:
        raise ApiError(
            f"The address in {BASE_VARIABLE} (or --api-base) cannot be used. Expected one such as "
            f"http://localhost:11434/v1, without a password; a key belongs in {KEY_VARIABLE}."
        )
    return base


def api_key(service: str, base: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key for an address: a provider's own variable is read for the provider's own address only.

    Raises:
        ApiError: the provider's own address is asked without a key.
    """
    if base != DEFAULT_BASES[service]:
        return environ.get(KEY_VARIABLE) or None
    for variable in (*OWN_KEYS[service], KEY_VARIABLE):
        if environ.get(variable):
            return environ[variable]
    raise ApiError(
        f"{base} wants a key. Put it in the environment variable {OWN_KEYS[service][0]}, or name another "
        "server with --api-base."
    )


def api_spec(name: str, *, dimension: int = 0, prefixes: tuple[str, str] | None = None) -> ModelSpec:
    """The description of a model behind an API; its dimension is 0 until it was asked.

    A served model that is called like a registered one, or like an E5 model, gets the same words before its
    texts: servers add none.
    """
    service, _, model = name.partition(":")
    words: dict[str, Any] = {} if service == "cohere" else _words(model)
    if prefixes is not None:
        words = {"query_prefix": prefixes[0], "passage_prefix": prefixes[1]}
    return ModelSpec(
        name=name,
        model_id=name,
        revision=base_address(service),
        dimension=dimension,
        layers=0,
        max_tokens=MAX_TOKENS,
        note=f"An API at {base_address(service)}: {LEAVES}.",
        source="what the server answers",
        **words,
    )


def _words(served: str) -> dict[str, Any]:
    name = served.lower()
    named = [spec for spec in SPECS if spec.model_id.split("/")[1].lower() in name]
    relative = max(named, key=lambda spec: len(spec.model_id), default=None)
    if relative is None:
        has_e5 = E5_WORD.search(name) is not None and "instruct" not in name
        return dict(E5_PREFIXES) if has_e5 else {}
    fields = ("query_prefix", "passage_prefix", "bitext_prefix", "sts_prefix", "title_template")
    instructions = ("instruct_template", "default_instruction")
    return {field: getattr(relative, field) for field in (*fields, *instructions)}
