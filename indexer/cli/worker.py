"""The terminal verb worker: a process without a page that does the work of a shared library."""

import argparse
import signal
import sys
import threading

from indexer.cli import common as cli


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "do the jobs of a library that several machines share, without a page, until interrupted"
    worker = verbs.add_parser("worker", help=words, description=f"{words[0].upper()}{words[1:]}.")
    cli.add_data_options(worker)
    cli.add_store_options(worker)
    worker.set_defaults(run=run_worker)


def run_worker(args: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM; what is under way then goes back to the queue."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with cli.open_library(args, resume_jobs=True, role="worker") as library:
        library.jobs.start()
        print(f"Working for {library.catalog.database.describe()}", file=sys.stderr, flush=True)
        stop.wait()
    return 0
