"""The terminal verb mcp: the library for an assistant, over standard input and output."""

import argparse

from indexer.cli import common as cli
from indexer.errors import IndexerError


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "the library for an assistant: a server of the Model Context Protocol on standard input"
    parser = verbs.add_parser("mcp", help=words, description=f"{words[0].upper()}{words[1:]}.")
    parser.add_argument("--write", action="store_true", help="the assistant may add files of this computer")
    cli.add_data_options(parser)
    cli.add_store_options(parser)
    cli.add_neutral_option(parser)
    parser.set_defaults(run=run_mcp)


def run_mcp(args: argparse.Namespace) -> int:
    """Answer until standard input ends.

    Raises:
        IndexerError: the package ``mcp`` is missing.
    """
    try:
        from indexer.cli.mcp_tools import Desk, build_server
    except ImportError as error:
        raise IndexerError(
            "The package mcp is not installed. Install it: pip install -c constraints.txt '.[mcp]'"
        ) from error
    desk = Desk(lambda: cli.open_or_ask(args))
    try:
        build_server(desk, may_write=args.write).run("stdio")
    finally:
        desk.close()
    return 0
