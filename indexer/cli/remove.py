"""The terminal verb remove: documents out of a collection. What verbs share is in ``indexer.cli.common``."""

import argparse
from typing import TYPE_CHECKING

from indexer.cli import common as cli
from indexer.errors import QueryError

if TYPE_CHECKING:
    from indexer.catalog.records import DocumentPlace
    from indexer.library.library import Library

_SHOWN = 5


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "take documents out of a collection; the files they were read from stay"
    remove = verbs.add_parser("remove", help=words, description=f"{words[0].upper()}{words[1:]}.")
    remove.add_argument(
        "names",
        nargs="+",
        metavar="PATH|DOCUMENT",
        help="file, folder or archive that was added, whether it is still there or not; or a document as "
        "search shows it",
    )
    remove.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    cli.add_data_options(remove, with_model=False)
    cli.add_store_options(remove)
    remove.add_argument("--json", action="store_true", help="for machines")
    remove.set_defaults(run=run_remove, model=None)


def run_remove(args: argparse.Namespace) -> int:
    """Remove what is named. A name that means no document is an error, and then nothing is removed."""
    with cli.open_library(args) as library:
        chosen = _chosen(library, args.collection, args.names)
        count = library.remove(list(chosen))
    paths = sorted(chosen.values())
    if args.json:
        cli.print_json({"collection": args.collection, "removed": count, "documents": paths})
    else:
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        print(f"{count} removed: {', '.join(paths[:_SHOWN])}{more}")
    return 0


def _chosen(library: "Library", collection: str, names: list[str]) -> dict[str, str]:
    """Paths of the documents that are named, by id.

    Raises:
        CollectionError: there is no such collection.
        QueryError: a name means no document.
    """
    from indexer.ingest.find import named_documents

    places = library.catalog.document_places(library.catalog.collection(collection).id)
    chosen: dict[str, str] = {}
    unknown = []
    for name in names:
        found = named_documents(places, name, library.files)
        chosen |= {one.id: one.path for one in found}
        if not found:
            unknown.append(name)
    if unknown:
        raise QueryError(
            f"Collection {collection!r} has no document {', '.join(map(repr, unknown))}. Expected a file or "
            "folder that was added, or a document as search shows it. Nothing was removed."
            f"{_elsewhere(library, collection, unknown)}"
        )
    return chosen


def _elsewhere(library: "Library", collection: str, names: list[str]) -> str:
    """A hint at other collections that have these documents."""
    from indexer.ingest.find import named_documents

    others: list[str] = []
    for other in library.collections():
        if other.name != collection:
            places: list[DocumentPlace] = library.catalog.document_places(other.id)
            if any(named_documents(places, name, library.files) for name in names):
                others.append(other.name)
    return f" Found in {', '.join(map(repr, others))}: choose it with --collection." if others else ""
