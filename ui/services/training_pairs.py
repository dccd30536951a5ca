"""Pairs to train on that somebody imported: taken in, checked, kept until they are used. No gradio.

``FOLDER/.drafts/ID`` holds them: a reload, a second window and the next start of the app see the same.
"""

import hashlib
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.text.language import detect_many
from trainer.data.import_pairs import Columns, Intake, take_in
from trainer.data.pairs import Pair
from trainer.errors import DataError
from trainer.run import records
from ui.services.access import Access

if TYPE_CHECKING:
    from indexer.library.library import Library

DRAFTS = ".drafts"
DRAFT_DAYS = 7


@dataclass(frozen=True)
class Draft:
    """Imported pairs: where they are and what was found in them."""

    id: str
    folder: Path
    name: str
    intake: Intake

    @property
    def is_of_collection(self) -> bool:
        """Whether the pairs were made here, not imported."""
        return (self.folder / "collection").exists()

    @property
    def pairs_file(self) -> Path:
        """The usable pairs."""
        return self.folder / "pairs.jsonl"


class Drafts:
    """The imported pairs to one folder of runs.

    Args:
        library: whose collections give pairs.
        folder: of the runs.
        access: what may be named.
    """

    def __init__(self, library: "Library", folder: Path, access: Access) -> None:
        self.library = library
        self.access = access
        self.folder = folder / DRAFTS

    def from_file(self, path: Path) -> Draft:
        """Read and check a file of pairs.

        Raises:
            DataError: it cannot be read as pairs, or holds too few.
        """
        self.access.require("upload", path)
        return _check(self._place(path, path.name), None)

    def from_collection(self, collection: str) -> Draft:
        """Make pairs of the documents of a collection: titles with passages, neighbouring passages.

        Raises:
            DataError: the collection is missing or gives too few.
        """
        from indexer.library.training_pairs import write_pairs

        aside = self.folder / f"collection-{time.time_ns():x}.jsonl"
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_pairs(self.library.catalog, collection, aside)
            folder = self._place(aside, collection)
            (folder / "collection").touch()
            return _check(folder, None)
        finally:
            aside.unlink(missing_ok=True)

    def with_columns(self, draft_id: str, query: str, passage: str) -> Draft:
        """Read a draft again with other columns as the two sides.

        Raises:
            DataError: it is gone, the columns are one, or they hold too few pairs.
        """
        known = self.find(draft_id)
        if known is None or not query or query == passage:
            raise DataError(
                f"The columns '{query}' and '{passage}' cannot be the two sides. Expected two that differ. "
                "Choose two."
            )
        title = known.intake.columns.title
        return _check(known.folder, Columns(query, passage, "" if title in (query, passage) else title))

    def find(self, draft_id: str) -> Draft | None:
        """A draft that was checked before; None when it is gone."""
        folder = self.folder / safe_name(draft_id)
        message = records.read_json(folder / "draft.json")
        if not message:
            return None
        intake = message["intake"]
        intake |= {
            "columns": Columns(**intake["columns"]),
            "available": tuple(intake["available"]),
            "samples": tuple(Pair(**pair) for pair in intake["samples"]),
        }
        return Draft(folder.name, folder, message["name"], Intake(**intake))

    def _place(self, path: Path, name: str) -> Path:
        """Copy a file into a folder named by its content, so that the same file is one draft."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        for folder in self.folder.glob("*"):
            if folder.stat().st_mtime < time.time() - DRAFT_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)
        folder = self.folder / digest
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"source{path.suffix.lower()}")
        (folder / "name.txt").write_text(name, encoding="utf8")
        return folder


def languages_of(texts: Sequence[str]) -> list[str]:
    """The language of each text."""
    return [guess.language for guess in detect_many(texts)]


def safe_name(name: str) -> str:
    """The name without anything that would lead out of its folder."""
    cleaned = Path(str(name)).name
    return "" if cleaned.startswith(".") else cleaned


def _check(folder: Path, columns: Columns | None) -> Draft:
    source = next(folder.glob("source.*"), None)
    if source is None:
        raise DataError("These pairs are no longer there. Expected a file. Choose the file again.")
    name = (folder / "name.txt").read_text(encoding="utf8")
    try:
        intake = take_in(source, folder / "pairs.jsonl", languages_of, columns)
    except DataError as error:
        raise DataError(str(error).replace(f"'{source.name}'", f"'{name}'")) from error
    message = {"name": name, "intake": asdict(intake)}
    records.write_json(folder / "draft.json", message)
    return Draft(folder.name, folder, name, intake)
