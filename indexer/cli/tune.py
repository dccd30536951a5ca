"""The terminal verb tune: how collections lie on a Qdrant server, changed while they are used."""

import argparse
import sys

from indexer.cli import common as cli


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "change copies, quantisation or storage of collections on a Qdrant server; searches go on"
    tune = verbs.add_parser("tune", help=words, description=f"{words[0].upper()}{words[1:]}.")
    tune.add_argument("collection", nargs="*", metavar="COLLECTION", help="default: all")
    cli.add_data_options(tune, with_model=False)
    cli.add_store_options(tune)
    tune.add_argument(
        "--qdrant-in-memory", action="store_false", dest="qdrant_on_disk", default=None,
        help="keep the originals in memory again",
    )  # fmt: skip
    tune.set_defaults(run=run_tune, model=None)


def run_tune(args: argparse.Namespace) -> int:
    """Change what the options name, and wait until the server is done."""
    from indexer.store.settings import Layout

    layout = Layout(args.qdrant_replicas, args.qdrant_quantization, args.qdrant_on_disk)
    if layout.is_empty:
        options = "--qdrant-replicas, --qdrant-quantization, --qdrant-on-disk or --qdrant-in-memory"
        print(f"error: nothing to change; give {options}", file=sys.stderr)
        return 1
    with cli.open_library(args) as library:
        names = args.collection or [info.name for info in library.collections()]
        if not names:
            print("There are no collections yet; those to come take the options they are made with.")
        for name in names:
            library.vectors.tune(name, layout, progress=cli.show_progress)
            cli.end_progress()
            print(f"{name}: done")
    return 0
