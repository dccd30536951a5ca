"""The terminal verb remove: documents out of a collection. What verbs share is in ``indexer.cli.common``."""

import argparse
from pathlib import Path

from indexer.cli import common as cli

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
    remove.add_argument("--json", action="store_true", help="print JSON")
    remove.set_defaults(run=run_remove, model=None)


def run_remove(args: argparse.Namespace) -> int:
    """Remove what is named. A name that means no document is an error, and then nothing is removed."""
    with cli.open_or_ask(args) as library:
        paths = library.remove_named(args.names, args.collection, folder=Path.cwd())
    if args.json:
        cli.print_json({"collection": args.collection, "removed": len(paths), "documents": paths})
    else:
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        print(f"{len(paths)} removed: {', '.join(paths[:_SHOWN])}{more}")
    return 0
