"""The terminal verb similar: what is nearest to a document. What verbs share is in ``indexer.cli.common``."""

import argparse
from pathlib import Path

from indexer.cli import common as cli
from indexer.cli.documents import hit_words, result_json
from indexer.types import closest_first


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "documents nearest in meaning to one that is there, in any language"
    similar = verbs.add_parser("similar", help=words, description=f"{words[0].upper()}{words[1:]}.")
    similar.add_argument(
        "document",
        metavar="DOCUMENT[#N]",
        help="a file that was added, or a document as search shows it; #N: only its N-th passage",
    )
    similar.add_argument(
        "--at",
        type=int,
        metavar="N",
        help="only the passage with this character, as search --json counts",
    )
    similar.add_argument(
        "--other-languages", action="store_true", help="only passages in other languages than the document is"
    )
    similar.add_argument("--top-k", type=cli.positive, default=10, metavar="N", help="default: %(default)s")
    similar.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    cli.add_data_options(similar, with_model=False)
    cli.add_store_options(similar)
    similar.add_argument("--json", action="store_true", help="print JSON")
    similar.set_defaults(run=run_similar, model=None)


def run_similar(args: argparse.Namespace) -> int:
    """Print the nearest documents; none is an answer and exits 0."""
    with cli.open_or_ask(args) as library:
        result = library.similar_to(
            args.document,
            collection=args.collection,
            folder=Path.cwd(),
            at=args.at,
            top_k=args.top_k,
            in_other_languages=args.other_languages,
        )
    if args.json:
        cli.print_json(result_json(result))
        return 0
    hits = closest_first(result)
    for rank, hit in enumerate(hits, start=1):
        print(hit_words(rank, hit, with_confidence=False))
    if not hits:
        print("Nothing else is there" + (" in another language." if args.other_languages else "."))
    return 0
