"""The models of a data folder: those with names everywhere, and trained ones that were registered here.

A registered model is a folder ``DATA/models/NAME``. Encoders are opened when first needed and a few are kept,
so that collections of different models can be searched side by side.
"""

import json
import logging
import re
import shutil
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.catalog import CollectionRecord
from indexer.errors import CollectionError, ModelError
from me5 import atomic
from me5.contract import ModelContract
from me5.errors import Me5Error
from me5.neutral import map_of
from me5.neutral_map import NeutralMap

if TYPE_CHECKING:
    from indexer.progress import Progress
    from me5.encoder import Encoder
    from me5.spec import ModelSpec

logger = logging.getLogger(__name__)

KEPT_ENCODERS = 2
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_RESERVED = ("bm25", "product", "model", "hub")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt", "*.h5", "*.msgpack")  # never loaded, so not copied
_PROMPTS = "config_sentence_transformers.json"
_PROMPT_FIELDS = {
    "query": "query_prefix",
    "passage": "passage_prefix",
    "bitext": "bitext_prefix",
    "sts": "sts_prefix",
}
_INSTRUCTION_FIELDS = ("instruct_template", "default_instruction")


@dataclass(frozen=True)
class KnownModel:
    """A model that has a name in a data folder.

    Attributes:
        spec: its facts; None for a registered folder that cannot be read.
        folder: where it lies, if it was registered.
        problem: why it cannot be used; empty when nothing is known against it.
    """

    name: str
    spec: "ModelSpec | None"
    folder: Path | None = None
    problem: str = ""


class ModelFolder:
    """The folder ``DATA/models``; made with the first registration."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str) -> Path | None:
        """The folder of a registered model, or None."""
        folder = self.root / name
        return folder if _NAME.fullmatch(name) and folder.is_dir() else None

    def locate(self, name: str) -> str:
        """What ``me5.load_encoder`` takes for ``name``: an absolute path for folders, else the name."""
        from me5.registry import MODELS, split_dimension

        result = self.find(name)
        if result is None and name not in MODELS and (folder := Path(name).expanduser()).is_dir():
            result = folder.absolute()
        if result is not None:
            return str(result)
        base, dimension = split_dimension(name)
        return name if dimension is None else f"{self.locate(base)}@{dimension}"

    def locate_registered(self, name: str) -> str:
        """The path of a registered model, perhaps with ``@DIMENSION`` behind it; any other name as it is."""
        from me5.registry import split_dimension

        base, dimension = split_dimension(name)
        result = self.find(name) or self.find(base)
        if result is None or dimension is None or result.name == name:
            return name if result is None else str(result)
        return f"{result}@{dimension}"

    def known(self) -> list[KnownModel]:
        """The models of the registry, then the registered ones by name; nothing is loaded or fetched."""
        from me5.registry import MODELS, resolve_spec

        models = [KnownModel(name, spec) for name, spec in MODELS.items()]
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        for folder in folders:
            if self.find(folder.name) is None:
                continue  # half a copy, or not ours
            try:
                spec = replace(resolve_spec(str(folder)), name=folder.name)
                models.append(KnownModel(folder.name, spec, folder))
            except (Me5Error, OSError) as error:
                models.append(KnownModel(folder.name, None, folder, str(error)))
        return models

    def register(
        self,
        folder: Path,
        name: str,
        *,
        prefixes: tuple[str, str] | None = None,
        reserve_bytes: int = 0,
    ) -> Path:
        """Copy a model folder, or the ``model`` folder of a run, to ``DATA/models/NAME``.

        The copy is opened and used once before it gets its name, so whatever has a name works.

        Args:
            folder: of the model, or of the run.
            name: for the copy.
            prefixes: what stands before queries and before passages, where the folder does not say so.
            reserve_bytes: disk that has to stay free.

        Raises:
            ModelError: the name cannot be used or is taken, or the folder is not a model that works.
            DiskFullError: too little disk would stay free.
        """
        from indexer.store.disk import check_reserve
        from me5.registry import resolve_spec

        self._require_free(name)
        source = _model_folder(folder)
        try:
            expected = resolve_spec(str(source), prefixes=prefixes)
        except Me5Error as error:
            raise ModelError(f"{folder} cannot be registered as {name!r}. {error}") from error
        self.root.mkdir(parents=True, exist_ok=True)
        size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        check_reserve(self.root, reserve_bytes, size)
        try:
            with atomic.replacing_folder(self.root / name) as copy:
                ignored = shutil.ignore_patterns(*_PICKLED)
                shutil.copytree(source, copy, ignore=ignored, dirs_exist_ok=True)
                _keep_prompts(copy, expected)
                _try_out(copy, expected.contract)
        except (Me5Error, OSError) as error:
            raise ModelError(
                f"{folder} cannot be registered as {name!r}: {error} Nothing was registered."
            ) from error
        logger.info("%s is registered as %s", folder, name)
        return self.root / name

    def _require_free(self, name: str) -> None:
        from me5.registry import MODELS

        if not _NAME.fullmatch(name) or ".." in name:
            raise ModelError(
                f"The model name {name!r} cannot be used. Expected up to 64 of a-z, 0-9, '.', '_' and '-', "
                "with a letter or digit first. Choose another name."
            )
        if name in MODELS or name in _RESERVED:
            raise ModelError(
                f"The model name {name!r} already means another model. Expected a name of its own. "
                "Choose another name."
            )
        if (self.root / name).exists():
            raise ModelError(
                f"There is a model registered as {name!r} already; collections may depend on it. "
                "Expected a free name. Choose another name."
            )


class NeutralMaps:
    """The language-neutral maps of collections, ``DATA/neutral/DIGEST.safetensors``.

    A collection's contract names the digest of its map, so its vectors stay comparable whatever a later
    version of this program would estimate.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, NeutralMap] = {}

    def apply(self, encoder: "Encoder", progress: "Progress | None" = None) -> "Encoder":
        """The encoder with its map, which is kept from now on."""
        if encoder.neutral is not None:
            return encoder

        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, "sentences", f"preparing {encoder.spec.name} for all languages")

        result = map_of(encoder, on_progress=report)
        path = self._path(result.digest)
        if not path.is_file():
            self.root.mkdir(parents=True, exist_ok=True)
            result.save(path)
        self._known[result.digest] = result
        return encoder.with_neutral(result)

    def restore(self, encoder: "Encoder", contract: str) -> "Encoder":
        """The encoder with the map that a stored contract names, or without one as it says.

        Raises:
            Me5Error: the map is neither the model's own nor kept here.
        """
        stored = ModelContract.from_json(contract)
        encoder, digest = _as_stored(encoder, stored), stored.neutral
        own = None if encoder.neutral is None else encoder.neutral.digest
        if digest == own:
            return encoder
        if digest is None:
            return encoder.with_neutral(None)
        if digest not in self._known:
            self._known[digest] = NeutralMap.load(self._path(digest))
        return encoder.with_neutral(self._known[digest])

    def may_fit(self, encoder: "Encoder", contract: str) -> bool:
        """Whether the contract is of this model, whatever its map; reads no file."""
        stored = ModelContract.from_json(contract)
        return replace(stored, neutral=None) == replace(_as_stored(encoder, stored).contract, neutral=None)

    def _path(self, digest: str) -> Path:
        return self.root / f"{digest}.safetensors"


def _as_stored(encoder: "Encoder", stored: ModelContract) -> "Encoder":
    """The encoder with vectors of length 1 where a collection was made with such."""
    changes_nothing = encoder.contract.normalize or not stored.normalize
    return encoder if changes_nothing or encoder.spec.similarity != "cosine" else encoder.with_unit_length()


class Encoders:
    """Opens models by name and keeps those that were used last. Safe to use from several threads.

    Args:
        folder: where registered models are.
        maps: where the language-neutral maps of collections are.
        default: the model for new collections.
        encoder: an open model that is always kept, instead of ``default``.
        neutral: whether new collections get vectors without their language.
        keep: how many are kept open at least; more are dropped, the longest unused first.
    """

    def __init__(
        self,
        folder: ModelFolder,
        maps: NeutralMaps,
        default: str,
        encoder: "Encoder | None" = None,
        *,
        neutral: bool = True,
        keep: int = KEPT_ENCODERS,
    ) -> None:
        self._folder, self._maps = folder, maps
        self._default, self._given, self._neutral, self._keep = default, encoder, neutral, keep
        self._open: OrderedDict[str, Encoder] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    @property
    def default(self) -> "Encoder":
        """The model for new collections, opened at the first call."""
        return self.for_new()

    def for_new(
        self, name: str | None = None, *, neutral: bool | None = None, progress: "Progress | None" = None
    ) -> "Encoder":
        """A model as a new collection uses it: language-neutral, unless that is turned off.

        Static models gain nothing by it (docs/neutral.md) and stay as they are. The map of a model that does
        not ship is estimated at the first call: seconds for small ones, minutes for large ones.

        Args:
            name: see ``load``; None: the model for new collections.
            neutral: instead of what was chosen for all new collections.
            progress: told how many sentences of the estimate are done.

        Raises:
            Me5Error: there is no such model, it cannot be opened, or a collection cannot hold its vectors.
        """
        if name is None and self._given is not None:
            return self._given
        encoder = self.load(name or self._default)
        if not encoder.spec.normalize:
            encoder = encoder.with_unit_length()
        wanted = self._neutral if neutral is None else neutral
        if not wanted or encoder.spec.layers == 0:
            return encoder
        return self._maps.apply(encoder, progress)

    def load(self, name: str) -> "Encoder":
        """A model by registered name, registry name, folder or hub id.

        Raises:
            Me5Error: there is no such model, or it cannot be opened.
        """
        if self._given is not None and name == self._given.spec.name:
            return self._given
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:  # two searches do not load one model twice; other models are not kept waiting
            result = self._take(name)
            if result is not None:
                return result
            encoder = self._load(name)
            with self._lock:
                self._open[name] = encoder
                while len(self._open) > self._keep:
                    closed, _ = self._open.popitem(last=False)
                    logger.info("model %s is no longer kept open", closed)
            return encoder

    def of(self, collection: CollectionRecord) -> "Encoder":
        """The model that a collection was made with.

        Raises:
            CollectionError: it is gone, or what has its name today is another model.
        """
        result = self._with_contract(collection)
        if result is not None:
            return result
        try:
            encoder = self._maps.restore(self.load(collection.model), collection.contract)
        except Me5Error as error:
            other = self._elsewhere(collection)
            if other is not None:
                return other
            raise CollectionError(
                f"Collection {collection.name!r} was made with the model {collection.model!r}, which cannot "
                f"be opened: {error} Put that model back, or start with --model FOLDER where it is now, or "
                f"have the collection embedded again: use MODEL --collection {collection.name}."
            ) from error
        if encoder.contract.digest == collection.contract_digest:
            return encoder
        other = self._elsewhere(collection)
        if other is not None:
            return other
        raise CollectionError(
            f"Collection {collection.name!r} was made with the model {collection.model!r} (contract "
            f"{collection.contract_digest}); what has that name now is another one (contract "
            f"{encoder.contract.digest}). Vectors of two models cannot be compared. Put the former model "
            f"back, or have the collection embedded again: use {collection.model} --collection "
            f"{collection.name}."
        )

    def is_outdated(self, collection: CollectionRecord) -> bool:
        """Whether the collection is of an earlier version of a model that ships, which is gone with it."""
        from me5.registry import SHIPPED

        if collection.model not in SHIPPED:
            return False
        try:
            self.of(collection)
        except CollectionError:
            return True
        return False

    def _elsewhere(self, collection: CollectionRecord) -> "Encoder | None":
        """The collection's model under another name: it may have moved, or ship as ``fast`` now."""
        from me5.registry import SHIPPED

        for name in dict.fromkeys((self._default, *SHIPPED)):
            if name == collection.model:
                continue
            try:
                encoder = self._maps.restore(self.load(name), collection.contract)
            except Me5Error:
                continue
            if encoder.contract.digest == collection.contract_digest:
                return encoder
        return None

    def _take(self, name: str) -> "Encoder | None":
        with self._lock:
            if name in self._open:
                self._open.move_to_end(name)
            return self._open.get(name)

    def _with_contract(self, collection: CollectionRecord) -> "Encoder | None":
        digest = collection.contract_digest
        if self._given is not None and self._given.contract.digest == digest:
            return self._given
        with self._lock:
            open_ones = list(self._open.items())
        for name, encoder in open_ones:
            if not self._maps.may_fit(encoder, collection.contract):
                continue
            result = self._maps.restore(encoder, collection.contract)
            if result.contract.digest == digest:
                self._take(name)
                return result
        return None

    def _load(self, name: str) -> "Encoder":
        from me5.loading import load_encoder
        from me5.registry import split_dimension

        encoder = load_encoder(self._folder.locate(name))
        if self._folder.find(split_dimension(name)[0]) is not None:
            encoder.spec = replace(encoder.spec, name=name)  # the data folder may move, the name stays
        return encoder


def _model_folder(folder: Path) -> Path:
    """``folder`` itself, or the model in the folder of a run."""
    folder = Path(folder).expanduser()
    for candidate in (folder, folder / "model"):
        if any((candidate / name).is_file() for name in ("config.json", "modules.json")):
            return candidate
    raise ModelError(
        f"{folder} holds no model. Expected a folder with config.json, tokenizer.json and model.safetensors, "
        "or a finished run with one in model/. Give such a folder."
    )


def _keep_prompts(copy: Path, expected: "ModelSpec") -> None:
    """Write down what stands before texts where that was given, or follows from the name of the original."""
    from me5.registry import resolve_spec

    result = resolve_spec(str(copy))
    fields = (*_PROMPT_FIELDS.values(), *_INSTRUCTION_FIELDS)
    if all(getattr(result, field) == getattr(expected, field) for field in fields):
        return
    path = copy / _PROMPTS
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    prompts = {role: getattr(expected, field) for role, field in _PROMPT_FIELDS.items()}
    settings["prompts"] = {role: prompt for role, prompt in prompts.items() if prompt is not None}
    settings |= {field: getattr(expected, field) for field in _INSTRUCTION_FIELDS}
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _try_out(copy: Path, expected: "ModelContract") -> None:
    """Open the copy as it will be opened, and encode with it."""
    import numpy as np

    from me5.loading import load_encoder
    from me5.prefixes import Role

    encoder = load_encoder(str(copy))
    result = replace(encoder.contract, model_id=expected.model_id, revision=expected.revision)
    if result != expected:
        raise ModelError(
            f"The copy would be read differently ({result.to_json()} instead of {expected.to_json()}): "
            "the folder's name decides how it is used, and it stores no such settings of its own. Expected "
            f"them in {_PROMPTS}. Store them there and register again."
        )
    for role in Role:
        vectors_ND = encoder.encode(["a ship in the harbour", "Grüße aus Hamburg"], role)
        if not np.isfinite(vectors_ND).all():
            raise ModelError(
                "The model gives vectors that are not finite numbers. Expected unit vectors; perhaps its "
                "training has diverged. Look at the metrics of the run and register an earlier checkpoint."
            )
