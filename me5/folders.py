"""What a model folder says about itself: Hugging Face config plus sentence-transformers files.

Reads json only. Weights are looked at for their hash, never unpickled.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from me5.errors import ModelFormatError
from me5.neutral_map import FILE_NAME as NEUTRAL_FILE
from me5.neutral_map import LANGUAGES_ENDING
from me5.packed import TOKENIZER_FILE, is_packed
from me5.pooling import Pooling

# Pooling flag of sentence-transformers' 1_Pooling/config.json -> our name (ST 6 writes pooling_mode instead).
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_POOLING_NAMES: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last", "last": "last"}
NEUTRAL_MODULE = "Neutral"
"""How the Dense module is called that stands for the map beside it."""

_HASHED = (
    "config.json",
    "tokenizer.json",
    TOKENIZER_FILE,
    "modules.json",
    "config_sentence_transformers.json",
)


@dataclass(frozen=True)
class DenseLayer:
    """A sentence-transformers Dense module that follows pooling."""

    weights: Path
    activation: str


Step = DenseLayer | Literal["normalize"]
"""What is done to a pooled vector."""


@dataclass(frozen=True)
class FolderFacts:
    """The facts of one folder; ``prompts`` as stored, ``name_hint`` where the weights came from.

    ``names`` is what the folder is called, here and where it came from; ``vocabulary`` the number of pieces.

    ``steps`` follow the pooling, in the order of modules.json. ``neutral`` is the language-neutral map that
    belongs to the model, applied after them; a module that stands for the map in other programs is no step.

    ``instructions`` has the keys ``instruct_template`` and ``default_instruction`` of a folder that our
    trainer wrote; it is empty where the folder says nothing.
    """

    model_type: str
    hidden_size: int
    layers: int
    pad_id: int
    max_tokens: int
    pooling: Pooling
    normalize: bool
    dimension: int
    steps: tuple[Step, ...]
    prompts: dict[str, str]
    name_hint: str
    names: tuple[str, ...] = ()
    vocabulary: int = 0
    activation: str = "gelu"
    is_packed: bool = False
    neutral: Path | None = None
    instructions: dict[str, str | None] = field(default_factory=dict)


def read_folder(folder: Path) -> FolderFacts:
    """Read the facts of a model folder.

    Raises:
        ModelFormatError: something needed is missing, damaged, or not supported.
    """
    config = _read_json(folder / "config.json")
    if not list(folder.glob("*.safetensors")):
        pickled = ", ".join(sorted(p.name for p in folder.glob("*.bin"))) or "none"
        raise ModelFormatError(
            f"Model folder {folder} has no safetensors weights (pickled files: {pickled}, which are never "
            "loaded). Expected model.safetensors. Save the model again with transformers `save_pretrained`."
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", TOKENIZER_FILE)):
        raise ModelFormatError(
            f"Model folder {folder} has no tokenizer.json. Expected one beside config.json. "
            "Save a fast tokenizer there with transformers `save_pretrained`."
        )
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"{folder / 'config.json'} lacks a usable {error}. Expected hidden_size and num_hidden_layers. "
            "Copy the config of the original model."
        ) from error
    modules = _modules(folder)
    pooling = _pooling(folder, modules)
    steps = _steps(folder, modules)
    neutral = folder / NEUTRAL_FILE
    return FolderFacts(
        model_type=str(config.get("model_type", "")),
        hidden_size=hidden,
        layers=layers,
        pad_id=int(config.get("pad_token_id") or 0),
        max_tokens=_max_tokens(folder, config),
        pooling=pooling,
        normalize=steps[-1:] == ("normalize",),
        dimension=_dense_dimension(folder, modules) or hidden,
        steps=steps,
        prompts=_prompts(folder),
        name_hint=f"{folder.resolve()} {config.get('_name_or_path', '')}",
        names=_names(folder.resolve(), str(config.get("_name_or_path") or "")),
        vocabulary=int(config.get("vocab_size") or 0),
        activation=str(config.get("hidden_act", "gelu")),
        is_packed=is_packed(config),
        neutral=neutral if neutral.is_file() else None,
        instructions=_instructions(folder),
    )


def _names(folder: Path, origin: str) -> tuple[str, ...]:
    names = [folder.name, origin.rstrip("/").rsplit("/", 1)[-1]]
    if folder.parent.name == "snapshots":  # the cache of the hub: models--OWNER--NAME/snapshots/COMMIT
        names.append(folder.parent.parent.name)
    return tuple(name for name in names if name)


def content_hash(folder: Path) -> str:
    """16 hexadecimal digits of everything that decides the vectors of a folder."""
    digest = hashlib.sha256()
    weights = [path for path in folder.glob("*.safetensors") if not path.name.endswith(LANGUAGES_ENDING)]
    files = [folder / name for name in _HASHED] + sorted(weights)
    files += sorted(folder.glob("[0-9]_*/config.json")) + sorted(folder.glob("[0-9]_*/*.safetensors"))
    for path in files:
        if path.is_file():
            stat = path.stat()
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(_file_hash(path, stat.st_size, stat.st_mtime_ns))
    return digest.hexdigest()[:16]


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, mtime_ns: int) -> bytes:  # the keys notice a change
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(
            f"{path.parent} has no {path.name}. Expected a Hugging Face model folder. "
            "Give the folder that holds config.json, tokenizer.json and model.safetensors."
        ) from error
    except ValueError as error:
        raise ModelFormatError(
            f"{path} is damaged ({error}). Expected JSON. Copy the file from the original model again."
        ) from error


def _read_json_or(path: Path, default: Any) -> Any:
    return _read_json(path) if path.is_file() else default


def _modules(folder: Path) -> list[dict[str, str]]:
    modules: list[dict[str, str]] = _read_json_or(folder / "modules.json", [])
    known = ("Transformer", "Pooling", "Normalize", "Dense")
    unknown = [m["type"] for m in modules if not m["type"].endswith(known)]
    if unknown:
        raise ModelFormatError(
            f"{folder / 'modules.json'} names the modules {unknown}. Expected only {', '.join(known)}. "
            "Use a model made of those."
        )
    return modules


def _pooling(folder: Path, modules: list[dict[str, str]]) -> Pooling:
    for module in modules:
        if module["type"].endswith("Pooling"):
            config = _read_json(folder / module["path"] / "config.json")
            named = _POOLING_NAMES.get(str(config.get("pooling_mode")))
            chosen = [named] if named else [n for flag, n in _POOLING_FLAGS.items() if config.get(flag)]
            others = [f for f, on in config.items() if f.startswith("pooling_mode_") and on is True]
            if len(chosen) != 1 or len(others) > 1:
                raise ModelFormatError(
                    f"{folder / module['path'] / 'config.json'} asks for the pooling "
                    f"{config.get('pooling_mode') or others}. Expected exactly one of mean, cls, last. "
                    "Use a model pooled so."
                )
            return chosen[0]
    return "mean"


def _steps(folder: Path, modules: list[dict[str, str]]) -> tuple[Step, ...]:
    """What modules.json does after pooling; a folder without it is a transformer, normalised."""
    if not modules:
        return ("normalize",)
    names = [module["type"].rsplit(".", 1)[-1] for module in modules]
    start = names.index("Pooling") + 1 if "Pooling" in names else 1
    if (folder / NEUTRAL_FILE).is_file():
        is_map = [module["path"].endswith(f"_{NEUTRAL_MODULE}") for module in modules]
        stop = is_map.index(True) if True in is_map else len(modules)
        modules, names = modules[:stop], names[:stop]
    steps: list[Step] = []
    for name, module in zip(names[start:], modules[start:], strict=True):
        if name == "Dense":
            steps.append(_dense(folder / module["path"]))
        elif name == "Normalize":
            steps.append("normalize")
        else:
            raise ModelFormatError(
                f"{folder / 'modules.json'} has a {name} after the pooling. Expected only Dense and "
                "Normalize there. Use another model."
            )
    return tuple(steps)


def _dense(folder: Path) -> DenseLayer:
    config = _read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    weights = folder / "model.safetensors"
    if activation not in ("Tanh", "Identity") or not weights.is_file():
        raise ModelFormatError(
            f"Dense module {folder} has activation {activation!r} and weights {weights.is_file()}. "
            "Expected Tanh or Identity and model.safetensors. Use another model or convert this one."
        )
    return DenseLayer(weights, activation)


def _dense_dimension(folder: Path, modules: list[dict[str, str]]) -> int | None:
    dense = [m for m in modules if m["type"].endswith("Dense")]
    return int(_read_json(folder / dense[-1]["path"] / "config.json")["out_features"]) if dense else None


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    """The sentence-transformers limit, never above the position table (XLM-R keeps two rows for padding)."""
    rows = int(config.get("max_position_embeddings", 512))
    if config.get("model_type") in ("xlm-roberta", "roberta"):
        rows -= int(config.get("pad_token_id") or 0) + 1
    stated = _read_json_or(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    tokenizer_limit = _read_json_or(folder / "tokenizer_config.json", {}).get("model_max_length")
    limits = [rows] + [int(n) for n in (stated or tokenizer_limit,) if n and n < 1_000_000]
    return min(limits)


def _prompts(folder: Path) -> dict[str, str]:
    prompts = _read_json_or(folder / "config_sentence_transformers.json", {}).get("prompts") or {}
    return {str(name): str(text) for name, text in prompts.items() if text is not None}


def _instructions(folder: Path) -> dict[str, str | None]:
    config = _read_json_or(folder / "config_sentence_transformers.json", {})
    names = ("instruct_template", "default_instruction")
    return {name: None if config[name] is None else str(config[name]) for name in names if name in config}
