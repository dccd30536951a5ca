"""The terminal verb move: vectors to another home, without embedding anything again."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from indexer.cli import common as cli
from indexer.errors import StoreError

if TYPE_CHECKING:
    from indexer.library.library import Library
    from indexer.store.protocol import VectorStore


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "copy the vectors to a Qdrant server, or back, and use them there; nothing is embedded again"
    move = verbs.add_parser("move", help=words, description=f"{words[0].upper()}{words[1:]}.")
    what = move.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", metavar="URL|embedded", help="the new home; the copy in the old one is kept")
    what.add_argument("--discard-old", action="store_true", help="delete the copy in the former home")
    cli.add_data_options(move, with_model=False)
    cli.add_store_options(move)
    move.add_argument("--json", action="store_true", help="print JSON")
    move.set_defaults(run=run_move, model=None)


def run_move(args: argparse.Namespace) -> int:
    """Move, or delete what a move has left."""
    from indexer.library.home import EMBEDDED, in_words, is_home, recorded_home

    with cli.open_library(args) as library:
        if args.discard_old:
            return _discard(library, args)
        source = recorded_home(library.catalog) or EMBEDDED
        address = None if args.to == EMBEDDED else args.to
        if is_home(source, address):
            raise StoreError(f"The vectors are {in_words(source)} already. Name another home with --to.")
        target = _open(library, address, args)
        try:
            return _move(library, target, source, address, args)
        finally:
            target.close()


def _move(
    library: "Library", target: "VectorStore", source: str, address: str | None, args: argparse.Namespace
) -> int:
    from indexer.library.home import EMBEDDED, in_words, record_move, recorded_home
    from indexer.library.moving import move_vectors

    def show(collection: str, done: int, total: int) -> None:
        cli.show_progress(done, total, "points", collection)

    with library.writing:
        moved = move_vectors(library.catalog, library.store, target, on_progress=show)
        record_move(library.catalog, address, source)
    cli.end_progress()
    home = recorded_home(library.catalog) or EMBEDDED
    if args.json:
        cli.print_json({"from": source, "to": home, "sets": moved.names, "points": moved.points})
    else:
        print(
            f"{moved.points} points in {moved.names} sets of vectors are {in_words(home)} now. The copy "
            f"{in_words(source)} is kept; delete it with: python app.py move --discard-old"
        )
    return 0


def _discard(library: "Library", args: argparse.Namespace) -> int:
    from indexer.library.home import EMBEDDED, forget_former, former_home, in_words
    from indexer.library.moving import discard_vectors

    former = former_home(library.catalog)
    if former is None:
        print("error: no move has left a copy behind", file=sys.stderr)
        return 1
    store = _open(library, None if former == EMBEDDED else former, args)
    try:
        dropped = discard_vectors(library.catalog, store)
    finally:
        store.close()
    forget_former(library.catalog)
    if args.json:
        cli.print_json({"discarded": dropped, "home": former})
    else:
        print(f"{dropped} sets of vectors {in_words(former)} are deleted")
    return 0


def _open(library: "Library", address: str | None, args: argparse.Namespace) -> "VectorStore":
    """A second home beside that of the library, whose folder is locked already."""
    from indexer.library.opening import API_KEY
    from indexer.store import open_store

    return open_store(
        library.data_dir,
        qdrant_url=address,
        api_key=os.environ.get(API_KEY),
        reserve_bytes=library.reserve_bytes,
        server=cli.server_settings(args),
        lock=library.lock,
    )
