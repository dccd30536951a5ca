"""The terminal verbs about documents: add, search, encode, doctor. Results on stdout, progress on stderr.

What verbs share is in ``indexer.cli.common``.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.cli import common as cli
from indexer.errors import ReadError
from indexer.ingest.report import KEPT
from indexer.ingest.scan import expanded
from indexer.progress import duration
from indexer.types import Filters, Hit, SearchResult, closest_first

if TYPE_CHECKING:
    from indexer.ingest.pipeline import AddReport
    from indexer.library.library import Library


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verbs of this package; each parser carries its handler as ``run``."""
    add = _verb(verbs, "add", run_add, "index files and folders: what is new, changed or gone")
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file, folder or zip archive")
    add.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    add.add_argument(
        "--yes",
        action="store_true",
        help="remove also the documents of a folder that lost most of its files at once, as one does whose "
        "drive is unplugged; without it they are kept",
    )
    add.add_argument(
        "--check",
        action="store_true",
        help="look into every file: `cp -p` and some sync tools change a file and keep its size and time, by "
        "which it is known otherwise",
    )
    cli.add_neutral_option(add)

    search = _verb(verbs, "search", run_search, "find passages for a question in any language")
    search.add_argument("query", metavar="TEXT", help="question or words")
    search.add_argument("--collection", default=cli.DEFAULT_COLLECTION, help="default: %(default)s")
    search.add_argument(
        "--language",
        action="append",
        default=[],
        metavar="LANGUAGE",
        help="only hits in this language, as a code or a name: de, pt-BR, zh-TW, German, 日本語; repeatable",
    )
    search.add_argument(
        "--top-k", type=cli.positive, default=10, metavar="N", help="hits, default: %(default)s"
    )
    search.add_argument(
        "--mode", choices=("hybrid", "dense", "lexical"), default="hybrid", help="default: %(default)s"
    )

    encode = _verb(verbs, "encode", _run_encode, "one text per line to float32 vectors", with_store=False)
    encode.add_argument("file", metavar="FILE", help="UTF-8 text, one text per line; - reads standard input")
    encode.add_argument("--role", choices=("query", "passage"), required=True, help="prefix that texts get")
    encode.add_argument("--out", type=Path, required=True, metavar="VECTORS.npy", help="float32 [N, D]")

    doctor = _verb(verbs, "doctor", run_doctor, "check the data folder: catalog against vectors, disk, locks")
    doctor.add_argument("--repair", action="store_true", help="repair what can be repaired")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    words: str,
    *,
    with_store: bool = True,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
    cli.add_data_options(parser)
    if with_store:
        cli.add_store_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


def run_add(args: argparse.Namespace) -> int:
    """Index paths and report what changed; 1 when a file could not be read."""
    paths = [expanded(path) for path in args.paths]
    missing = [str(given) for given, path in zip(args.paths, paths, strict=True) if not os.path.lexists(path)]
    if missing:
        raise ReadError(
            f"There is nothing at {', '.join(missing)}. Expected files or folders. "
            "Check the spelling; documents of what was moved or deleted go with `app.py remove PATH`."
        )
    with cli.open_or_ask(args) as library:
        if args.model:
            library.require_model(args.collection)
        line = cli.ProgressLine(lambda seconds: _suggest_fast(library, args.collection, seconds))
        report = library.add(
            paths, args.collection, progress=line, prune=True, is_sure=args.yes, check=args.check
        )
        cli.end_progress()
        library.warm(args.collection)
    if args.json:
        cli.print_json(report_json(report))
    else:
        print(_report_words(report))
        for path, reason in report.failures:
            print(f"  {path}: {reason}")
        for folder, count in report.kept:
            print(
                f"  {folder}: lost most of its files at once; {count} of its documents are kept. "
                "If they are gone for good, add it again with --yes."
            )
    return 1 if report.failures else 0


def run_search(args: argparse.Namespace) -> int:
    """Print ranked hits; no hit is an answer and exits 0."""
    where = Filters(languages=tuple(args.language))
    with cli.open_or_ask(args) as library:
        if args.model:
            library.require_model(args.collection)
        result = library.search(
            args.query, collection=args.collection, mode=args.mode, top_k=args.top_k, where=where
        )
    for notice in result.notices:
        print(notice, file=sys.stderr)
    if args.json:
        cli.print_json(result_json(result))
        return 0
    if not result.can_tell:
        print("Closest passages:")
    elif not result.hits:
        print("Nothing relevant found." + (" The closest passages:" if result.weak_hits else ""))
    shown = result.hits or result.weak_hits if result.can_tell else closest_first(result)
    for rank, hit in enumerate(shown, start=1):
        print(hit_words(rank, hit, with_confidence=result.can_tell))
    return 0


def _run_encode(args: argparse.Namespace) -> int:
    from indexer.cli.encode import run_encode

    return run_encode(args)


def run_doctor(args: argparse.Namespace) -> int:
    """Check the data folder; 1 when something is wrong and was not repaired."""
    with cli.open_library(args) if args.repair else cli.open_or_ask(args) as library:
        findings = library.doctor(repair=args.repair)
    if args.json:
        cli.print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            level = "repaired" if finding.repaired else finding.level
            print(f"{level:<9}{finding.check}: {finding.message} {finding.advice}".rstrip())
    return 1 if any(finding.level == "error" and not finding.repaired for finding in findings) else 0


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit with the contract's field names."""
    return {
        "score": round(hit.score, 6),
        "confidence": hit.confidence,
        "document": hit.document,
        "title": hit.title,
        "collection": hit.collection,
        "language": hit.language,
        "page": hit.page,
        "start": hit.start,
        "end": hit.end,
        "text": hit.text,
    }


def result_json(result: SearchResult) -> dict[str, Any]:
    """A search with the contract's field names; hits that are weak or less come after the others.

    Where meaning cannot tell relevant passages in this collection (``SearchResult.can_tell``), ``confidence``
    only says how many of the question's words stand in the passage.
    """
    return {
        "query": result.query,
        "language": result.language,
        "took_ms": round(result.took_ms, 1),
        "hits": [hit_json(hit) for hit in (*result.hits, *result.weak_hits)],
    }


def report_json(report: "AddReport") -> dict[str, Any]:
    """What an ingest did, for machines."""
    facts = asdict(report)
    facts["seconds"] = round(report.seconds, 2)
    facts["kept"] = [{"folder": folder, "documents": count} for folder, count in report.kept]
    facts["failures"] = [{"document": path, "reason": reason} for path, reason in report.failures]
    return facts


def _report_words(report: "AddReport") -> str:
    counts = {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "renamed": report.renamed,
        "removed": report.removed,
        "skipped (no reader)": report.skipped,
        "failed": len(report.failures),
        "with warnings": report.warned,
        KEPT: report.kept_count,
    }
    done = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing to do"
    return f"{done}; {report.chunks} passages indexed in {report.seconds:.1f} s"


def hit_words(rank: int, hit: Hit, *, with_confidence: bool) -> str:
    """A hit for people, in three lines."""
    where = f", p. {hit.page}" if hit.page is not None else f", {hit.section}" if hit.section else ""
    text = " ".join(hit.text.split())
    shown = text if len(text) <= 300 else text[:299] + "…"
    confidence = f"{hit.confidence} " if with_confidence else ""
    return (
        f"{rank}. {hit.title or hit.document}{where} [{hit.language}] {confidence}{hit.score:.4f}\n"
        f"   {hit.document}\n   {shown}"
    )


def _suggest_fast(library: "Library", collection: str, seconds: float) -> None:
    """One hint, unless the collection's model is the fast one."""
    model = next((item.model for item in library.collections() if item.name == collection), "fast")
    if model == "fast":
        return
    name = shlex.quote(collection)
    words = duration(seconds)
    print(
        f"{words[0].upper()}{words[1:]} left. Faster: interrupt, run `app.py use fast --collection {name}`, "
        f"and add again; `app.py use {model} --collection {name}` embeds with the better model later.",
        file=sys.stderr,
    )
