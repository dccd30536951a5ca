"""What a model folder says about itself: Hugging Face config plus sentence-transformers files.

Reads json only. Weights are looked at for their hash, never unpickled.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from me5.errors import ModelFormatError
from me5.modules import Module, Step, read_modules, read_object, read_pooling, read_steps
from me5.neutral_map import FILE_NAME as NEUTRAL_FILE
from me5.neutral_map import LANGUAGES_ENDING
from me5.packed import TOKENIZER_FILE, is_packed
from me5.pooling import Pooling
from me5.prompts import StoredPrompts, find_prompts
from me5.spec import Similarity
from me5.weights import StoredTensors

NEUTRAL_MODULE = "Neutral"
"""How the Dense module is called that stands for the map beside it."""

_HASHED = (
    "config.json",
    "tokenizer.json",
    TOKENIZER_FILE,
    "modules.json",
    "config_sentence_transformers.json",
)


STATIC = "static"
"""The architecture of folders that are nothing but one row a piece: StaticEmbedding and model2vec."""
STATIC_TABLES = ("embedding.weight", "embeddings")
"""How sentence-transformers and model2vec name the rows."""
NO_LIMIT = 1_000_000
"""Tokens that are read of a text where nothing else limits them."""
MODEL2VEC_TOKENS = 512
"""The limit of model2vec's ``StaticModel.encode``."""


@dataclass(frozen=True)
class FolderFacts:
    """The facts of one folder; ``prompts`` as stored, ``name_hint`` where the weights came from.

    ``names`` is what the folder is called, here and where it came from; ``vocabulary`` the number of pieces.

    ``body`` holds config, weights and tokenizer; it is the folder itself where modules.json names no other.

    ``steps`` follow the pooling, in the order of modules.json. ``neutral`` is the language-neutral map that
    belongs to the model, applied after them; a module that stands for the map in other programs is no step.

    ``instructions`` has the keys ``instruct_template`` and ``default_instruction`` of a folder that our
    trainer wrote; it is empty where the folder says nothing. ``default_prompt`` names one of ``prompts``.

    ``drops_unknown`` says that pieces which are not in the vocabulary are left out, as model2vec does;
    ``lower_case`` that texts are read in lower case; ``adds_end`` is the token that tokenizer_config.json
    wants at the end of a text. ``peculiarity`` is what only transformers computes of a model with rotary
    positions; empty where there is none.
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
    body: Path = Path()
    names: tuple[str, ...] = ()
    vocabulary: int = 0
    activation: str = "gelu"
    is_packed: bool = False
    neutral: Path | None = None
    instructions: dict[str, str | None] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: Similarity = "cosine"
    lower_case: bool = False
    drops_unknown: bool = False
    adds_end: str | None = None
    peculiarity: str = ""

    @property
    def is_static(self) -> bool:
        """Whether no layer follows the rows of the pieces."""
        return self.model_type == STATIC or (self.layers == 0 and self.model_type == "bert")


def read_folder(folder: Path) -> FolderFacts:
    """Read the facts of a model folder.

    Raises:
        ModelFormatError: something needed is missing, damaged, or not supported.
    """
    modules = read_modules(folder)
    body = modules[0].folder if modules else folder
    is_static = bool(modules) and modules[0].kind == "StaticEmbedding"
    config = read_object(body / "config.json", optional=is_static)
    is_static = is_static or _is_model2vec(config)
    _require_files(body)
    steps = _steps(folder, modules)
    neutral = folder / NEUTRAL_FILE
    common = FolderFacts(
        model_type=STATIC if is_static else str(config.get("model_type", "")),
        hidden_size=0,
        layers=0,
        pad_id=int(config.get("pad_token_id") or 0),
        max_tokens=0,
        pooling=read_pooling(modules),
        normalize=steps[-1:] == ("normalize",),
        dimension=0,
        steps=steps,
        name_hint=f"{folder.resolve()} {config.get('_name_or_path', '')}",
        body=body,
        names=_names(folder.resolve(), str(config.get("_name_or_path") or "")),
        activation=str(config.get("hidden_act") or config.get("hidden_activation") or "gelu"),
        peculiarity=_peculiarity(config),
        is_packed=is_packed(config),
        neutral=neutral if neutral.is_file() else None,
        **_settings(folder),
    )
    facts = _static(common, config, modules) if is_static else _transformer(common, config)
    dense = [step.dimension for step in facts.steps if step != "normalize"]
    return replace(facts, dimension=dense[-1] if dense else facts.hidden_size)


def _transformer(common: FolderFacts, config: dict[str, Any]) -> FolderFacts:
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFormatError(
            f"{common.body / 'config.json'} lacks a usable {error}. Expected hidden_size and "
            "num_hidden_layers. Copy the config of the original model."
        ) from error
    return replace(
        common,
        hidden_size=hidden,
        layers=layers,
        max_tokens=_max_tokens(common.body, config),
        vocabulary=int(config.get("vocab_size") or 0),
        lower_case=bool(_sentence_config(common.body).get("do_lower_case")),
        adds_end=_adds_end(common.body),
    )


def _static(common: FolderFacts, config: dict[str, Any], modules: list[Module]) -> FolderFacts:
    """One row a piece, and no special tokens. A model2vec folder without modules.json says itself whether its
    vectors have unit length.
    """
    tensors = StoredTensors(common.body)
    name = static_table(tensors)
    by_model2vec = _is_model2vec(config)
    steps = common.steps
    if not modules:
        steps = ("normalize",) if config.get("normalize") else ()
    rows, width = tensors.shape(name)
    return replace(
        common,
        hidden_size=width,
        vocabulary=rows,
        max_tokens=MODEL2VEC_TOKENS if by_model2vec else NO_LIMIT,
        drops_unknown=by_model2vec,
        steps=steps,
        normalize=steps[-1:] == ("normalize",),
    )


def static_table(tensors: StoredTensors) -> str:
    """The name of the matrix of a static model.

    Raises:
        ModelFormatError: the folder has none.
    """
    for name in STATIC_TABLES:
        if name in tensors and len(tensors.shape(name)) == 2:
            return name
    raise ModelFormatError(
        f"The weights in {tensors.folder} hold no table of pieces. Expected a matrix called "
        f"{' or '.join(STATIC_TABLES)}. Copy the folder from the original model again."
    )


def _is_model2vec(config: dict[str, Any]) -> bool:
    return config.get("model_type") == "model2vec" or "StaticModel" in (config.get("architectures") or ())


def _require_files(body: Path) -> None:
    if not list(body.glob("*.safetensors")):
        pickled = ", ".join(sorted(p.name for p in body.glob("*.bin"))) or "none"
        raise ModelFormatError(
            f"Model folder {body} has no safetensors weights (pickled files: {pickled}, which are never "
            "loaded). Expected model.safetensors. Save the model again with transformers `save_pretrained`."
        )
    if not any((body / name).is_file() for name in ("tokenizer.json", TOKENIZER_FILE)):
        raise ModelFormatError(
            f"Model folder {body} has no tokenizer.json. Expected one beside the weights. "
            "Save a fast tokenizer there with transformers `save_pretrained`."
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
    files += sorted(folder.glob("[0-9]_*/tokenizer.json"))
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


def _steps(folder: Path, modules: list[Module]) -> tuple[Step, ...]:
    """What modules.json does after pooling; a folder without it is a transformer, normalised."""
    if not modules:
        return ("normalize",)
    if (folder / NEUTRAL_FILE).is_file():
        is_map = [module.folder.name.endswith(f"_{NEUTRAL_MODULE}") for module in modules]
        modules = modules[: is_map.index(True)] if True in is_map else modules
    return read_steps(modules)


def _max_tokens(body: Path, config: dict[str, Any]) -> int:
    """The sentence-transformers limit, never above the position table (XLM-R keeps two rows for padding)."""
    rows = int(config.get("max_position_embeddings", 512))
    if config.get("model_type") in ("xlm-roberta", "roberta"):
        rows -= int(config.get("pad_token_id") or 0) + 1
    stated = _sentence_config(body).get("max_seq_length")
    tokenizer_limit = read_object(body / "tokenizer_config.json", optional=True).get("model_max_length")
    limits = [rows] + [int(n) for n in (stated or tokenizer_limit,) if n and n < NO_LIMIT]
    return min(limits)


def _sentence_config(body: Path) -> dict[str, Any]:
    return read_object(body / "sentence_bert_config.json", optional=True)


def _peculiarity(config: dict[str, Any]) -> str:
    """Positions that are scaled, or scores that are capped, in words."""
    stated = [config.get("rope_scaling"), config.get("rope_parameters")]
    parts = [item for item in stated if isinstance(item, dict)]
    parts += [part for item in parts for part in item.values() if isinstance(part, dict)]
    kinds = {str(part.get("rope_type", part.get("type", "default"))) for part in parts} - {"default"}
    if kinds:
        return f"its positions are of the kind {', '.join(sorted(kinds))}"
    capped = config.get("attn_logit_softcapping")
    return f"its attention scores are capped at {capped}" if capped else ""


def _adds_end(body: Path) -> str | None:
    """The end token that tokenizer_config.json wants added, whether or not tokenizer.json adds it."""
    config = read_object(body / "tokenizer_config.json", optional=True)
    token = config.get("eos_token")
    if isinstance(token, dict):  # an AddedToken
        token = token.get("content")
    return str(token) if config.get("add_eos_token") is True and token else None


def stored_prompts(folder: Path) -> StoredPrompts:
    """The prompts that a folder stores, by role.

    Raises:
        ModelFormatError: config_sentence_transformers.json is damaged.
    """
    settings = _settings(folder)
    return find_prompts(settings["prompts"], settings["default_prompt"])


def _settings(folder: Path) -> dict[str, Any]:
    """What config_sentence_transformers.json says: prompts, and what our trainer writes beside them."""
    config = read_object(folder / "config_sentence_transformers.json", optional=True)
    prompts = config.get("prompts") or {}
    names = ("instruct_template", "default_instruction")
    default = config.get("default_prompt_name")
    return {
        "prompts": {str(name): str(text) for name, text in prompts.items() if text is not None},
        "default_prompt": None if default is None else str(default),
        "similarity": "dot" if config.get("similarity_fn_name") in ("dot", "dot_product") else "cosine",
        "instructions": {
            name: None if config[name] is None else str(config[name]) for name in names if name in config
        },
    }
