"""me5: text to unit vectors with the multilingual-E5 models. Knows no files, stores or screens.

``me5.load_encoder("builtin").encode(["a question"], me5.Role.QUERY)`` is the whole of it. Names are
imported when first used, so that ``import me5`` stays quick.
"""

from typing import TYPE_CHECKING, Any

from me5.errors import (
    ApiError,
    ContractError,
    EngineError,
    ExportError,
    HubUnreachableError,
    InstructionError,
    Me5Error,
    ModelFormatError,
    ShapeError,
    UnknownModelError,
)

if TYPE_CHECKING:
    from me5.blending import BlendedEncoder, load_blend
    from me5.contract import ModelContract
    from me5.encoder import Encoder
    from me5.export import export_model
    from me5.loading import load_encoder
    from me5.neutral_map import NeutralMap
    from me5.prefixes import Role
    from me5.registry import MODELS, resolve_spec
    from me5.spec import ModelSpec, PublishedScore

_HOMES = {
    "BlendedEncoder": "me5.blending",
    "load_blend": "me5.blending",
    "ModelContract": "me5.contract",
    "Encoder": "me5.encoder",
    "export_model": "me5.export",
    "load_encoder": "me5.loading",
    "NeutralMap": "me5.neutral_map",
    "Role": "me5.prefixes",
    "MODELS": "me5.registry",
    "resolve_spec": "me5.registry",
    "ModelSpec": "me5.spec",
    "PublishedScore": "me5.spec",
}

__all__ = [
    "MODELS",
    "ApiError",
    "BlendedEncoder",
    "ContractError",
    "Encoder",
    "EngineError",
    "ExportError",
    "HubUnreachableError",
    "InstructionError",
    "Me5Error",
    "ModelContract",
    "ModelFormatError",
    "ModelSpec",
    "NeutralMap",
    "PublishedScore",
    "Role",
    "ShapeError",
    "UnknownModelError",
    "export_model",
    "load_blend",
    "load_encoder",
    "resolve_spec",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'me5' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
