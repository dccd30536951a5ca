"""Everything that is known of one model, each fact with where it is from, for ``app.py models --show NAME``.

Fetches nothing: of a model of the hub that is not on this computer the facts of the registry are shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from me5.api.naming import BASE_VARIABLE, LEAVES, is_api
from me5.errors import Me5Error, UnknownModelError
from me5.folders import FolderFacts, read_folder, stored_prompts
from me5.hub import cached_model
from me5.known_models import MODELS
from me5.loading import find_on_disk, open_tokenization
from me5.model_table import licence
from me5.modules import DenseLayer
from me5.prefixes import Role, prefix_of
from me5.prompts import StoredPrompts
from me5.registry import is_unregistered_hub_id, resolve_spec, with_stored_words
from me5.runtime import choose_runtime, is_never_fp16
from me5.spec import ModelSpec

NO_FILES = "not on this computer: it is fetched when it is first used"


@dataclass(frozen=True)
class Fact:
    """One thing that is known: what, its value, and where that is from."""

    label: str
    value: str
    source: str


def describe(name: str) -> list[Fact]:
    """The facts of a model by registry name, folder, or hub id that is registered or cached.

    Raises:
        Me5Error: there is no such model, or its folder cannot be read.
    """
    if is_unregistered_hub_id(name) and cached_model(name, None) is None:
        raise UnknownModelError(
            f"Nothing is known of {name!r}: it is not registered, and its files are not on this computer. "
            "Use it once, or give the folder of a copy."
        )
    spec = resolve_spec(name)
    if is_api(name):
        return [*_of_api(spec), *_words(spec, None)]
    folder = spec.path or find_on_disk(spec)
    if folder is None:
        return [*_general(spec, "registry"), *_words(spec, None), Fact("files", NO_FILES, "")]
    if spec.path is None:
        spec = with_stored_words(spec, folder)
    facts = read_folder(folder)
    is_named = spec.name.split("@")[0] in MODELS
    origin = "registry" if is_named else "folder"
    stored = stored_prompts(folder)
    return [
        *_general(spec, origin),
        *_words(spec, stored),
        *_of_folder(spec, folder, facts),
        *_runtime(facts),
    ]


def _of_api(spec: ModelSpec) -> Iterator[Fact]:
    yield Fact("name", spec.name, "")
    yield Fact("address", str(spec.revision), f"{BASE_VARIABLE}, or the provider's own")
    yield Fact("privacy", f"an API: {LEAVES}", "")
    yield Fact("dimension", str(spec.dimension or "as the server answers"), "the name, or the server")
    yield Fact("tokens", f"{spec.max_tokens}, counted in pieces of builtin", "")


def _general(spec: ModelSpec, origin: str) -> Iterator[Fact]:
    yield Fact("name", spec.name, origin)
    yield Fact("model", f"{spec.model_id} at {spec.revision or 'its newest commit'}", origin)
    yield Fact("licence", licence(spec), origin if spec.licence else "")
    dimensions = str(spec.dimension)
    if spec.dimensions or spec.min_dimension is not None:
        dimensions += f"; may be {spec.describe_dimensions()}"
    yield Fact("dimension", dimensions, origin)
    yield Fact("tokens", "no limit" if spec.max_tokens >= 1_000_000 else str(spec.max_tokens), origin)
    yield Fact("pooling", "none: static" if spec.layers == 0 else spec.pooling, origin)
    length = "1" if spec.normalize else f"as the model gives it, compared by {spec.similarity}"
    yield Fact("vector length", length, origin)
    size = "" if spec.parameters is None else f"{spec.parameters / 1e6:.0f}M parameters, "
    yield Fact("size", f"{size}{spec.layers} layers", origin)
    if spec.source:
        yield Fact("facts from", spec.source, "")
    if spec.note:
        yield Fact("note", spec.note, "")


def _words(spec: ModelSpec, stored: StoredPrompts | None) -> Iterator[Fact]:
    """What stands before texts, by task; with the key of a stored prompt where it is from one."""
    labels = {
        Role.QUERY: "before queries",
        Role.PASSAGE: "before passages",
        Role.BITEXT: "before translations",
        Role.STS: "before texts compared",
    }
    for role, label in labels.items():
        words = prefix_of(spec, role, spec.default_instruction)
        key = None if stored is None else stored.keys[role]
        is_stored = key is not None and stored is not None and stored[role] == words
        yield Fact(label, repr(words), f"stored as {key!r}" if is_stored else "registry or rule")
    if spec.title_template is not None:
        yield Fact("before passages with a title", repr(spec.title_template), "prompt of passages")
    if spec.instruct_template is not None:
        yield Fact("instruction", "may be given, for queries", "registry or folder")
    if stored is not None and stored.unused:
        yield Fact("prompts not used", ", ".join(stored.unused), "config_sentence_transformers.json")


def _of_folder(spec: ModelSpec, folder: Path, facts: FolderFacts) -> Iterator[Fact]:
    yield Fact("folder", str(folder), "")
    yield Fact("architecture", facts.model_type or "not stated", "config.json")
    steps = [
        f"Dense to {step.dimension} ({step.activation})" if isinstance(step, DenseLayer) else "Normalize"
        for step in facts.steps
    ]
    yield Fact("after the pooling", ", ".join(steps) or "nothing", "modules.json")
    tokenization = open_tokenization(spec, facts)
    yield Fact("token at the end", tokenization.last_token or "none", "tokenizer.json, registry")
    yield Fact("tokens read here", str(tokenization.max_tokens), "the smallest limit of its files")
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    yield Fact("on disk", f"{total / 1e6:.0f} MB", "")


def _runtime(facts: FolderFacts) -> Iterator[Fact]:
    try:
        choice = choose_runtime(facts)
        words = f"{choice.precision}, {choice.engine} on {choice.device}"
        yield Fact("computed in", words, choice.reason)
    except Me5Error as error:
        yield Fact("computed in", f"cannot run here: {error}", "")
    if is_never_fp16(facts):
        yield Fact("fp16", "never: the architecture overflows in it", "model card of EmbeddingGemma")
