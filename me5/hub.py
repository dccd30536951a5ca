"""Fetching models from the hub: safetensors, json and nothing that could run."""

import logging
from pathlib import Path

from me5.errors import HubUnreachableError, ModelFormatError, UnknownModelError
from me5.modules import read_modules

logger = logging.getLogger(__name__)

_ALLOWED = ["*.json", "model*.safetensors", "[0-9]*_*/model*.safetensors"]
"""Also the weights of modules: LaBSE's Dense layer, the table of a StaticEmbedding."""
_IGNORED = ["onnx/*", "openvino/*", "*/onnx/*", "checkpoint*/*"]


def cached_model(model_id: str, revision: str | None) -> Path | None:
    """The folder of a hub model on this computer, or None; asks no network."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                model_id,
                revision=revision,
                allow_patterns=_ALLOWED,
                ignore_patterns=_IGNORED,
                local_files_only=True,
            )
        )
    except Exception as error:  # noqa: BLE001  # whatever the cache lacks, asking the hub decides
        logger.debug("%s is not in the cache: %s", model_id, error)
        return None
    return folder if _is_whole(folder) else None


def _is_whole(folder: Path) -> bool:
    """Whether the weights are there, also those of the modules that have some."""
    try:
        modules = read_modules(folder)
    except ModelFormatError:
        return bool(list(folder.rglob("*.safetensors")))  # what is wrong with it is said when it is opened
    body = modules[0].folder if modules else folder
    dense = [module.folder for module in modules if module.kind == "Dense"]
    return all(list(place.glob("*.safetensors")) for place in (body, *dense))


def fetch_model(model_id: str, revision: str | None) -> Path:
    """The folder of a hub model, from the local cache when it is there.

    Raises:
        UnknownModelError: the hub answers that there is no such model or revision.
        HubUnreachableError: the model is not in the cache and the hub does not answer.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    cached = cached_model(model_id, revision)
    if cached is not None:
        return cached
    logger.info("fetching %s at %s", model_id, revision or "its newest revision")
    try:
        return Path(
            snapshot_download(model_id, revision=revision, allow_patterns=_ALLOWED, ignore_patterns=_IGNORED)
        )
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UnknownModelError(
            f"The hub has no model {model_id!r} at revision {revision or 'main'!r}, and no folder has that "
            "name. Check the spelling, or use 'builtin'."
        ) from error
    except Exception as error:  # every transport has its own errors; all mean the same here
        raise HubUnreachableError(
            f"Model {model_id!r} is not on this computer and the model hub cannot be reached "
            f"({type(error).__name__}). Expected a network connection or a copy of the model. Use 'builtin', "
            "which needs no network, or give the folder of a local copy."
        ) from error
