"""The way from any name to a ModelSpec: registry name, hub id (``owner/name``), or folder.

The records of registered models are in ``me5.known_models``, the rule for stored prompts in ``me5.prompts``.
"""

import difflib
import hashlib
import logging
import os
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from me5.api.naming import api_spec, is_api
from me5.errors import ModelFormatError, UnknownModelError
from me5.folders import STATIC, FolderFacts, content_hash, read_folder, stored_prompts
from me5.known_models import E5_PREFIXES, MODELS, SHIPPED, SPECS
from me5.neutral_map import NeutralMap
from me5.prefixes import Role
from me5.prompts import E5_WORD, StoredPrompts, adopt, find_prompts, title_template_of
from me5.spec import ModelSpec

logger = logging.getLogger(__name__)

_ME5_SHAPES = (  # architecture, pieces, dimension, layers
    ("bert", 250_037, 384, 12),  # small: the pieces of XLM-R in a BERT
    ("xlm-roberta", 250_002, 768, 12),
    ("xlm-roberta", 250_002, 1024, 24),
)
_HOW_TO_SAY = (
    "If it was trained with others, register it with them: models --register FOLDER NAME --prefix QUERY "
    "PASSAGE (in Python, prefixes=(QUERY, PASSAGE))."
)
_WITH_DIMENSION = re.compile(r"(?P<name>.+)@(?P<dimension>[1-9][0-9]{0,5})", re.DOTALL)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def resolve_spec(name: str, *, prefixes: tuple[str, str] | None = None) -> ModelSpec:
    """The ModelSpec of a registry name, a folder, a hub id, or an API, perhaps with ``@DIMENSION`` behind it.

    Registered models cost nothing; a folder is read and hashed; an unregistered hub id is fetched first.

    Args:
        name: of the model.
        prefixes: what stands before queries and before passages, instead of what the model says; instructions
            are then left out, too.

    Raises:
        UnknownModelError: nothing has that name; the message lists what has.
        ApiError: the address of an API cannot be used.
        ModelFormatError: the folder is not a model, or the model was not trained for that dimension.
        HubUnreachableError: a hub id must be fetched and the hub does not answer.
    """
    result = _registered(name)
    if result is not None:
        return _prefixed(result, prefixes)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return spec_from_folder(folder, prefixes=prefixes)
    base, dimension = split_dimension(name)
    if is_api(base):
        return api_spec(base, dimension=dimension or 0, prefixes=prefixes).called(name)
    if dimension is not None:
        return resolve_spec(base, prefixes=prefixes).with_dimension(dimension)
    for spec in MODELS.values():
        if spec.model_id.lower() == name.lower() and spec.name not in SHIPPED:
            return _prefixed(spec, prefixes)
    if is_unregistered_hub_id(name):
        from me5.hub import fetch_model

        fetched = fetch_model(name, revision=None)
        facts = spec_from_folder(fetched, prefixes=prefixes)
        return replace(facts, name=name, model_id=name, revision=fetched.name)
    raise UnknownModelError(_unknown_message(name))


def split_dimension(name: str) -> tuple[str, int | None]:
    """``NAME@256`` as NAME and 256; any other name as it is, without a dimension."""
    match = _WITH_DIMENSION.fullmatch(name)
    return (name, None) if match is None else (match["name"], int(match["dimension"]))


def is_unregistered_hub_id(name: str) -> bool:
    """Whether a name can only be that of a model on the hub of which nothing is known here."""
    hub_ids = {spec.model_id.lower() for spec in MODELS.values()}
    known = name in MODELS or name.lower() in hub_ids or Path(name).expanduser().is_dir()
    return not known and _HUB_ID.fullmatch(name) is not None


def spec_from_folder(folder: Path, *, prefixes: tuple[str, str] | None = None) -> ModelSpec:
    """Describe a local folder from its own files; the revision is its content hash.

    What stands before the texts is, in this order:

    1. ``prefixes``, where they are given;
    2. the prompts in config_sentence_transformers.json by the rule of ``me5.prompts``, unless those for
       queries and passages are empty, which is how sentence-transformers saves a model that states none; a
       folder of our trainer states its prompts also where they are empty, by naming ``instruct_template``
       beside them;
    3. those of the registered model whose hub name is in the folder's path or in ``_name_or_path`` of
       config.json, if it has the same shape: published E5 folders do not store their prompts; "e5" and
       "instruct" in a name will do for the model that takes instructions;
    4. those of E5, where the name of the folder or ``_name_or_path`` has the word "e5";
    5. those of E5, with a warning, where the folder has the shape of a multilingual E5 model: architecture,
       number of pieces, dimension, layers, mean pooling and unit length (XLM-R has all but the purpose);
    6. nothing, with a warning.
    """
    facts, revision = read_folder(folder), content_hash(folder)
    if _adds_an_end(facts):  # the same files without it give other vectors
        revision = hashlib.sha256(f"{revision} {facts.adds_end}".encode()).hexdigest()[:16]
    relative, stored = _relative_of(facts), find_prompts(facts.prompts, facts.default_prompt)
    query_prefix, passage_prefix = prefixes or _prefixes(facts, stored, relative, folder)
    instructions = facts.instructions or {
        "instruct_template": relative.instruct_template if relative else None,
        "default_instruction": relative.default_instruction if relative else None,
    }
    model_spec = ModelSpec(
        name=str(folder),
        model_id=f"local-{revision[:8]}",  # not the folder's name: moving a folder changes no vector
        revision=revision,
        dimension=facts.dimension,
        layers=facts.layers,
        pooling=facts.pooling,
        normalize=facts.normalize,
        max_tokens=facts.max_tokens,
        query_prefix=query_prefix,
        passage_prefix=passage_prefix,
        bitext_prefix=_task_prefix(Role.BITEXT, facts, stored, relative),
        sts_prefix=_task_prefix(Role.STS, facts, stored, relative),
        title_template=title_template_of(passage_prefix),
        dimensions=relative.dimensions if relative else (),
        min_dimension=relative.min_dimension if relative else None,
        similarity=relative.similarity if relative else facts.similarity,
        end_token=relative.end_token if relative else None,
        instruct_template=instructions.get("instruct_template"),
        default_instruction=instructions.get("default_instruction"),
        languages=relative.languages if relative else (),
        licence=relative.licence if relative else None,
        parameters=relative.parameters if relative else None,
        path=folder.resolve(),
        neutral=_neutral_digest(facts),
        note=relative.note if relative else "",
        source=f"the folder's own files; named like {relative.name}"
        if relative
        else "the folder's own files",
    )
    if relative is not None and prefixes is None and not facts.instructions:
        model_spec = adopt(model_spec, stored)
    return _prefixed(model_spec, prefixes)


def with_stored_words(spec: ModelSpec, folder: Path) -> ModelSpec:
    """A registered model with the prompts that its fetched folder stores, where it stores others."""
    result = adopt(spec, stored_prompts(folder))
    if result != spec:
        _warn_once(f"{spec.name}: the prompts stored in {folder} are used, which are others than known here.")
    return result


def _adds_an_end(facts: FolderFacts) -> bool:
    return facts.pooling == "last" and facts.adds_end is not None


def _registered(name: str) -> ModelSpec | None:
    return _shipped_spec(MODELS[name]) if name in SHIPPED else MODELS.get(name)


def _prefixed(spec: ModelSpec, prefixes: tuple[str, str] | None) -> ModelSpec:
    if prefixes is None:
        return spec
    query, passage = prefixes
    return replace(
        spec,
        query_prefix=query,
        passage_prefix=passage,
        title_template=title_template_of(passage),
        instruct_template=None,
        default_instruction=None,
    )


def _shipped_spec(known: ModelSpec) -> ModelSpec:
    folder = known.path
    if folder is None or not (folder / "config.json").is_file():
        raise ModelFormatError(
            f"The model {known.name!r} is not in {folder}. Install the package again, or name another model "
            "or a local folder."
        )
    facts = read_folder(folder)
    return replace(
        known, revision=content_hash(folder), max_tokens=facts.max_tokens, neutral=_neutral_digest(facts)
    )


def _neutral_digest(facts: FolderFacts) -> str | None:
    return NeutralMap.load(facts.neutral).digest if facts.neutral else None


def _relative_of(facts: FolderFacts) -> ModelSpec | None:
    """The registered model whose hub name occurs in the folder's path or origin; the longest name wins.

    A name with the words "e5" and "instruct" means the model that takes instructions.
    """
    hint = facts.name_hint.lower()
    named = [s for s in SPECS if s.name not in SHIPPED and s.model_id.split("/")[1].lower() in hint]
    if any(E5_WORD.search(name.lower()) and "instruct" in name.lower() for name in facts.names):
        named.append(MODELS["large-instruct"])
    same_shape = [s for s in named if (s.dimension, s.layers) == (facts.dimension, facts.layers)]
    return max(same_shape, key=lambda spec: len(spec.model_id), default=None)


def _prefixes(
    facts: FolderFacts, stored: StoredPrompts, relative: ModelSpec | None, folder: Path
) -> tuple[str, str]:
    """See :func:`spec_from_folder`."""
    if stored.states_search or facts.instructions:
        return stored[Role.QUERY] or "", stored[Role.PASSAGE] or ""
    if relative is not None:
        return relative.query_prefix, relative.passage_prefix
    e5 = E5_PREFIXES["query_prefix"], E5_PREFIXES["passage_prefix"]
    if any(E5_WORD.search(name.lower()) for name in facts.names):
        return e5
    if facts.model_type == STATIC:
        return "", ""
    unused = [key for key in stored.unused if facts.prompts[key]]
    stores = f"the prompts {', '.join(unused)}, none for search" if unused else "no prompts"
    shape = facts.model_type, facts.vocabulary, facts.dimension, facts.layers
    if shape in _ME5_SHAPES and facts.pooling == "mean" and facts.normalize:
        _warn_once(
            f"{folder} stores {stores} and has the shape of a multilingual E5 model: its texts are "
            f"encoded with {e5[0]!r} and {e5[1]!r}. {_HOW_TO_SAY}"
        )
        return e5
    _warn_once(f"{folder} stores {stores}: queries and passages are encoded without a prefix. {_HOW_TO_SAY}")
    return "", ""


@lru_cache(maxsize=64)  # a folder is described again and again
def _warn_once(words: str) -> None:
    logger.warning(words)


def _task_prefix(
    role: Role, facts: FolderFacts, stored: StoredPrompts, relative: ModelSpec | None
) -> str | None:
    """As stored; a plain copy of a registered model has that model's. A model that was trained has None."""
    has_own_words = any(facts.prompts.values()) or facts.instructions
    if stored[role] is not None or has_own_words or relative is None:
        return stored[role]
    return relative.bitext_prefix if role is Role.BITEXT else relative.sts_prefix


def _unknown_message(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), MODELS, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    looks_like_path = name.startswith((".", "~", "/")) or os.sep in name
    what = f"There is no model folder {name!r}." if looks_like_path else f"Unknown model {name!r}."
    return (
        f"{what}{hint} Known models: {', '.join(MODELS)}. "
        "Name one of them, a folder with config.json, or a hub id such as owner/name."
    )
