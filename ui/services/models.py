"""Which models a new collection can have. No gradio."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ui.services.access import is_on_disk

if TYPE_CHECKING:
    from indexer.library.library import Library

SHIPPED_COSTS = {
    "builtin": "finds answers in other languages",
    "fast": "about 90 times as fast, finds less across languages",
}
"""What the models that ship are good for, in a few words."""


@dataclass(frozen=True)
class ModelChoice:
    """A model for a new collection, and what it costs in a few words."""

    name: str
    words: str
    is_shipped: bool = False


def model_choices(library: "Library") -> list[ModelChoice]:
    """Models that a new collection can have without anything being fetched, the usual one first."""
    from me5.api.naming import LEAVES, is_api
    from me5.registry import MODELS, SHIPPED

    choices = {name: ModelChoice(name, words) for name, words in SHIPPED_COSTS.items()}
    if is_on_disk(MODELS["small"]):
        choices["small"] = ModelChoice("small", "slower than builtin, finds about as much")
    for known in library.models():
        if known.folder is not None and known.spec is not None:
            layers = known.spec.layers
            words = f"registered here, {layers} layers" if layers else "registered here, as quick as fast"
            choices[known.name] = ModelChoice(known.name, words)
    usual = library.model
    words = f"an API: {LEAVES}" if is_api(usual) else "the model that the app was started with"
    first = choices.pop(usual, ModelChoice(usual, words))
    return [replace(first, is_shipped=first.name in SHIPPED)] + [
        replace(choice, is_shipped=choice.name in SHIPPED) for choice in choices.values()
    ]


def where_texts_go(library: "Library") -> str:
    """A sentence on whether documents of a new collection leave this machine."""
    from me5.api.naming import is_api

    if is_api(library.model):
        return f"Their text is sent to the API of {library.model}: it leaves this machine."
    return "They stay on this machine."
