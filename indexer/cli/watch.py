"""The terminal verb watch: folders that collections follow. What verbs share is in ``indexer.cli.common``."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.cli import common as cli
from indexer.types import JobInfo

if TYPE_CHECKING:
    from indexer.library.library import Library
    from indexer.library.watching import WatchedFolder

TELL_EVERY_S = 0.5


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "keep folders and a collection in step, until interrupted or for as long as the app runs"
    watch = verbs.add_parser("watch", help=words, description=f"{words[0].upper()}{words[1:]}.")
    watch.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="none: those on the list")
    watch.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    watch.add_argument("--poll", action="store_true", help="look for changes, as network drives need it")
    watch.add_argument("--stop", action="store_true", help="take the folders off the list; documents stay")
    watch.add_argument("--list", action="store_true", help="only show the list")
    cli.add_data_options(watch)
    cli.add_store_options(watch)
    cli.add_neutral_option(watch)
    watch.add_argument("--json", action="store_true", help="print the list as JSON")
    watch.set_defaults(run=run_watch)


def run_watch(args: argparse.Namespace) -> int:
    """Put folders on the list and watch, or have the app that runs do so."""
    folders = [str(folder.expanduser().absolute()) for folder in args.folders]
    is_brief = args.stop or args.list
    with cli.open_or_ask(args, resume_jobs=not is_brief) as library:
        if args.stop:
            for folder in folders:
                library.watching.remove(folder)
        elif folders and not args.list:
            library.watching.add(folders, args.collection, polls=args.poll)
        _print(library.watching.folders(), as_json=args.json)
        if is_brief or library.is_elsewhere:
            return 0
        _follow(library)
    return 0


def _print(folders: "Sequence[WatchedFolder]", *, as_json: bool) -> None:
    if as_json:
        cli.print_json(
            [
                {
                    "path": item.path, "collection": item.collection, "polls": item.polls,
                    "paused": item.is_paused, "trouble": item.trouble,
                    "looked_at": item.looked_at and item.looked_at.isoformat(),
                }
                for item in folders
            ]
        )  # fmt: skip
        return
    for item in folders:
        state = "paused" if item.is_paused else item.trouble or "watched"
        print(f"{item.path} -> {item.collection}: {state}", flush=True)
    if not folders:
        print("No folder is watched. Name one: app.py watch DIR", flush=True)


def _follow(library: "Library") -> None:
    """Tell what is done, until interrupted."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    told = {job.id for job in library.jobs.list() if job.finished_at}
    while not stop.wait(TELL_EVERY_S):
        for job in library.jobs.list():
            if job.finished_at and job.id not in told:
                told.add(job.id)
                _tell(job)


def _tell(job: JobInfo) -> None:
    print(f"{job.label}: {job.message or job.state}", file=sys.stderr, flush=True)
