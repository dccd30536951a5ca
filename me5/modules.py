"""modules.json of sentence-transformers: what a folder does to a text, step by step.

Known are a Transformer with a Pooling behind it, or a StaticEmbedding; then any number of Dense and
Normalize, which run in the order of the file, each as often as it stands there. Dropout does nothing when a
text is encoded. Everything else is refused by its name, also a class of the same name that is not
sentence-transformers' own: its code is never run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from me5.errors import ModelFormatError
from me5.pooling import Pooling

# Pooling flag of sentence-transformers' 1_Pooling/config.json -> our name (ST 6 writes pooling_mode instead).
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_POOLING_NAMES: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last", "last": "last"}
KNOWN = ("Transformer", "StaticEmbedding", "Pooling", "Dense", "Normalize", "Dropout")
_HOME = "sentence_transformers."
ACTIVATIONS = ("Tanh", "Identity")
"""Of Dense layers."""


@dataclass(frozen=True)
class Module:
    """One entry of modules.json; ``folder`` holds its files."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class DenseLayer:
    """A sentence-transformers Dense module that follows pooling."""

    weights: Path
    activation: str
    dimension: int


Step = DenseLayer | Literal["normalize"]
"""What is done to a pooled vector."""


def read_json(path: Path) -> Any:
    """The content of a json file.

    Raises:
        ModelFormatError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(
            f"{path.parent} has no {path.name}. Expected a Hugging Face model folder. "
            "Give the folder that holds config.json, tokenizer.json and model.safetensors."
        ) from error
    except (ValueError, OSError) as error:
        raise ModelFormatError(
            f"{path} is damaged ({error}). Expected JSON. Copy the file from the original model again."
        ) from error


def read_object(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """The JSON object of a file; empty where an optional file is missing.

    Raises:
        ModelFormatError: it is missing, damaged, or holds something else.
    """
    if optional and not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise ModelFormatError(
            f"{path} holds a {type(content).__name__}. Expected a JSON object. Copy the file from the "
            "original model again."
        )
    return content


def read_modules(folder: Path) -> list[Module]:
    """The modules of a folder in their order; empty where it has no modules.json.

    Raises:
        ModelFormatError: the file is damaged, or a module is none of ``KNOWN``.
    """
    path = folder / "modules.json"
    if not path.is_file():
        return []
    modules = []
    for entry in _entries(path):
        kind, where = str(entry["type"]).rsplit(".", 1)[-1], str(entry["path"])
        if kind not in KNOWN or not str(entry["type"]).startswith(_HOME):
            raise ModelFormatError(
                f"{path} names the module {entry['type']!r}. Known are {', '.join(KNOWN)} of "
                "sentence-transformers. Use a model made of those."
            )
        if Path(where).is_absolute() or ".." in Path(where).parts:
            raise ModelFormatError(
                f"{path} names the folder {where!r} for {kind}. Expected one inside of {folder}. Copy the "
                "model again."
            )
        modules.append(Module(kind, folder / where))
    _require_order(path, [module.kind for module in modules])
    return modules


def read_pooling(modules: list[Module]) -> Pooling:
    """How the states of the tokens become one vector; mean where no module says so.

    Raises:
        ModelFormatError: not exactly one of mean, cls and last, or one that leaves out the prompt.
    """
    for module in modules:
        if module.kind != "Pooling":
            continue
        path = module.folder / "config.json"
        config = read_object(path)
        named = _POOLING_NAMES.get(str(config.get("pooling_mode")))
        chosen = [named] if named else [n for flag, n in _POOLING_FLAGS.items() if config.get(flag)]
        others = [f for f, on in config.items() if f.startswith("pooling_mode_") and on is True]
        if len(chosen) != 1 or len(others) > 1:
            raise ModelFormatError(
                f"{path} asks for the pooling {config.get('pooling_mode') or others}. Expected exactly one "
                "of mean, cls, last. Use a model pooled so."
            )
        if config.get("include_prompt") is False:
            raise ModelFormatError(
                f"{path} leaves the prompt out of the pooling (include_prompt). Expected a model that pools "
                "every token. Use another model."
            )
        return chosen[0]
    return "mean"


def read_steps(modules: list[Module]) -> tuple[Step, ...]:
    """What is done to the pooled vector, in the order of modules.json.

    Raises:
        ModelFormatError: a Dense module cannot be read.
    """
    steps: list[Step] = []
    for module in modules:
        if module.kind == "Dense":
            steps.append(_dense(module.folder))
        elif module.kind == "Normalize":
            steps.append("normalize")
    return tuple(steps)


def _entries(path: Path) -> list[dict[str, Any]]:
    entries = read_json(path)
    fits = isinstance(entries, list) and all(
        isinstance(entry, dict) and {"type", "path"} <= entry.keys() for entry in entries
    )
    if not fits or not entries:
        raise ModelFormatError(
            f"{path} lists no modules. Expected entries with a type and a path. Copy the file from the "
            "original model again."
        )
    return list(entries)


def _require_order(path: Path, kinds: list[str]) -> None:
    """A Transformer and its Pooling, or a StaticEmbedding, and only then Dense and Normalize."""
    kinds = [kind for kind in kinds if kind != "Dropout"]
    start = 2 if kinds[:2] == ["Transformer", "Pooling"] else 1
    if kinds[:2] != ["Transformer", "Pooling"] and kinds[:1] != ["StaticEmbedding"]:
        raise ModelFormatError(
            f"{path} begins with {' and '.join(kinds[:2])}. Expected Transformer and Pooling, or "
            "StaticEmbedding. Use another model."
        )
    for kind in kinds[start:]:
        if kind not in ("Dense", "Normalize"):
            raise ModelFormatError(
                f"{path} has a {kind} after the pooling. Expected only Dense and Normalize there. Use "
                "another model."
            )


def _dense(folder: Path) -> DenseLayer:
    config = read_object(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    weights = folder / "model.safetensors"
    if activation not in ACTIVATIONS:
        raise ModelFormatError(
            f"Dense module {folder} has the activation {activation!r}. Expected one of "
            f"{', '.join(ACTIVATIONS)}. Use another model or convert this one."
        )
    for name in ("module_input_name", "module_output_name"):
        if config.get(name) not in (None, "sentence_embedding"):
            raise ModelFormatError(
                f"Dense module {folder} works on {config[name]!r}. Expected the pooled vector. Use another "
                "model."
            )
    if not weights.is_file():
        raise ModelFormatError(
            f"Dense module {folder} has no model.safetensors. Fetch or copy the model again, with the "
            "folders that modules.json names."
        )
    try:
        return DenseLayer(weights, activation, int(config["out_features"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"{folder / 'config.json'} has no usable out_features. Copy the file from the original "
            "model again."
        ) from error
