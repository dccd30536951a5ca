"""The one entry point: ``app.py`` opens the browser app, ``app.py VERB`` works in the terminal."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from indexer.addresses import hide_passwords
from indexer.bitext import cli as mining
from indexer.cli import common as cli
from indexer.cli import documents as cli_documents
from indexer.cli import mcp_verb
from indexer.cli import models as cli_models
from indexer.cli import move as cli_move
from indexer.cli import remove as cli_remove
from indexer.cli import similar as cli_similar
from indexer.cli import tune as cli_tune
from indexer.cli import watch as cli_watch
from indexer.cli import worker as cli_worker
from indexer.errors import IndexerError
from trainer import cli as training
from trainer.data.text_files import find_codecs_with
from trainer.evaluation import cli as evaluation
from ui import jobs_verb

if TYPE_CHECKING:
    from indexer.library.evaluation import Product
    from indexer.library.library import Library

VERBS = (
    "serve",
    "add",
    "remove",
    "move",
    "tune",
    "worker",
    "watch",
    "mcp",
    "search",
    "similar",
    "encode",
    "mine",
    "models",
    "use",
    "pairs",
    "doctor",
    "train",
    "evaluate",
    "jobs",
)


class _Parser(argparse.ArgumentParser):
    """Quotes wrong options without the passwords in them."""

    def error(self, message: str) -> NoReturn:
        super().error(hide_passwords(message))


def build_parser() -> argparse.ArgumentParser:
    """All verbs; heavy libraries are imported by the verb that runs."""
    parser = _Parser(
        prog="app.py",
        description="Search documents in many languages by meaning. Without a verb: serve.",
        epilog="`app.py VERB --help` shows the options of a verb.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    serve = verbs.add_parser("serve", help="the browser app; prints its address once it answers")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    serve.add_argument("--auth-file", type=Path, metavar="F", help="lines user:password; for a public host")
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="also answer under this name, for example that of a proxy; may be repeated",
    )  # fmt: skip
    cli.add_data_options(serve)
    cli.add_store_options(serve)
    cli.add_neutral_option(serve)
    serve.add_argument(
        "--role", choices=("all", "search"), default="all",
        help="search: leave indexing and other work to the workers of the same database",
    )  # fmt: skip
    serve.set_defaults(run=run_serve)
    cli_documents.add_verbs(verbs)
    cli_remove.add_verb(verbs)
    cli_similar.add_verb(verbs)
    cli_move.add_verb(verbs)
    cli_tune.add_verb(verbs)
    cli_worker.add_verb(verbs)
    cli_watch.add_verb(verbs)
    mcp_verb.add_verb(verbs)
    mining.add_verb(verbs)
    cli_models.add_verbs(verbs)
    training.add_verb(verbs)
    jobs_verb.add_verb(verbs)
    evaluation.add_verb(verbs, {"product": open_product}, (IndexerError,))
    return parser


def open_product(name: str, progress: Callable[[str, int, int], None] | None) -> "Product":
    """The whole product as a model of ``evaluate``: ``product``, perhaps with ``:MODEL`` and ``:MODE``."""
    from indexer.library.evaluation import open_product as open_by_name

    return open_by_name(name, progress)


def find_codec(path: Path) -> str:
    """The encoding of a text file, for the trainer; OSError where it is no text."""
    from indexer.readers import Source
    from indexer.readers.encoding import detect_source

    try:
        return detect_source(Source(path.name, path))
    except IndexerError as error:
        raise OSError(str(error)) from error


@contextmanager
def open_for_page(args: argparse.Namespace) -> "Iterator[Library]":
    """The library, which also answers the terminal while the page runs."""
    from indexer.cli.running import listening
    from ui.services.jobs import follow_runs

    stores = (args.qdrant_url, args.database_url)
    with cli.open_library(args, resume_jobs=True, role=args.role) as library, listening(library, stores):
        follow_runs(library)
        yield library


def run_serve(args: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    from ui.errors import UiError
    from ui.serve import Address, serve

    data_dir = (args.data or cli.default_data_dir()).expanduser().absolute()
    try:
        serve(
            lambda: open_for_page(args),
            data_dir,
            Address(args.host, args.port, args.auth_file, tuple(args.allow_host)),
            announce=lambda url: print(f"Running at {url}", flush=True),
        )
    except UiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; 0 only on success."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["serve", *words]
    args = build_parser().parse_args(words)
    find_codecs_with(find_codec)
    if args.verb == "evaluate":  # the trainer knows no data folder
        args.model, args.compare = (cli.locate_models(args, name) for name in (args.model, args.compare))
    if args.verb == "train":
        args.locate = partial(cli.model_location, args)
    level = logging.INFO if args.verb == "serve" else logging.WARNING
    logging.basicConfig(level=os.environ.get("ME5_LOG", level), format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpcore", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return cli.run_safely(args)


if __name__ == "__main__":
    sys.exit(main())
