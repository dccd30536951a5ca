"""The terminal verb jobs: long work that runs, waits or has ended; also work in processes of its own."""

import argparse
from datetime import datetime

from indexer.cli import common as cli
from indexer.types import JobInfo


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb; its parser carries the handler as ``run``."""
    words = "list jobs, the newest first, or cancel one"
    parser = verbs.add_parser("jobs", help=words, description=f"{words[0].upper()}{words[1:]}.")
    parser.add_argument("--cancel", metavar="ID", help="ask this job to stop; the start of its id will do")
    cli.add_data_options(parser, with_model=False)
    cli.add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_jobs, model=None)


def run_jobs(args: argparse.Namespace) -> int:
    """Print all jobs; with ``--cancel``, the one that was asked to stop."""
    from ui.services.jobs import find_job, follow_runs, job_json

    with cli.open_or_ask(args) as library:
        follow_runs(library)
        jobs = library.jobs.list()
        if args.cancel:
            job = find_job(jobs, args.cancel)
            library.jobs.cancel(job.id)
            jobs = [library.jobs.get(job.id)]
    if args.json:
        cli.print_json([job_json(job) for job in jobs])
    else:
        print("\n".join(map(_line, jobs)) or "No jobs.")  # noqa: T201 - the answer of a command
    return 0


def _line(job: JobInfo) -> str:
    started = datetime.fromtimestamp(job.created_at.timestamp())
    far = f" {100 * job.done / job.total:.0f} %" if job.state == "running" and job.total else ""
    words = [job.id[:8], f"{started:%Y-%m-%d %H:%M}", f"{job.state}{far}", job.label]
    return "  ".join([*words, *([job.message] if job.message else [])])
