"""Where the vectors of the library are, and how they come to another place. No gradio."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.errors import StoreError
from indexer.types import JobInfo
from ui.services.access import Access

if TYPE_CHECKING:
    from indexer.library.library import Library


@dataclass(frozen=True)
class Home:
    """Where the vectors are, and where a move has left a copy, as in a sentence; None: nowhere."""

    place: str
    is_embedded: bool
    copy: str | None = None


def look(library: "Library") -> Home:
    """As it is now."""
    from indexer.library.home import EMBEDDED, former_home, in_words, recorded_home

    home, former = recorded_home(library.catalog) or EMBEDDED, former_home(library.catalog)
    return Home(in_words(home), home == EMBEDDED, None if former is None else in_words(former))


def move(library: "Library", access: Access, address: str | None) -> JobInfo:
    """Bring the vectors to an address, or into the data folder, in the background.

    Raises:
        NotOfferedError: a visitor asks.
        StoreError: the address is none, or they are there already.
    """
    access.require("home", address or "")
    if address is not None and not address.strip():
        raise StoreError("Type the address of a Qdrant server, for example qdrant.internal:6333.")
    return library.vectors.submit_move(library.jobs, address and address.strip())


def delete_copy(library: "Library", access: Access) -> int:
    """Delete what a move has left behind; how many sets of vectors. Errors as of ``move``."""
    access.require("home", "")
    return library.vectors.discard_former()
