"""A model as an ordinary folder that transformers and sentence-transformers open.

Weights are widened to fp32 under the names of ``transformers``, the tokenizer is unpacked, and what follows
the transformer is written as modules: Pooling, the model's own heads, Normalize, and for a language-neutral
model a Dense layer with bias and Normalize, which is the map (see ``me5.neutral``). The map's own file lies
beside it, from which this package tells that the layer is the map and not one more.
"""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from me5 import atomic
from me5.errors import ExportError
from me5.folders import NEUTRAL_MODULE, FolderFacts, read_folder
from me5.loading import find_model, load_encoder
from me5.modules import DenseLayer
from me5.neutral import map_of
from me5.neutral_map import FILE_NAME, NeutralMap
from me5.packed import tokenizer_file
from me5.prefixes import Role, prefix_of
from me5.spec import ModelSpec

logger = logging.getLogger(__name__)

_POOLING = {"cls": "cls_token", "mean": "mean_tokens", "last": "lasttoken"}
_UNUSED_POOLING = ("max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens")
_SPECIAL_TOKENS = {
    "<s>": ("bos_token", "cls_token"),
    "</s>": ("eos_token", "sep_token"),
    "<pad>": ("pad_token",),
    "<unk>": ("unk_token",),
    "<mask>": ("mask_token",),
    "[CLS]": ("cls_token",),
    "[SEP]": ("sep_token",),
    "[PAD]": ("pad_token",),
    "[UNK]": ("unk_token",),
    "[MASK]": ("mask_token",),
}


def export_model(
    name: str,
    folder: Path,
    *,
    neutral: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> NeutralMap | None:
    """Write a model to a new folder, whole or not at all.

    Args:
        name: see :func:`me5.resolve_spec`.
        folder: made here; its parents, too.
        neutral: with a language-neutral map, estimated where none is kept (see :func:`me5.neutral.map_of`); a
            model that has its own always keeps it.
        on_progress: see :func:`me5.neutral.estimate`.

    Returns:
        The map that the folder applies.

    Raises:
        ExportError: the folder exists, or cannot be written.
        Me5Error: the model cannot be opened.
    """
    if folder.exists() or folder.is_symlink():
        raise ExportError(
            f"{folder} exists. Expected a folder that is still to be made. Choose another, or remove it."
        )
    spec, source = find_model(name)
    facts = read_folder(source)
    own_map = NeutralMap.load(facts.neutral) if facts.neutral else None
    if own_map is None and neutral:
        own_map = map_of(load_encoder(name), on_progress=on_progress)
    try:
        with atomic.replacing_folder(folder) as aside:
            _write_weights(aside, source)
            _write_tokenizer(aside, source, spec, facts)
            _write_modules(aside, spec, facts, own_map)
            _write_json(aside / "config_sentence_transformers.json", _settings(spec, own_map))
            (aside / "README.md").write_text(_card(spec, own_map), encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"{spec.name} cannot be written to {folder} ({error}). Expected a folder with room for the "
            "weights in fp32, 4 bytes for each parameter. Make room, or choose another."
        ) from error
    logger.info("%s is written to %s", spec.name, folder)
    return own_map


def _write_weights(folder: Path, source: Path) -> None:
    """config.json and model.safetensors."""
    from safetensors import SafetensorError

    from me5.engines.torch_engine import load_backbone

    model: Any = load_backbone(source)
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # the disk is full
        raise OSError(str(error)) from error
    mode = (folder / "config.json").stat().st_mode
    for path in folder.glob("*.safetensors"):
        path.chmod(mode)  # the library makes files that only their owner can read


def _write_tokenizer(folder: Path, source: Path, spec: ModelSpec, facts: FolderFacts) -> None:
    tokenizer = tokenizer_file(source)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    limit = min(spec.max_tokens, facts.max_tokens)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": limit, "do_lower_case": False})
    settings = source / "tokenizer_config.json"
    if settings.is_file():
        shutil.copyfile(settings, folder / settings.name)
        return
    added = json.loads(tokenizer.read_text(encoding="utf-8"))["added_tokens"]
    names = {name: token["content"] for token in added for name in _SPECIAL_TOKENS.get(token["content"], ())}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    _write_json(folder / settings.name, {**kind, "model_max_length": limit, **names})


def _write_modules(folder: Path, spec: ModelSpec, facts: FolderFacts, own_map: NeutralMap | None) -> None:
    """modules.json and the folders that it names."""
    from safetensors.numpy import save

    modules = [("Transformer", "")]

    def add(kind: str, name: str | None = None) -> Path:
        path = f"{len(modules)}_{name or kind}"
        modules.append((kind, path))
        (folder / path).mkdir()
        return folder / path

    flags = {f"pooling_mode_{mode}": spec.pooling == pooling for pooling, mode in _POOLING.items()}
    unused = {f"pooling_mode_{mode}": False for mode in _UNUSED_POOLING}
    pooling = {"word_embedding_dimension": facts.hidden_size, **flags, **unused}
    _write_json(add("Pooling") / "config.json", pooling)
    steps = facts.steps[:-1] if facts.steps[-1:] == ("normalize",) else facts.steps
    for step in steps:
        if isinstance(step, DenseLayer):
            dense = add("Dense")
            for part in ("config.json", "model.safetensors"):
                shutil.copyfile(step.weights.parent / part, dense / part)
        else:
            add("Normalize")
    if spec.normalize or own_map is not None:
        add("Normalize")
    if own_map is not None:
        weight_DD, bias_D = own_map.as_dense()
        dense = add("Dense", NEUTRAL_MODULE)
        _write_json(
            dense / "config.json",
            {
                "in_features": spec.dimension,
                "out_features": spec.dimension,
                "bias": True,
                "activation_function": "torch.nn.modules.linear.Identity",
            },
        )
        tensors: dict[str, Any] = {"linear.weight": weight_DD, "linear.bias": bias_D}
        (dense / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))
        add("Normalize")
        own_map.save(folder / FILE_NAME)
    _write_json(
        folder / "modules.json",
        [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, (kind, path) in enumerate(modules)
        ],
    )


def _settings(spec: ModelSpec, own_map: NeutralMap | None) -> dict[str, Any]:
    """The prompts, stated also where they are empty; see :func:`me5.registry.spec_from_folder`."""
    roles = {Role.QUERY: "query", Role.PASSAGE: "passage"}
    prompts = {name: prefix_of(spec, role, spec.default_instruction) for role, name in roles.items()}
    if spec.bitext_prefix is not None:
        prompts["bitext"] = spec.bitext_prefix
    return {
        "prompts": prompts,
        "default_prompt_name": None,
        "similarity_fn_name": "cosine" if spec.normalize or own_map else "dot",
        "instruct_template": spec.instruct_template,
        "default_instruction": spec.default_instruction,
    }


def _card(spec: ModelSpec, own_map: NeutralMap | None) -> str:
    if spec.licence is None:
        front, licence = "", "its licence is not known here"
    else:
        front, licence = f"license: {spec.licence.lower()}\n", f"licence {spec.licence}"
    words = (
        f"Exported by me5-search from `{spec.name}` ({spec.model_id}, revision {spec.revision}; {licence})."
    )
    if own_map is not None:
        words += (
            " A dense layer after the pooling takes the language out of the vectors, so that a question "
            f"finds its answer in any language (map {own_map.digest})."
        )
    query = prefix_of(spec, Role.QUERY, spec.default_instruction)
    prompts = f"The prompt `query` is {query!r}, the prompt `passage` {spec.passage_prefix!r}."
    return f"---\nlibrary_name: sentence-transformers\n{front}---\n{words}\n\n{prompts}\n"


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
