"""Folders that lost most of their files at once: an unplugged drive looks like that, and a wrong move too.

Documents of such folders are kept until a person says that the files are gone for good.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from indexer.catalog import Catalog, CollectionRecord, DocumentRecord
from indexer.catalog.records import DocumentPlace
from indexer.ingest.scan import is_missing
from indexer.library.blobs import BlobStore, is_archive

_MIN_LOST = 3
"""Files that make a loss in a folder below a walked one: whoever deletes one or two is not asked."""
_SETTING = "lost_folders"


class LossGuard:
    """Decides which documents of files that have disappeared may be removed.

    A loss is remembered until the files are back or a person is sure: otherwise new files in the same place
    would make it look small.

    Args:
        catalog: looked at now, before an ingest changes it.
        collection: whose documents.
        files: tells uploads from files that were read where they lie.
        walked: the folders that were looked through.
        gone: documents whose files are not there, of which some may turn out to be renamed.
    """

    def __init__(
        self,
        catalog: Catalog,
        collection: CollectionRecord,
        files: BlobStore,
        walked: Sequence[Path],
        gone: Sequence[DocumentRecord],
    ) -> None:
        self._catalog, self._scope, self._files, self._walked = catalog, collection.id, files, walked
        places = catalog.documents.places(collection.id) if walked and gone else []
        known = [file for place in places if (file := file_of(place, files))]
        self._known = [file for file in known if is_below(file, walked)]

    def keep(self, gone: Sequence[DocumentRecord]) -> dict[str, str]:
        """The folder that each document of ``gone`` is kept for, by id; the others may be removed."""
        files = {item.id: file for item in gone if (file := file_of(item, self._files)) and is_missing(file)}
        before = [Path(item) for item in self._catalog.settings.get(_SETTING, scope=self._scope) or ()]
        again = [item for item in before if any(file.is_relative_to(item) for file in files.values())]
        losses = _outermost({*large_losses(files.values(), self._known, self._walked), *again})
        elsewhere = [item for item in before if not is_below(item, self._walked)]
        self._remember({*losses, *elsewhere}, before)
        return {
            document_id: str(loss)
            for document_id, file in files.items()
            for loss in losses
            if file.is_relative_to(loss)
        }

    def forget(self) -> None:
        """A person is sure: what was lost in the walked folders is no longer asked about."""
        before = [Path(item) for item in self._catalog.settings.get(_SETTING, scope=self._scope) or ()]
        self._remember({item for item in before if not is_below(item, self._walked)}, before)

    def _remember(self, losses: set[Path], before: Sequence[Path]) -> None:
        if losses != set(before):
            self._catalog.settings.set(_SETTING, sorted(map(str, losses)), scope=self._scope)


def file_of(document: DocumentPlace | DocumentRecord, files: BlobStore) -> Path | None:
    """The file of a person that the document was read from, or the archive it came out of.

    None where that is not known: for uploads, and for archives that were named by a relative path.
    """
    source = Path(document.source)
    if not files.owns(source):
        return source
    path = Path(document.path)
    archives = [parent for parent in path.parents if is_archive(parent)] if path.is_absolute() else []
    return archives[-1] if archives else None


def large_losses(gone: Iterable[Path], known: Iterable[Path], walked: Sequence[Path]) -> list[Path]:
    """The folders that still stand and lost more than half of their files, without those below them.

    Args:
        gone: files that have disappeared.
        known: files that there were, ``gone`` included.
        walked: the folders that were looked through. Of these any loss of that share counts, below them only
            one of several files.
    """

    @cache
    def above(folder: Path) -> tuple[Path, ...]:
        return (*above(folder.parent), folder) if is_below(folder, walked) else ()

    lost = Counter(folder for file in set(gone) for folder in above(file.parent))
    had = Counter(folder for file in set(known) for folder in above(file.parent)) if lost else Counter()
    return _outermost(
        {
            folder
            for folder, count in lost.items()
            if 2 * count > had[folder] and (folder in walked or count >= _MIN_LOST) and folder.is_dir()
        }
    )


def is_below(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path is one of the folders, or below one."""
    return any(path.is_relative_to(folder) for folder in folders)


def _outermost(folders: set[Path]) -> list[Path]:
    return sorted(folder for folder in folders if not folders.intersection(folder.parents))
