"""Folders that the library watches, as the owner of the page changes them. No gradio."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexer.errors import ReadError
from ui.services.access import Access, unquoted

if TYPE_CHECKING:
    from indexer.library.library import Library
    from indexer.library.watching import WatchedFolder


def folders(library: "Library", access: Access) -> "Sequence[WatchedFolder]":
    """The list; nothing for visitors, as it names folders of the host."""
    return library.watching.folders() if access.is_private else []


def add(library: "Library", access: Access, path: str, collection: str) -> None:
    """Watch a folder of this computer.

    Raises:
        NotOfferedError: a visitor asks.
        ReadError: it is no folder.
    """
    access.require("folder", path)
    cleaned = unquoted(path)
    if not cleaned:
        raise ReadError("Type the path of a folder on this computer.")
    library.watching.add(cleaned, collection)


def change(library: "Library", access: Access, path: str, action: str) -> None:
    """``pause``, ``resume`` or ``remove`` a folder of the list; errors as of ``add``."""
    access.require("folder", path)
    if action == "remove":
        library.watching.remove(path)
    elif action in ("pause", "resume"):
        library.watching.pause(path, is_paused=action == "pause")
