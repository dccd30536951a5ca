"""The terminal verb move: vectors to another home, without embedding anything again."""

import argparse
from typing import TYPE_CHECKING

from indexer.cli import common as cli

if TYPE_CHECKING:
    from indexer.library.library import Library


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
    with cli.open_library(args) as library:
        return _discard(library, args) if args.discard_old else _move(library, args)


def _move(library: "Library", args: argparse.Namespace) -> int:
    from indexer.library.home import EMBEDDED, in_words, recorded_home

    former = recorded_home(library.catalog) or EMBEDDED
    address = None if args.to == EMBEDDED else args.to
    moved = library.vectors.move(address, server=cli.server_settings(args), progress=cli.show_progress)
    cli.end_progress()
    home = recorded_home(library.catalog) or EMBEDDED
    if args.json:
        cli.print_json({"from": former, "to": home, "sets": moved.sets, "points": moved.points})
    else:
        print(
            f"{moved.points} points in {moved.sets} sets of vectors are {in_words(home)} now. The copy "
            f"{in_words(former)} is kept; delete it with: python app.py move --discard-old"
        )
    return 0


def _discard(library: "Library", args: argparse.Namespace) -> int:
    from indexer.library.home import former_home, in_words

    former = former_home(library.catalog)
    dropped = library.vectors.discard_former()
    if args.json:
        cli.print_json({"discarded": dropped, "home": former})
    else:
        print(f"{dropped} sets of vectors {in_words(former or '')} are deleted")
    return 0
